"""Rollback: drop the staged tables before the cutover, restore the retained tables after it. And deleting expired schemas."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

from landfall.engine.errors import EngineError, LedgerTooNewError, RunEndedError, WrittenSinceError
from landfall.engine.model.options import Endpoint, Options
from landfall.engine.model.plan import Plan, TablePlan
from landfall.engine.model.run_state import RunRecord
from landfall.engine.run.fencing import unfence_source
from landfall.engine.sources.registry import source_of
from landfall.engine.targets.engine import TargetDatabase, TargetEngine, TargetQueries
from landfall.engine.targets.registry import opened, target_of
from landfall.engine.targets.shapes import shape_of
from landfall.ledger_states import State
from landfall.lib.text import counted

_LOCK_SECONDS = 10


@dataclass(frozen=True, slots=True)
class RollbackResult:
    """Result of a rollback."""

    state: State
    dropped: int = 0
    restored: int = 0
    discarded_rows: int = 0


def roll_back(
    source: Endpoint, target: Endpoint, options: Options, key: str, *, discard_writes: bool = False, forget: bool = False
) -> RollbackResult:
    """Undo a run, and let the source accept writers again.

    Args:
        source: The source. It is connected to only if the run has a fence there.
        target: The target.
        options: The options of the run.
        key: The ledger key of the run.
        discard_writes: Roll back even if rows written after the cutover are lost.
        forget: Do not undo a cutover; delete the ledger entry of any other run, so that the same run can be started again.

    Raises:
        WrittenSinceError: Rows were written after the cutover, and `discard_writes` is not set.
        RunEndedError: The ledger has no such run, or the retained tables are deleted.
        RunConflictError: A view depends on the new tables.
        FenceLeftError: The target is rolled back, and the source still refuses writers. Another call tries again.
    """
    engine = target_of(target)
    with opened(target, options.ledger_schema) as database:
        ledger = database.ledger
        record = ledger.find(key)
        if record is None:
            message = "target: the ledger has no run of this migration"
            raise RunEndedError(message, advice="There is nothing to roll back.")
        if record.state.ended:
            unfence_source(source, database.ledger, record, options)
            return RollbackResult(record.state)
        _, backends = ledger.take_over(key, options.takeover_seconds)
        if backends and record.result.get("fence"):
            with contextlib.suppress(EngineError):
                source_of(source).kill(backends)
        record = ledger.find(key) or record  # it may have been completed meanwhile
        if record.state is State.CUT_OVER and forget:
            return RollbackResult(State.CUT_OVER)
        if record.state is State.CUT_OVER:
            result = _after(engine, database, record, ledger.plan(key), discard_writes=discard_writes)
            unfence_source(source, database.ledger, record, options)
            return result
        unfence_source(source, database.ledger, record, options)  # first, because the ledger's record may be deleted
        return _before(database, record, forget=forget)


def _before(database: TargetDatabase, record: RunRecord, *, forget: bool) -> RollbackResult:
    ledger = database.ledger
    stages = (stage for stage, _ in ledger.plan(record.key).places(record.stage_schema))
    dropped = database.swap.drop(*stages, seconds=_LOCK_SECONDS)
    with database.session.transaction():
        if forget:
            ledger.forget(record.key)
        else:
            ledger.finish(record.key, State.CANCELLED, {})
    return RollbackResult(State.CANCELLED, dropped=dropped)


def _after(
    engine: TargetEngine, database: TargetDatabase, record: RunRecord, plan: Plan, *, discard_writes: bool
) -> RollbackResult:
    if not database.swap.retained(record, plan):
        message = f"target: the retained tables in schema {record.kept_schema} no longer exist; their retention period has ended"
        raise RunEndedError(message, advice="Restore it from a backup.")
    discarded = 0

    def check() -> None:
        nonlocal discarded
        changed = written_since(engine, database, record, plan)
        discarded = sum(changed.values())
        if discarded and not discard_writes:
            listed = ", ".join(f"{name}: {count}" for name, count in changed.items() if count)
            message = f"{counted(discarded, 'row', 'were')} written to the new tables since the cutover ({listed})"
            raise WrittenSinceError(message, advice="Save them, then roll back with --discard-writes (rollback.discardWrites).")

    database.swap.roll_back(record, plan, check)
    return RollbackResult(State.ROLLED_BACK, restored=len(plan.replaced), discarded_rows=discarded)


def written_since(engine: TargetEngine, database: TargetDatabase, record: RunRecord, plan: Plan) -> dict[str, int]:
    """Count the rows that changed in each new table since the cutover, by the name of the table.

    Every copied row has a transaction ID that the ledger lists. A row with another ID was inserted or updated since; missing rows were
    deleted. A table that was rewritten as a whole counts as changed, which is the safe assumption.
    """
    ledger, session = database.ledger, database.session

    def queries(table: TablePlan) -> TargetQueries:
        return engine.queries(shape_of(plan, table, engine), plan.target_of(table))

    if not plan.moves_rows:
        return {plan.named(t): int(session.value(queries(t).count())) for t in plan.tables if t.moved}
    chunks, deltas = ledger.chunks(record.key), ledger.deltas(record.key)
    expected = ledger.copied_rows(record.key)
    final = record.result.get("final_rows")
    after: dict[str, int] = final if isinstance(final, dict) else {}
    written: dict[str, int] = {}
    for table in plan.tables:
        if not table.moved:
            continue
        own_transactions = {c.xid for c in chunks if c.table == table.number} | set(deltas.get(table.number, []))
        counts = {xid: int(count) for xid, count in session.rows(queries(table).counts())}
        own_rows = sum(count for xid, count in counts.items() if xid in own_transactions)
        other_rows = sum(count for xid, count in counts.items() if xid not in own_transactions)
        expected_rows = int(after.get(str(table.number)) or expected.get(table.number) or 0)
        written[plan.named(table)] = (
            other_rows + max(0, expected_rows - own_rows - other_rows) if other_rows or own_rows != expected_rows else 0
        )
    return written


@dataclass(frozen=True, slots=True)
class TidyResult:
    """Names of the dropped schemas, and a message for each run whose schemas were left because this version cannot read its plan."""

    dropped: list[str]
    left: list[str]


def tidy(target: Endpoint, ledger_schema: str, *, everything: bool = False) -> TidyResult:
    """Drop retained and undone schemas whose retention period has ended.

    Args:
        target: The target.
        ledger_schema: The schema of the ledger.
        everything: Drop all of them, also before their retention period ends.
    """
    result = TidyResult([], [])
    with opened(target, ledger_schema) as database:
        for record in database.ledger.every():
            if not (everything or database.ledger.retention_ended(record.key)):
                continue
            try:
                places = _expired(database, record)
            except LedgerTooNewError as error:
                result.left.append(f"run {record.name}: {error.message}")
                continue
            if places:
                database.swap.drop(*places)
                result.dropped.extend(places)
    return result


def _expired(database: TargetDatabase, record: RunRecord) -> list[str]:
    """The schemas of a run that nothing needs any more and that still exist."""
    bases = [record.undone_schema]
    if record.state is State.CUT_OVER:
        bases.append(record.kept_schema)
    if record.state.ended:
        bases.append(record.stage_schema)
    plan = database.ledger.plan(record.key)
    return [schema for base in bases for schema, _ in plan.places(base) if database.swap.exists(schema)]
