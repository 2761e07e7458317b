"""Node.js apps: build commands, manifest, package manager, and version of Node.js."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from landfall.builds.detect.result import Detected, PackageManager, Version
from landfall.builds.detect.tree import Tree, first, json_of
from landfall.builds.detect.versions import newest
from landfall.builds.languages import node_packages
from landfall.builds.languages.base import Language, Layer, app_layers

_LOCKS = (
    ("pnpm", "pnpm-lock.yaml"),
    ("bun", "bun.lock"),
    ("bun", "bun.lockb"),
    ("yarn", "yarn.lock"),
    ("npm", "package-lock.json"),
    ("npm", "npm-shrinkwrap.json"),
)
_MANAGERS = ("npm", "pnpm", "yarn", "bun")
_FILES = (".nvmrc", ".node-version")
_ENTRIES = ("server", "index", "app", "main")
_CODE = ("js", "mjs", "cjs", "ts", "mts", "cts")


@dataclass(frozen=True, slots=True)
class Node:
    """package.json. `dependencies` are needed at run time, `every` includes those for the build."""

    dependencies: Mapping[str, str] = field(default_factory=dict)
    every: Mapping[str, str] = field(default_factory=dict)
    scripts: Mapping[str, str] = field(default_factory=dict)
    engines: Mapping[str, str] = field(default_factory=dict)
    main: str = ""
    manager: str = ""
    problem: str = ""


def node_of(tree: Tree) -> Node | None:
    """Return the manifest, if there is one."""
    if "package.json" not in tree.paths:
        return None
    read = json_of(tree, "package.json")
    if read.problem:
        return Node(problem=read.problem)
    run = _texts(read.data.get("dependencies"))
    return Node(
        dependencies=run,
        every={**_texts(read.data.get("devDependencies")), **_texts(read.data.get("optionalDependencies")), **run},
        scripts=_texts(read.data.get("scripts")),
        engines=_texts(read.data.get("engines")),
        main=str(read.data.get("main") or ""),
        manager=str(read.data.get("packageManager") or ""),
    )


def _texts(value: object) -> dict[str, str]:
    return {str(k): str(v) for k, v in value.items()} if isinstance(value, dict) else {}


def package_manager(tree: Tree, node: Node) -> tuple[PackageManager, tuple[str, ...]]:
    """Return the package manager and notes: from the field packageManager, then lock files, then engines; the default is npm."""
    locks = [(name, file) for name, file in _LOCKS if file in tree.paths]
    notes = []
    if len({name for name, _ in locks}) > 1:
        notes.append(f"lock files of several package managers found: {', '.join(file for _, file in locks)}")
    told = re.fullmatch(r"(npm|pnpm|yarn|bun)@([^+]+).*", node.manager)
    if told:
        lock = next((file for name, file in locks if name == told.group(1)), "")
        if locks and not lock:
            notes.append(f"packageManager says {told.group(1)}, but the lock file is {locks[0][1]}")
        return PackageManager(told.group(1), told.group(2), "packageManager in package.json", lock), tuple(notes)
    if locks:
        name, file = locks[0]
        return PackageManager(name, _lock_version(tree, name, file), file, file), tuple(notes)
    wanted = next((m for m in _MANAGERS if m in node.engines), "")
    if wanted:
        return PackageManager(wanted, node.engines[wanted], "engines in package.json"), ()
    return PackageManager("npm", "", "default"), ("no lock file found, so versions may differ from build to build",)


def _lock_version(tree: Tree, name: str, file: str) -> str:
    """The major version that wrote a lock file, if the file contains it."""
    if name == "yarn":
        wrote = re.search(r"__metadata:\s*version: (\d+)", tree.text(file)[:400])
        if wrote:
            return {"4": "2", "5": "3", "6": "3"}.get(wrote.group(1), "4")
        return "4" if ".yarnrc.yml" in tree.paths or "__metadata:" in tree.text(file)[:400] else "1"
    if name != "pnpm":
        return ""
    told = re.search(r"lockfileVersion:\s*'?(\d+\.\d+)", tree.text(file)[:400])
    return {"5.3": "6", "5.4": "7", "6.0": "8", "6.1": "8", "9.0": "9"}.get(told.group(1), "") if told else ""


def node_version(tree: Tree, node: Node, known: Sequence[str]) -> Version:
    """Return the version of Node.js: from engines, then .nvmrc and .node-version, then .tool-versions; the default is the newest available one."""
    asked, source = node.engines.get("node", ""), "engines.node in package.json"
    for file in _FILES:
        if not asked and tree.text(file).strip():
            asked, source = tree.text(file).split()[0], file
    if not asked and (told := re.search(r"^nodejs\s+(\S+)", tree.text(".tool-versions"), re.MULTILINE)):
        asked, source = told.group(1), ".tool-versions"
    if not asked:
        return Version("node", "", newest("*", known), "default")
    return Version("node", asked, newest(asked, known), source)


def imports(tree: Tree, package: str) -> str:
    """Return a file near the root that imports a package; empty if none does."""
    pattern = re.compile(rf"""(from\s+|require\(\s*|import\s+|import\(\s*)["']{re.escape(package)}["']""")
    return next((path for path in entries(tree) if pattern.search(tree.text(path))), "")


def entries(tree: Tree) -> list[str]:
    """Return files that usually start a server, the most likely first."""
    names = [f"{folder}{stem}.{end}" for folder in ("", "src/", "server/", "api/") for stem in _ENTRIES for end in _CODE]
    return [n for n in names if n in tree.paths]


def start_of(tree: Tree, node: Node) -> str:
    """Return the start command of a server: its start script, its main file, or a file with a usual name that Node.js can run."""
    if node.scripts.get("start"):
        return node.scripts["start"]
    if node.main and first(tree, node.main, f"{node.main}.js"):
        return f"node {first(tree, node.main, f'{node.main}.js')}"
    plain = [e for e in entries(tree) if not e.endswith("ts")]
    return f"node {plain[0]}" if plain else ""


class _NodeLanguage:
    name = "node"
    versions: tuple[str, ...] = ("20.19.5", "22.20.0", "24.9.0")
    manifests = frozenset({"package.json"})
    version_command: tuple[str, ...] = ("node", "--version")
    version_parts = 1

    def problem(self, tree: Tree) -> str:
        node = node_of(tree)
        return node.problem if node else ""

    def summary(self, tree: Tree) -> str:
        node = node_of(tree)
        return f"package.json depends on {', '.join(sorted(node.dependencies)[:8]) or 'nothing'}" if node else ""

    def version(self, tree: Tree, known: Sequence[str]) -> Version:
        return node_version(tree, node_of(tree) or Node(), known)

    def package_manager(self, tree: Tree) -> tuple[PackageManager | None, tuple[str, ...]]:
        return package_manager(tree, node_of(tree) or Node())

    def install(self, found: Detected) -> tuple[str, ...]:
        return (node_packages.install(found.package_manager),) if found.package_manager else ()

    def build(self, tree: Tree, found: Detected) -> tuple[str, ...]:
        node = node_of(tree)
        if found.package_manager is None or node is None or "build" not in node.scripts:
            return ()
        return (f"{node_packages.program(found.package_manager)} run build",)

    def start(self, command: str) -> str:
        return command

    def env(self) -> Mapping[str, str]:
        return {"NODE_ENV": "production"}

    def layers(self) -> tuple[Layer, ...]:
        return app_layers()

    def packages(self, found: Detected) -> str:
        return "node_modules" if found.package_manager else ""

    def cache_keys(self, tree: Tree, found: Detected) -> tuple[str, ...]:
        return node_packages.cache_keys(tree, found)


NODE: Language = _NodeLanguage()
