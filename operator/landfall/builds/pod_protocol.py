"""How the three containers of a build hand on to each other: files, each written once, by one of them, whole.

`fetch` writes the sources, the plan and the program that runs the commands; the worker says whether packages are installed; the
program writes a log and how it ended. It holds a lock from its first moment to its last, so that whoever waits for the lock knows
that all of its processes are gone, also when they were killed. Nothing here is believed beyond the build that wrote it.
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
    """Where the files are. The folders are volumes: who may write to which is up to the pod."""

    root: Path = Path("/handoff")

    @property
    def plan(self) -> Path:
        """What is built, and how."""
        return self.root / "meta" / "plan.json"

    @property
    def failed(self) -> Path:
        """Why there is nothing to build."""
        return self.root / "meta" / "failed.json"

    @property
    def program(self) -> Path:
        """What runs the commands; written last."""
        return self.root / "meta" / "runner.py"

    @property
    def go(self) -> Path:
        """The word to begin."""
        return self.root / "go" / "go.json"

    @property
    def started(self) -> Path:
        """The program is there, and holds the lock."""
        return self.root / "out" / "started"

    @property
    def lock(self) -> Path:
        """Free, once every process of the commands is gone."""
        return self.root / "out" / "lock"

    @property
    def log(self) -> Path:
        """What the commands print."""
        return self.root / "out" / "log"

    @property
    def result(self) -> Path:
        """How they ended."""
        return self.root / "out" / "result.json"


def put(path: Path, document: dict[str, Any]) -> None:
    """Write a file that is there whole or not at all."""
    put_text(path, json.dumps(document))


def put_text(path: Path, text: str) -> None:
    """The same of text."""
    partial = path.with_suffix(".partial")
    partial.write_text(text, encoding="utf-8")
    partial.rename(path)


def read(path: Path) -> dict[str, Any] | None:
    """The document in a file; None where there is none. A link is none: what it points to may be ours."""
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "rb") as file:
            found = json.loads(file.read(1_000_000))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def is_free(lock: Path) -> bool:
    """Whether nobody holds it."""
    try:
        held = os.open(lock, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        fcntl.flock(held, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(held)
    return True
