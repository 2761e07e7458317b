"""The movers that `make bench` compares: Landfall as a command, and the newest peers that Debian has. Each is timed in the same way."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.servers import _PG15
from tests.support.unstable import Unstable

_REPOSITORY = Path(__file__).parent.parent.parent
_LIMIT = 1800
_PGCOPYDB = Unstable("pgcopydb", package="pgcopydb", program="usr/bin/pgcopydb")
_PGLOADER = Unstable("pgloader", package="pgloader", program="usr/bin/pgloader")


@dataclass
class Result:
    """What one mover took, round by round: seconds on the clock, seconds of its own CPU, and seconds until rows and indexes were there.

    `printed` is what it printed in its last run.
    """

    name: str
    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    moved: list[float] = field(default_factory=list)
    printed: str = ""
    failure: str = ""

    def failed(self, summary: str) -> None:
        """Say so in the table, with the first line that it printed of an error."""
        lines = [line for line in self.printed.splitlines() if any(word in line for word in ("ERROR", "FATAL", "exhaust"))]
        cause = lines[0].split("ERROR", 1)[-1].strip().replace("|", "/")[:160] if lines else ""
        self.failure = f"{summary}: {cause}" if cause else summary


@dataclass(frozen=True)
class Peer:
    """Another mover: its name in the table, and its command."""

    name: str
    command: tuple[str, ...]


def pgloader(source: str, target: str) -> Peer:
    """With its default it exhausts its heap on 20 tables.

    Args:
        source: URL of a database of MariaDB or MySQL, or of a file of SQLite.
        target: URL of the database in PostgreSQL.
    """
    return Peer(f"pgloader {_PGLOADER.version()}", (*_PGLOADER.command(), "--with", "prefetch rows = 10000", source, target))


def pgcopydb(source: str, target: str, folder: Path) -> list[Peer]:
    """As text, which is its default, and as the binary format of COPY. `folder` is where it keeps its state."""
    ends = ("--source", source, "--target", target, "--dir", str(folder / "pgcopydb"), "--restart")
    name = f"pgcopydb {_PGCOPYDB.version()}"
    command = (*_PGCOPYDB.command(), "clone", *ends, "--table-jobs", "4", "--index-jobs", "4")
    return [Peer(name, command), Peer(f"{name} --use-copy-binary", (*command, "--use-copy-binary"))]


def run_landfall(result: Result, path: Path) -> None:
    """One run of ours, with everything: plan, profile, copy, indexes, comparison, cutover.

    Raises:
        RuntimeError: The run failed.
    """
    before, began, copied_after = os.times(), time.monotonic(), 0.0
    process = subprocess.Popen(
        [sys.executable, "-m", "landfall", "run", "--yes", "-o", "json", str(path)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(_REPOSITORY / "operator")},
    )
    assert process.stdout
    last = ""
    for line in process.stdout:
        last = line
        if '"text": "comparing"' in line:
            copied_after = time.monotonic() - began
    if process.wait():
        message = f"landfall failed: {last}"
        raise RuntimeError(message)
    _add(result, time.monotonic() - began, copied_after, before)


def run_peer(result: Result, peer: Peer) -> None:
    """One run of a peer. One that fails is reported as such and not tried again."""
    if result.failure:
        return
    before, began = os.times(), time.monotonic()
    path = f"{_PG15}:{os.environ['PATH']}"  # pgcopydb runs the pg_dump that it finds there: the one of the servers' version
    try:
        process = subprocess.run(
            peer.command,
            check=False,
            capture_output=True,
            text=True,
            errors="replace",
            env={**os.environ, "PATH": path},
            timeout=_LIMIT,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired:
        result.failure = f"no end after {_LIMIT} s"
        return
    seconds = time.monotonic() - began
    result.printed = f"{process.stdout}\n{process.stderr}"
    if process.returncode:
        result.failed(f"exit status {process.returncode}")
        return
    _add(result, seconds, seconds, before)


def _add(result: Result, seconds: float, copy_seconds: float, before: os.times_result) -> None:
    after = os.times()
    result.wall.append(seconds)
    result.moved.append(copy_seconds)
    result.cpu.append(after.children_user + after.children_system - before.children_user - before.children_system)
