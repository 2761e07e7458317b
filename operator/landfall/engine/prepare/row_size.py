"""Rows that the target cannot store because they have too many columns, or too many octets in columns of a fixed size.

Only tables that could have such rows are counted, so that the others cost nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from landfall.engine.model.plan import ColumnPlan, Plan, Risk, Severity, TablePlan
from landfall.engine.sources.base import Reader, Source
from landfall.engine.sources.engine import Dialect
from landfall.engine.sources.expressions import chained
from landfall.engine.sources.registry import engine_of
from landfall.engine.targets.engine import TargetEngine, TargetTypes
from landfall.lib.text import counted

_LARGEST_ROWS = 20
_WAY_OUT = "Exclude columns in a TablePlan (decision Exclude), or divide the table into two with the same key in the source."


def with_row_sizes(plan: Plan, source: Source, target: TargetEngine) -> Plan:
    """Return the plan with a blocker for each table that the target cannot hold, and a risk for each that it can only just hold.

    Args:
        plan: The plan.
        source: The source, whose rows are counted.
        target: The target's engine.

    Raises:
        EngineError: The source cannot be read.
    """
    types, risks = target.types, [_too_many(t, target.types) for t in plan.tables if len(t.compared) > target.types.MAX_COLUMNS]
    doubtful = (
        [] if engine_of(plan.engine).capabilities.speaks_target_sql else [t for t in plan.tables if _may_be_too_wide(t, types)]
    )
    if doubtful and plan.moves_rows:
        reader = source.reader()
        try:
            risks += [_too_wide(t, _counted(reader, engine_of(plan.engine).dialect, t, types), types) for t in doubtful]
        finally:
            reader.close()
    return plan.with_risks(tuple(risks)) if risks else plan


def _too_many(table: TablePlan, types: TargetTypes) -> Risk:
    text = f"the table has {len(table.compared)} columns, and the target allows {types.MAX_COLUMNS}"
    return Risk(Severity.BLOCKER, "TooManyColumns", table.label, text, _WAY_OUT)


def _fields(table: TablePlan, types: TargetTypes) -> list[tuple[ColumnPlan, int | None]]:
    return [(c, types.field_octets(c.target_type)) for c in table.compared]


def _most(table: TablePlan, types: TargetTypes) -> int:
    return sum(types.OUTSIDE if octets is None else octets for _, octets in _fields(table, types))


def _may_be_too_wide(table: TablePlan, types: TargetTypes) -> bool:
    columns = len(table.compared)
    return columns <= types.MAX_COLUMNS and _most(table, types) > types.row_octets(columns)


@dataclass(frozen=True, slots=True)
class _Held:
    """How many rows are too large, and how many octets the largest one takes."""

    rows: int
    largest: int


def _counted(reader: Reader, dialect: Dialect, table: TablePlan, types: TargetTypes) -> _Held:
    """Count the rows that are too large. Gaps between values are only computed for the largest rows."""
    fields = _fields(table, types)
    terms = [_octets(dialect, column, octets, types.OUTSIDE) for column, octets in fields]
    total, limit = f"({chained(terms, '+')})", types.row_octets(len(terms))
    name = dialect.table_name(table)
    rows = int(reader.rows(f"SELECT COUNT(*) FROM {name} WHERE {total}>{limit}")[0][0] or 0)
    largest = reader.rows(f"SELECT {','.join(terms)} FROM {name} ORDER BY {total} DESC LIMIT {_LARGEST_ROWS}")
    kinds = [c.target_type for c, _ in fields]
    sizes = [types.padded_octets([(k, int(n or 0)) for k, n in zip(kinds, row, strict=True) if int(n or 0)]) for row in largest]
    return _Held(rows or sum(size > limit for size in sizes), max(sizes, default=0))


def _octets(dialect: Dialect, column: ColumnPlan, octets: int | None, most: int) -> str:
    value = column.mapping.operand or dialect.name(column.source)
    if octets is not None:
        return f"CASE WHEN {value} IS NULL THEN 0 ELSE {octets} END"
    length = dialect.char_length(dialect.as_bytes(value))
    return f"CASE WHEN {value} IS NULL THEN 0 WHEN {length}<{most} THEN {length}+1 ELSE {most} END"


def _too_wide(table: TablePlan, content: _Held, types: TargetTypes) -> Risk:
    limit = types.row_octets(len(table.compared))
    if content.rows:
        text = (
            f"{counted(content.rows, 'row', 'have')} more than {limit} octets in numbers and short values (up to {content.largest}),"
            " and the target stores no larger row"
        )
        return Risk(Severity.BLOCKER, "RowTooLarge", table.label, text, _WAY_OUT)
    text = f"a row with a value in every column needs up to {_most(table, types)} octets, and the target stores {limit}; the largest row has {content.largest} now"
    advice = "Check that the application does not fill all columns of one row, or divide the table into two with the same key."
    return Risk(Severity.MEDIUM, "RowTooLarge", table.label, text, advice)
