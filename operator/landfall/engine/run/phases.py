"""The phases before the last one: schema, copy, indexes. Each reads in the ledger what is done, and does the rest."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from landfall.engine.clients.postgresql import Control
from landfall.engine.copy.run_context import Work
from landfall.engine.copy.streams import FollowedChunks, Streams, split_tables, stage_path
from landfall.engine.copy.worker_pool import ThreadGroup, stopped
from landfall.engine.errors import ValueRefusedError
from landfall.engine.model.events import Event
from landfall.engine.model.identifiers import quoted
from landfall.engine.model.plan import Stage, Statement
from landfall.engine.model.run_state import RunRecord
from landfall.engine.sources.plan_names import sees_target_schema
from landfall.engine.targets.postgresql.trust import refuse_shadows

_WAIT_SECONDS = 0.5
# Concurrent index builds share the server's parallel workers; by default each one would request all of them.
_SHARED_WORKERS = "SELECT set_config('max_parallel_maintenance_workers',(current_setting('max_parallel_maintenance_workers')::int/%s)::text,false)"


@dataclass(slots=True)
class Outcome:
    """The result of a run. The ledger stores its fields by name.

    `repaired_before` and `repaired_locked` are numbers of repaired chunks, before the write lock and under it. `compared_locked` is the
    number of chunks compared under the last write lock; a repaired chunk counts twice. `comparison_seconds` is the duration of the last
    verification without a lock.
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

    @classmethod
    def recorded(cls, record: RunRecord) -> Outcome:
        """Read the outcome of a completed run from the ledger.

        Fields that an older version did not record have their defaults.
        """
        found = record.result
        rows, frozen, final = found.get("rows"), found.get("frozen_seconds"), found.get("final_rows")
        return cls(
            record.key,
            already=True,
            rows=rows if isinstance(rows, int) else 0,
            frozen_seconds=float(frozen) if isinstance(frozen, int | float) else 0.0,
            consistent_as_of=str(found.get("consistent_as_of") or ""),
            final_rows={str(table): int(count) for table, count in final.items()} if isinstance(final, dict) else {},
        )

    def as_dict(self) -> dict[str, object]:
        """Return the fields by name, for the ledger and for JSON output."""
        return {name: getattr(self, name) for name in self.__slots__}


def schema(work: Work) -> None:
    """Create the staging schema and its empty tables."""
    control, ledger = work.ledger.control, work.ledger
    if control.value("SELECT to_regnamespace(%s)", quoted(work.stage)) is None:
        with control.transaction():
            control.run(f"CREATE SCHEMA {quoted(work.stage)}")
            control.run(f"REVOKE ALL ON SCHEMA {quoted(work.stage)} FROM PUBLIC")
    statements = [*work.plan.of_stage(Stage.PREPARE), *work.plan.of_stage(Stage.TABLES)]
    carry_out_all(work, statements, control)
    if work.plan.moves_rows:
        ledger.check(work.lease)


def carry_out_all(work: Work, statements: Sequence[Statement], control: Control) -> None:
    """Run statements one after the other; skip those that are done according to the ledger."""
    done = work.ledger.done(work.lease.key)
    for statement in statements:
        if statement.number in done:
            continue
        if work.stop.requested:
            raise stopped()
        carry_out(work, statement, control)


def carry_out(work: Work, statement: Statement, control: Control) -> None:
    """Run one statement and record it in the same transaction."""
    with control.transaction():
        control.run(f"SET LOCAL search_path={stage_path(work)}")
        control.run("SET LOCAL check_function_bodies=off")
        control.run("SET LOCAL maintenance_work_mem='256MB'")
        if sees_target_schema(work.plan):
            refuse_shadows(control, work.plan.target_schema)
        work.ledger.mark_done(work.lease, statement.number, control)
        control.run(statement.sql)
    work.report(Event("step", statement.table, text=f"{statement.kind} {statement.name}"))


def copy(work: Work) -> None:
    """Copy every row, in chunks. Wait for the chunks of copy helpers, and take them over if a helper makes no progress."""
    split_tables(work)
    followed = FollowedChunks(work)
    before, since = -1, time.monotonic()
    while True:
        Streams(work, followed).run()
        left = work.ledger.left(work.lease.key)
        followed.look(at_once=True)  # after the count, so that a chunk that a helper completes in between is reported
        if not left:
            return
        if work.stop.requested:
            raise stopped()
        if left != before:
            before, since = left, time.monotonic()
        elif time.monotonic() - since > work.options.takeover_seconds:
            work.report(Event("notice", text=f"{left} chunks are taken over from copy helpers that make no progress"))
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
    carry_out_all(work, work.plan.of_stage(Stage.FINISH), work.ledger.control)
    if work.plan.moves_rows:
        moved = [f"ANALYZE {quoted(work.stage)}.{quoted(t.target)}" for t in work.plan.tables if t.moved]
        _in_parallel(work, [partial(_run, sql) for sql in moved])


def _run(sql: str, control: Control) -> None:
    control.run(sql)


def _index(work: Work, statement: Statement, control: Control) -> None:
    """Build an index. A unique index that fails now is built again after the repair."""
    try:
        carry_out(work, statement, control)
    except ValueRefusedError as error:
        work.report(Event("notice", statement.table, text=f"{statement.name} waits for the repair: {error.message}"))


def _in_parallel(work: Work, bodies: Sequence[Callable[[Control], None]]) -> None:
    tasks: queue.SimpleQueue[Callable[[Control], None]] = queue.SimpleQueue()
    for body in bodies:
        tasks.put(body)
    count = min(work.threads, len(bodies))
    threads = ThreadGroup(work.stop)

    def thread() -> None:
        control = Control(work.target_endpoint, "target")
        try:
            control.run(f"SET search_path={stage_path(work)}")
            control.run(_SHARED_WORKERS, count)
            work.ledger.register_backend(work.lease, "target", str(control.pid))
            work.stop.register(control, control.raw.cancel)
            for task in threads.each(tasks):
                task(control)
        finally:
            work.stop.forget(control)
            control.close()

    threads.run([thread] * count)


def nothing(_work: Work) -> None:
    """A phase that this mode skips."""
