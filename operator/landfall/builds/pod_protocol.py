"""The protocol between the three containers of a build: files, each written once and atomically by one container.

`fetch` writes the sources, the plan and the program that runs the commands. The worker writes whether packages are installed. If it will
keep packages for later builds, it packs them after the installation and before any build command, while no process of the build is
alive: what a build command writes into them stays in this build. The program writes a log and its result. It holds a lock from start to end, so that a process that waits for the lock knows that all processes
of the build have ended, also if they were killed. The files are trusted only within this build.
"""

from __future__ import annotations

import fcntl
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

APP = Path("/app")


@dataclass(frozen=True, slots=True)
class Places:
    """The paths of the files. The folders are volumes; the pod defines which container can write to which."""

    root: Path = Path("/handoff")

    @property
    def plan(self) -> Path:
        """The build plan."""
        return self.root / "meta" / "plan.json"

    @property
    def failed(self) -> Path:
        """The error of the fetch container."""
        return self.root / "meta" / "failed.json"

    @property
    def program(self) -> Path:
        """The program that runs the commands; written last."""
        return self.root / "meta" / "runner.py"

    @property
    def go(self) -> Path:
        """The signal to start the commands."""
        return self.root / "go" / "go.json"

    @property
    def installed(self) -> Path:
        """Exists when the packages are installed and no build command has run, if the worker asked for the file."""
        return self.root / "out" / "installed"

    @property
    def go_build(self) -> Path:
        """The signal to start the build commands, if the worker asked for the file."""
        return self.root / "go" / "build.json"

    @property
    def started(self) -> Path:
        """Exists when the program has started and holds the lock."""
        return self.root / "out" / "started"

    @property
    def lock(self) -> Path:
        """The lock; free when every process of the commands has ended."""
        return self.root / "out" / "lock"

    @property
    def log(self) -> Path:
        """The output of the commands."""
        return self.root / "out" / "log"

    @property
    def result(self) -> Path:
        """The result of the commands."""
        return self.root / "out" / "result.json"


def put(path: Path, document: dict[str, Any]) -> None:
    """Write a JSON file atomically."""
    put_text(path, json.dumps(document))


def put_text(path: Path, text: str) -> None:
    """Write a text file atomically."""
    partial = path.with_suffix(".partial")
    partial.write_text(text, encoding="utf-8")
    partial.rename(path)


def read(path: Path) -> dict[str, Any] | None:
    """Read a JSON file; None if it does not exist. A link is ignored, because it may point to a file of this container."""
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "rb") as file:
            data = json.loads(file.read(1_000_000))
    except (OSError, ValueError):
        return None
    return data if isinstance(data, dict) else None


def is_free(lock: Path) -> bool:
    """Return whether no process holds the lock."""
    try:
        descriptor = os.open(lock, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True
