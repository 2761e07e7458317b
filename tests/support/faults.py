"""Breaking a run on purpose: the command in a process of its own, and something bad at a chosen event.

A fault is drawn from a seed: what happens, and after how many events of a clean run. Each run is then resumed with the
same command until it completes.
"""

from __future__ import annotations

import json
import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.forked import Forked

REPOSITORY = Path(__file__).parent.parent.parent
_TRIES = 8
_PATIENCE = 300


@dataclass
class Attempt:
    """One process: its exit status and the events that it printed."""

    status: int
    events: list[dict[str, Any]]
    errors: str = ""

    def chunks(self, kind: str) -> list[tuple[str, str, int]]:
        """Table, number and rows of the chunks that it began (`begun`) or committed (`chunk`)."""
        return [(e["table"], e["text"], e.get("rows", 0)) for e in self.events if e["type"] == kind]


def redone(attempts: list[Attempt]) -> int:
    """Rows of the chunks that were begun more than once, for each time too many, and of the deltas."""
    sizes = {(table, number): rows for a in attempts for table, number, rows in a.chunks("chunk")}
    starts = Counter((table, number) for a in attempts for table, number, _ in a.chunks("begun"))
    again = sum(sizes.get(chunk, 0) * (times - 1) for chunk, times in starts.items())
    return again + sum(rows for a in attempts for _, _, rows in a.chunks("delta"))


def start(manifest: Path) -> Forked:
    """`landfall run` with JSON output."""
    return Forked("run", "--yes", "--output", "json", "--takeover-after", "1", str(manifest))


def watched(process: Forked, at: int, strike: Callable[[Forked], None]) -> Attempt:
    """Read events; at the given one, strike. Returns when the process has ended."""
    events: list[dict[str, Any]] = []
    for line in process.stdout:
        events.append(json.loads(line))
        if len(events) == at:
            strike(process)
    process.wait(_PATIENCE)
    errors = process.stderr.read()
    return Attempt(process.returncode, events, errors)


def nothing(_process: Forked) -> None:
    """No fault."""


@dataclass
class Faults:
    """The faults that a pair of databases knows. Each names itself and takes the process under test."""

    kill_target_sessions: Callable[[], None]
    kill_source_sessions: Callable[[], None] | None
    restart_target: Callable[[], None]
    zombies: list[Forked] = field(default_factory=list)

    def draw(self, rng: random.Random) -> tuple[str, Callable[[Forked], None]]:
        """One of them."""
        kinds: dict[str, tuple[int, Callable[[Forked], None]]] = {
            "SIGKILL": (8, lambda p: p.send_signal(signal.SIGKILL)),
            "SIGSTOP": (4, self._freeze),
            "Ctrl-C": (3, lambda p: p.send_signal(signal.SIGINT)),
            "Ctrl-C twice": (3, self._interrupt_twice),
            "target sessions killed": (4, lambda _: self.kill_target_sessions()),
            "target restarted": (1, lambda _: self.restart_target()),
        }
        if self.kill_source_sessions:
            killed = self.kill_source_sessions
            kinds["source sessions killed"] = (4, lambda _: killed())
        name = rng.choices(list(kinds), [weight for weight, _ in kinds.values()])[0]
        return name, kinds[name][1]

    @staticmethod
    def _interrupt_twice(process: Forked) -> None:
        process.send_signal(signal.SIGINT)
        time.sleep(0.02)
        process.send_signal(signal.SIGINT)

    def _freeze(self, process: Forked) -> None:
        """Stop the process in its tracks, and leave it for another one to take over from."""
        process.send_signal(signal.SIGSTOP)
        self.zombies.append(process)

    def wake(self) -> list[Attempt]:
        """Let frozen processes go on, after another one has finished their work; how they ended."""
        attempts = []
        for process in self.zombies:
            process.send_signal(signal.SIGCONT)
            out, errors = process.communicate(timeout=_PATIENCE)
            attempts.append(Attempt(process.returncode, [json.loads(line) for line in out.splitlines()], errors))
        self.zombies.clear()
        return attempts


def until_complete(
    manifest: Path, at: int, name: str, strike: Callable[[Forked], None], wake: Callable[[], list[Attempt]]
) -> list[Attempt]:
    """Run with one fault, then again until it completes. Raises AssertionError when it never does.

    A lock on a file dies with its process only, so a frozen one is woken when its lock is in the way.
    """
    process = start(manifest)
    attempts: list[Attempt] = []
    if name == "SIGSTOP":
        attempts.append(Attempt(-signal.SIGSTOP, _until_event(process, at)))
        strike(process)
        time.sleep(1.6)
    else:
        attempts.append(watched(process, at, strike))
        if attempts[0].status == 0:
            return attempts
    for _ in range(_TRIES):
        attempts.append(watched(start(manifest), 0, nothing))
        if attempts[-1].status == 0:
            return attempts
        if any(e.get("reason") == "LockTimeout" for e in attempts[-1].events):
            attempts += wake()
        time.sleep(0.5)
    message = f"never completed after {name} at event {at}: {attempts[-1].events[-1:]} {attempts[-1].errors[-2000:]}"
    raise AssertionError(message)


def _until_event(process: Forked, at: int) -> list[dict[str, Any]]:
    """The first events; what comes after them is read when the process is woken."""
    events = []
    while len(events) < at and (line := process.stdout.readline()):
        events.append(json.loads(line))
    return events
