"""Images for the node without a registry to pull from: a Debian base in the name of the public one, and ours on top of it."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.cluster.programs import cache

ROOT = Path(__file__).parent.parent.parent
PYTHON = "docker.io/library/python:3.11-slim-bookworm"
OURS = "localhost/landfall:test"
_PACKAGES = ("python3", "ca-certificates", "libmariadb3")
_DEBIAN = ("buildah", "mmdebstrap")


def landfall() -> Path:
    """Our image as a docker-archive, made again when the sources or the requirements change."""
    made = cache() / f"landfall-{_digest()}.tar"
    if made.exists():
        return made
    cache().mkdir(parents=True, exist_ok=True)
    for package in _DEBIAN:
        if subprocess.run(["dpkg", "-s", package], check=False, capture_output=True).returncode:
            environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
            subprocess.run(["apt-get", "-qq", "install", "-y", "--no-install-recommends", package], check=True, env=environment)
    for old in cache().glob("landfall-*.tar"):
        old.unlink()
    _base()
    sys.stderr.write("building the image, about half a minute\n")
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(site(), Path(folder) / "site")
        shutil.copytree(
            ROOT / "operator" / "landfall", Path(folder) / "site" / "landfall", ignore=shutil.ignore_patterns("__pycache__")
        )
        _buildah(
            "bud", "--layers=false", "--pull=never", "-t", OURS, "-f", str(ROOT / "images" / "landfall.Containerfile"), folder
        )
    _buildah("push", OURS, f"docker-archive:{made}:{OURS}")
    _buildah("rmi", OURS)
    return made


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


def _digest() -> str:
    found = hashlib.sha256()
    files = [
        *sorted((ROOT / "operator").rglob("*.py")),
        ROOT / "requirements" / "operator.txt",
        ROOT / "images" / "landfall.Containerfile",
    ]
    for path in files:
        found.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes())
    return found.hexdigest()[:16]


def _base() -> None:
    """A stand-in for the public base, from Debian's packages; kept in buildah's own store."""
    if subprocess.run(["buildah", "inspect", PYTHON], check=False, capture_output=True, env=_environment()).returncode == 0:
        return
    sys.stderr.write("making the base image from Debian's packages, about a minute\n")
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder) / "base.tar"
        subprocess.run(
            ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={','.join(_PACKAGES)}", "bookworm", str(archive)],
            check=True,
        )
        container = _buildah("from", "scratch").strip()
        _buildah("add", container, str(archive), "/")
        _buildah("commit", "--rm", container, PYTHON)


def _environment() -> dict[str, str]:
    store = {"STORAGE_DRIVER": "vfs", "BUILDAH_ISOLATION": "chroot", "BUILDAH_FORMAT": "docker"}
    return {**os.environ, **store}


def _buildah(*arguments: str) -> str:
    done = subprocess.run(["buildah", *arguments], check=False, capture_output=True, text=True, env=_environment())
    if done.returncode:
        message = f"buildah {arguments[0]}: {done.stderr[-2000:]}"
        raise RuntimeError(message)
    return done.stdout
