"""Version 0.1.0 of the command: its wheel, built from the history of this repository, in a process of its own.

What it imports besides itself comes from this environment.
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.programs import cache
from tests.support.caches import alone
from tests.support.faults import REPOSITORY

COMMIT = "4c74cdfdb36177b15f51434d26c8374e44dac664"


class ShallowCloneError(Exception):
    """The clone has no history to take version 0.1.0 from."""


@dataclass(frozen=True, slots=True)
class Version01:
    """The command of version 0.1.0. `folder` is what its wheel would install."""

    folder: Path

    def start(self, manifest: Path, log: Path) -> subprocess.Popen[str]:
        """Start `landfall run` with JSON output; both its outputs go to `log`."""
        command = ("run", "--yes", "--output", "json", "--takeover-after", "1", str(manifest))
        with log.open("w", encoding="utf-8") as out:
            return subprocess.Popen(
                self._command(*command), stdout=out, stderr=out, text=True, env=self._environment(), cwd=self.folder
            )

    def origin(self) -> Path:
        """The folder that its process imports landfall from."""
        result = subprocess.run(
            [sys.executable, "-c", "import landfall; print(landfall.__path__[0])"],
            check=True,
            capture_output=True,
            text=True,
            env=self._environment(),
            cwd=self.folder,
        )
        return Path(result.stdout.strip())

    @staticmethod
    def _command(*arguments: str) -> list[str]:
        return [sys.executable, "-m", "landfall", *arguments]

    def _environment(self) -> dict[str, str]:
        return {**os.environ, "PYTHONPATH": str(self.folder)}


def installed() -> Version01:
    """The wheel of version 0.1.0, built once for a commit and kept in the cache. Raises ShallowCloneError where the clone is shallow and lacks the commit."""
    place = cache() / f"landfall-0.1.0-{COMMIT[:12]}"
    with alone(place):
        if not place.exists():
            _install(place)
    return Version01(place)


def _install(place: Path) -> None:
    with tempfile.TemporaryDirectory(dir=place.parent, prefix=".landfall-0.1.0-") as name:
        checkout, wheels, contents = (Path(name) / part for part in ("checkout", "wheels", "contents"))
        files(checkout)
        pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "wheel", "--no-deps", "--wheel-dir", str(wheels), str(checkout)], check=True)
        (wheel,) = wheels.glob("landfall-0.1.0-*.whl")
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(contents)  # noqa: S202  our own
        subprocess.run([sys.executable, "-m", "compileall", "-q", str(contents)], check=True)
        contents.rename(place)


def files(folder: Path, *paths: str) -> None:
    """Unpack files and folders of version 0.1.0's checkout into a folder, all of them by default. Raises ShallowCloneError as `installed` does."""
    archive = subprocess.run(["git", "archive", COMMIT, *paths], cwd=REPOSITORY, capture_output=True, check=False)
    if archive.returncode:
        if _git("rev-parse", "--is-shallow-repository") == "true":
            message = f"this clone is shallow and has no commit {COMMIT[:7]}: fetch with --unshallow"
            raise ShallowCloneError(message)
        raise AssertionError(archive.stderr.decode())
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as tree:
        tree.extractall(folder, filter="data")


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=REPOSITORY, check=True, capture_output=True, text=True).stdout.strip()
