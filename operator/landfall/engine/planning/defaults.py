"""Defaults of columns: translated, or computed as the type of the column wants it. Pure."""

from __future__ import annotations

from landfall.engine.model.catalog import Table
from landfall.engine.model.default_value import CurrentTime
from landfall.engine.model.plan import ColumnPlan, Severity, Stage, TablePlan
from landfall.engine.planning.tables import Draft
from landfall.engine.targets.engine import Translated


def add_defaults(draft: Draft, table: Table, table_plan: TablePlan) -> None:
    """Add the defaults of a table's columns to the draft, and a risk for each that has no counterpart."""
    for column in table.columns:
        column_plan = next(c for c in table_plan.columns if c.source == column.name)
        if column.default is None or not column_plan.moved or column.identity:
            continue
        translated = _default(draft, column.default, column_plan)
        label = f"{table_plan.label}.{column.name}"
        if translated.problem:
            draft.add_risk(
                Severity.MEDIUM,
                "Default",
                label,
                f"the default {column.default} is not migrated: {translated.problem}",
                "Set a default manually if inserts need it.",
            )
        elif translated.sql:
            _local_time(draft, column.default, label)
            sql = draft.target.ddl.set_default(table_plan.target, column_plan.target, translated.sql)
            draft.add_statement(Stage.FINISH, "default", column_plan.target, table_plan.target, sql, describes=label)


def _local_time(draft: Draft, text: str, label: str) -> None:
    value = None if draft.native else draft.engine.dialect.default_value(text)
    if isinstance(value, CurrentTime) and value.local:
        text_of_risk = (
            f"the default {text} is the local time of the machine in the source, and that of the session (TimeZone) in the target"
        )
        draft.add_risk(
            Severity.LOW, "Default", label, text_of_risk, "Set TimeZone of the database or role to that of the application."
        )


def _default(draft: Draft, text: str, column: ColumnPlan) -> Translated:
    if draft.native:
        return Translated(text)
    value = draft.engine.dialect.default_value(text)
    if value is not None:
        return draft.target.ddl.default_value(value, column)
    return draft.target.ddl.default_of(draft.catalog.engine, text, column, draft.spelled)
