"""Going back: before the cutover by dropping what was staged, after it by moving the old objects back. And tidying up."""

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
class WentBack:
    """What a rollback did."""

    state: State
    dropped: int = 0
    restored: int = 0
    discarded_rows: int = 0


def roll_back(target: Endpoint, options: Options, key: str, *, discard_writes: bool = False, forget: bool = False) -> WentBack:
    """Undo a run. Raises WrittenSinceError when rows were written since the cutover, unless they may be discarded.

    `forget`: what was cut over stays as it is, and of any other run nothing is kept in the ledger, so that it may be asked
    for again.
    """
    with opened(target, options.ledger_schema) as ledger:
        record = ledger.find(key)
        if record is None:
            message = "target: the ledger knows no run of this migration"
            raise RunEndedError(message, advice="There is nothing to roll back.")
        if record.state.ended:
            return WentBack(record.state)
        ledger.take_over(key, options.takeover_seconds)
        record = ledger.find(key) or record  # it may have been completed meanwhile
        if record.state is State.CUT_OVER and forget:
            return WentBack(State.CUT_OVER)
        if record.state is State.CUT_OVER:
            return _after(ledger, record, ledger.plan(key), target_of(target), discard_writes=discard_writes)
        return _before(ledger, record, forget=forget)


def _before(ledger: Ledger, record: RunRecord, *, forget: bool) -> WentBack:
    ledger.control.run("SET lock_timeout='10s'")
    dropped = schema_swap.drop_schema(ledger.control, record.stage_schema)
    with ledger.control.transaction():
        if forget:
            ledger.forget(record.key)
        else:
            ledger.finish(record.key, State.CANCELLED, {})
    return WentBack(State.CANCELLED, dropped=dropped)


def _after(ledger: Ledger, record: RunRecord, plan: Plan, engine: TargetEngine, *, discard_writes: bool) -> WentBack:
    control = ledger.control
    missing = [m for m in schema_swap.moved_of(ledger, record.key, "old") if not _there(control, record.kept_schema)]
    if missing:
        message = f"target: what the cutover replaced is gone from {record.kept_schema}; its retention has ended"
        raise RunEndedError(message, advice="Restore it from a backup.")
    discarded = 0

    def check() -> None:
        nonlocal discarded
        changed = written_since(ledger, record, plan, engine)
        discarded = sum(changed.values())
        if discarded and not discard_writes:
            told = ", ".join(f"{name}: {count}" for name, count in changed.items() if count)
            message = f"{counted(discarded, 'row', 'were')} written to the new tables since the cutover ({told})"
            raise WrittenSinceError(message, advice="Save them, then roll back with --discard-writes (rollback.discardWrites).")
        _refuse_dependants(control, plan)

    schema_swap.cut_back(ledger, record, plan, check)
    return WentBack(State.ROLLED_BACK, restored=len(plan.replaced), discarded_rows=discarded)


def _there(control: Control, schema: str) -> bool:
    return control.value("SELECT to_regnamespace(%s)", quoted(schema)) is not None


def written_since(ledger: Ledger, record: RunRecord, plan: Plan, engine: TargetEngine) -> dict[str, int]:
    """Rows changed in each new table since the cutover.

    Every row of ours carries the transaction that the ledger names. A row with another one was inserted or updated
    since; rows that are missing were deleted. A table that was rewritten as a whole counts as changed, the safe way.
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
    """Views that somebody made over the new tables since would follow them aside without a word."""
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
        message = f"the view {rows[0][0]} was made over the new tables since the cutover"
        raise RunConflictError(message, advice="Drop it, then roll back again.")


def tidy(target: Endpoint, ledger_schema: str, *, everything: bool = False) -> list[str]:
    """Drop kept and undone schemas whose retention has ended; what was dropped, by name."""
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
