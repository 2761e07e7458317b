"""Columns that foreign keys connect get one type, because PostgreSQL joins columns of one type."""

from __future__ import annotations

from dataclasses import replace

import pytest

from landfall.engine.model.catalog import Column, ForeignKey, Identity, Index, IndexPart, Table
from landfall.engine.model.mapping import Violation
from landfall.engine.model.options import Policies
from landfall.engine.model.plan import Plan, Severity
from landfall.engine.planning.settlement import settle
from landfall.engine.planning.tables import SourceProfile
from landfall.engine.targets.engine import DryRun
from landfall.engine.targets.registry import target_of
from tests.support.plans import CATALOG, ENDS, column, planned

_BIG, _TRUTH, _LABELS = "bigint(20) unsigned", "tinyint(1)", "enum('a','b')"


def _table(name: str, kind: str, parent: str = "", **more: object) -> Table:
    key_column = column("id", kind, **more)
    if kind == _LABELS:
        key_column = replace(key_column, type=replace(key_column.type, labels=("a", "b")))
    keys = (ForeignKey(f"{name}_fk", ("id",), "shop", parent, ("id",)),) if parent else ()
    index = Index("PRIMARY", (IndexPart("id"),), unique=True, primary=True)
    return Table("shop", name, (key_column, Column("h", column("h", _BIG).type)), (index,), keys)


def _plan(*tables: Table, census: dict[str, dict[Violation, int]] | None = None, **options: object) -> Plan:
    violations = {("shop", name, "id"): counts for name, counts in (census or {}).items()}
    return planned(replace(CATALOG, tables=tables), SourceProfile(violations=violations), **options)


def _types(plan: Plan) -> list[str]:
    return [t.columns[0].target_type for t in plan.tables]


_CHAIN = (_table("a", _BIG, identity=Identity()), _table("b", _BIG, "a"), _table("c", _BIG, "b"))


@pytest.mark.parametrize(
    ("tables", "census", "types"),
    [
        (_CHAIN, {}, ["bigint"] * 3),
        (_CHAIN, {"c": {Violation.OUT_OF_RANGE: 1}}, ["numeric(20,0)"] * 3),
        ((_table("a", _BIG), _table("b", _BIG, "a")), {}, ["bigint"] * 2),
        ((_table("a", _BIG, identity=Identity()),), {}, ["bigint"]),
        ((_table("a", _BIG, identity=Identity()),), {"a": {Violation.OUT_OF_RANGE: 1}}, ["numeric(20,0)"]),
        ((_table("a", _BIG),), {}, ["numeric(20,0)"]),
        ((_table("a", _TRUTH), _table("b", _TRUTH, "a")), {}, ["boolean"] * 2),
        ((_table("a", _TRUTH), _table("b", _TRUTH, "a")), {"a": {Violation.NOT_BOOLEAN: 1}}, ["smallint"] * 2),
        ((_table("a", _TRUTH), _table("b", "tinyint(4)", "a")), {}, ["smallint"] * 2),
        ((_table("a", _TRUTH, identity=Identity()), _table("b", _TRUTH, "a")), {}, ["smallint"] * 2),
        ((_table("a", _LABELS), _table("b", _LABELS, "a")), {}, ['"a_id"'] * 2),
        ((_table("a", _LABELS), _table("b", _LABELS)), {}, ['"a_id"', '"b_id"']),
        ((_table("a", _BIG, "a"),), {}, ["bigint"]),
    ],
)
def test_related_columns_get_one_type(
    tables: tuple[Table, ...], census: dict[str, dict[Violation, int]], types: list[str]
) -> None:
    plan = _plan(*tables, census=census)
    assert _types(plan) == types
    assert all(t.columns[1].target_type == "numeric(20,0)" for t in plan.tables)
    created = [s.name for s in plan.statements if s.kind == "type"]
    assert len(created) == len(set(created)) == len({t for t in types if '"' in t})


def test_keys_that_no_integer_stores_are_a_risk_with_two_ways_out() -> None:
    census = {"b": {Violation.OUT_OF_RANGE: 2}}
    (risk,) = (r for r in _plan(*_CHAIN, census=census).risks if r.kind == "OutOfRange")
    assert (risk.severity, risk.affected) == (Severity.HIGH, "shop.b.id")
    assert "numeric(20,0), like a.id, c.id" in risk.description
    assert "no counter" in risk.description
    (uncounted,) = (r for r in _plan(_table("a", _BIG), _table("b", _BIG, "a"), census=census).risks if r.kind == "OutOfRange")
    assert (uncounted.severity, "counter" in uncounted.description) == (Severity.MEDIUM, False)
    (blocker,) = _plan(*_CHAIN, census=census, policies=Policies(out_of_range="Fail")).blockers
    assert "outOfRange: Widen" in blocker.mitigation
    assert not [r for r in _plan(_table("b", _BIG), census=census).risks if r.kind == "OutOfRange"]  # numeric anyway


def test_what_fails_with_a_key_is_reported_once() -> None:
    plan = _plan(*_CHAIN[:2])
    refused = {s.number: "no" for s in plan.statements if s.table == "b" and s.kind in {"foreign key", "validation"}}
    assert len(refused) == 2
    order = [(s.number, s.stage) for s in plan.statements if s.number not in refused]
    settled_plan = settle(plan, DryRun(refused, order), target_of(ENDS[1]))
    assert [r.description for r in settled_plan.risks if r.kind == "NotCarried"] == [
        "the foreign key shop.b.b_fk is not carried: the target says no"
    ]


def test_a_family_ends_at_tables_that_are_not_moved() -> None:
    plan = _plan(*_CHAIN, exclude_tables=("b",))
    assert _types(plan) == ["bigint", "numeric(20,0)"]
