"""What the fence of a source lets pass after the cutover, by table. Pure.

The fence consists of triggers. What executes no trigger is not refused, and is missing in the target: the plan says what that is.
"""

from __future__ import annotations

from landfall.engine.model.catalog import Catalog, ForeignKey, Table
from landfall.engine.model.fingerprint import selected
from landfall.engine.model.options import Options
from landfall.engine.model.plan import Risk, Severity
from landfall.engine.sources.registry import engine_of

FENCE_PASSED = "FencePassed"
_CHANGING = frozenset({"CASCADE", "SET NULL", "SET DEFAULT"})


def fence_gaps(catalog: Catalog, options: Options) -> tuple[Risk, ...]:
    """Return the risks of a plan whose source refuses writers after the cutover."""
    can = engine_of(catalog.engine).capabilities
    tables = selected(catalog, options)
    moved_tables = {(t.schema, t.name) for t in tables}
    risks = [
        Risk(Severity(r.severity), r.kind, r.affected, r.text, r.advice)
        for r in catalog.remarks
        if r.kind == FENCE_PASSED and (r.table in moved_tables or not any(r.table))
    ]
    statements, advice = can.fence_passes
    if statements:
        text = f"{statements} execute no trigger, so the source does not refuse them after the cutover"
        risks.append(Risk(Severity.INFO, FENCE_PASSED, "source", text, advice))
    for table in tables if can.fence_passes_cascades else ():
        risks += [_cascade(table, key) for key in table.foreign_keys if _is_open(catalog, table, key, moved_tables)]
    return tuple(risks)


def _is_open(catalog: Catalog, table: Table, key: ForeignKey, moved_tables: set[tuple[str, str]]) -> bool:
    """Whether rows change with those of a table that is not fenced."""
    parent = catalog.referenced(table, key)
    fenced = parent is not None and (parent.schema, parent.name) in moved_tables
    return not fenced and not _CHANGING.isdisjoint({key.on_delete, key.on_update})


def _cascade(table: Table, key: ForeignKey) -> Risk:
    parent = f"{key.ref_schema or table.schema}.{key.ref_table}"
    text = (
        f"the foreign key {key.name} changes its rows when a row of {parent} changes, which is not migrated and accepts writers after the"
        " cutover; such changes execute no trigger and are missing in the target"
    )
    advice = f"Migrate {parent} too, or revoke UPDATE and DELETE on it from the application's user before the cutover."
    return Risk(Severity.MEDIUM, FENCE_PASSED, f"{table.schema}.{table.name}", text, advice)
