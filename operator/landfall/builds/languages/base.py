"""What a language has to tell so that apps of it can be built. Everything here is pure: it reads a tree and does nothing.

A new language is one module with a class of this protocol, one line in `registry`, and the rows of its frameworks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from landfall.builds.detect.result import Detected, PackageManager, Version
from landfall.builds.detect.tree import Tree

LEFT_OUT = (".git", ".github", ".env", ".env.*", "node_modules/.cache", "**/__pycache__", ".yarn")


@dataclass(frozen=True, slots=True)
class Layer:
    """Files of the app that go into the image together: paths, and paths among them that do not. What is in `rooted` lies at the root."""

    name: str
    include: tuple[str, ...]
    exclude: tuple[str, ...] = ()
    rooted: tuple[str, ...] = ()


class Language(Protocol):
    """One language, and the runtime of that name.

    `versions`: those that the project's builder and run images have, the oldest first; none where the runtime has none.
    `manifests`: names of files that apps of it have at their root.
    `version_command`: prints the version on a machine; empty where there is nothing to ask.
    `version_parts`: how many parts of two versions have to be equal for packages to fit both.
    """

    name: str
    versions: tuple[str, ...]
    manifests: frozenset[str]
    version_command: tuple[str, ...]
    version_parts: int

    def problem(self, tree: Tree) -> str:
        """Why the manifests of a tree cannot be read, without a full stop; empty where they can, or are not there."""

    def summary(self, tree: Tree) -> str:
        """What the manifests say, for whoever asks why no framework fits; empty where there is nothing to tell."""

    def version(self, tree: Tree, known: Sequence[str]) -> Version:
        """Which version an app asks for. `known`: those that there are. `resolved` is empty where none of them fits."""

    def package_manager(self, tree: Tree) -> tuple[PackageManager | None, tuple[str, ...]]:
        """Who installs the app's packages, and notes about it."""

    def install(self, found: Detected) -> tuple[str, ...]:
        """Shell commands that install the app's packages; none where there are none."""

    def build(self, tree: Tree, found: Detected) -> tuple[str, ...]:
        """Shell commands that build the app; none where it needs no build."""

    def start(self, command: str) -> str:
        """The command that starts the app in its container, from what a framework names; empty for an empty one."""

    def env(self) -> Mapping[str, str]:
        """Environment variables of a running app."""

    def layers(self) -> tuple[Layer, ...]:
        """The image's layers of a running app, the one that changes least first."""

    def packages(self, found: Detected) -> str:
        """The folder that installed packages lie in; empty where they are not kept."""

    def cache_keys(self, tree: Tree, found: Detected) -> tuple[str, ...]:
        """The files that installed packages follow from, sorted; none where more than files may decide them."""


def present(tree: Tree, *names: str) -> tuple[str, ...]:
    """Those of these files that a tree has, sorted, each once."""
    return tuple(sorted({name for name in names if name in tree.paths}))


def app_layers() -> tuple[Layer, ...]:
    """The folder `node_modules` apart from the rest, for it changes less often."""
    return (
        Layer("dependencies", ("node_modules",), ("node_modules/.cache",)),
        Layer("app", (".",), ("node_modules", *LEFT_OUT)),
    )
