"""Estimated durations of a plan's steps, from measured rates."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from landfall.engine.model.options import Options
from landfall.engine.model.plan import Plan, Stage, TablePlan

_ROWS_PER_SECOND = {"csv": 250_000, "text": 200_000, "binary": 350_000}


_BYTES_PER_SECOND = 80_000_000


_CHECK_BYTES_PER_SECOND = 150_000_000


_CHECK_ROWS_PER_SECOND = {"csv": 600_000, "text": 1_200_000, "binary": 1_200_000}


_VALIDATED_ROWS_PER_SECOND = 2_000_000


_INDEXED_ROWS_PER_SECOND = 2_500_000  # of each index


# Seconds for each object between write lock and cutover, where rows hardly matter: verification, statements, change of schema.
# Measured with PostgreSQL 15 on both sides, two cores under other load, one row in each table: 1,500 tables of 6 columns 12.0 s, 500 of
# them 3.8 s; with 2,000 more indexes 5.8 s, with 1,500 checks 8.6 s, with 1,000 views 24.6 s, with 1,000 foreign keys (two statements
# each) 48.5 s; 100 tables of 202 columns 5.9 s.
_LOCKED_SECONDS = {"table": 0.0055, "column": 0.00023, "index": 0.001, "check": 0.003, "statement": 0.021}


@dataclass(frozen=True, slots=True)
class _StatementCounts:
    """Statements of a plan by the schema and the table that they name: indexes to build, foreign keys to validate, and foreign keys."""

    plan: Plan
    indexes: Counter[tuple[str, str]]
    validations: Counter[tuple[str, str]]
    foreign_keys: Counter[tuple[str, str]]

    @classmethod
    def from_plan(cls, plan: Plan) -> _StatementCounts:
        """Count the statements of a plan once, for all of its tables."""
        return cls(
            plan,
            Counter((s.schema, s.table) for s in plan.of_stage(Stage.INDEXES)),
            Counter((s.schema, s.table) for s in plan.of_stage(Stage.KEYS) if s.kind == "validation"),
            Counter((s.schema, s.table) for s in plan.statements if s.kind == "foreign key"),
        )

    def place(self, table: TablePlan) -> tuple[str, str]:
        """What statements of a table name."""
        return self.plan.within(table), table.target


def _with_estimates(plan: Plan, options: Options) -> Plan:
    counts = _StatementCounts.from_plan(plan)
    tables = tuple(replace(t, estimates=_of_table(counts, t)) for t in plan.tables)
    moved_tables = [t for t in tables if t.moved]
    rows = sum(t.rows for t in moved_tables)
    size = sum(t.bytes for t in moved_tables)
    copy, check = _seconds(moved_tables)
    if options.rows_per_second:
        copy = max(copy, rows / options.rows_per_second)
    if options.bytes_per_second:
        copy = max(copy, size / options.bytes_per_second)
    # Under the write lock: comparing every row, about half of that time again for repairs, validating the foreign keys, and the objects.
    objects = _of_objects(replace(plan, tables=tables))
    freeze = 1 + check * 1.5 + sum(_keying(counts, t) for t in moved_tables) + objects
    estimates = {
        "tables": len(moved_tables),
        **{part: sum(t.estimates[part] for t in moved_tables) for part in ("columns", "relationships", "transformations")},
        "rows": rows,
        "bytes": size,
        "schemaSeconds": 1 + len(plan.statements) // 200,
        "copySeconds": round(copy + 0.5),
        "indexSeconds": round(sum(_indexing(counts, t) for t in moved_tables) + 0.5),
        "validationSeconds": round(check + 0.5),
        "cutoverSeconds": round(1 + objects),
    }
    return replace(plan, tables=tables, estimates=estimates, freeze_seconds=round(freeze + 0.5))


def _of_objects(plan: Plan) -> float:
    """Seconds under the write lock for the objects of a plan, however few rows they have."""
    seconds = len(plan.tables) * _LOCKED_SECONDS["table"] + sum(len(t.columns) for t in plan.tables) * _LOCKED_SECONDS["column"]
    seconds += len(plan.of_stage(Stage.INDEXES)) * _LOCKED_SECONDS["index"]
    seconds += sum(1 for s in plan.statements if s.kind == "check") * _LOCKED_SECONDS["check"]
    return seconds + (len(plan.of_stage(Stage.KEYS)) + len(plan.of_stage(Stage.LAST))) * _LOCKED_SECONDS["statement"]


def _seconds(tables: Sequence[TablePlan]) -> tuple[float, float]:
    """Seconds for the copy and the comparison of tables."""
    size = sum(t.bytes for t in tables)
    copy = max(sum(t.rows / _ROWS_PER_SECOND[t.form] for t in tables), size / _BYTES_PER_SECOND)
    return copy, max(sum(t.rows / _CHECK_ROWS_PER_SECOND[t.form] for t in tables), size / _CHECK_BYTES_PER_SECOND)


def _indexing(counts: _StatementCounts, table: TablePlan) -> float:
    """Seconds for building the indexes of a table."""
    return table.rows * counts.indexes[counts.place(table)] / _INDEXED_ROWS_PER_SECOND


def _keying(counts: _StatementCounts, table: TablePlan) -> float:
    """Seconds for validating the foreign keys of a table."""
    return table.rows * counts.validations[counts.place(table)] / _VALIDATED_ROWS_PER_SECOND


def _of_table(counts: _StatementCounts, table: TablePlan) -> dict[str, int]:
    copy, check = _seconds([table]) if table.moved else (0.0, 0.0)
    return {
        "columns": len(table.columns),
        "relationships": counts.foreign_keys[counts.place(table)],
        "transformations": sum(1 for c in table.columns if c.transformation),
        "copySeconds": round(copy + 0.5),
        "indexSeconds": round(_indexing(counts, table) + 0.5),
        "validationSeconds": round(check + 0.5),
    }
