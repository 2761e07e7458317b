"""Apps in workspaces: their packages are installed at the root with its lock file, so that no public registry is queried for an internal package. Pure.

A workspace is what npm, pnpm and yarn call one, or a `go.work`. The whole tree stays in the build, and commands of the app run in its folder.
"""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any

from landfall.builds.detect.tree import Tree, json_of
from landfall.builds.languages.base import LEFT_OUT, Layer
from landfall.builds.languages.go import workspace_folders
from landfall.builds.plan import BuildPlan

_SHARED = (
    *("package-lock.json", "npm-shrinkwrap.json", "pnpm-lock.yaml", "yarn.lock", "bun.lock", "bun.lockb", "pnpm-workspace.yaml"),
    *(".npmrc", ".yarnrc", ".yarnrc.yml", ".nvmrc", ".node-version", ".tool-versions", "mise.toml", ".mise.toml", "go.work"),
)
_FIELDS = ("packageManager", "engines", "volta", "devEngines")
_GROUPS = ("dependencies", "devDependencies", "optionalDependencies")


@dataclass(frozen=True, slots=True)
class Member:
    """The files of one app of a workspace, with the lock file and the version files of the root."""

    whole: Tree
    path: str

    @property
    def paths(self) -> frozenset[str]:
        """Every file."""
        paths = {p.removeprefix(f"{self.path}/") for p in self.whole.paths if p.startswith(f"{self.path}/")}
        return frozenset(paths | {name for name in _SHARED if name in self.whole.paths})

    def text(self, path: str) -> str:
        """Return the text of a file; empty if it does not exist, is too large, or is not text."""
        inside = f"{self.path}/{path}"
        if inside not in self.whole.paths:
            return self.whole.text(path) if path in _SHARED else ""
        return _with_fields(self.whole, inside) if path == "package.json" else self.whole.text(inside)


def _with_fields(whole: Tree, path: str) -> str:
    """A package.json with what it does not say itself from that of the root."""
    manifest, root = json_of(whole, path), json_of(whole, "package.json").data
    if manifest.problem:
        return whole.text(path)
    return json.dumps({**{name: root[name] for name in _FIELDS if name in root}, **manifest.data})


def is_member(tree: Tree, path: str) -> bool:
    """Return whether a folder is an app of the workspace at the root of a tree."""
    path = posixpath.normpath(path)
    if path in {".", ""}:
        return False
    if f"{path}/go.mod" in tree.paths and path in workspace_folders(tree):
        return True
    return f"{path}/package.json" in tree.paths and _included(path, list(_patterns(tree)))


def _patterns(tree: Tree) -> Iterator[str]:
    """The patterns of the folders that belong to a workspace; with an exclamation mark those that do not."""
    declared = json_of(tree, "package.json").data.get("workspaces")
    listed = declared.get("packages") if isinstance(declared, dict) else declared
    yield from (str(item) for item in listed) if isinstance(listed, list) else ()
    block = re.search(r"^packages:[ \t]*\n((?:[ \t]*(?:-.*|#.*)?\n?)+)", tree.text("pnpm-workspace.yaml"), re.MULTILINE)
    for line in (block.group(1) if block else "").splitlines():
        item = re.match(r"\s*-\s*[\"']?([^\"'#]+?)[\"']?\s*(#.*)?$", line)
        if item:
            yield item.group(1)


def _included(path: str, patterns: list[str]) -> bool:
    matched = False
    for pattern in patterns:
        path_pattern = posixpath.normpath(pattern.removeprefix("!"))
        if _matches(path, path_pattern):
            matched = not pattern.startswith("!")
    return matched


def _matches(path: str, pattern: str) -> bool:
    if "**" in pattern:
        return fnmatchcase(path, pattern.replace("/**", "/*").replace("**", "*"))
    return fnmatchcase(path, pattern) and path.count("/") == pattern.count("/")


def of_the_whole(tree: Tree, path: str, plan: BuildPlan) -> BuildPlan:
    """Return the plan of an app as a plan of the whole workspace.

    Args:
        tree: The whole workspace.
        path: The folder of the app in it.
        plan: The plan of the app as if its folder were the root.
    """
    path = posixpath.normpath(path)
    start, build = plan.start, plan.build
    if plan.framework == "nextjs" and start == "node server.js":  # its standalone server lies elsewhere in a workspace
        start = "next start"
        build = tuple(command.replace("NEXT_PRIVATE_STANDALONE=true ", "") for command in build)
    before = _builds_before(tree, path, plan)
    node = plan.runtime == "node"
    site = not start
    output = posixpath.normpath(posixpath.join(path, plan.output or ".")) if site else ""
    note = f"the workspace is installed at its root, and {path} is built and started in its folder"
    return replace(
        plan,
        install=plan.install if node else tuple(f"cd {path} && {command}" for command in plan.install),
        build=(*before, *(f"cd {path} && {command}" for command in build)),
        start="" if site else f"cd {path} && {start}",
        output=output,
        layers=(Layer("site", (output,), LEFT_OUT, (output,)),) if site else (Layer("app", (".",), LEFT_OUT),),
        paths=(*(f"{path}/{folder}" for folder in plan.paths), *plan.paths),
        keys=(),
        packages="",
        notes=(*plan.notes, note),
    )


def _builds_before(tree: Tree, path: str, plan: BuildPlan) -> tuple[str, ...]:
    """The builds of the internal packages that an app depends on, in their order."""
    members = {
        name: folder for folder in _members(tree) if (name := str(json_of(tree, f"{folder}/package.json").data.get("name") or ""))
    }
    runs = [re.search(r"((?:\S+=\S+ )*(?:npx --yes \S+(?: yarn)?|npm|pnpm|yarn|bun)) run ", command) for command in plan.build]
    program = next((match.group(1) for match in runs if match), plan.package_manager.split(" ")[0] or "npm")
    program = re.sub(r"NEXT_\w+=\S+ |CI=\S+ |NODE_OPTIONS=\S+ |GCP_\w+=\S+ ", "", program)
    order: list[str] = []
    _visit(tree, path, members, order, set())
    return tuple(f"cd {folder} && {program} run build" for folder in order if folder != path and _has_build(tree, folder))


def _has_build(tree: Tree, folder: str) -> bool:
    scripts = json_of(tree, f"{folder}/package.json").data.get("scripts")
    return isinstance(scripts, dict) and "build" in scripts


def _members(tree: Tree) -> list[str]:
    folders = (p.removesuffix("/package.json") for p in tree.paths if p.endswith("/package.json"))
    return sorted(folder for folder in folders if is_member(tree, folder))


def _visit(tree: Tree, folder: str, members: Mapping[str, str], order: list[str], visited: set[str]) -> None:
    if folder in visited:
        return
    visited.add(folder)
    for name in _dependencies(json_of(tree, f"{folder}/package.json").data):
        if name in members:
            _visit(tree, members[name], members, order, visited)
    order.append(folder)


def _dependencies(data: Mapping[str, Any]) -> list[str]:
    tables = (data.get(group) for group in _GROUPS)
    return sorted({name for table in tables if isinstance(table, dict) for name in table})


def internal(tree: Tree) -> str:
    """Return a dependency that only a workspace has, if the tree is not its root; empty if there is none."""
    data = json_of(tree, "package.json").data
    if list(_patterns(tree)):
        return ""
    for group in _GROUPS:
        table = data.get(group)
        for name, version in (table if isinstance(table, dict) else {}).items():
            if str(version).startswith("workspace:"):
                return str(name)
    return ""
