"""Executes the queries of a run on the source, over no row: a query that the source rejects is a blocker of the plan."""

from __future__ import annotations

from collections.abc import Iterator

from landfall.engine.errors import ConnectionLostError, EngineError, SourceBusyError, UnreachableError
from landfall.engine.model.plan import Plan, Risk, Severity, TablePlan
from landfall.engine.planning.settlement import blocked
from landfall.engine.sources.base import Reader, Source
from landfall.engine.sources.engine import LargeRowQueries, SourceEngine
from landfall.engine.sources.registry import engine_of
from landfall.engine.targets.engine import TargetEngine
from landfall.engine.targets.shapes import shape_of

_NO_ROW = "1=0"
_OF_THE_SERVER = (ConnectionLostError, UnreachableError, SourceBusyError)


def prove_queries(plan: Plan, source: Source, target: TargetEngine) -> Plan:
    """Return the plan with a blocker for each table whose queries the source rejects.

    Args:
        plan: The plan.
        source: The source.
        target: The target's engine.

    Raises:
        EngineError: The source cannot be read.
    """
    if not plan.moves_rows:
        return plan
    engine = engine_of(plan.engine)
    reader = source.reader()
    try:
        refusals = [
            _rejected(reader, engine, plan, table, target)
            for table in plan.tables
            if table.moved and not blocked(plan, table.label)
        ]
    finally:
        reader.close()
    risks = tuple(risk for risk in refusals if risk)
    return plan.with_risks(risks) if risks else plan


def _rejected(reader: Reader, engine: SourceEngine, plan: Plan, table: TablePlan, target: TargetEngine) -> Risk | None:
    for purpose, sql in _queries(engine, plan, table, target):
        try:
            reader.rows(sql)
        except _OF_THE_SERVER:
            raise
        except EngineError as error:
            text = f"the run would fail: the source rejects {purpose} ({error.message.removeprefix('source: ')})"
            advice = "Exclude the column or the table that the message names. Report it as a defect of Landfall."
            return Risk(Severity.BLOCKER, "DryRun", table.label, text, advice)
    return None


def _queries(engine: SourceEngine, plan: Plan, table: TablePlan, target: TargetEngine) -> Iterator[tuple[str, str]]:
    queries = engine.queries(shape_of(plan, table, target))
    yield "the query that copies the rows", queries.copy(_NO_ROW)
    yield "the query that compares the rows", queries.sums(_NO_ROW)
    yield "the query that names rows", queries.rows(_NO_ROW)
    long = engine.dialect.long_columns(table)
    if long and isinstance(queries, LargeRowQueries):
        yield "the query that copies large rows", queries.raw(_NO_ROW, long)[0]
