"""The comparison of views: each translated view returns the same rows on both sides, before the cutover.

The rule: only rows that are equal on both sides make a view equal. What could not be compared within the time limit, or at all, is
named with the reason and never counted as equal.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace

from landfall.engine.copy.run_context import Work
from landfall.engine.copy.worker_pool import stopped
from landfall.engine.errors import ConnectionLostError, EngineError, UnreachableError
from landfall.engine.model.plan import TablePlan, ViewPlan
from landfall.engine.sources.base import Reader

MOST_SECONDS = 10.0
_VIEW_SECONDS = 5
_LEAST_SECONDS = 1  # of the budget for a view to be started, and for a statement
_SHARE = 0.1
_TIMED_OUT = frozenset({"57014", "1969", "3024"})  # a statement's limit: PostgreSQL, MariaDB, MySQL
_OF_THE_SERVER = (ConnectionLostError, UnreachableError)
_MOST_COLUMNS = 30

Sums = tuple[int, int]


@dataclass(slots=True)
class ViewResults:
    """How the views compare: the number of equal ones, those that differ, and those that were not compared, each with why."""

    equal: int = 0
    different: list[str] = field(default_factory=list)
    uncompared: list[str] = field(default_factory=list)


def budget(pause_seconds: float) -> float:
    """Seconds for all views together under a write lock that lasts at most so long."""
    return min(MOST_SECONDS, pause_seconds * _SHARE)


def compare_views(work: Work, reader: Reader, seconds: float | None) -> ViewResults:
    """Compare the views of a plan, which exist in the staging schema.

    Args:
        work: The run.
        reader: A session on the source that sees the rows which were copied.
        seconds: For all views together; None: without a limit, in the snapshot that the reader has.

    Raises:
        EngineError: A side is not reachable, or the run is stopped.
    """
    results = ViewResults()
    created = {s.name for s in work.plan.statements if s.kind == "view"}
    end = None if seconds is None else time.monotonic() + seconds
    for view in work.plan.views:
        if view.table.target not in created:
            continue
        if work.stop.requested:
            raise stopped()
        if view.reason:
            results.uncompared.append(f"{view.table.label} ({view.reason})")
        elif end is not None and round(end - time.monotonic(), 1) < _LEAST_SECONDS:
            results.uncompared.append(f"{view.table.label} (less than {_LEAST_SECONDS} s was left for it under the write lock)")
        else:
            _compare(_Sides(work, reader, end), view, results)
    return results


def _compare(sides: _Sides, view: ViewPlan, results: ViewResults) -> None:
    name = view.table.label
    try:
        source_sums = sides.source(view.table)
    except EngineError as error:
        results.uncompared.append(f"{name} ({_reason(sides, error, 'the source cannot compute it')})")
        return
    try:
        target_sums = sides.target(view.table)
    except EngineError as error:
        reason = _reason(sides, error, "the target cannot compute it")
        (results.uncompared if _timed_out(error) else results.different).append(f"{name} ({reason})")
        return
    if source_sums == target_sums:
        results.equal += 1
    elif source_sums[0] != target_sums[0]:
        results.different.append(f"{name} ({source_sums[0]} rows in the source, {target_sums[0]} in the target)")
    else:
        columns = ", ".join(_columns(sides, view.table))
        results.different.append(f"{name} ({source_sums[0]} rows in both, other values{f' in {columns}' if columns else ''})")


def _reason(sides: _Sides, error: EngineError, problem: str) -> str:
    """Why a side has no answer. Raises what is no answer to the query: the connection, or the end of the run."""
    if isinstance(error, _OF_THE_SERVER) or sides.work.stop.requested:
        raise error
    return f"it takes longer than {sides.limit} s" if _timed_out(error) else f"{problem}: code {error.code or 'unknown'}"


def _timed_out(error: EngineError) -> bool:
    return error.code in _TIMED_OUT


def _columns(sides: _Sides, table: TablePlan) -> Iterator[str]:
    """The columns that differ, as far as the sides can tell them one by one in time. Raises nothing: the view differs in any case."""
    for column in table.columns[:_MOST_COLUMNS]:
        if sides.late or sides.work.stop.requested:
            return
        single = replace(table, columns=(column,))
        try:
            if sides.source(single) != sides.target(single):
                yield column.source
        except EngineError:
            return


@dataclass(slots=True)
class _Sides:
    """Both sides of a comparison, with a time limit for each statement if there is an end. `limit`: that of the last one, in seconds."""

    work: Work
    reader: Reader
    end: float | None
    limit: int = 0

    @property
    def late(self) -> bool:
        """Whether the end has passed."""
        return self.end is not None and time.monotonic() >= self.end

    def source(self, table: TablePlan) -> Sums:
        """Count and sum of the rows in the source."""
        self._set_limit()
        limited: AbstractContextManager[None] = self.reader.trial(self.limit) if self.limit else nullcontext()
        with limited:
            return self.reader.sums(self.work.engine.queries(self.work.shape(table)).sums(""))

    def target(self, table: TablePlan) -> Sums:
        """Count and sum of the rows in the target."""
        self._set_limit()
        session = self.work.database.session
        with session.trial(self.limit):
            count, total = session.rows(self.work.queries(table).range_sums(None, None))[0]
        return int(count or 0), int(total or 0)

    def _set_limit(self) -> None:
        if self.end is not None:
            seconds = math.ceil(self.end - time.monotonic())
            self.limit = max(_LEAST_SECONDS, min(_VIEW_SECONDS, seconds))
