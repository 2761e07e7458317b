"""Comparing the rows of existing tables while planning: its cost is limited, and only errors about the rows are an answer."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, cast

import pytest

from landfall.engine.clients.errors import from_mysql, from_postgresql
from landfall.engine.clients.refusals import of_statement
from landfall.engine.clients.server_messages import PostgresMessage
from landfall.engine.errors import (
    ConnectionLostError,
    DiskFullError,
    EngineError,
    PrivilegeMissingError,
    SourceBusyError,
    UnreachableError,
)
from landfall.engine.matching.confidence import Signs
from landfall.engine.matching.matcher import FieldPair
from landfall.engine.model.catalog import Catalog, Column, ColumnType, Table
from landfall.engine.model.options import OnExisting, Options, Policies, TableDecision
from landfall.engine.model.plan import Plan, Severity
from landfall.engine.planning.planner import PlanningContext, draft_plan
from landfall.engine.planning.tables import Counterpart, SourceProfile
from landfall.engine.prepare.existing_rows import BothSides, compare_existing_rows
from landfall.engine.targets.registry import target_of
from tests.support.plans import CATALOG, ENDS, FACTS, ITEM

_WANTED = (("Id", "integer"), ("Seen", "timestamp"), ("Name", "text"))


@dataclass
class _Sides:
    """A source, its reader and a session with the target in one: what each query yields, and what was asked."""

    count: int
    sums: tuple[int, int] = (0, 0)
    failure: EngineError | None = None
    queries: list[str] = field(default_factory=list)
    closed: bool = False

    def reader(self) -> _Sides:
        return self

    @property
    def session(self) -> _Sides:
        return self

    def close(self) -> None:
        self.closed = True

    def value(self, statement: str) -> int:
        self.queries.append(statement)
        return self.count

    def sums_of(self, statement: str) -> tuple[int, int]:
        self.queries.append(statement)
        if self.failure:
            raise self.failure
        return self.sums

    def rows(self, statement: str) -> list[tuple[int, int]]:
        self.queries.append(statement)
        return [self.sums]


def _compared(sides: _Sides, rows: int, decision: str = "", size: int = 0) -> Plan:
    item = replace(ITEM, rows=rows, bytes=size)
    catalog = replace(CATALOG, tables=(item,))
    existing_table = Table("public", "item", tuple(Column(name.lower(), ColumnType(kind, kind)) for name, kind in _WANTED))
    pairs = {name: FieldPair(name, name.lower(), 100, (), (), Signs(*[0.0] * 9)) for name, _ in _WANTED}
    counterparts = {("shop", "Item"): Counterpart(existing_table, pairs, occupied=True)}
    existing = Catalog("PostgreSQL", "15", 150000, "w", ("public",), (existing_table,))
    tables = (TableDecision("", "Item", existing_rows=decision),) if decision else ()
    options = replace(Options(), on_existing=OnExisting.FILL, policies=Policies(), tables=tables)
    plan = draft_plan(catalog, SourceProfile(), options, FACTS, ENDS, PlanningContext(catalog, existing, counterparts))
    both = BothSides(cast("Any", _Reading(sides)), cast("Any", sides), target_of(ENDS[1]))
    return compare_existing_rows(plan, counterparts, options, both)


@dataclass
class _Reading:
    sides: _Sides

    def reader(self) -> _Reading:
        return self

    def sums(self, statement: str) -> tuple[int, int]:
        return self.sides.sums_of(statement)

    def close(self) -> None:
        self.sides.close()


def _told(plan: Plan) -> dict[str, Severity]:
    return {r.kind: r.severity for r in plan.risks if r.kind in {"RowsEqual", "RowsDiffer", "TargetNotEmpty", "RowsNotCompared"}}


def test_other_numbers_of_rows_need_no_sums() -> None:
    for target_rows in (0, 1, 4, 6):
        sides = _Sides(target_rows)
        plan = _compared(sides, 5, "Keep")
        assert _told(plan) == {"TargetNotEmpty": Severity.BLOCKER, "RowsDiffer": Severity.BLOCKER}
        assert [s.startswith("SELECT count(*) FROM (SELECT 1 FROM") and s.endswith("LIMIT 6) s") for s in sides.queries] == [True]
        description = next(r.description for r in plan.risks if r.kind == "RowsDiffer")
        assert f"5 rows in the source, {'more than 5' if target_rows > 5 else target_rows} in the target" in description
        assert sides.closed


@pytest.mark.parametrize("cost", [{"rows": 2_000_001}, {"rows": 9, "size": 2 * 1024**3}])
def test_a_large_table_is_not_read_while_planning(cost: dict[str, int]) -> None:
    sides = _Sides(cost["rows"])
    plan = _compared(sides, **cost)
    assert sides.queries == []
    assert _told(plan) == {"TargetNotEmpty": Severity.BLOCKER}
    assert "too large to be compared" in plan.blockers[0].description
    assert "existingRows: Keep" in plan.blockers[0].mitigation
    trusted = _compared(sides, decision="Keep", **cost)
    assert sides.queries == []
    assert _told(trusted) == {"RowsNotCompared": Severity.HIGH}
    assert (trusted.kept, "RowsNotCompared: item" in trusted.to_review) == (("item",), True)


def test_equal_sums_are_equal_rows() -> None:
    plan = _compared(_Sides(5, (5, 99)), 5)
    assert (_told(plan), plan.kept) == ({"RowsEqual": Severity.INFO}, ("item",))


@pytest.mark.parametrize(
    "failure",
    [
        ConnectionLostError("source: lost"),
        UnreachableError("source: no answer"),
        SourceBusyError("source: busy"),
        DiskFullError("source: full"),
        PrivilegeMissingError("source: no SELECT"),
        from_mysql(2013, "Lost connection", "source"),
        from_mysql(1040, "Too many connections", "source"),
        from_postgresql(PostgresMessage("57P01", "terminating connection"), "target"),
        from_postgresql(PostgresMessage("53200", "out of memory"), "target"),
        from_postgresql(PostgresMessage("XX000", "internal"), "target"),
        EngineError("source: a fault without a code"),
    ],
)
def test_an_error_that_says_nothing_about_the_rows_is_raised(failure: EngineError) -> None:
    sides = _Sides(5, failure=failure)
    with pytest.raises(type(failure)):
        _compared(sides, 5)
    assert sides.closed
    assert not of_statement(failure)


@pytest.mark.parametrize(
    "failure",
    [
        from_postgresql(PostgresMessage("42883", "no such function"), "target"),
        from_postgresql(PostgresMessage("22003", "out of range"), "target"),
        from_postgresql(PostgresMessage("57014", "timeout"), "target"),
        from_mysql(1690, "out of range: 'secret'", "source"),
        from_mysql(4078, "Illegal parameter data types", "source"),
    ],
)
def test_a_statement_that_a_side_rejects_is_the_reason_why_rows_are_not_known_to_be_equal(failure: EngineError) -> None:
    plan = _compared(_Sides(5, failure=failure), 5)
    assert _told(plan) == {"TargetNotEmpty": Severity.BLOCKER}
    assert "cannot be compared while planning: " in plan.blockers[0].description
    assert f"({failure.code})" in plan.blockers[0].description
    assert "secret" not in plan.blockers[0].description
