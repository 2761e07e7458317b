"""The package managers of Node: how each is run in the version that an app asks for, and what installs with it. Pure.

npm, pnpm and yarn 1 are in the builder; others, and other versions, come from the registry of packages when a build wants them.
But for yarn from 2 on, which needs one, no command leaves a lock file where there was none: it would be in the image of the first build alone.
"""

from __future__ import annotations

from landfall.builds.detect.result import PackageManager

_HERE = {"npm": None, "pnpm": "9", "yarn": "1"}  # the majors of the builder; of npm every one reads every lock file
# The last of a major that a lock file tells, and of what the builder has not.
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


def install(manager: PackageManager) -> str:
    """The command that installs an app's packages."""
    locked, loose = ("--immutable", "--no-immutable") if is_berry(manager) else _FLAGS[manager.name]
    return f"{program(manager)} install {locked if manager.lockfile else loose}".strip()


def program(manager: PackageManager) -> str:
    """How it is run, in the version that the app asks for."""
    name, version = manager.name, _version(manager)
    if not version:
        return name
    if is_berry(manager):
        return f"{_BERRY} npx --yes --package=@yarnpkg/cli-dist@{version} yarn"
    return f"npx --yes {name}@{version}"


def is_berry(manager: PackageManager) -> bool:
    """Whether it is yarn from 2 on."""
    return manager.name == "yarn" and _major(manager) not in {"", "1"}


def _major(manager: PackageManager) -> str:
    return manager.version.lstrip("^~>=v ").partition(".")[0]


def _version(manager: PackageManager) -> str:
    """The exact version to fetch; none where the builder's own does."""
    major = _major(manager)
    if manager.name in _HERE and (_HERE[manager.name] is None or major in {"", _HERE[manager.name]}):
        return ""
    exact = manager.version.count(".") == 2 and manager.version.replace(".", "").isdigit()
    return manager.version if exact else _LAST.get(manager.name, {}).get(major, "")
