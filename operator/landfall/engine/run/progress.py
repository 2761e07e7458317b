"""Progress of a run: counted from its events, for each table, with an estimate of the remaining time. Every client shows these numbers."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, assert_never

from landfall.engine.model.events import Event, EventKind
from landfall.engine.model.plan import Plan, Stage
from landfall.ledger_states import ORDER, STATES, WORK, State

_STAGES = {
    State.SCHEMA: (Stage.PREPARE, Stage.TABLES),
    State.INDEXING: (Stage.INDEXES, Stage.FINISH),
    State.COMPARING: (Stage.KEYS, Stage.LAST),
}
_TELLING = 0.05  # share of a phase that must be done before its speed is used for the estimate
_TELLING_SECONDS = 1.0  # and the minimum duration, because limits delay the streams after a chunk
_RECENT_CHUNKS = 16
_COMPARED_SHARE = 0.9
_RATE_SECONDS = 10.0


@dataclass(slots=True)
class TableCounter:
    """Progress of one table: rows and bytes copied, rows compared and repaired, chunks in progress (`flying`)."""

    total: int = 0
    rows: int = 0
    bytes: int = 0
    compared: int = 0
    corrected: int = 0
    flying: int = 0
    equal: bool = False

    @property
    def state(self) -> str:
        """Pending, Copying, Copied or Equal."""
        if self.equal:
            return "Equal"
        if self.rows and self.rows >= self.total and not self.flying:
            return "Copied"
        return "Copying" if self.flying or self.rows else "Pending"


@dataclass(frozen=True, slots=True)
class ProgressSnapshot:
    """Progress at one time. `percent` is of the estimated time of the run, `step_percent` of the phase's work; seconds are None if unknown."""

    state: State | None
    rows: int
    total: int
    bytes: int
    rows_per_second: float
    bytes_per_second: float
    percent: int
    step_percent: int
    remaining_seconds: float | None
    checkpoint: str
    checkpoint_seconds: float | None
    compared: int
    corrected: int
    recovered: int
    equal: int


@dataclass(slots=True)
class _Pace:
    """Duration of a phase, and its completed share (0 to 1) when this process began it."""

    began: float
    first: float = 0.0
    ended: float | None = None


@dataclass(slots=True)
class _Rate:
    """Rates per second over the last 10 s of a phase. A shorter time than one second counts as one second."""

    seen: deque[tuple[float, int, int]] = field(default_factory=deque)

    def add(self, now: float, rows: int, size: int) -> None:
        self.seen.append((now, rows, size))
        while self.seen[0][0] < now - _RATE_SECONDS:
            self.seen.popleft()

    def per_second(self, now: float, since: float) -> tuple[float, float]:
        recent = [s for s in self.seen if s[0] >= now - _RATE_SECONDS]
        elapsed = max(min(now - since, _RATE_SECONDS), 1.0)
        return sum(s[1] for s in recent) / elapsed, sum(s[2] for s in recent) / elapsed


_OfTable = Literal[EventKind.BEGUN, EventKind.CHUNK, EventKind.COMPARED, EventKind.DELTA, EventKind.TABLE]


class ProgressCounter:
    """Counts events. Thread-safe. `done`: rows and bytes that earlier attempts copied, by table."""

    def __init__(
        self, plan: Plan, copied: Mapping[str, tuple[int, int]] | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._tables = {t.label: TableCounter(t.rows, *(copied or {}).get(t.label, (0, 0))) for t in plan.tables if t.moved}
        self._statements = {state: sum(len(plan.of_stage(s)) for s in stages) for state, stages in _STAGES.items()}
        self._expected = {state: float(sum(plan.estimates.get(n, 0) for n in STATES[state].estimates)) for state in WORK}
        self._paces: dict[State, _Pace] = {}
        self._steps_done = 0
        self._state: State | None = None
        self._begun: dict[tuple[str, str], float] = {}
        self._lasted: deque[float] = deque(maxlen=_RECENT_CHUNKS)
        self._checkpoint = ""
        self._recovered = 0
        self._rate = _Rate()

    def count(self, event: Event) -> None:
        """Count an event."""
        with self._lock:
            now = self._clock()
            match event.kind:
                case EventKind.STATE:
                    self._enter(State(event.text), now)
                case EventKind.STEP:
                    self._steps_done += 1
                case EventKind.ROUND:
                    self._compare_anew()
                case EventKind.RECOVERED:
                    self._recovered += 1
                    self._flying_again()
                case EventKind.BEGUN | EventKind.CHUNK | EventKind.COMPARED | EventKind.DELTA | EventKind.TABLE:
                    self._count_rows(event.kind, event, now)
                case EventKind.RETURNED | EventKind.NOTICE | EventKind.VERDICT:
                    pass  # they count nothing
                case _:
                    assert_never(event.kind)

    def complete(self, compared: Mapping[int, int], plan: Plan) -> None:
        """Record that the run is cut over according to the ledger: every table was compared and is equal.

        Args:
            compared: Rows that the verification counted, by the number of the table.
            plan: The plan of the run.
        """
        with self._lock:
            self._enter(State.CUT_OVER, self._clock())
            for table in plan.tables:
                tally = self._tables.get(table.label)
                if tally:
                    tally.compared = compared.get(table.number, tally.rows)
                    tally.rows = tally.rows or tally.compared
                    tally.equal = plan.moves_rows

    def _enter(self, state: State, now: float) -> None:
        if self._state in self._paces:
            self._paces[self._state].ended = now
        self._state = state
        self._steps_done = 0
        self._rate = _Rate()
        if state in WORK:
            self._paces[state] = _Pace(now, self._fraction(state))

    def _flying_again(self) -> None:
        """A stream lost its chunk. The event does not name it, so no chunk counts as in progress until it begins again."""
        self._begun.clear()
        for tally in self._tables.values():
            tally.flying = 0

    def _count_rows(self, kind: _OfTable, event: Event, now: float) -> None:
        tally = self._tables.get(event.table)
        if tally is None:
            return
        match kind:
            case EventKind.BEGUN:
                tally.flying += 1
                self._begun[(event.table, event.text)] = now
            case EventKind.CHUNK:
                tally.rows += event.rows
                tally.bytes += event.bytes
                tally.flying = max(0, tally.flying - 1)
                self._lasted.append(now - self._begun.pop((event.table, event.text), now))
                self._checkpoint = f"{event.table}/{event.text}"
                self._rate.add(now, event.rows, event.bytes)
            case EventKind.COMPARED:
                tally.compared += event.rows
                self._rate.add(now, event.rows, 0)
            case EventKind.DELTA:
                tally.corrected += event.rows
            case EventKind.TABLE:
                tally.equal = True
            case _:
                assert_never(kind)

    def _compare_anew(self) -> None:
        """A round of the comparison begins: the counts of earlier rounds are reset."""
        for tally in self._tables.values():
            tally.compared = 0

    # -- reading ------------------------------------------------------------------------------------------------------

    def tables(self, most: int) -> list[tuple[str, TableCounter]]:
        """Return at most `most` tables: those in progress first, then the largest pending ones, then completed ones."""
        with self._lock:
            items = sorted(self._tables.items(), key=lambda i: (i[1].state != "Copying", i[1].rows >= i[1].total, -i[1].total))
        return items[:most]

    def numbers(self) -> ProgressSnapshot:
        """Return the current progress."""
        with self._lock:
            now = self._clock()
            tallies = list(self._tables.values())
            state = self._state
            pace = self._paces.get(state) if state else None
            rate = self._rate.per_second(now, pace.began if pace else now)
            remaining = self._remaining(now)
            share = self._fraction(state) if state in WORK else float(state is State.CUT_OVER)
            return ProgressSnapshot(
                state=state,
                rows=sum(t.rows for t in tallies),
                total=sum(t.total for t in tallies),
                bytes=sum(t.bytes for t in tallies),
                rows_per_second=rate[0],
                bytes_per_second=rate[1],
                percent=self._percent(state),
                step_percent=int(100 * share),
                remaining_seconds=remaining,
                checkpoint=self._checkpoint,
                checkpoint_seconds=self._to_checkpoint(now),
                compared=sum(t.compared for t in tallies),
                corrected=sum(t.corrected for t in tallies),
                recovered=self._recovered,
                equal=sum(t.equal for t in tallies),
            )

    def _fraction(self, state: State | None) -> float:
        """Completed share of a phase, from 0 to 1."""
        total = sum(t.total for t in self._tables.values())
        if state is State.COPYING:
            return min(1.0, sum(t.rows for t in self._tables.values()) / total) if total else 1.0
        if state is State.COMPARING:
            compared = min(1.0, sum(t.compared for t in self._tables.values()) / total) if total else 1.0
            return compared * _COMPARED_SHARE
        count = self._statements.get(state, 0) if state else 0
        return min(1.0, self._steps_done / count) if count else 0.0

    def _percent(self, state: State | None) -> int:
        """Completed share of the run in percent, weighted by the plan's estimates of the phases."""
        if state is None or state not in ORDER:
            return 0
        if state not in WORK:
            return 100
        whole = sum(self._expected.values()) or 1.0
        expected_done = sum(self._expected[s] for s in WORK if ORDER.index(s) < ORDER.index(state))
        return min(99, int(100 * (expected_done + self._expected[state] * self._fraction(state)) / whole))

    def _remaining(self, now: float) -> float | None:
        """Seconds to the end: the phase at its own speed, later phases by the plan's estimates times the error of the estimates so far."""
        state = self._state
        if state not in self._paces:
            return 0.0 if state is State.CUT_OVER else None
        pace, share = self._paces[state], self._fraction(state)
        share_done, elapsed = share - pace.first, now - pace.began
        off = self._off(now)
        if share_done >= _TELLING and elapsed >= _TELLING_SECONDS:
            seconds_left = elapsed / share_done * (1.0 - share)
            earlier = self._off(now, state) if ORDER.index(state) > ORDER.index(State.COPYING) else None
            if earlier is not None:  # a comparison begins slowly: the less is done, the more the estimate counts
                seconds_left = share * seconds_left + (1.0 - share) * max(
                    self._expected[state] * (1.0 - pace.first) * earlier - elapsed, 0.0
                )
        elif off is None:
            return None
        else:
            seconds_left = max(self._expected[state] * (1.0 - pace.first) * off - elapsed, 0.0)
        later: Sequence[State] = [s for s in WORK if ORDER.index(s) > ORDER.index(state)]
        return seconds_left + sum(self._expected[s] for s in later) * (1.0 if off is None else off)

    def _off(self, now: float, but: State | None = None) -> float | None:
        """Actual divided by estimated duration of the completed work, without the phase `but`; None if too little is done."""
        elapsed = expected = 0.0
        for state, pace in self._paces.items():
            if state is but:
                continue
            share = (1.0 if pace.ended is not None else self._fraction(state)) - pace.first
            end = pace.ended if pace.ended is not None else now
            if share >= _TELLING and (pace.ended is not None or end - pace.began >= _TELLING_SECONDS):
                elapsed += end - pace.began
                expected += self._expected[state] * share
        return elapsed / expected if expected > 0 else None

    def _to_checkpoint(self, now: float) -> float | None:
        """Seconds until the chunks in progress end, estimated from the last ones: a pause takes effect at that time."""
        if self._state is not State.COPYING or not self._begun or not self._lasted:
            return None
        return max(max(self._lasted) - (now - min(self._begun.values())), 0.0)
