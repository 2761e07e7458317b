"""Static sites: nothing is installed or built, and there are no versions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from landfall.builds.detect.result import Detected, PackageManager, Version
from landfall.builds.detect.tree import Tree
from landfall.builds.languages.base import Language, Layer, app_layers


class _Static:
    name = "static"
    versions: tuple[str, ...] = ()
    manifests: frozenset[str] = frozenset()
    version_command: tuple[str, ...] = ()
    version_parts = 0
    programs: frozenset[str] = frozenset()
    paths: tuple[str, ...] = ()

    def problem(self, tree: Tree) -> str:
        return ""

    def summary(self, tree: Tree) -> str:
        return ""

    def version(self, tree: Tree, versions: Sequence[str]) -> Version:
        return Version("static", "", "static", "default")

    def package_manager(self, tree: Tree) -> tuple[PackageManager | None, tuple[str, ...]]:
        return None, ()

    def install(self, detection: Detected) -> tuple[str, ...]:
        return ()

    def build(self, tree: Tree, detection: Detected) -> tuple[str, ...]:
        return ()

    def start(self, tree: Tree, command: str) -> str:
        return command

    def env(self) -> Mapping[str, str]:
        return {}

    def layers(self) -> tuple[Layer, ...]:
        return app_layers()

    def packages(self, detection: Detected) -> str:
        return ""

    def cache_keys(self, tree: Tree, detection: Detected) -> tuple[str, ...]:
        return ()


STATIC: Language = _Static()
