"""A planned table in the form that the query builders of both sides use."""

from __future__ import annotations

from landfall.engine.model.plan import Plan, TablePlan
from landfall.engine.model.table_shape import Shape
from landfall.engine.sources.registry import engine_of
from landfall.engine.targets.engine import TargetEngine

_HASHES_SINCE = 140000


def shape_of(plan: Plan, table: TablePlan, target: TargetEngine) -> Shape:
    """A planned table in the form that the query builders use."""
    dialect = engine_of(plan.engine).dialect
    digits = plan.source_version.split(" ")[0].split(".")[0]
    source_is_new = digits.isdigit() and int(digits) >= _HASHES_SINCE // 10000
    return Shape(
        engine=plan.engine,
        schema=table.schema,
        name=table.name,
        target=table.target,
        copied=tuple((c.source, c.target, c.mapping) for c in table.copied),
        compared=tuple((c.source, c.target, target.types.renewed(c.mapping, dialect)) for c in table.compared),
        row_key=table.row_key,
        key=table.key[0] if table.unique_key else "",
        ordered_by=(table.ordered_by.source, table.ordered_by.target) if table.ordered_by else ("", ""),
        hashed=source_is_new and plan.target_version_number >= _HASHES_SINCE,
    )
