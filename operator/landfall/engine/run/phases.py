"""The phases before the last one: schema, copy, indexes. Each reads in the ledger what is done, and does the rest."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from landfall.engine.copy.run_context import Work
from landfall.engine.copy.streams import FollowedChunks, Streams, split_tables
from landfall.engine.copy.worker_pool import ThreadGroup, stopped
from landfall.engine.errors import ValueRefusedError, concerning
from landfall.engine.model.events import Event, EventKind
from landfall.engine.model.plan import Stage, Statement, TablePlan
from landfall.engine.model.run_state import RunRecord
from landfall.engine.targets.engine import TargetDatabase

_WAIT_SECONDS = 0.5


@dataclass(slots=True)
class Outcome:
    """The result of a run. The ledger stores its fields by name.

    `repaired_before` and `repaired_locked` are numbers of repaired chunks, before the write lock and under it. `compared_locked` is the
    number of chunks compared under the last write lock; a repaired chunk counts twice. `comparison_seconds` is the duration of the last
    verification without a lock. `fence`: the name of the fence on the source; empty if its writers are not refused. `views_equal` is the number
    of views with the same rows on both sides, `views_uncompared` are the translated views that were not compared, with the reasons.
    """

    key: str
    already: bool = False
    rows: int = 0
    tables: int = 0
    seconds: float = 0.0
    frozen_seconds: float = 0.0
    locks_given_back: int = 0
    repair_rounds: int = 0
    repaired_before: int = 0
    repaired_locked: int = 0
    compared_locked: int = 0
    comparison_seconds: float = 0.0
    redone_rows: int = 0
    recovered: int = 0
    corrected: list[str] = field(default_factory=list)
    converted: list[str] = field(default_factory=list)
    unvalidated: list[str] = field(default_factory=list)
    consistent_as_of: str = ""
    final_rows: dict[str, int] = field(default_factory=dict)
    fence: str = ""
    views_equal: int = 0
    views_uncompared: list[str] = field(default_factory=list)

    @classmethod
    def recorded(cls, record: RunRecord) -> Outcome:
        """Read the outcome of a completed run from the ledger.

        Fields that an older version did not record have their defaults.
        """
        result = record.result
        rows, frozen, final = result.get("rows"), result.get("frozen_seconds"), result.get("final_rows")
        return cls(
            record.key,
            already=True,
            rows=rows if isinstance(rows, int) else 0,
            frozen_seconds=float(frozen) if isinstance(frozen, int | float) else 0.0,
            consistent_as_of=str(result.get("consistent_as_of") or ""),
            fence=str(result.get("fence") or ""),
            final_rows={str(table): int(count) for table, count in final.items()} if isinstance(final, dict) else {},
        )

    def as_dict(self) -> dict[str, object]:
        """Return the fields by name, for the ledger and for JSON output."""
        return {name: getattr(self, name) for name in self.__slots__}


def schema(work: Work) -> None:
    """Create the staging schema and its empty tables."""
    work.staging.create()
    carry_out_all(work, [*work.plan.of_stage(Stage.PREPARE), *work.plan.of_stage(Stage.TABLES)])
    if work.plan.moves_rows:
        work.ledger.check(work.lease)


def carry_out_all(work: Work, statements: Sequence[Statement]) -> None:
    """Run statements one after the other; skip those that are done according to the ledger."""
    executed = work.ledger.done(work.lease.key)
    for statement in statements:
        if statement.number in executed:
            continue
        if work.stop.requested:
            raise stopped()
        carry_out(work, statement, work.database)


def carry_out(work: Work, statement: Statement, database: TargetDatabase) -> None:
    """Run one statement and record it in the same transaction."""
    record = partial(database.ledger.mark_done, work.lease, statement.number)
    table_text = f" of table {statement.table}" if statement.table and statement.table != statement.name else ""
    with concerning(f"{statement.kind} {statement.name}{table_text}"):
        database.stage(work.plan, work.stage, statement.schema).execute(statement.sql, record)
    work.report(Event(EventKind.STEP, statement.table, text=f"{statement.kind} {statement.name}"))


def copy(work: Work) -> None:
    """Copy every row, in chunks. Wait for the chunks of copy helpers, and take them over if a helper makes no progress."""
    split_tables(work)
    followed = FollowedChunks(work)
    before, since = -1, time.monotonic()
    while True:
        Streams(work, followed).run()
        open_chunks = work.ledger.left(work.lease.key)
        followed.look(at_once=True)  # after the count, so that a chunk that a helper completes in between is reported
        if not open_chunks:
            return
        if work.stop.requested:
            raise stopped()
        if open_chunks != before:
            before, since = open_chunks, time.monotonic()
        elif time.monotonic() - since > work.options.takeover_seconds:
            work.report(
                Event(EventKind.NOTICE, text=f"{open_chunks} chunks are taken over from copy helpers that make no progress")
            )
            work.ledger.end_helpers(work.lease)
            since = time.monotonic()
        work.stop.wait(_WAIT_SECONDS)


def help_copy(work: Work) -> bool:
    """Copy unclaimed chunks as a copy helper. Return whether any chunk of the run is incomplete."""
    Streams(work, None).run()
    return work.ledger.left(work.lease.key) > 0


def indexes(work: Work) -> None:
    """Build the indexes of different tables in parallel, then run the statements that only change the catalog."""
    statements = [s for s in work.plan.of_stage(Stage.INDEXES) if s.number not in work.ledger.done(work.lease.key)]
    _in_parallel(work, [partial(_index, work, s) for s in statements])
    carry_out_all(work, work.plan.of_stage(Stage.FINISH))
    if work.plan.moves_rows:
        _in_parallel(work, [partial(_analyze, work, t) for t in work.plan.tables if t.moved])


def _analyze(work: Work, table: TablePlan, database: TargetDatabase) -> None:
    with concerning(f"statistics of table {work.plan.named(table)}"):
        database.stage(work.plan, work.stage, work.plan.within(table)).analyze(table.target)


def _index(work: Work, statement: Statement, database: TargetDatabase) -> None:
    """Build an index. A unique index that fails now is built again after the repair."""
    try:
        carry_out(work, statement, database)
    except ValueRefusedError as error:
        work.report(Event(EventKind.NOTICE, statement.table, text=f"{statement.name} waits for the repair: {error.message}"))


def _in_parallel(work: Work, bodies: Sequence[Callable[[TargetDatabase], None]]) -> None:
    tasks: queue.SimpleQueue[Callable[[TargetDatabase], None]] = queue.SimpleQueue()
    for body in bodies:
        tasks.put(body)
    count = min(work.threads, len(bodies))
    threads = ThreadGroup(work.stop)

    def thread() -> None:
        database = work.target.connect(work.target_endpoint, work.options.ledger_schema)
        session = database.session
        try:
            database.stage(work.plan, work.stage).share(count)
            work.ledger.register_backend(work.lease, "target", session.backend)
            work.stop.register(session, session.cancel)
            for task in threads.each(tasks):
                task(database)
        finally:
            work.stop.forget(session)
            database.close()

    threads.run([thread] * count)


def nothing(_work: Work) -> None:
    """A phase that this mode skips."""
