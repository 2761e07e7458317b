"""Repair before the write lock: compare without a lock and repair what differs, in rounds, as long as it is worthwhile.

The source stays writable, so a difference may be a write in progress, and equal rows may differ a moment later. A round finds what to
repair; only the verification under the write lock decides whether both sides are equal.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

from landfall.engine.copy.run_context import Work
from landfall.engine.copy.worker_pool import stopped
from landfall.engine.errors import ValueRefusedError
from landfall.engine.model.events import Event, EventKind
from landfall.engine.model.options import Options
from landfall.engine.model.plan import Plan, Stage
from landfall.engine.run.phases import Outcome
from landfall.engine.sources.base import Reader
from landfall.engine.verify.compare import Comparison
from landfall.engine.verify.repair import repair

LATE = (Stage.KEYS, Stage.LAST)
_MOST_ROUNDS = 6
_SMALL_ROWS = 10_000
_SMALL_SHARE = 0.01
_SHRINKING = 0.7
_BACK_OFF_SECONDS = (5.0, 20.0)


def another(differed: Sequence[int], total: int) -> bool:
    """Return whether another round is worthwhile.

    Args:
        differed: Number of rows in the repaired chunks, for each round so far, oldest first.
        total: Number of rows in all chunks.

    Returns:
        False if the last number is small (10,000 rows, or 1 % of the total), or has decreased by less than 30 %, or after six rounds.
    """
    if not differed:
        return True
    last = differed[-1]
    if len(differed) >= _MOST_ROUNDS or last <= max(_SMALL_ROWS, total * _SMALL_SHARE):
        return False
    return len(differed) == 1 or last < differed[-2] * _SHRINKING


def back_off(released: int) -> float | None:
    """Return the seconds to wait after the write lock was released `given_back` times; None if it is not acquired again."""
    return _BACK_OFF_SECONDS[released - 1] if released <= len(_BACK_OFF_SECONDS) else None


def pause_limit(options: Options, plan: Plan) -> float:
    """Return the limit of the write lock in seconds: from the spec, or twice the estimate of the plan and at least a minute."""
    return options.max_pause_seconds or max(options.freeze_limit_seconds, 2 * plan.freeze_seconds)


def keyed(work: Work) -> bool:
    """Return whether the staged tables already have foreign keys or triggers, so that a repair may change other rows."""
    late = {s.number for stage in LATE for s in work.plan.of_stage(stage)}
    return bool(late & work.ledger.done(work.lease.key))


def undo_foreign_keys(work: Work) -> None:
    """Drop the foreign keys of an attempt that ended before its cutover: they would reject a repair, or cascade."""
    executed = work.ledger.done(work.lease.key)
    for statement in work.plan.of_stage(Stage.KEYS):
        if statement.number not in executed or statement.kind not in {"foreign key", "validation"}:
            continue
        with work.database.session.transaction():
            if statement.kind == "foreign key":
                work.staging_of(statement.schema).drop_foreign_key(statement.table, statement.name)
            work.ledger.mark_undone(work.lease, statement.number)


def repair_rounds(work: Work, sessions: Callable[[], AbstractContextManager[list[Reader]]], outcome: Outcome) -> None:
    """Repair in rounds until `another` returns False. Each round reads new snapshots, without a write lock.

    Args:
        work: The run.
        sessions: Opens sessions on the source that are in a snapshot, and closes them at the end of the block.
        outcome: Its counts of rounds, chunks and rows are increased.
    """
    differed: list[int] = []
    total = sum(c.rows for c in work.ledger.chunks(work.lease.key))
    while not keyed(work) and another(differed, total):
        if work.stop.requested:
            raise stopped()
        work.report(Event(EventKind.ROUND, text=f"comparing without a write lock, round {len(differed) + 1}"))
        with sessions() as readers:
            differed.append(_round(work, readers, outcome))
        outcome.repair_rounds += 1


def _round(work: Work, readers: Sequence[Reader], outcome: Outcome) -> int:
    """Run one round. Return the number of rows in the chunks that differed."""
    began = time.monotonic()
    differences = Comparison(work, readers, final=False).run()
    outcome.comparison_seconds = round(time.monotonic() - began, 3)
    try:
        outcome.redone_rows += repair(work, readers, differences, finer=True)
    except ValueRefusedError as error:
        # Sessions without a common snapshot may see a unique value in two rows. Chunks that were deleted and not copied again
        # stay in the ledger without rows; the next comparison finds them.
        work.report(Event(EventKind.NOTICE, text=f"a repair waits for the write lock: {error.message}"))
    outcome.repaired_before += sum(len(d.chunks) for d in differences)
    outcome.corrected += [d.describe() for d in differences]
    return sum(d.rows for d in differences)
