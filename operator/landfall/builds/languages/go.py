"""Apps of Go: modules, built into one program."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping, Sequence

from landfall.builds.detect.result import Detected, PackageManager, Version
from landfall.builds.detect.tree import Tree
from landfall.builds.detect.versions import newest
from landfall.builds.languages.base import LEFT_OUT, Language, Layer, present


def workspace_folders(tree: Tree) -> tuple[str, ...]:
    """Return the modules of go.work, as folders; empty without one."""
    text = re.sub(r"//.*", "", tree.text("go.work"))
    blocks = re.findall(r"^use\s*\(([^)]*)\)", text, re.MULTILINE)
    folders = [*"\n".join(blocks).split(), *re.findall(r"^use\s+([^\s(]+)", text, re.MULTILINE)]
    return tuple(sorted({posixpath.normpath(name.strip('"')) for name in folders} - {"."}))


def binary(tree: Tree) -> str:
    """Return the name of the built program at the app's root; another one if the app has a folder of that name."""
    return "landfall-app" if any(path.startswith("out/") for path in tree.paths) else "out"


class _Go:
    name = "go"
    versions: tuple[str, ...] = ("1.24", "1.25")
    manifests = frozenset({"go.mod"})
    version_command: tuple[str, ...] = ("go", "version")
    version_parts = 2
    programs: frozenset[str] = frozenset()
    paths: tuple[str, ...] = ()

    def problem(self, tree: Tree) -> str:
        return ""

    def summary(self, tree: Tree) -> str:
        return ""

    def version(self, tree: Tree, versions: Sequence[str]) -> Version:
        file = "go.work" if "go.mod" not in tree.paths and "go.work" in tree.paths else "go.mod"
        match = re.search(r"^go\s+([\d.]+)", tree.text(file), re.MULTILINE)
        requested = match.group(1) if match else ""
        least = ".".join(requested.split(".")[:2])
        return Version("go", requested, newest(f">={least}" if least else "*", versions), file if requested else "default")

    def package_manager(self, tree: Tree) -> tuple[PackageManager | None, tuple[str, ...]]:
        if "vendor/modules.txt" in tree.paths:
            return PackageManager("vendor", "", "vendor/modules.txt"), ()
        return None, ()

    def install(self, detection: Detected) -> tuple[str, ...]:
        return () if detection.package_manager else ("go mod download",)

    def build(self, tree: Tree, detection: Detected) -> tuple[str, ...]:
        vendored = "-mod=vendor " if detection.package_manager else ""
        folder = f"./{detection.match.output}" if detection.match.output else "."
        return (f'CGO_ENABLED=0 go build {vendored}-ldflags="-w -s" -o {binary(tree)} {folder}',)

    def start(self, tree: Tree, command: str) -> str:
        return command

    def env(self) -> Mapping[str, str]:
        return {}

    def layers(self) -> tuple[Layer, ...]:
        return (Layer("app", (".",), ("*.go", "vendor", "node_modules", *LEFT_OUT)),)

    def packages(self, detection: Detected) -> str:
        return ""

    def cache_keys(self, tree: Tree, detection: Detected) -> tuple[str, ...]:
        return present(tree, "go.mod", "go.sum", "go.work", "go.work.sum")


GO: Language = _Go()
