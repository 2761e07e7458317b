"""Rows that an application put into its own tables: where both sides hold the same ones, no decision is needed.

Planning compares only what it can compare soon: tables whose numbers of rows are equal, the smallest first, up to a total size. The
cutover compares the rows to keep in any case.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from landfall.engine.clients.refusals import of_statement, refused
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

_MOST_ROWS = 2_000_000
_MOST_BYTES = 1024**3
_LARGE = "it is too large to be compared while planning"


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
    rows_of = _compared_tables(plan, tables, sides)
    to_keep = {t.target for t in plan.tables if t.target in stopped and _is_to_keep(t, options)}
    equal = {name for name, rows in rows_of.items() if rows.equal}
    trusted = {name for name, rows in rows_of.items() if rows.open == _LARGE and name in to_keep}
    risks = [_with_reason(r, rows_of) for r in plan.risks if r.kind != OCCUPIED or r.affected not in equal | trusted]
    new_risks = [_same(name, rows_of[name]) for name in sorted(equal)] + [
        _unknown(name, rows_of[name]) for name in sorted(trusted)
    ]
    new_risks += [_different(name, rows_of.get(name)) for name in sorted(to_keep - equal - trusted)]
    changed = replace(plan, risks=tuple(risks), kept=tuple(sorted(equal | trusted)))
    return changed.with_risks(tuple(new_risks))


@dataclass(frozen=True, slots=True)
class _Rows:
    """Rows on both sides. `open`: why it is not known whether they are equal; `at_least`: the target may have more."""

    source: int
    target: int = 0
    equal: bool = False
    open: str = ""
    at_least: bool = False


def _is_whole(table: TablePlan, counterparts: Counterparts) -> bool:
    """Whether every stored column of the existing table is filled, so that equal values are equal rows."""
    counterpart = counterparts.get((table.schema, table.name))
    filled = {c.target for c in table.columns if c.compared and not c.final}
    return (
        counterpart is not None
        and all(c.name in filled or c.generated is not None for c in counterpart.table.columns)
        and all(c.decision is not Decision.EXCLUDED for c in table.columns)
    )


def _compared_tables(plan: Plan, tables: Sequence[TablePlan], sides: BothSides) -> dict[str, _Rows]:
    """What is known of each table; a table behind the limit is not read at all."""
    rows_of, rows, size = {}, 0, 0
    reader = sides.source.reader()
    try:
        for table in sorted(tables, key=lambda t: (t.rows, t.bytes)):
            rows, size = rows + table.rows, size + table.bytes
            large = rows > _MOST_ROWS or size > _MOST_BYTES
            rows_of[table.target] = _Rows(table.rows, open=_LARGE) if large else _compared(reader, plan, table, sides)
    finally:
        reader.close()
    return rows_of


def _compared(reader: Reader, plan: Plan, table: TablePlan, sides: BothSides) -> _Rows:
    """Count, and where the numbers are equal, compare the sums of both sides.

    A side may reject the statement, which says nothing about the rows. Raises every other error.
    """
    shape = shape_of(plan, table, sides.target)
    queries, session = sides.target.queries(shape, plan.target_schema), sides.database.session
    target_rows = int(session.value(queries.count_up_to(table.rows + 1)))
    if target_rows != table.rows:
        return _Rows(table.rows, target_rows, at_least=target_rows > table.rows)
    try:
        count, total = reader.sums(engine_of(plan.engine).queries(shape).sums(""))
        target_sums = session.rows(queries.range_sums(None, None))[0]
    except EngineError as error:
        if not of_statement(error):
            raise
        return _Rows(table.rows, target_rows, open=f"its rows cannot be compared while planning: {refused(error)}")
    return _Rows(int(count), int(target_sums[0]), (int(count), int(total)) == (int(target_sums[0]), int(target_sums[1])))


def _with_reason(risk: Risk, rows_of: dict[str, _Rows]) -> Risk:
    """The blocker of an existing table with rows, and why it is not known whether they are those of the source."""
    rows = rows_of.get(risk.affected) if risk.kind == OCCUPIED else None
    if rows is None or not rows.open:
        return risk
    keep = " If both sides hold the same rows, existingRows: Keep has the cutover compare them." if rows.open == _LARGE else ""
    return replace(risk, description=f"{risk.description}; {rows.open}", mitigation=f"{risk.mitigation}{keep}")


def _is_to_keep(table: TablePlan, options: Options) -> bool:
    return options.rows_of_existing(table.schema, table.name) == "Keep"


def _same(name: str, rows: _Rows) -> Risk:
    text = f"it has rows, and both sides hold the same {counted(rows.source, 'row')}, which stay"
    return Risk(Severity.INFO, "RowsEqual", name, text, "No action is required. The cutover compares them again.")


def _unknown(name: str, rows: _Rows) -> Risk:
    text = (
        f"existingRows is Keep, and {_LARGE} ({counted(rows.source, 'row')} in the source): the cutover compares all rows while it locks"
        " the table, for 60 s at most, and cuts nothing over if they differ"
    )
    advice = "Approve the plan if both sides hold the same rows; otherwise set existingRows: SetAside for it, or exclude the source table."
    return Risk(Severity.HIGH, "RowsNotCompared", name, text, advice)


def _different(name: str, rows: _Rows | None) -> Risk:
    if rows is None:
        reason = "its rows cannot be those of the source: not all of its columns are filled, or the mode moves no rows"
    elif rows.open:
        reason = rows.open
    else:
        target_text = f"more than {rows.source}" if rows.at_least else str(rows.target)
        reason = (
            f"the two sides do not hold the same rows: {counted(rows.source, 'row')} in the source, {target_text} in the target"
        )
    text = f"existingRows is Keep, but {reason}"
    return Risk(Severity.BLOCKER, "RowsDiffer", name, text, "Set existingRows: SetAside for it, or exclude the source table.")
