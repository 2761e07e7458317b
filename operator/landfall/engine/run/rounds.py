"""Repair before the write lock: compare without a lock and copy again what differs, in rounds, while that pays.

Writers go on meanwhile, so a difference that is found here may be a write in flight, and what is equal may differ a
moment later: a round says what to copy again, never that the two sides are equal. That is said under the lock alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

from landfall.engine.copy.run_context import Work
from landfall.engine.copy.worker_pool import stopped
from landfall.engine.errors import ValueRefusedError
from landfall.engine.model.events import Event
from landfall.engine.model.identifiers import quoted
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
    """Whether one more round pays.

    Args:
        differed: Rows of the chunks that were copied again, of each round so far, the last one last.
        total: Rows of all chunks.

    Returns:
        False once what differs is small (10,000 rows, or 1 % of all), is no longer three tenths less than in the round
        before, or after six rounds.
    """
    if not differed:
        return True
    last = differed[-1]
    if len(differed) >= _MOST_ROUNDS or last <= max(_SMALL_ROWS, total * _SMALL_SHARE):
        return False
    return len(differed) == 1 or last < differed[-2] * _SHRINKING


def back_off(given_back: int) -> float | None:
    """How many seconds to wait after the write lock was given back so many times; None where it is not taken again."""
    return _BACK_OFF_SECONDS[given_back - 1] if given_back <= len(_BACK_OFF_SECONDS) else None


def pause_limit(options: Options, plan: Plan) -> float:
    """The longest that writers may be locked out, in seconds: what the spec says, else twice what the plan promises, at least a minute."""
    return options.max_pause_seconds or max(options.freeze_limit_seconds, 2 * plan.freeze_seconds)


def keyed(work: Work) -> bool:
    """Whether foreign keys, triggers and the like are on the staged tables already, so that a repair may change other rows."""
    late = {s.number for stage in LATE for s in work.plan.of_stage(stage)}
    return bool(late & work.ledger.done(work.lease.key))


def undo_foreign_keys(work: Work) -> None:
    """Take the foreign keys of an attempt that ended before its cutover off again: they would refuse a repair, or cascade."""
    done = work.ledger.done(work.lease.key)
    for statement in work.plan.of_stage(Stage.KEYS):
        if statement.number not in done or statement.kind not in {"foreign key", "validation"}:
            continue
        with work.ledger.control.transaction():
            if statement.kind == "foreign key":
                table = f"{quoted(work.stage)}.{quoted(statement.table)}"
                work.ledger.control.run(f"ALTER TABLE {table} DROP CONSTRAINT {quoted(statement.name)}")
            work.ledger.mark_undone(work.lease, statement.number)


def repair_rounds(work: Work, sessions: Callable[[], AbstractContextManager[list[Reader]]], outcome: Outcome) -> None:
    """Repair in rounds until `another` says no. Each round reads new snapshots; nobody is locked out.

    Args:
        work: The run.
        sessions: Opens sessions with the source that are in a snapshot; they are closed on leaving.
        outcome: Its counts of rounds, chunks and rows go up.
    """
    differed: list[int] = []
    total = sum(c.rows for c in work.ledger.chunks(work.lease.key))
    while not keyed(work) and another(differed, total):
        if work.stop.asked:
            raise stopped()
        work.report(Event("round", text=f"comparing without a write lock, round {len(differed) + 1}"))
        with sessions() as readers:
            differed.append(_round(work, readers, outcome))
        outcome.repair_rounds += 1


def _round(work: Work, readers: Sequence[Reader], outcome: Outcome) -> int:
    """One round; rows of the chunks that differed."""
    began = time.monotonic()
    differences = Comparison(work, readers, final=False).run()
    outcome.comparison_seconds = round(time.monotonic() - began, 3)
    try:
        outcome.redone_rows += repair(work, readers, differences, finer=True)
    except ValueRefusedError as error:
        # Sessions without one common snapshot may see a unique value on two rows. Chunks that were taken out and not put in
        # stay in the ledger without rows; the next comparison finds them.
        work.report(Event("notice", text=f"a repair waits for the write lock: {error.message}"))
    outcome.repaired_before += sum(len(d.chunks) for d in differences)
    outcome.corrected += [d.describe() for d in differences]
    return sum(d.rows for d in differences)
