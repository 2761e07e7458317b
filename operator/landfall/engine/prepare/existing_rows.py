"""Rows that an application put into its own tables: where both sides hold the same ones, no decision is needed."""

from __future__ import annotations

from dataclasses import dataclass, replace

from landfall.engine.errors import EngineError
from landfall.engine.model.options import Options
from landfall.engine.model.plan import Decision, Plan, Risk, Severity, TablePlan
from landfall.engine.planning.existing_tables import Counterparts
from landfall.engine.planning.tables import OCCUPIED
from landfall.engine.sources.base import Reader, Source
from landfall.engine.sources.registry import engine_of
from landfall.engine.targets.engine import TargetDatabase, TargetEngine
from landfall.engine.targets.shapes import shape_of
from landfall.lib.text import counted


@dataclass(frozen=True, slots=True)
class BothSides:
    """Where the rows of a plan are."""

    source: Source
    database: TargetDatabase
    target: TargetEngine


def compare_existing_rows(plan: Plan, counterparts: Counterparts, options: Options, sides: BothSides) -> Plan:
    """Return the plan in which tables that hold the same rows on both sides do not stop it.

    Args:
        plan: The plan, in which each existing table with rows is a blocker unless its rows are set aside.
        counterparts: The existing tables.
        options: The options of the migration.
        sides: Both sides, which are only read.
    """
    stopped = {r.affected for r in plan.blockers if r.kind == OCCUPIED}
    tables = [t for t in plan.tables if t.target in stopped and _is_whole(t, counterparts)] if plan.moves_rows else []
    if not stopped:
        return plan
    reader = sides.source.reader()
    try:
        counts = {t.target: found for t in tables if (found := _compared(reader, plan, t, sides))}
    finally:
        reader.close()
    equal = {name: rows for name, rows in counts.items() if rows.equal}
    risks = tuple(r for r in plan.risks if r.kind != OCCUPIED or r.affected not in equal)
    made = [_same(name, rows) for name, rows in equal.items()]
    made += [
        _different(t, counts.get(t.target)) for t in plan.tables if t.target in stopped - set(equal) and _is_to_keep(t, options)
    ]
    told = replace(plan, risks=risks, kept=tuple(sorted(equal)))
    return told.with_risks(tuple(made))


@dataclass(frozen=True, slots=True)
class _Rows:
    source: int
    target: int
    equal: bool


def _is_whole(table: TablePlan, counterparts: Counterparts) -> bool:
    """Whether every stored column of the existing table is filled, so that equal values are equal rows."""
    mine = counterparts.get((table.schema, table.name))
    filled = {c.target for c in table.columns if c.compared and not c.final}
    return (
        mine is not None
        and all(c.name in filled or c.generated is not None for c in mine.table.columns)
        and all(c.decision is not Decision.EXCLUDED for c in table.columns)
    )


def _compared(reader: Reader, plan: Plan, table: TablePlan, sides: BothSides) -> _Rows | None:
    """The sums of both sides; None where one of them cannot be computed, which says nothing about the rows."""
    shape = shape_of(plan, table, sides.target)
    try:
        count, total = reader.sums(engine_of(plan.engine).queries(shape).sums(""))
        theirs = sides.database.session.rows(sides.target.queries(shape, plan.target_schema).range_sums(None, None))[0]
    except EngineError:
        return None
    return _Rows(int(count), int(theirs[0]), (int(count), int(total)) == (int(theirs[0]), int(theirs[1])))


def _is_to_keep(table: TablePlan, options: Options) -> bool:
    return options.rows_of_existing(table.schema, table.name) == "Keep"


def _same(name: str, rows: _Rows) -> Risk:
    text = f"it has rows, and both sides hold the same {counted(rows.source, 'row')}, which stay"
    return Risk(Severity.INFO, "RowsEqual", name, text, "No action is required. The cutover compares them again.")


def _different(table: TablePlan, rows: _Rows | None) -> Risk:
    numbers = f": {counted(rows.source, 'row')} in the source, {rows.target} in the target" if rows else ""
    text = f"existingRows is Keep, but the two sides do not hold the same rows{numbers}"
    return Risk(
        Severity.BLOCKER, "RowsDiffer", table.target, text, "Set existingRows: SetAside for it, or exclude the source table."
    )
