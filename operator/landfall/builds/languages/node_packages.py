"""The package managers of Node.js: how each is executed in the requested version, and which files determine the installed packages. Pure.

npm, pnpm and yarn 1 are in the builder image; others, and other versions, are fetched from the package registry.
Except yarn 2 and later, which require one, no command creates a missing lock file: it would only be in the image of the first build.
"""

from __future__ import annotations

import re
from typing import Any

from landfall.builds.detect.result import Detected, PackageManager
from landfall.builds.detect.tree import Tree, json_of
from landfall.builds.languages.base import present

_HERE = {"npm": None, "pnpm": "9", "yarn": "1"}  # the major versions in the builder image; every npm reads every lock file
# The latest version of a major version that a lock file requires and the builder image does not have.
_LAST = {
    "pnpm": {"6": "6.35.1", "7": "7.33.7", "8": "8.15.9", "10": "10.20.0"},
    "yarn": {"2": "2.4.3", "3": "3.8.7", "4": "4.12.0"},
    "bun": {"": "1.3.3", "1": "1.3.3"},
}
_BERRY = "YARN_NODE_LINKER=node-modules YARN_ENABLE_GLOBAL_CACHE=true"
_FLAGS = {
    "npm": ("--no-save --no-audit --no-fund", "--no-save --no-audit --no-fund"),
    "pnpm": ("--frozen-lockfile --prefer-offline", "--no-lockfile"),
    "yarn": ("--frozen-lockfile", "--no-lockfile"),
    "bun": ("--frozen-lockfile", "--no-save"),
}

_FILES = ("package.json", ".npmrc", ".yarnrc", ".yarnrc.yml", "pnpm-workspace.yaml", "bunfig.toml")
_SCRIPTS = {
    *("preinstall", "install", "postinstall", "prepublish", "preprepare", "prepare", "postprepare", "dependencies"),
}
_GROUPS = ("dependencies", "devDependencies", "optionalDependencies", "peerDependencies")
_PROTOCOL = re.compile(r'"(file|link|portal|patch|workspace|exec):')  # files of the app itself, like the next pattern
_PATH = re.compile(r"[.~]{0,2}/")
_SETTINGS = (".npmrc", ".yarnrc", ".yarnrc.yml", "bunfig.toml")
# Settings with which an installation executes files, and where yarn says which files those are.
_EXECUTED = re.compile(r"(?mi)^\s*(script-?shell|node-?options|preload|user-?config|global-?config|unsafe-perm)\b")
_YARN_FILE = re.compile(r"(?m)^\s*(?:-\s+)?(?:yarnPath|yarn-path|path|-)\s*:?\s+[\"']?([^\s\"'\[{]+\.c?js)\b")


def install(manager: PackageManager) -> str:
    """Return the command that installs the app's packages."""
    locked, loose = ("--immutable", "--no-immutable") if is_berry(manager) else _FLAGS[manager.name]
    return f"{program(manager)} install {locked if manager.lockfile else loose}".strip()


def program(manager: PackageManager) -> str:
    """Return the command that executes the package manager in the requested version."""
    name, version = manager.name, _version(manager)
    if not version:
        return name
    if is_berry(manager):
        return f"{_BERRY} npx --yes --package=@yarnpkg/cli-dist@{version} yarn"
    return f"npx --yes {name}@{version}"


def is_berry(manager: PackageManager) -> bool:
    """Return whether it is yarn 2 or later."""
    return manager.name == "yarn" and _major(manager) not in {"", "1"}


def _major(manager: PackageManager) -> str:
    return manager.version.lstrip("^~>=v ").partition(".")[0]


def _version(manager: PackageManager) -> str:
    """The exact version to fetch; empty if the version in the builder image is suitable."""
    major = _major(manager)
    if manager.name in _HERE and (_HERE[manager.name] is None or major in {"", _HERE[manager.name]}):
        return ""
    exact = manager.version.count(".") == 2 and manager.version.replace(".", "").isdigit()
    return manager.version if exact else _LAST.get(manager.name, {}).get(major, major if major.isdigit() else "")


def cache_keys(tree: Tree, detection: Detected) -> tuple[str, ...]:
    """Return the files that determine the packages, sorted; empty if there may be other inputs."""
    manager = detection.package_manager
    if (manager and is_berry(manager) and not manager.lockfile) or not _follow_from_files(tree):
        return ()
    return present(tree, *_FILES, *_yarn_files(tree), *((manager.lockfile,) if manager else ()))


def _yarn_files(tree: Tree) -> set[str]:
    """The files of the app that yarn executes: its own program, and plugins."""
    return {file.removeprefix("./") for name in (".yarnrc", ".yarnrc.yml") for file in _YARN_FILE.findall(tree.text(name))}


def _follow_from_files(tree: Tree) -> bool:
    if any(_EXECUTED.search(tree.text(name)) for name in _SETTINGS) or not _yarn_files(tree) <= tree.paths:
        return False
    read = json_of(tree, "package.json")
    data = read.data
    if read.problem or not data or "workspaces" in data or _SCRIPTS & set(_table(data.get("scripts"))):
        return False
    versions = (str(version) for group in _GROUPS for version in _table(data.get(group)).values())
    if any(_PATH.match(version) for version in versions) or _PROTOCOL.search(tree.text("package.json")):
        return False
    manifests = tree.text("package.json") + tree.text("pnpm-workspace.yaml")
    if "patchedDependencies" in manifests or re.search(r"^packages:", tree.text("pnpm-workspace.yaml"), re.MULTILINE):
        return False
    return not {".pnpmfile.cjs", ".pnpmfile.mjs", "binding.gyp"} & tree.paths  # files of the app that an installation executes


def _table(value: Any) -> dict[str, Any]:  # noqa: ANN401  any value in a manifest
    return value if isinstance(value, dict) else {}
