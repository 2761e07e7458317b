"""Images for the node without a registry to pull from: a Debian base in the name of the public one, and ours on top of it."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.cluster import kind
from tests.cluster.programs import cache

ROOT = Path(__file__).parent.parent.parent
PYTHON = "docker.io/library/python:3.11-slim-bookworm"
DEBIAN = "docker.io/library/debian:bookworm-slim"
OURS = "localhost/landfall:test"
DATABASES = "localhost/landfall-databases:demo"
_PACKAGES = ("python3", "ca-certificates", "libmariadb3")
_SERVERS = ("mariadb-server", "postgresql-15", "libnss-wrapper")
_DEBIAN = ("buildah", "mmdebstrap")


def landfall() -> Path:
    """Our image as a docker-archive, made again when the sources or the requirements change."""
    files = [
        *sorted((ROOT / "operator").rglob("*.py")),
        ROOT / "requirements" / "operator.txt",
        ROOT / "images" / "landfall.Containerfile",
    ]

    def filled(folder: Path) -> None:
        shutil.copytree(site(), folder / "site")
        shutil.copytree(
            ROOT / "operator" / "landfall", folder / "site" / "landfall", ignore=shutil.ignore_patterns("__pycache__")
        )

    return _image("landfall", OURS, PYTHON, _PACKAGES, files, filled)


def databases() -> Path:
    """MariaDB and PostgreSQL for the demo, as a docker-archive."""
    files = [ROOT / "images" / "demo-databases.Containerfile", ROOT / "images" / "database.sh"]
    return _image(
        "demo-databases", DATABASES, DEBIAN, _SERVERS, files, lambda folder: shutil.copy(files[1], folder / "database.sh")
    )


def _image(
    name: str, tag: str, base: str, packages: Sequence[str], files: Sequence[Path], filled: Callable[[Path], object]
) -> Path:
    digest = hashlib.sha256()
    for path in files:
        digest.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes())
    made = cache() / f"{name}-{digest.hexdigest()[:16]}.tar"
    if made.exists():
        return made
    cache().mkdir(parents=True, exist_ok=True)
    for old in cache().glob(f"{name}-*.tar"):
        old.unlink()
    containerfile = ROOT / "images" / f"{name}.Containerfile"
    sys.stderr.write(f"building the image {tag}, about half a minute\n")
    with tempfile.TemporaryDirectory() as folder:
        filled(Path(folder))
        if kind.available():
            kind.build(tag, containerfile, Path(folder), made)
            return made
        _installed()
        _base(base, packages)
        _buildah("bud", "--layers=false", "--pull=never", "-t", tag, "-f", str(containerfile), folder)
    _buildah("push", tag, f"docker-archive:{made}:{tag}")
    _buildah("rmi", tag)
    return made


def _installed() -> None:
    for package in _DEBIAN:
        if subprocess.run(["dpkg", "-s", package], check=False, capture_output=True).returncode:
            environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
            subprocess.run(["apt-get", "-qq", "install", "-y", "--no-install-recommends", package], check=True, env=environment)


def site() -> Path:
    """The packages that the image holds, installed once per requirements."""
    requirements = ROOT / "requirements" / "operator.txt"
    made = cache() / f"site-{hashlib.sha256(requirements.read_bytes()).hexdigest()[:16]}"
    if not made.exists():
        partial = made.with_suffix(".partial")
        shutil.rmtree(partial, ignore_errors=True)
        command = [sys.executable, "-m", "pip", "install", "-q", "--require-hashes", "--no-compile", "--target", str(partial)]
        subprocess.run([*command, "-r", str(requirements)], check=True)
        partial.rename(made)
    return made


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
    done = subprocess.run(["buildah", *arguments], check=False, capture_output=True, text=True, env=_environment())
    if done.returncode:
        message = f"buildah {arguments[0]}: {done.stderr[-2000:]}"
        raise RuntimeError(message)
    return done.stdout
