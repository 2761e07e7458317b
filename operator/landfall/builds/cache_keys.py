"""What installed packages follow from: the files that decide them, or none where installing may read more than those. Pure.

Packages are kept from build to build by the contents of these files. A file forgotten here is an app that runs on old packages, so whatever
is not known to be harmless keeps nothing.
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


def plain(command: str) -> bool:
    """Whether an install command of a person's own, or none, does nothing but install what a lock file says."""
    return not command or _FROZEN.fullmatch(command.strip()) is not None


def follows(tree: Tree, found: Detected, command: str = "") -> tuple[str, ...]:
    """The files that the packages follow from, sorted; none where more may decide them."""
    return language_of(found.runtime.name).cache_keys(tree, found) if plain(command) else ()
