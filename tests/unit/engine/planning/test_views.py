"""Views are compared only if by plan their tables have the same rows on both sides, and each view of each schema is planned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from landfall.engine.matching.confidence import Signs
from landfall.engine.matching.matcher import FieldPair
from landfall.engine.model.catalog import Catalog, Column, ColumnType, Table, View
from landfall.engine.model.mapping import Violation
from landfall.engine.model.options import ColumnDecision, Mode, OnExisting, Options, Policies
from landfall.engine.model.plan import Plan
from landfall.engine.planning.overrides import Override
from landfall.engine.planning.planner import PlanningContext, draft_plan
from landfall.engine.planning.tables import Counterpart, SourceProfile
from tests.support.plans import CATALOG, ENDS, FACTS, ITEM, counted, planned

_OTHER = replace(ITEM, name="Other")
_VIEWS = (
    View("shop", "direct", "select `shop`.`Item`.`Id` AS `Id` from `shop`.`Item`"),
    View("shop", "above", "select `direct`.`Id` AS `Id` from `shop`.`direct`"),
    View("shop", "joined", "select `o`.`Id` AS `Id` from `shop`.`Other` `o` where exists(select 1 from `shop`.`Item` `i`)"),
    View("shop", "common", "with c as (select `i`.`Id` AS `Id` from `shop`.`Item` `i`) select `c`.`Id` AS `Id` from `c`"),
    View("shop", "apart", "select `shop`.`Other`.`Id` AS `Id` from `shop`.`Other`"),
)
_CATALOG = replace(CATALOG, tables=(ITEM, _OTHER), views=_VIEWS)
_OF_A_RULE = "it reads Item, in which a rule or an override changes the values of {}"


def _reasons(plan: Plan) -> Mapping[str, str]:
    return {v.table.name: v.reason for v in plan.views}


def _overridden() -> SourceProfile:
    return SourceProfile(overrides={("shop", "Item", "Name"): Override("upper(Name)")})


@pytest.mark.parametrize(
    ("profile", "policies", "column"),
    [
        (counted("Seen", Violation.ZERO_DATE), Policies(), "Seen"),
        (counted("Seen", Violation.ZERO_DATE), Policies(zero_dates="Map:2000-01-01"), "Seen"),
        (counted("Name", Violation.NUL_BYTE), Policies(), "Name"),
        (counted("Name", Violation.NUL_BYTE), Policies(nul_bytes="Replace"), "Name"),
        (_overridden(), Policies(), "Name"),
    ],
)
def test_a_view_of_a_table_whose_values_the_plan_changes_is_not_compared(
    profile: SourceProfile, policies: Policies, column: str
) -> None:
    plan = planned(_CATALOG, profile, policies=policies)
    reason = _OF_A_RULE.format(column)
    above = "it reads direct, which is not compared as a whole"
    assert _reasons(plan) == {"direct": reason, "above": above, "joined": reason, "common": reason, "apart": ""}
    descriptions = {r.affected: r.description for r in plan.risks if r.kind == "ViewTranslated"}
    assert f"nothing checks that it returns the same rows: {reason}" in descriptions["direct"]
    assert "the run compares its rows on both sides" in descriptions["apart"]


def test_a_view_is_compared_if_the_changed_column_is_left_out() -> None:
    decisions = (ColumnDecision("shop", "Item", "Seen", "Exclude"),)
    plan = planned(_CATALOG, counted("Seen", Violation.ZERO_DATE), decisions=decisions)
    assert set(_reasons(plan).values()) == {""}


def test_only_some_of_many_changed_columns_are_named() -> None:
    columns = tuple(replace(ITEM.columns[1], name=f"d{n}") for n in range(7))
    zero = {("shop", "Item", c.name): {Violation.ZERO_DATE: 1} for c in columns}
    catalog = replace(_CATALOG, tables=(replace(ITEM, columns=(*ITEM.columns, *columns)), _OTHER))
    assert _reasons(planned(catalog, SourceProfile(violations=zero)))["direct"].endswith("d0, d1, d2, d3, d4 and 2 more")


def test_a_view_of_an_existing_table_is_not_compared() -> None:
    existing_table = Table("public", "item", (Column("id", ColumnType("text", "text")),))
    counterparts = {("shop", "Item"): Counterpart(existing_table, {"Id": FieldPair("Id", "id", 100, (), (), Signs(*[0.0] * 9))})}
    existing = Catalog("PostgreSQL", "15", 150000, "w", ("public",), (existing_table,))
    context = PlanningContext(_CATALOG, existing, counterparts)
    plan = draft_plan(_CATALOG, SourceProfile(), Options(on_existing=OnExisting.FILL), FACTS, ENDS, context)
    reasons = _reasons(plan)
    assert reasons["direct"] == "it reads Item, which fills an existing table, whose columns may have other types"
    assert reasons["apart"] == ""


def test_a_plan_without_rows_promises_no_comparison() -> None:
    plan = planned(_CATALOG, mode=Mode.SCHEMA_ONLY)
    assert set(_reasons(plan).values()) == {"mode SchemaOnly copies no rows"}


def test_views_of_one_name_in_several_schemas_are_all_planned() -> None:
    views = (
        View("blog", "v", "select `blog`.`Post`.`Id` AS `Id` from `blog`.`Post`"),
        View("shop", "v", "select `shop`.`Item`.`Name` AS `Name` from `shop`.`Item`"),
        View("blog", "bad", "select database() AS `d`"),
        View("shop", "bad", "select `bad`.`d` AS `d` from `blog`.`bad`"),
    )
    tables = (ITEM, replace(ITEM, schema="blog", name="Post"))
    plan = planned(replace(CATALOG, schemas=("blog", "shop"), tables=tables, views=views))
    created = [s for s in plan.statements if s.kind == "view"]
    assert [s.describes for s in created] == ["blog.v", "shop.v"]
    assert len({s.name for s in created}) == 2
    assert [(v.table.label, v.table.target) for v in plan.views] == [(s.describes, s.name) for s in created]
    descriptions = {r.affected: r.description for r in plan.risks if r.kind in {"View", "ViewTranslated"}}
    assert descriptions.keys() == {"blog.v", "shop.v", "blog.bad", "shop.bad"}
    assert "DATABASE()" in descriptions["blog.bad"]
    assert "it reads bad, which is not carried" in descriptions["shop.bad"]
