"""Progress output of a run: a live display on a terminal, plain lines otherwise, JSON lines with `--output json`."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable
from typing import Protocol, assert_never

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from landfall.engine.model.events import Event, EventKind
from landfall.engine.model.plan import Plan
from landfall.engine.run.progress import ProgressCounter, ProgressSnapshot
from landfall.ledger_states import STATES, State

_PLAIN_SECONDS = 5
_SHOWN_TABLES = 12


class RunView(Protocol):
    """Output of the events of a run."""

    def start(self, plan: Plan, progress: dict[str, tuple[int, int]] | None = None) -> None:
        """Start the output. `progress`: (rows, bytes) that earlier attempts copied, by table."""

    def event(self, event: Event) -> None:
        """Show an event."""

    def stop(self) -> None:
        """End the output."""


def sized(count: float) -> str:
    """Human-readable size, in powers of 1,000."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def lasting(seconds: float | None) -> str:
    """Human-readable duration; `-` for None."""
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

    def start(self, plan: Plan, progress: dict[str, tuple[int, int]] | None = None) -> None:
        """Print the tables of the plan."""
        tables = {t.label: t.rows for t in plan.tables if t.moved}
        copied_rows = {label: rows for label, (rows, _) in (progress or {}).items()}
        self.line({"type": "start", "digest": plan.digest(), "tables": tables, "done": copied_rows})

    def event(self, event: Event) -> None:
        """Print the event."""
        fields = {name: getattr(event, name) for name in ("table", "rows", "bytes", "text") if getattr(event, name)}
        self.line({"type": event.kind, **fields})

    def line(self, value: dict[str, object]) -> None:
        """Print one object as one line."""
        with self._lock:
            sys.stdout.write(json.dumps(value, default=str) + "\n")
            sys.stdout.flush()

    def stop(self) -> None:
        """Nothing to clean up."""


class PlainView:
    """Lines without control characters: each step when it starts, and the totals every few seconds."""

    def __init__(self, echo: Callable[[str], None]) -> None:
        self._echo = echo
        self._tally: ProgressCounter | None = None
        self._spoke = time.monotonic()
        self._lock = threading.Lock()

    def start(self, plan: Plan, progress: dict[str, tuple[int, int]] | None = None) -> None:
        """Read the totals from the plan."""
        self._tally = ProgressCounter(plan, progress)

    def event(self, event: Event) -> None:
        """Print the event, if it is of interest in a log."""
        if self._tally is None:
            return
        self._tally.count(event)
        if event.kind is EventKind.STATE:
            self._echo(f"· {_label(State(event.text))}")
        elif _is_of_interest(event.kind):
            self._echo(f"  {event.kind}: {event.text}")
        with self._lock:
            if time.monotonic() - self._spoke < _PLAIN_SECONDS:
                return
            self._spoke = time.monotonic()
        self._echo(f"  {_numbers_text(self._tally.numbers())}")

    def stop(self) -> None:
        """Nothing to clean up."""


class LiveView:
    """A display that is redrawn four times per second."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._tally: ProgressCounter | None = None
        self._live = Live(get_renderable=self._render, console=console, refresh_per_second=4, transient=True)

    def start(self, plan: Plan, progress: dict[str, tuple[int, int]] | None = None) -> None:
        """Start drawing."""
        self._tally = ProgressCounter(plan, progress)
        self._live.start()

    def event(self, event: Event) -> None:
        """Count the event, and print it if it is of interest in a log."""
        if self._tally:
            self._tally.count(event)
        if _is_of_interest(event.kind):
            self._console.print(Text(f"  {event.kind}: {event.text}", style="dim"))

    def stop(self) -> None:
        """End drawing."""
        self._live.stop()

    def _render(self) -> Group:
        if self._tally is None:
            return Group()
        numbers = self._tally.numbers()
        grid = Table(box=None, pad_edge=False)
        for title in ("table", "rows", "of", "bytes", ""):
            grid.add_column(title, justify="left" if title in {"table", ""} else "right")
        for name, tally in self._tally.tables(_SHOWN_TABLES):
            grid.add_row(name, f"{tally.rows:,}", f"{tally.total:,}", sized(tally.bytes), tally.state.lower())
        head = Text(f"{_label(numbers.state)}  {numbers.percent} %", style="bold")
        return Group(head, grid, Text(f"{_numbers_text(numbers)}   (Ctrl-C stops)"))


def _is_of_interest(kind: EventKind) -> bool:
    """Whether an event has a line of its own in a log."""
    match kind:
        case EventKind.NOTICE | EventKind.RECOVERED | EventKind.RETURNED | EventKind.ROUND | EventKind.DELTA:
            return True
        case EventKind.STATE | EventKind.STEP | EventKind.TABLE | EventKind.BEGUN | EventKind.CHUNK | EventKind.COMPARED:
            return False
        case EventKind.VERDICT:
            return False
        case _:
            assert_never(kind)


def _label(state: State | None) -> str:
    return STATES[state].label if state else ""


def _numbers_text(numbers: ProgressSnapshot) -> str:
    rows = f"{numbers.rows:,} of {numbers.total:,} rows"
    return f"{rows}, {sized(numbers.bytes)}, {numbers.rows_per_second:,.0f} rows/s, {lasting(numbers.remaining_seconds)} left"
