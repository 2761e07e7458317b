"""Statements that add foreign keys, and risks of those that cannot be added or validated. Pure."""

from __future__ import annotations

from landfall.engine.model.catalog import ForeignKey, Table
from landfall.engine.model.plan import Severity, Stage, TablePlan
from landfall.engine.planning.partitions import elsewhere
from landfall.engine.planning.tables import Draft
from landfall.lib.text import counted


def foreign_key(draft: Draft, table: Table, planned: TablePlan, key: ForeignKey, orphans: int) -> None:
    """Add a foreign key and its validation. `orphans`: rows of the source without a parent row."""
    label = f"{planned.label}.{key.name or '_'.join(key.columns)}"
    schema = elsewhere(draft, table.schema, key.ref_schema)
    shown = f"{schema}.{key.ref_table}" if schema else key.ref_table
    parent = draft.catalog.referenced(table, key)
    target = draft.names.get((parent.schema, parent.name)) if parent else None
    if parent is None or target is None:
        draft.add_risk(
            Severity.HIGH,
            "ForeignKey",
            label,
            f"it points at {shown}, which is not part of this migration",
            "Migrate that table as well, or approve the plan without this key.",
        )
        return
    spelled, ddl = draft.spelled, draft.target.ddl
    name = key.name
    if not key.definition:
        name = draft.constraint(planned.target, spelled(key.name or f"{planned.target}_{'_'.join(key.columns)}_fkey"))
    others = key.columns_in(parent)
    clause = ddl.foreign_key_clause(key, [spelled(c) for c in key.columns], target, [spelled(c) for c in others])
    partitioned = table.kind == "partitioned"
    sql = ddl.add_constraint(planned.target, name, clause, unvalidated=not (partitioned and key.validated) and key.enforced)
    draft.add_statement(Stage.KEYS, "foreign key", name, planned.target, sql, describes=label)
    if orphans:
        _orphans(draft, label, shown, orphans, partitioned=partitioned)
    elif not key.validated:
        word = "NOT VALID" if key.enforced else "NOT ENFORCED"
        text = f"the source does not check it for the rows that are there ({word}), and neither does the target"
        draft.add_risk(Severity.INFO, "Unvalidated", label, text, "Correct the rows later, then VALIDATE the constraint.")
    elif not partitioned:
        sql = ddl.validate_constraint(planned.target, name)
        draft.add_statement(Stage.KEYS, "validation", name, planned.target, sql, describes=label)


def _orphans(draft: Draft, label: str, parent: str, count: int, *, partitioned: bool) -> None:
    """Rows without a parent row: a blocker, or by policy a key that is not validated. That of a partitioned table always is."""
    if draft.options.policies.orphans == "NotValid" and not partitioned:
        text = f"{counted(count, 'row', 'have')} no parent in {parent}; the key is added NOT VALID and holds for new rows only"
        draft.add_risk(Severity.HIGH, "Orphans", label, text, "Correct the rows later, then VALIDATE the constraint.")
        return
    exactly = "" if draft.native else " (values are compared exactly)"
    text = f"{counted(count, 'row', 'have')} no parent in {parent}{exactly}"
    policy = (
        "exclude the table: the key of a partitioned table is always validated"
        if partitioned
        else "set spec.data.policies.orphans: NotValid"
    )
    draft.add_risk(Severity.BLOCKER, "Orphans", label, text, f"Correct the rows in the source, or {policy}.")
