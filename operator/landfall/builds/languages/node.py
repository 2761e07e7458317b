"""Node.js apps: build commands, manifest, package manager, and version of Node.js."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from landfall.builds.detect.pins import first_line, tool_versions
from landfall.builds.detect.result import Detected, PackageManager, Version
from landfall.builds.detect.tree import Tree, json_of
from landfall.builds.detect.versions import nearest, newest
from landfall.builds.languages import node_packages
from landfall.builds.languages.base import Language, Layer, app_layers
from landfall.builds.languages.node_scripts import resolved

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
    manager_source: str = "packageManager in package.json"
    wants: tuple[tuple[str, str], ...] = ()
    private: bool = False
    module: bool = False
    problem: str = ""


def node_of(tree: Tree) -> Node | None:
    """Return the manifest, if there is one."""
    if "package.json" not in tree.paths:
        return None
    read = json_of(tree, "package.json")
    if read.problem:
        return Node(problem=read.problem)
    run = _texts(read.data.get("dependencies"))
    manager, source = _manager(read.data)
    return Node(
        dependencies=run,
        every={**_texts(read.data.get("devDependencies")), **_texts(read.data.get("optionalDependencies")), **run},
        scripts=_texts(read.data.get("scripts")),
        engines=_texts(read.data.get("engines")),
        main=str(read.data.get("main") or ""),
        manager=manager,
        manager_source=source,
        wants=_pins(read.data),
        private=read.data.get("private") is True,
        module=read.data.get("type") == "module",
    )


def _engine(data: Mapping[str, object], kind: str) -> Mapping[str, str]:
    """An entry of devEngines; the first of several."""
    table = data.get("devEngines")
    entry = table.get(kind) if isinstance(table, dict) else None
    return _texts(entry[0] if isinstance(entry, list) and entry else entry)


def _manager(data: Mapping[str, object]) -> tuple[str, str]:
    """The package manager that package.json names, as `name@version`, and the field with it."""
    declared = data.get("packageManager")
    if isinstance(declared, str) and declared:
        return declared, "packageManager in package.json"
    engine = _engine(data, "packageManager")
    if engine.get("name") in _MANAGERS:
        return f"{engine['name']}@{engine.get('version') or '*'}", "devEngines.packageManager in package.json"
    volta = _texts(data.get("volta"))
    tool = next((name for name in ("pnpm", "yarn") if volta.get(name)), "")
    return (f"{tool}@{volta[tool]}", "volta in package.json") if tool else ("", "")


def _pins(data: Mapping[str, object]) -> tuple[tuple[str, str], ...]:
    runtime = _engine(data, "runtime")
    requested = runtime.get("version", "") if runtime.get("name") == "node" else ""
    return (
        ("volta.node in package.json", _texts(data.get("volta")).get("node", "")),
        ("devEngines.runtime in package.json", requested),
    )


def _texts(value: object) -> dict[str, str]:
    return {str(k): str(v) for k, v in value.items()} if isinstance(value, dict) else {}


def package_manager(tree: Tree, node: Node) -> tuple[PackageManager, tuple[str, ...]]:
    """Return the package manager and notes: from the field packageManager, then lock files, then engines; the default is npm."""
    locks = [(name, file) for name, file in _LOCKS if file in tree.paths]
    notes = []
    if len({name for name, _ in locks}) > 1:
        notes.append(f"lock files of several package managers found: {', '.join(file for _, file in locks)}")
    match = re.fullmatch(r"(npm|pnpm|yarn|bun)@([^+]+).*", node.manager, re.DOTALL)
    if match:
        lock = next((file for name, file in locks if name == match.group(1)), "")
        if locks and not lock:
            notes.append(f"{node.manager_source.split(' ')[0]} says {match.group(1)}, but the lock file is {locks[0][1]}")
        return PackageManager(match.group(1), match.group(2), node.manager_source, lock), tuple(notes)
    if locks:
        name, file = locks[0]
        return PackageManager(name, _lock_version(tree, name, file), file, file), tuple(notes)
    engine = next((m for m in _MANAGERS if m in node.engines), "")
    if engine:
        return PackageManager(engine, node.engines[engine], "engines in package.json"), ()
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
    match = re.search(r"lockfileVersion:\s*'?(\d+\.\d+)", tree.text(file)[:400])
    return {"5.3": "6", "5.4": "7", "6.0": "8", "6.1": "8", "9.0": "9"}.get(match.group(1), "") if match else ""


_NEAR = 2  # major versions between two releases with long-term support


def node_version(tree: Tree, node: Node, versions: Sequence[str]) -> Version:
    """Return the version of Node.js.

    It is read from package.json (engines, volta, devEngines), then .nvmrc and .node-version, then the files of mise and asdf; the default
    is the newest available one. A pinned version that is not available gives the nearest newer one of at most the next generation.
    """
    pins = [("engines.node in package.json", node.engines.get("node", "")), *node.wants]
    pins += [(file, first_line(tree.text(file))) for file in _FILES]
    pins += tool_versions(tree, "node", "nodejs")
    source, requested = next(((source, requested) for source, requested in pins if requested.strip()), ("default", ""))
    if not requested:
        return Version("node", "", newest("*", versions), "default")
    exact = newest(requested, versions)
    return Version("node", requested, exact or nearest(requested, versions, _NEAR), source, near=not exact)


def imports(tree: Tree, package: str) -> str:
    """Return a file near the root that imports a package; empty if none does."""
    pattern = re.compile(rf"""(from\s+|require\(\s*|import\s+|import\(\s*)["']{re.escape(package)}["']""")
    return next((path for path in entries(tree) if pattern.search(tree.text(path))), "")


def entries(tree: Tree) -> list[str]:
    """Return files that usually start a server, the most likely first."""
    names = [f"{folder}{stem}.{end}" for folder in ("", "src/", "server/", "api/") for stem in _ENTRIES for end in _CODE]
    return [n for n in names if n in tree.paths]


_BUILD = re.compile(r"(npm|pnpm|yarn|bun)( run)? build")  # every build executes that script


def _build_command(command: str, run: str) -> str:
    """A command of a start line that builds, as a command of the build."""
    script = re.fullmatch(r"(?:npm|pnpm|yarn|bun)( run)? ([\w:.-]+)", command)
    return f"{run} {script.group(2)}" if script else f'PATH="$PWD/node_modules/.bin:$PATH" {command}'


class _NodeLanguage:
    name = "node"
    versions: tuple[str, ...] = ("20.19.5", "22.20.0", "24.9.0")
    manifests = frozenset({"package.json"})
    version_command: tuple[str, ...] = ("node", "--version")
    version_parts = 1
    programs = frozenset({"node"})
    paths: tuple[str, ...] = ("node_modules/.bin",)

    def problem(self, tree: Tree) -> str:
        node = node_of(tree)
        return node.problem if node else ""

    def summary(self, tree: Tree) -> str:
        node = node_of(tree)
        return f"package.json depends on {', '.join(sorted(node.dependencies)[:8]) or 'nothing'}" if node else ""

    def version(self, tree: Tree, versions: Sequence[str]) -> Version:
        return node_version(tree, node_of(tree) or Node(), versions)

    def package_manager(self, tree: Tree) -> tuple[PackageManager | None, tuple[str, ...]]:
        return package_manager(tree, node_of(tree) or Node())

    def install(self, detection: Detected) -> tuple[str, ...]:
        return (node_packages.install(detection.package_manager),) if detection.package_manager else ()

    def build(self, tree: Tree, detection: Detected) -> tuple[str, ...]:
        node, manager = node_of(tree), detection.package_manager
        if manager is None or node is None:
            return ()
        run = f"{node_packages.program(manager)} run"
        own_build = [f"{run} build"] if "build" in node.scripts else []
        more = [_build_command(command, run) for command in detection.match.builds]
        return tuple(dict.fromkeys([*own_build, *more]))

    def start(self, tree: Tree, command: str) -> str:
        start = resolved(tree, command)
        return " && ".join([*(build for build in start.builds if not _BUILD.fullmatch(build)), start.text])

    def env(self) -> Mapping[str, str]:
        return {"NODE_ENV": "production"}

    def layers(self) -> tuple[Layer, ...]:
        return app_layers()

    def packages(self, detection: Detected) -> str:
        return "node_modules" if detection.package_manager else ""

    def cache_keys(self, tree: Tree, detection: Detected) -> tuple[str, ...]:
        return node_packages.cache_keys(tree, detection)


NODE: Language = _NodeLanguage()
