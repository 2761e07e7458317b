"""What installed packages follow from: the files that decide them, or none where installing may read more than those. Pure.

Packages are kept from build to build by the contents of these files. A file forgotten here is an app that runs on old packages, so whatever
is not known to be harmless keeps nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from landfall.builds.detect.result import Detected
from landfall.builds.detect.tree import Tree, json_of
from landfall.builds.languages.node_packages import is_berry

_NODE = ("package.json", ".npmrc", ".yarnrc", ".yarnrc.yml", "pnpm-workspace.yaml", "bunfig.toml")
_PYTHON = ("requirements.txt", "pyproject.toml", "Pipfile", "uv.toml")
_GO = ("go.mod", "go.sum")
_SCRIPTS = {
    *("preinstall", "install", "postinstall", "prepublish", "preprepare", "prepare", "postprepare", "dependencies"),
}
_GROUPS = ("dependencies", "devDependencies", "optionalDependencies", "peerDependencies")
_PROTOCOL = re.compile(r'"(file|link|portal|patch|workspace|exec):')  # of the app's own tree, as the next
_PATH = re.compile(r"[.~]{0,2}/")
_OWN = re.compile(r"\b(path|workspace|editable|develop)\s*=|file:")  # a package of the tree, in TOML
_INCLUDED = re.compile(r"\s*(?:-r|-c|--requirement|--constraint)[\s=]*(\S+)")
_REFERENCE = re.compile(r"\s*(-e|--editable|-f|--find-links|[.]|/|[\w.-]+/)|.*file:")
_FROZEN = re.compile(
    r"(npm ci|npm (i|install) --no-save|(pnpm|bun) (i|install) --frozen-lockfile|yarn install --(frozen-lockfile|immutable))"
    r"( --(omit|include)=[a-z]+| --[a-z-]+)*"
)


def plain(command: str) -> bool:
    """Whether an install command of a person's own, or none, does nothing but install what a lock file says."""
    return not command or _FROZEN.fullmatch(command.strip()) is not None


def follows(tree: Tree, found: Detected, command: str = "") -> tuple[str, ...]:
    """The files that the packages follow from, sorted; none where more may decide them."""
    manager = found.package_manager
    if not plain(command) or (manager and is_berry(manager) and not manager.lockfile):
        return ()
    lock = (manager.lockfile,) if manager else ()
    if found.runtime.name == "node":
        return _there(tree, *_NODE, *lock) if _node(tree) else ()
    if found.runtime.name == "python":
        lists = set(_lists(tree, "requirements.txt", frozenset()))
        return _there(tree, *_PYTHON, *lock, *lists) if _python(tree, lists) else ()
    return _there(tree, *_GO) if found.runtime.name == "go" else ()


def _there(tree: Tree, *names: str) -> tuple[str, ...]:
    return tuple(sorted({name for name in names if name in tree.paths}))


def _node(tree: Tree) -> bool:
    read = json_of(tree, "package.json")
    data = read.data
    if read.problem or not data or "workspaces" in data or _SCRIPTS & set(_table(data.get("scripts"))):
        return False
    wanted = (str(version) for group in _GROUPS for version in _table(data.get(group)).values())
    if any(_PATH.match(version) for version in wanted) or _PROTOCOL.search(tree.text("package.json")):
        return False
    manifests = tree.text("package.json") + tree.text("pnpm-workspace.yaml")
    if "patchedDependencies" in manifests or re.search(r"^packages:", tree.text("pnpm-workspace.yaml"), re.MULTILINE):
        return False
    return not {".pnpmfile.cjs", ".pnpmfile.mjs"} & tree.paths


def _table(value: Any) -> dict[str, Any]:  # noqa: ANN401  whatever a manifest holds
    return value if isinstance(value, dict) else {}


def _python(tree: Tree, lists: set[str]) -> bool:
    if "setup.py" in tree.paths and not {"requirements.txt", "pyproject.toml", "Pipfile"} & tree.paths:
        return False  # the project itself is installed
    if any(_OWN.search(tree.text(name)) for name in ("pyproject.toml", "Pipfile", "uv.toml")):
        return False
    if any(name not in tree.paths or not tree.text(name) for name in lists - {"requirements.txt"}):
        return False
    return not any(_REFERENCE.match(line) for name in lists for line in tree.text(name).splitlines())


def _lists(tree: Tree, path: str, seen: frozenset[str]) -> Iterator[str]:
    """A requirements file, and those that it includes."""
    yield path
    here = path.rpartition("/")[0]
    for line in tree.text(path).splitlines():
        included = _INCLUDED.match(line)
        if included:
            name = f"{here}/{included.group(1)}" if here else included.group(1)
            name = re.sub(r"(^|/)(\./)+", r"\1", name)
            if name not in seen:
                yield from _lists(tree, name, seen | {path, name})
