"""Rollback: drop the staged tables before the cutover, restore the retained tables after it. And deleting expired schemas."""

from __future__ import annotations

from dataclasses import dataclass

from landfall.engine.clients.postgresql import Control
from landfall.engine.copy.run_context import shape_of
from landfall.engine.errors import RunConflictError, RunEndedError, WrittenSinceError
from landfall.engine.model.identifiers import quoted
from landfall.engine.model.options import Endpoint, Options
from landfall.engine.model.plan import Plan
from landfall.engine.model.run_state import RunRecord, State
from landfall.engine.targets.engine import TargetEngine
from landfall.engine.targets.postgresql import schema_swap
from landfall.engine.targets.postgresql.ledger import Ledger, opened
from landfall.engine.targets.postgresql.queries import TargetQueries
from landfall.engine.targets.registry import target_of
from landfall.lib.text import counted


@dataclass(frozen=True, slots=True)
class RollbackResult:
    """Result of a rollback."""

    state: State
    dropped: int = 0
    restored: int = 0
    discarded_rows: int = 0


def roll_back(
    target: Endpoint, options: Options, key: str, *, discard_writes: bool = False, forget: bool = False
) -> RollbackResult:
    """Undo a run.

    Args:
        target: The target.
        options: The options of the run.
        key: The ledger key of the run.
        discard_writes: Roll back even if rows written after the cutover are lost.
        forget: Do not undo a cutover; delete the ledger entry of any other run, so that the same run can be started again.

    Raises:
        WrittenSinceError: Rows were written after the cutover, and `discard_writes` is not set.
        RunEndedError: The ledger has no such run, or the retained tables are deleted.
        RunConflictError: A view depends on the new tables.
    """
    with opened(target, options.ledger_schema) as ledger:
        record = ledger.find(key)
        if record is None:
            message = "target: the ledger has no run of this migration"
            raise RunEndedError(message, advice="There is nothing to roll back.")
        if record.state.ended:
            return RollbackResult(record.state)
        ledger.take_over(key, options.takeover_seconds)
        record = ledger.find(key) or record  # it may have been completed meanwhile
        if record.state is State.CUT_OVER and forget:
            return RollbackResult(State.CUT_OVER)
        if record.state is State.CUT_OVER:
            return _after(ledger, record, ledger.plan(key), target_of(target), discard_writes=discard_writes)
        return _before(ledger, record, forget=forget)


def _before(ledger: Ledger, record: RunRecord, *, forget: bool) -> RollbackResult:
    ledger.control.run("SET lock_timeout='10s'")
    dropped = schema_swap.drop_schema(ledger.control, record.stage_schema)
    with ledger.control.transaction():
        if forget:
            ledger.forget(record.key)
        else:
            ledger.finish(record.key, State.CANCELLED, {})
    return RollbackResult(State.CANCELLED, dropped=dropped)


def _after(ledger: Ledger, record: RunRecord, plan: Plan, engine: TargetEngine, *, discard_writes: bool) -> RollbackResult:
    control = ledger.control
    missing = [m for m in schema_swap.moved_of(ledger, record.key, "old") if not _there(control, record.kept_schema)]
    if missing:
        message = f"target: the retained tables in schema {record.kept_schema} no longer exist; their retention period has ended"
        raise RunEndedError(message, advice="Restore it from a backup.")
    discarded = 0

    def check() -> None:
        nonlocal discarded
        changed = written_since(ledger, record, plan, engine)
        discarded = sum(changed.values())
        if discarded and not discard_writes:
            listed = ", ".join(f"{name}: {count}" for name, count in changed.items() if count)
            message = f"{counted(discarded, 'row', 'were')} written to the new tables since the cutover ({listed})"
            raise WrittenSinceError(message, advice="Save them, then roll back with --discard-writes (rollback.discardWrites).")
        _refuse_dependants(control, plan)

    schema_swap.cut_back(ledger, record, plan, check)
    return RollbackResult(State.ROLLED_BACK, restored=len(plan.replaced), discarded_rows=discarded)


def _there(control: Control, schema: str) -> bool:
    return control.value("SELECT to_regnamespace(%s)", quoted(schema)) is not None


def written_since(ledger: Ledger, record: RunRecord, plan: Plan, engine: TargetEngine) -> dict[str, int]:
    """Count the rows that changed in each new table since the cutover, by the name of the table.

    Every copied row has a transaction ID that the ledger lists. A row with another ID was inserted or updated since; missing rows were
    deleted. A table that was rewritten as a whole counts as changed, which is the safe assumption.
    """
    if not plan.moves_rows:
        return {
            t.target: int(ledger.control.value(f"SELECT count(*) FROM ONLY {quoted(plan.target_schema)}.{quoted(t.target)}"))
            for t in plan.tables
            if t.moved
        }
    chunks, deltas = ledger.chunks(record.key), ledger.deltas(record.key)
    expected: dict[int, int] = dict(
        ledger.control.rows(f'SELECT "table",sum(rows) FROM {ledger.schema}.chunk WHERE run=%s GROUP BY 1', record.key)
    )
    final = record.result.get("final_rows")
    after: dict[str, int] = final if isinstance(final, dict) else {}
    found: dict[str, int] = {}
    for table in plan.tables:
        if not table.moved:
            continue
        queries = TargetQueries(shape_of(plan, table, engine), plan.target_schema)
        known = {c.xid for c in chunks if c.table == table.number} | set(deltas.get(table.number, []))
        counts = {xid: int(count) for xid, count in ledger.control.rows(queries.counts())}
        ours = sum(count for xid, count in counts.items() if xid in known)
        theirs = sum(count for xid, count in counts.items() if xid not in known)
        meant = int(after.get(str(table.number)) or expected.get(table.number) or 0)
        found[table.target] = theirs + max(0, meant - ours - theirs) if theirs or ours != meant else 0
    return found


def _refuse_dependants(control: Control, plan: Plan) -> None:
    """Reject a rollback if a view was created over the new tables: it would silently follow them out of the schema."""
    own = [s.name for s in plan.statements if s.kind in {"view", "materialized view"}]
    known = [d.name for r in plan.replaced for d in r.dependants if d.kind == "view"]
    rows = control.rows(
        "SELECT DISTINCT v.oid::regclass::text FROM pg_depend d JOIN pg_rewrite r ON d.classid='pg_rewrite'::regclass"
        " AND r.oid=d.objid JOIN pg_class v ON v.oid=r.ev_class JOIN pg_class t ON d.refclassid='pg_class'::regclass"
        " AND t.oid=d.refobjid WHERE t.relnamespace=to_regnamespace(%s) AND t.relname=ANY(%s) AND v.oid<>t.oid"
        " AND NOT (v.relnamespace=t.relnamespace AND v.relname=ANY(%s)) AND NOT v.oid::regclass::text=ANY(%s)",
        *(quoted(plan.target_schema), [t.target for t in plan.tables], own, known),
    )
    if rows:
        message = f"the view {rows[0][0]} was created over the new tables since the cutover"
        raise RunConflictError(message, advice="Drop it, then roll back again.")


def tidy(target: Endpoint, ledger_schema: str, *, everything: bool = False) -> list[str]:
    """Drop retained and undone schemas whose retention period has ended.

    Args:
        target: The target.
        ledger_schema: The schema of the ledger.
        everything: Drop all of them, also before their retention period ends.

    Returns:
        The names of the dropped schemas.
    """
    with opened(target, ledger_schema) as ledger:
        gone = []
        for record in ledger.every():
            due = ledger.control.value(
                f"SELECT coalesce(retain_until<=now(),true) FROM {ledger.schema}.run WHERE id=%s", record.key
            )
            if not (everything or due):
                continue
            schemas = [record.undone_schema]
            if record.state is State.CUT_OVER:
                schemas.append(record.kept_schema)
            if record.state.ended:
                schemas.append(record.stage_schema)
            for schema in schemas:
                if _there(ledger.control, schema):
                    schema_swap.drop_schema(ledger.control, schema)
                    gone.append(schema)
        return gone
