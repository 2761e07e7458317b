"""What every stream of a run shares: the plan, the ledger, the way to report and the way to stop."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from landfall.engine.connect.source import Source
from landfall.engine.dialects.compare import Shape
from landfall.engine.options import Endpoint, Engine, Options
from landfall.engine.planning.model import Plan, TablePlan
from landfall.engine.store.ledger import Lease, Ledger

_HASHES_SINCE = 140000


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened, for whoever watches. `kind` is one of the words in EVENTS."""

    kind: str
    table: str = ""
    rows: int = 0
    bytes: int = 0
    text: str = ""


EVENTS = ("state", "step", "table", "begun", "chunk", "compared", "delta", "recovered", "notice", "verdict")


class Stop:
    """How a person stops a run: `gently` at the next checkpoint, `now` in the middle of a chunk."""

    def __init__(self) -> None:
        self._gently = threading.Event()
        self._lock = threading.Lock()
        self._aborts: dict[int, Callable[[], None]] = {}
        self.forced = False

    def gently(self) -> None:
        """Take no further chunk."""
        self._gently.set()

    def now(self) -> None:
        """End every connection that is registered."""
        self._gently.set()
        self.forced = True
        with self._lock:
            aborts = list(self._aborts.values())
        for abort in aborts:
            abort()

    @property
    def asked(self) -> bool:
        """Whether anybody asked to stop."""
        return self._gently.is_set()

    def wait(self, seconds: float) -> None:
        """Sleep, but not past a request to stop."""
        self._gently.wait(seconds)

    def register(self, owner: object, abort: Callable[[], None]) -> None:
        """Have `abort` called by `now`."""
        with self._lock:
            self._aborts[id(owner)] = abort

    def forget(self, owner: object) -> None:
        """Undo `register`."""
        with self._lock:
            self._aborts.pop(id(owner), None)


class Budget:
    """Memory for rows in flight: a stream waits until its largest row fits beside those of the others."""

    def __init__(self, size: int) -> None:
        self._size = max(size, 1)
        self._free = self._size
        self._changed = threading.Condition()

    def take(self, size: int) -> int:
        """Wait for room; what was taken, to be given back."""
        wanted = min(size, self._size)
        with self._changed:
            self._changed.wait_for(lambda: self._free >= wanted)
            self._free -= wanted
        return wanted

    def give(self, size: int) -> None:
        """Give room back."""
        with self._changed:
            self._free += size
            self._changed.notify_all()


class Throttle:
    """Holds streams back between chunks so that the run stays under its limits. Zero is no limit."""

    def __init__(self, rows_per_second: int, bytes_per_second: int) -> None:
        self._limits = (rows_per_second, bytes_per_second)
        self._lock = threading.Lock()
        self._free_at = time.monotonic()

    def pause_after(self, rows: int, size: int) -> float:
        """How long to wait after moving this much, in seconds."""
        cost = max((amount / limit for amount, limit in zip((rows, size), self._limits, strict=True) if limit), default=0.0)
        if not cost:
            return 0.0
        with self._lock:
            now = time.monotonic()
            self._free_at = max(self._free_at, now) + cost
            return self._free_at - now


@dataclass(frozen=True, slots=True)
class Work:
    """One run in progress."""

    plan: Plan
    options: Options
    source_endpoint: Endpoint
    target_endpoint: Endpoint
    source: Source
    ledger: Ledger
    lease: Lease
    stage: str
    report: Callable[[Event], None]
    stop: Stop = field(default_factory=Stop)

    @property
    def engine(self) -> Engine:
        """The source's engine."""
        return Engine(self.plan.engine)

    def shape(self, table: TablePlan) -> Shape:
        """The table as the query builders want it."""
        return shape_of(self.plan, table)

    def weight(self, table: TablePlan) -> int:
        """Memory that one row in flight may take."""
        return table.largest_row * 4

    @property
    def readers(self) -> int:
        """How many sessions read the source at once."""
        return min(self.threads, self.source.most_readers)

    @property
    def threads(self) -> int:
        """How many streams work at once."""
        return max(1, self.options.parallelism)


def shape_of(plan: Plan, table: TablePlan) -> Shape:
    """A planned table as the query builders want it."""
    digits = plan.source_version.split(" ")[0].split(".")[0]
    source_is_new = digits.isdigit() and int(digits) >= _HASHES_SINCE // 10000
    return Shape(
        engine=Engine(plan.engine),
        schema=table.schema,
        name=table.name,
        target=table.target,
        copied=tuple((c.source, c.target, c.mapping) for c in table.copied),
        compared=tuple((c.source, c.target, c.mapping) for c in table.compared),
        row_key=table.row_key,
        key=table.key[0] if table.unique_key else "",
        ordered_by=(table.ordered_by.source, table.ordered_by.target) if table.ordered_by else ("", ""),
        hashed=source_is_new and plan.target_version_number >= _HASHES_SINCE,
    )
