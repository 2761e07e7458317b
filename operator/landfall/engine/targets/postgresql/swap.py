"""The cutover, its rollback and what was retained, as the target's part `SchemaSwap`."""

from __future__ import annotations

from collections.abc import Callable

from landfall.engine.clients.postgresql import PgSession
from landfall.engine.errors import RunConflictError
from landfall.engine.model.identifiers import quoted
from landfall.engine.model.plan import Plan
from landfall.engine.model.run_state import RunRecord
from landfall.engine.targets.engine import CutoverChecks
from landfall.engine.targets.ledger import Lease
from landfall.engine.targets.postgresql import schema_swap
from landfall.engine.targets.postgresql.ledger import PostgresqlLedger


class PostgresqlSwap:
    """Moves the objects of schemas; what it moved is in the ledger."""

    def __init__(self, ledger: PostgresqlLedger) -> None:
        self._ledger = ledger

    def cut_over(
        self,
        lease: Lease,
        record: RunRecord,
        plan: Plan,
        result: dict[str, object],
        *,
        checks: CutoverChecks,
        retain_seconds: int,
    ) -> None:
        """Make the staged objects the target's."""
        schema_swap.cut_over(self._ledger, lease, record, plan, result, checks=checks, retain_seconds=retain_seconds)

    def validate_dependants(self, plan: Plan) -> list[str]:
        """Validate the foreign keys from outside."""
        return schema_swap.validate_dependants(self._ledger.control, plan)

    def retained(self, record: RunRecord, plan: Plan) -> bool:
        """Whether all that the cutover replaced is still there."""
        return all(self.exists(schema) for schema in schema_swap.retained_in(self._ledger, record, plan))

    def roll_back(self, record: RunRecord, plan: Plan, check: Callable[[], None]) -> None:
        """Undo the cutover."""

        def checked() -> None:
            check()
            _refuse_dependants(self._ledger.control, plan)

        schema_swap.cut_back(self._ledger, record, plan, checked)

    def exists(self, schema: str) -> bool:
        """Whether there is a schema of that name."""
        return self._ledger.control.value("SELECT to_regnamespace(%s)", quoted(schema)) is not None

    def drop(self, *schemas: str, seconds: int = 0) -> int:
        """Drop schemas of ours object by object."""
        if seconds:
            self._ledger.control.run(f"SET lock_timeout='{seconds}s'")
        return schema_swap.drop_schemas(self._ledger.control, *schemas)


def _refuse_dependants(control: PgSession, plan: Plan) -> None:
    """Reject a rollback if a view was created over the new tables: it would silently follow them out of the schema."""
    own_relations = [(s.schema or plan.target_schema, s.name) for s in plan.statements if s.kind in {"view", "materialized view"}]
    tables = [(plan.target_of(t), t.target) for t in plan.tables]
    own_relations += tables  # a rule of a table may write to another one
    replaced_views = [d.name for r in plan.replaced for d in r.dependants if d.kind == "view"]
    rows = control.rows(
        "SELECT DISTINCT v.oid::regclass::text FROM pg_depend d JOIN pg_rewrite r ON d.classid='pg_rewrite'::regclass"
        " AND r.oid=d.objid JOIN pg_class v ON v.oid=r.ev_class JOIN pg_class t ON d.refclassid='pg_class'::regclass"
        " AND t.oid=d.refobjid JOIN pg_namespace tn ON tn.oid=t.relnamespace JOIN pg_namespace vn ON vn.oid=v.relnamespace"
        " WHERE (tn.nspname,t.relname) IN (SELECT * FROM unnest(%s::text[],%s::text[])) AND v.oid<>t.oid"
        " AND (vn.nspname,v.relname) NOT IN (SELECT * FROM unnest(%s::text[],%s::text[])) AND NOT v.oid::regclass::text=ANY(%s)",
        *(
            [s for s, _ in tables],
            [n for _, n in tables],
            [s for s, _ in own_relations],
            [n for _, n in own_relations],
            replaced_views,
        ),
    )
    if rows:
        message = f"the view {rows[0][0]} was created over the new tables since the cutover"
        raise RunConflictError(message, advice="Drop it, then roll back again.")
