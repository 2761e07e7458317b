"""Images for the node without a registry to pull from: a Debian base in the name of the public one, and ours on top of it."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.cluster import kind
from tests.cluster.programs import cache

ROOT = Path(__file__).parent.parent.parent
PYTHON = "docker.io/library/python:3.11-slim-bookworm"
DEBIAN = "docker.io/library/debian:bookworm-slim"
OURS = "localhost/landfall:test"
DATABASES = "localhost/landfall-databases:demo"
EARLIER = "localhost/landfall:0.1.0"
PUBLIC = "ghcr.io/landfall/landfall:0.1.0"  # what the chart asks for
PUBLIC_DATABASES = ("docker.io/library/mariadb:10.11", "docker.io/library/postgres:15")
BUILDER = "localhost/landfall-builder:test"
RUN = {name: f"localhost/landfall-run-{name}:test" for name in ("node", "python", "static")}
NODE_VERSION = "22.20.0"
_BUILDER_BASE, _RUN_BASE = "docker.io/library/debian:bookworm", "docker.io/library/debian:12-slim"
BILL = "landfall.cdx.json"
_TOOLS = ("ca-certificates", "git", "python3")
_BELOW = ("ca-certificates", "libstdc++6", "nginx-light")
_PACKAGES = ("python3", "ca-certificates", "libmariadb3")
_SERVERS = ("mariadb-server", "postgresql-15", "libnss-wrapper")
_DEBIAN = ("buildah", "mmdebstrap", "skopeo")
_REQUIREMENTS = ROOT / "requirements" / "operator.txt"


@dataclass(frozen=True, slots=True)
class _Recipe:
    """How an image is made: its Containerfile, its name, and the public base below it, which Debian's `packages` stand in for."""

    containerfile: Path
    tag: str
    base: str
    packages: Sequence[str]


def _ours(tag: str, checkout: Path = ROOT) -> _Recipe:
    return _Recipe(checkout / "images" / "landfall.Containerfile", tag, PYTHON, _PACKAGES)


def landfall() -> Path:
    """Our image as a docker-archive, made again when the sources or the requirements change."""
    files = [
        *sorted(path for path in (ROOT / "operator").rglob("*") if path.is_file() and "__pycache__" not in path.parts),
        _REQUIREMENTS,
        ROOT / "images" / "landfall.Containerfile",
        Path(__file__),
    ]
    return _image("landfall", _ours(OURS), files, lambda folder: _filled(folder, site()))


def landfall_0_1(checkout: Path) -> Path:
    """The image of version 0.1.0 as a docker-archive, from its own sources and requirements.

    Args:
        checkout: A folder with `operator/landfall`, `requirements/operator.txt` and `images/landfall.Containerfile` of that version.
    """
    recipe = _ours(EARLIER, checkout)
    code, requirements = checkout / "operator" / "landfall", checkout / "requirements" / "operator.txt"
    files = [*sorted(path for path in code.rglob("*") if path.is_file()), requirements, recipe.containerfile]

    def filled(folder: Path) -> None:
        shutil.copytree(site(requirements), folder / "site")
        shutil.copytree(code, folder / "site" / "landfall")

    return _image("earlier", recipe, files, filled)


def landfall_anew(into: Path) -> None:
    """Our image once more, from its requirements on, as a docker-archive: the same sources make the same image."""
    with tempfile.TemporaryDirectory() as folder:
        packages = Path(folder) / "site"
        _packages(packages)
        _built(_ours("localhost/landfall:again"), lambda context: _filled(context, packages), into)


def _filled(folder: Path, packages: Path) -> None:
    """The build's context: the packages, ours among them, and what they are."""
    folder_of_packages = folder / "site"
    shutil.copytree(packages, folder_of_packages)
    shutil.copytree(ROOT / "operator" / "landfall", folder_of_packages / "landfall", ignore=shutil.ignore_patterns("__pycache__"))
    _bill(folder_of_packages, folder_of_packages / BILL)


def _bill(packages: Path, into: Path) -> None:
    """The software bill of materials of a folder of packages, as CycloneDX. A Python that sees that folder alone says what is in it."""
    with tempfile.TemporaryDirectory() as folder:
        alone = Path(folder) / "python"
        alone.write_text(f'#!/bin/sh\nexec env PYTHONPATH="{packages}" "{sys.executable}" -S "$@"\n', encoding="utf-8")
        alone.chmod(0o755)
        command = [str(Path(sys.executable).parent / "cyclonedx-py"), "environment", "--output-reproducible", "--of", "JSON"]
        options = ["--pyproject", str(ROOT / "pyproject.toml"), "--mc-type", "application"]
        subprocess.run([*command, *options, "-o", str(into), str(alone)], check=True, capture_output=True)


def databases() -> Path:
    """What stands in for the public images of MariaDB and PostgreSQL on our own node, as a docker-archive."""
    files = [ROOT / "images" / "demo-databases.Containerfile", ROOT / "images" / "database.sh"]
    recipe = _Recipe(files[0], DATABASES, DEBIAN, _SERVERS)
    return _image("demo-databases", recipe, files, lambda folder: shutil.copy(files[1], folder / "database.sh"))


def builder() -> Path:
    """What builds run in, as a docker-archive."""
    files = [*_node_files(), ROOT / "images" / "builder.Containerfile"]

    def filled(folder: Path) -> None:
        modules = _node_modules()
        tools = folder / "node"
        (tools / "bin").mkdir(parents=True)
        shutil.copy(modules / "node" / "bin" / "node", tools / "bin" / "node")
        subprocess.run(
            ["strip", "--strip-unneeded", str(tools / "bin" / "node")], check=False
        )  # a third smaller, where there is a strip
        for name, programs in (("npm", ("npm", "npx")), ("pnpm", ("pnpm",)), ("yarn", ("yarn",))):
            shutil.copytree(modules / name, tools / "lib" / "node_modules" / name, symlinks=True)
            entries = json.loads((modules / name / "package.json").read_text(encoding="utf-8"))["bin"]
            for program in programs:
                (tools / "bin" / program).symlink_to(f"../lib/node_modules/{name}/{entries[program].removeprefix('./')}")
        shutil.copy(Path(sys.executable).parent / "uv", folder / "uv")

    return _image("builder", _Recipe(files[-1], BUILDER, _BUILDER_BASE, _TOOLS), files, filled)


def run(name: str) -> Path:
    """What lies below apps of a runtime, as a docker-archive."""
    files = [
        ROOT / "images" / f"run-{name}.Containerfile",
        *(_node_files() if name == "node" else ()),
        ROOT / "images" / "serve.sh",
    ]
    base, packages = (PYTHON, _PACKAGES) if name == "python" else (_RUN_BASE, _BELOW)

    def filled(folder: Path) -> None:
        shutil.copy(ROOT / "images" / "serve.sh", folder)
        if name == "node":
            (folder / "node" / "bin").mkdir(parents=True)
            shutil.copy(_node_modules() / "node" / "bin" / "node", folder / "node" / "bin" / "node")
            subprocess.run(["strip", "--strip-unneeded", str(folder / "node" / "bin" / "node")], check=False)

    return _image(f"run-{name}", _Recipe(files[0], RUN[name], base, packages), files, filled)


def _node_files() -> list[Path]:
    return [ROOT / "images" / "builder" / name for name in ("package.json", "package-lock.json", ".npmrc")]


def _node_modules() -> Path:
    """Node and the package managers from npm, once."""
    files = _node_files()
    folder = cache() / f"node-{hashlib.sha256(b''.join(f.read_bytes() for f in files)).hexdigest()[:16]}"
    if not (folder / "complete").exists():
        folder.mkdir(parents=True, exist_ok=True)
        for file in files:
            shutil.copy(file, folder)
        subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"], cwd=folder, check=True)
        (folder / "complete").touch()
    return folder / "node_modules"


def push(archive: Path, tag: str, registry: str) -> str:
    """An image from its archive into a registry of plain HTTP; what it is called there, by digest."""
    name = f"{registry}/landfall/{tag.partition('/')[2].partition(':')[0]}"
    _installed()
    with tempfile.TemporaryDirectory() as folder:
        digest = Path(folder) / "digest"
        command = ["skopeo", "copy", "--quiet", "--insecure-policy", "--dest-tls-verify=false", f"--digestfile={digest}"]
        subprocess.run([*command, f"docker-archive:{archive}", f"docker://{name}:test"], check=True)
        return f"{name}@{digest.read_text(encoding='ascii').strip()}"


def _image(name: str, recipe: _Recipe, files: Sequence[Path], filled: Callable[[Path], object]) -> Path:
    digest, checkout = hashlib.sha256(), recipe.containerfile.parent.parent
    for path in files:
        digest.update(str(path.relative_to(checkout)).encode() + b"\0" + path.read_bytes())
    archive = cache() / f"{name}-{digest.hexdigest()[:16]}.tar"
    if archive.exists():
        return archive
    cache().mkdir(parents=True, exist_ok=True)
    for old in cache().glob(f"{name}-*.tar"):
        old.unlink()
    sys.stderr.write(f"building the image {recipe.tag}, about half a minute\n")
    _built(recipe, filled, archive)
    return archive


def _built(recipe: _Recipe, filled: Callable[[Path], object], archive: Path) -> None:
    containerfile, tag = recipe.containerfile, recipe.tag
    with tempfile.TemporaryDirectory() as folder:
        filled(Path(folder))
        if kind.available():
            kind.build(tag, containerfile, Path(folder), archive)
            return
        _installed()
        _base(recipe.base, recipe.packages)
        dated = ("--layers=false", "--pull=never", "--timestamp", "0")
        _buildah("bud", *dated, "-t", tag, "-f", str(containerfile), folder)
    _buildah("push", tag, f"docker-archive:{archive}:{tag}")
    _buildah("rmi", tag)


def _installed() -> None:
    for package in _DEBIAN:
        if subprocess.run(["dpkg", "-s", package], check=False, capture_output=True).returncode:
            environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
            subprocess.run(["apt-get", "-qq", "install", "-y", "--no-install-recommends", package], check=True, env=environment)


def site(requirements: Path = _REQUIREMENTS) -> Path:
    """The packages that the image holds, installed once per requirements."""
    folder = cache() / f"packages-{hashlib.sha256(requirements.read_bytes()).hexdigest()[:16]}"
    if not folder.exists():
        partial = folder.with_suffix(".partial")
        shutil.rmtree(partial, ignore_errors=True)
        _packages(partial, requirements)
        partial.rename(folder)
    return folder


def _packages(into: Path, requirements: Path = _REQUIREMENTS) -> None:
    """The image's packages, without their commands, which nobody runs. What is compiled names no folder of this machine, as these would."""
    command = [sys.executable, "-m", "pip", "install", "-q", "--require-hashes", "--no-compile", "--target", str(into)]
    subprocess.run([*command, "-r", str(requirements)], check=True, env={**os.environ, "CFLAGS": "-g0"})
    shutil.rmtree(into / "bin", ignore_errors=True)
    for record in into.glob("*.dist-info/RECORD"):
        lines = record.read_text(encoding="utf-8").splitlines(keepends=True)
        record.write_text("".join(line for line in lines if not line.startswith("../../bin/")), encoding="utf-8")


def _base(name: str, packages: Sequence[str]) -> None:
    """A stand-in for a public base, from Debian's packages; kept in buildah's own store."""
    if subprocess.run(["buildah", "inspect", name], check=False, capture_output=True, env=_environment()).returncode == 0:
        return
    sys.stderr.write(f"making a base image with {', '.join(packages)} from Debian's packages, one to two minutes\n")
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder) / "base.tar"
        subprocess.run(
            ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={','.join(packages)}", "bookworm", str(archive)],
            check=True,
        )
        container = _buildah("from", "scratch").strip()
        _buildah("add", container, str(archive), "/")
        _buildah("commit", "--rm", container, name)


def _environment() -> dict[str, str]:
    store = {"STORAGE_DRIVER": "vfs", "BUILDAH_ISOLATION": "chroot", "BUILDAH_FORMAT": "docker"}
    return {**os.environ, **store}


def _buildah(*arguments: str) -> str:
    result = subprocess.run(["buildah", *arguments], check=False, capture_output=True, text=True, env=_environment())
    if result.returncode:
        message = f"buildah {arguments[0]}: {result.stderr[-2000:]}"
        raise RuntimeError(message)
    return result.stdout


def main() -> None:
    """All of them, and where they are."""
    for archive in (landfall(), builder(), *(run(name) for name in RUN)):
        sys.stdout.write(f"{archive}\n")


if __name__ == "__main__":
    main()
