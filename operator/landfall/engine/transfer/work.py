"""What every stream of a run shares: the plan, the ledger, the way to report and the way to stop."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from landfall.engine.connect.postgresql import PINNED
from landfall.engine.connect.source import Source
from landfall.engine.dialects.compare import Shape
from landfall.engine.dialects.digests import renewed
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


class Dials:
    """What of a run may change while it works. Whoever works looks at it between two chunks."""

    def __init__(self, options: Options) -> None:
        self.parallelism = options.parallelism
        self.workers = options.workers
        self.batch_rows = options.batch_rows
        self.rows_per_second = options.rows_per_second
        self.bytes_per_second = options.bytes_per_second
        self.hold = False
        self.may_cut_over: Callable[[], bool] = lambda: True


class Throttle:
    """Holds streams back between chunks so that the run stays under its limits, whatever these are by now. Zero is no limit.

    What was taken is served at the limit's pace; a stream waits until its own amount is.
    """

    def __init__(self, dials: Dials, clock: Callable[[], float] = time.monotonic) -> None:
        self._dials = dials
        self._clock = clock
        self._lock = threading.Lock()
        self._taken = (0.0, 0.0)
        self._served = (0.0, 0.0)
        self._at = clock()

    def take(self, rows: int, size: int) -> tuple[float, float]:
        """Count what was moved; a ticket for `left`."""
        with self._lock:
            self._serve()
            self._taken = (self._taken[0] + rows, self._taken[1] + size)
            return self._taken

    def left(self, ticket: tuple[float, float]) -> float:
        """How long to wait yet, in seconds."""
        with self._lock:
            limits = self._serve()
            waits = [(mine - done) / limit for mine, done, limit in zip(ticket, self._served, limits, strict=True) if limit]
            return max(0.0, *waits, 0.0)

    def _serve(self) -> tuple[int, int]:
        now, limits = self._clock(), (self._dials.rows_per_second, self._dials.bytes_per_second)
        spent, self._at = now - self._at, now
        served = [
            min(taken, done + limit * spent) if limit else taken
            for taken, done, limit in zip(self._taken, self._served, limits, strict=True)
        ]
        self._served = (served[0], served[1])
        return limits


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
    stop: Stop
    dials: Dials

    @property
    def engine(self) -> Engine:
        """The source's engine."""
        return Engine(self.plan.engine)

    @property
    def session(self) -> dict[str, str]:
        """The settings of a session that moves or compares rows of the stage, by name."""
        return {**PINNED, "search_path": self.plan.search_path(self.stage)}

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
        return max(1, self.dials.parallelism)


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
        compared=tuple((c.source, c.target, renewed(c.mapping)) for c in table.compared),
        row_key=table.row_key,
        key=table.key[0] if table.unique_key else "",
        ordered_by=(table.ordered_by.source, table.ordered_by.target) if table.ordered_by else ("", ""),
        hashed=source_is_new and plan.target_version_number >= _HASHES_SINCE,
    )
