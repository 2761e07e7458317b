"""Rows that a cutover takes away and that no rollback will restore need approval, whichever setting ends their retention."""

from __future__ import annotations

from dataclasses import replace

import pytest

from landfall.engine.matching.confidence import Signs
from landfall.engine.matching.matcher import FieldPair
from landfall.engine.model.catalog import Catalog, Column, ColumnType, Table
from landfall.engine.model.options import OnExisting, Options, Policies
from landfall.engine.model.plan import Plan, Replaced, Severity
from landfall.engine.planning.planner import PlanningContext, draft_plan
from landfall.engine.planning.tables import Counterpart, SourceProfile
from tests.support.plans import CATALOG, ENDS, FACTS, planned

_ENDED = [{"generate_rollback": False}, {"retain_seconds": 0}]
_WANTED = (("Id", "integer"), ("Seen", "timestamp"), ("Name", "text"))


def _filled(*, occupied: bool = True, **options: object) -> Plan:
    columns = tuple(Column(name.lower(), ColumnType(kind, kind)) for name, kind in _WANTED)
    existing_table = Table("public", "item", columns)
    pairs = {name: FieldPair(name, name.lower(), 100, (), (), Signs(*[0.0] * 9)) for name, _ in _WANTED}
    counterparts = {("shop", "Item"): Counterpart(existing_table, pairs, occupied=occupied)}
    existing = Catalog("PostgreSQL", "15", 150000, "w", ("public",), (existing_table,))
    all_options = replace(Options(), on_existing=OnExisting.FILL, policies=Policies(existing_rows="SetAside"), **options)
    return draft_plan(CATALOG, SourceProfile(), all_options, FACTS, ENDS, PlanningContext(CATALOG, existing, counterparts))


def _replaced(kind: str, **options: object) -> Plan:
    return planned(facts=replace(FACTS, in_the_way=(Replaced(kind, "item"),)), on_existing=OnExisting.REPLACE, **options)


def _severity(plan: Plan, kind: str) -> Severity:
    (risk,) = [r for r in plan.risks if r.kind == kind]
    assert (risk.severity is Severity.HIGH) == (f"{kind}: item" in plan.to_review)
    assert ("rollback restores" in risk.mitigation) == (risk.severity is Severity.MEDIUM and "impossible" not in risk.mitigation)
    return risk.severity


@pytest.mark.parametrize("retention", _ENDED)
def test_rows_that_are_set_aside_and_dropped_need_approval(retention: dict[str, object]) -> None:
    assert _severity(_filled(), "RowsSetAside") is Severity.MEDIUM
    assert _severity(_filled(**retention), "RowsSetAside") is Severity.HIGH


@pytest.mark.parametrize("retention", _ENDED)
@pytest.mark.parametrize(
    ("kind", "grave"),
    [
        ("table", True),
        ("partitioned table", True),
        ("foreign table", True),
        ("view", False),
        ("materialized view", False),
        ("sequence", False),
    ],
)
def test_a_table_that_is_replaced_and_dropped_needs_approval(kind: str, retention: dict[str, object], *, grave: bool) -> None:
    assert _severity(_replaced(kind), "Replaced") is Severity.MEDIUM
    assert _severity(_replaced(kind, **retention), "Replaced") is (Severity.HIGH if grave else Severity.MEDIUM)


def test_an_empty_table_that_is_filled_stays_without_approval() -> None:
    for retention in _ENDED:
        (risk,) = [r for r in _filled(occupied=False, **retention).risks if r.kind == "Filled"]
        assert risk.severity is Severity.INFO
        assert "impossible" in risk.mitigation
