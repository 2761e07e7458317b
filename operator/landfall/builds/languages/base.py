"""The protocol of a language whose apps can be built. Everything here is pure: it only reads a tree.

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
    """Files of one image layer: included paths, and excluded paths among them. The contents of `rooted` folders are at the root."""

    name: str
    include: tuple[str, ...]
    exclude: tuple[str, ...] = ()
    rooted: tuple[str, ...] = ()


class Language(Protocol):
    """One language, and the runtime of that name.

    `versions`: versions that the project's builder and run images have, oldest first; empty if the runtime has none.
    `manifests`: names of manifest files at the root of an app.
    `version_command`: prints the installed version; empty if there is none.
    `version_parts`: number of leading version parts that must be equal so that installed packages are compatible.
    `programs`: programs of the run images, besides those of every image.
    `paths`: folders of the app with programs, which are on the PATH of its container before those of the image.
    """

    name: str
    versions: tuple[str, ...]
    manifests: frozenset[str]
    version_command: tuple[str, ...]
    version_parts: int
    programs: frozenset[str]
    paths: tuple[str, ...]

    def problem(self, tree: Tree) -> str:
        """Return why the manifests of a tree cannot be read, without a full stop; empty if they can, or do not exist."""

    def summary(self, tree: Tree) -> str:
        """Return what the manifests contain, for the message that no framework matches; empty if there is nothing."""

    def version(self, tree: Tree, versions: Sequence[str]) -> Version:
        """Return the version that an app requests. `versions`: available versions. `resolved` is empty if none matches."""

    def package_manager(self, tree: Tree) -> tuple[PackageManager | None, tuple[str, ...]]:
        """Return the package manager, and notes about it."""

    def install(self, detection: Detected) -> tuple[str, ...]:
        """Return the shell commands that install the app's packages; empty if it has none."""

    def build(self, tree: Tree, detection: Detected) -> tuple[str, ...]:
        """Return the shell commands that build the app; empty if it needs no build."""

    def start(self, tree: Tree, command: str) -> str:
        """Return the command that starts the app in its container, from a start line of the framework or the spec; empty for an empty one."""

    def env(self) -> Mapping[str, str]:
        """Return the environment variables of the app."""

    def layers(self) -> tuple[Layer, ...]:
        """Return the image layers of the app; the layer that changes least often is first."""

    def packages(self, detection: Detected) -> str:
        """Return the folder of the installed packages; empty if they are not reused."""

    def cache_keys(self, tree: Tree, detection: Detected) -> tuple[str, ...]:
        """Return the files that determine the installed packages, sorted; empty if there may be other inputs."""


def present(tree: Tree, *names: str) -> tuple[str, ...]:
    """Return the files of this list that exist in a tree, sorted, without duplicates."""
    return tuple(sorted({name for name in names if name in tree.paths}))


def app_layers() -> tuple[Layer, ...]:
    """Return two layers: `node_modules`, which changes less often, and the rest."""
    return (
        Layer("dependencies", ("node_modules",), ("node_modules/.cache",)),
        Layer("app", (".",), ("node_modules", *LEFT_OUT)),
    )
