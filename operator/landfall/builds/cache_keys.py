"""The files that determine the installed packages, or none if the installation may read other inputs. Pure.

Packages are reused by later builds with the same contents of these files. A missing file here would mean an app with outdated packages, so
packages are reused only if all inputs are known.
"""

from __future__ import annotations

import re

from landfall.builds.detect.result import Detected
from landfall.builds.detect.tree import Tree
from landfall.builds.languages.registry import language_of

_FROZEN = re.compile(
    r"(npm ci|npm (i|install) --no-save|(pnpm|bun) (i|install) --frozen-lockfile|yarn install --(frozen-lockfile|immutable))"
    r"( --(omit|include)=[a-z]+| --[a-z-]+)*"
)


def installs_lock_file_only(command: str) -> bool:
    """Return whether a custom install command, or none, only installs what the lock file lists."""
    return not command or _FROZEN.fullmatch(command.strip()) is not None


def follows(tree: Tree, detection: Detected, command: str = "") -> tuple[str, ...]:
    """Return the files that determine the packages, sorted; none if there may be other inputs."""
    return language_of(detection.runtime.name).cache_keys(tree, detection) if installs_lock_file_only(command) else ()
