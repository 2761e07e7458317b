"""Apps of Go: modules, built into one program."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from landfall.builds.detect.result import Detected, PackageManager, Version
from landfall.builds.detect.tree import Tree
from landfall.builds.detect.versions import newest
from landfall.builds.languages.base import Language, Layer, present


class _Go:
    name = "go"
    versions: tuple[str, ...] = ("1.24", "1.25")
    manifests = frozenset({"go.mod"})
    version_command: tuple[str, ...] = ("go", "version")
    version_parts = 2

    def problem(self, tree: Tree) -> str:
        return ""

    def summary(self, tree: Tree) -> str:
        return ""

    def version(self, tree: Tree, known: Sequence[str]) -> Version:
        line = next((text for text in tree.text("go.mod").splitlines() if text.startswith("go ")), "")
        asked = line.removeprefix("go ").strip()
        least = ".".join(asked.split(".")[:2])
        return Version("go", asked, newest(f">={least}" if least else "*", known), "go.mod" if asked else "default")

    def package_manager(self, tree: Tree) -> tuple[PackageManager | None, tuple[str, ...]]:
        return None, ()

    def install(self, found: Detected) -> tuple[str, ...]:
        return ("go mod download",)

    def build(self, tree: Tree, found: Detected) -> tuple[str, ...]:
        return (f'CGO_ENABLED=0 go build -ldflags="-w -s" -o out ./{found.match.output or "."}'.replace("./.", "."),)

    def start(self, command: str) -> str:
        return command

    def env(self) -> Mapping[str, str]:
        return {}

    def layers(self) -> tuple[Layer, ...]:
        return (Layer("app", ("out",)),)

    def packages(self, found: Detected) -> str:
        return ""

    def cache_keys(self, tree: Tree, found: Detected) -> tuple[str, ...]:
        return present(tree, "go.mod", "go.sum")


GO: Language = _Go()
