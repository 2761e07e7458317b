"""What a run shows while it works: a live display on a terminal, plain lines elsewhere, JSON lines for machines."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from landfall.engine.planning.model import Plan
from landfall.engine.transfer.work import Event

_PLAIN_SECONDS = 5
_SHOWN_TABLES = 12
_STATES = {
    "schema": "creating the schema in staging",
    "copying": "copying rows",
    "indexing": "building indexes",
    "comparing": "comparing both sides and cutting over",
    "cut_over": "cut over",
}


@dataclass(slots=True)
class _Tally:
    """Rows and bytes of one table so far."""

    total: int = 0
    rows: int = 0
    bytes: int = 0
    compared: int = 0
    equal: bool = False


class Progress:
    """Counts events; safe to call from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tables: dict[str, _Tally] = {}
        self._state = ""
        self._since = time.monotonic()
        self._resumed = 0

    def expect(self, plan: Plan, done: dict[str, tuple[int, int]] | None = None) -> None:
        """Take the totals from the plan, and what an earlier attempt has done."""
        for table in plan.tables:
            if table.moved:
                rows, size = (done or {}).get(table.label, (0, 0))
                self._tables[table.label] = _Tally(table.rows, rows, size)
                self._resumed += rows

    def count(self, event: Event) -> None:
        """Take an event in."""
        with self._lock:
            if event.kind == "state":
                self._state = event.text
                self._since = time.monotonic()
            tally = self._tables.get(event.table)
            if tally is None:
                return
            if event.kind == "chunk":
                tally.rows += event.rows
                tally.bytes += event.bytes
            elif event.kind == "compared":
                tally.compared += event.rows
            elif event.kind == "table":
                tally.equal = True

    @property
    def state(self) -> str:
        """The step that the run is in."""
        return self._state

    def totals(self) -> tuple[int, int, int, float, float | None]:
        """Rows done, rows in all, bytes done, rows per second in this step, seconds left if known."""
        with self._lock:
            comparing = self._state == "comparing"
            done = sum(t.compared if comparing else t.rows for t in self._tables.values())
            total = sum(t.total for t in self._tables.values())
            size = sum(t.bytes for t in self._tables.values())
            elapsed = max(time.monotonic() - self._since, 0.001)
        fresh = done if comparing else done - self._resumed
        rate = fresh / elapsed
        left = (total - done) / rate if rate > 0 and total > done else None
        return done, total, size, rate, left

    def lines(self) -> list[tuple[str, _Tally]]:
        """The tables that are under way or largest, for display."""
        with self._lock:
            items = sorted(self._tables.items(), key=lambda item: (item[1].rows >= item[1].total, -item[1].total))
        return items[:_SHOWN_TABLES]


class View(Protocol):
    """Something that shows events."""

    def start(self, plan: Plan, done: dict[str, tuple[int, int]] | None = None) -> None:
        """Begin; `done` is what an earlier attempt moved, rows and bytes by table."""

    def event(self, event: Event) -> None:
        """Show an event."""

    def stop(self) -> None:
        """End."""


def sized(count: float) -> str:
    """Bytes for people, in powers of 1,000."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def lasting(seconds: float | None) -> str:
    """A duration for people."""
    if seconds is None:
        return "-"
    whole = int(seconds + 0.5)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


class JsonView:
    """One JSON object per line on standard output."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def start(self, plan: Plan, done: dict[str, tuple[int, int]] | None = None) -> None:
        """Say what is to be moved."""
        tables = {t.label: t.rows for t in plan.tables if t.moved}
        moved = {label: rows for label, (rows, _) in (done or {}).items()}
        self.line({"type": "start", "digest": plan.digest(), "tables": tables, "done": moved})

    def event(self, event: Event) -> None:
        """Print the event."""
        fields = {name: getattr(event, name) for name in ("table", "rows", "bytes", "text") if getattr(event, name)}
        self.line({"type": event.kind, **fields})

    def line(self, value: dict[str, object]) -> None:
        """Print one object at once, whole."""
        with self._lock:
            sys.stdout.write(json.dumps(value, default=str) + "\n")
            sys.stdout.flush()

    def stop(self) -> None:
        """Nothing to tidy."""


class PlainView:
    """Lines without control characters: steps as they begin, and the totals every few seconds."""

    def __init__(self, echo: Callable[[str], None]) -> None:
        self._echo = echo
        self._progress = Progress()
        self._spoke = time.monotonic()
        self._lock = threading.Lock()

    def start(self, plan: Plan, done: dict[str, tuple[int, int]] | None = None) -> None:
        """Take the totals."""
        self._progress.expect(plan, done)

    def event(self, event: Event) -> None:
        """Show what a person would want to read in a log."""
        self._progress.count(event)
        if event.kind == "state":
            self._echo(f"· {_STATES.get(event.text, event.text)}")
        elif event.kind in {"notice", "recovered", "delta"}:
            self._echo(f"  {event.kind}: {event.text}")
        with self._lock:
            if time.monotonic() - self._spoke < _PLAIN_SECONDS:
                return
            self._spoke = time.monotonic()
        done, total, size, rate, left = self._progress.totals()
        self._echo(f"  {done:,} of {total:,} rows, {sized(size)}, {rate:,.0f} rows/s, {lasting(left)} left")

    def stop(self) -> None:
        """Nothing to tidy."""


class LiveView:
    """A display that is redrawn four times a second."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._progress = Progress()
        self._live = Live(get_renderable=self._drawn, console=console, refresh_per_second=4, transient=True)

    def start(self, plan: Plan, done: dict[str, tuple[int, int]] | None = None) -> None:
        """Begin to draw."""
        self._progress.expect(plan, done)
        self._live.start()

    def event(self, event: Event) -> None:
        """Count it; say what is worth a line that stays."""
        self._progress.count(event)
        if event.kind in {"notice", "recovered", "delta"}:
            self._console.print(Text(f"  {event.kind}: {event.text}", style="dim"))

    def stop(self) -> None:
        """End drawing."""
        self._live.stop()

    def _drawn(self) -> Group:
        done, total, size, rate, left = self._progress.totals()
        share = f"{100 * done / total:.0f} %" if total else ""
        grid = Table(box=None, pad_edge=False)
        for title in ("table", "rows", "of", "bytes", ""):
            grid.add_column(title, justify="left" if title in {"table", ""} else "right")
        for name, tally in self._progress.lines():
            mark = "equal" if tally.equal else ""
            grid.add_row(name, f"{tally.rows:,}", f"{tally.total:,}", sized(tally.bytes), mark)
        head = Text(f"{_STATES.get(self._progress.state, self._progress.state)}  {share}", style="bold")
        tail = Text(f"{done:,} of {total:,} rows  {sized(size)}  {rate:,.0f} rows/s  {lasting(left)} left   (Ctrl-C stops)")
        return Group(head, grid, tail)
