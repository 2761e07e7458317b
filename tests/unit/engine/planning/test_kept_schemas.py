"""Schemas that keep their names: what has one name in several of them is never taken for another one's."""

from __future__ import annotations

from dataclasses import replace

from landfall.engine.model.catalog import Catalog, Column, ColumnType, SourceObject, Table, View
from landfall.engine.model.options import SourceCode
from landfall.engine.model.plan import Severity
from landfall.engine.model.target_facts import TargetFacts
from landfall.lib.plan_code import PLAN_FORMAT
from tests.support.plans import FACTS, planned

_TOUCH = "CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END'"


def _table(schema: str, name: str) -> Table:
    return Table(schema, name, (Column("id", ColumnType("int4", "integer"), nullable=False),), rows=1)


def _object(kind: str, name: str, parent: str, **more: str) -> SourceObject:
    return replace(SourceObject(kind, name, more.pop("definition", "")), within=parent, **more)


def _catalog(*objects: SourceObject, views: tuple[View, ...] = (), qualified: tuple[tuple[str, str], ...] = ()) -> Catalog:
    tables = (_table("a", "t"), _table("b", "report"))
    return Catalog(
        *("PostgreSQL", "15", 150000, "shop", ("a", "b"), tables),
        views=views,
        objects=objects,
        apart=True,
        qualified=qualified,
        features=frozenset({"freeze"}),
    )


def _facts(**objects: str) -> TargetFacts:
    second = replace(FACTS, schema="b", objects=objects)
    return replace(FACTS, each=(replace(FACTS, schema="a"), second))


def test_an_object_of_the_target_is_not_used_if_another_schema_has_one_of_its_name() -> None:
    functions = [_object("function", "touch", schema, definition=_TOUCH, signature="()") for schema in ("a", "b")]
    catalog = _catalog(*functions, qualified=(("a", "touch"), ("b", "touch")))
    label = functions[1].label
    plan = planned(catalog, facts=_facts(**{label: _TOUCH}))
    (blocker,) = [r for r in plan.blockers if r.kind == "TargetInTheWay"]
    assert blocker.affected == "b.touch()"
    assert not [r for r in plan.risks if r.kind == "ObjectKept"]
    alone = planned(_catalog(functions[1]), facts=_facts(**{label: _TOUCH}))
    assert [(r.severity, r.affected) for r in alone.risks if r.kind == "ObjectKept"] == [(Severity.INFO, "b.touch()")]


def test_code_that_is_left_takes_nothing_of_another_schema_along() -> None:
    policy = _object("policy", "own", "b", table="report", definition="CREATE POLICY own ON report USING (true)")
    index = _object("comment", "report", "a", table="report", definition="COMMENT ON MATERIALIZED VIEW report IS 'x'")
    view = View("a", "report", "SELECT 1 AS n", ("n",), materialized=True)
    plan = planned(_catalog(policy, index, views=(view,)), facts=_facts(), code=SourceCode.LEAVE)
    statements = [s.sql for s in plan.statements]
    assert any("CREATE POLICY own" in sql for sql in statements)
    assert not any("MATERIALIZED VIEW report" in sql for sql in statements)


def test_earlier_versions_do_not_execute_a_plan_of_several_schemas() -> None:
    assert planned(_catalog(), facts=_facts()).format == PLAN_FORMAT == 2
    assert planned().format == 1
