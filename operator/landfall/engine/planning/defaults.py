"""Defaults of columns: translated, or computed as the type of the column wants it. Pure."""

from __future__ import annotations

from landfall.engine.model.catalog import Table
from landfall.engine.model.default_value import CurrentTime
from landfall.engine.model.plan import ColumnPlan, Severity, Stage, TablePlan
from landfall.engine.planning.tables import Draft
from landfall.engine.targets.engine import Translated


def add_defaults(draft: Draft, table: Table, planned: TablePlan) -> None:
    """Add the defaults of a table's columns to the draft, and a risk for each that has no counterpart."""
    for column in table.columns:
        mine = next(c for c in planned.columns if c.source == column.name)
        if column.default is None or not mine.moved or column.identity:
            continue
        found = _default(draft, column.default, mine)
        label = f"{planned.label}.{column.name}"
        if found.problem:
            draft.add_risk(
                Severity.MEDIUM,
                "Default",
                label,
                f"the default {column.default} is not migrated: {found.problem}",
                "Set a default manually if inserts need it.",
            )
        elif found.sql:
            _local_time(draft, column.default, label)
            sql = draft.target.ddl.set_default(planned.target, mine.target, found.sql)
            draft.add_statement(Stage.FINISH, "default", mine.target, planned.target, sql, describes=label)


def _local_time(draft: Draft, text: str, label: str) -> None:
    value = None if draft.native else draft.engine.dialect.default_value(text)
    if isinstance(value, CurrentTime) and value.local:
        told = (
            f"the default {text} is the local time of the machine in the source, and that of the session (TimeZone) in the target"
        )
        draft.add_risk(Severity.LOW, "Default", label, told, "Set TimeZone of the database or role to that of the application.")


def _default(draft: Draft, text: str, column: ColumnPlan) -> Translated:
    if draft.native:
        return Translated(text)
    value = draft.engine.dialect.default_value(text)
    if value is not None:
        return draft.target.ddl.default_value(value, column)
    return draft.target.ddl.default_of(draft.catalog.engine, text, column, draft.spelled)
