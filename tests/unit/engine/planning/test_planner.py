"""Plans from catalogs: nothing is lost without a line, and the digest covers what changes the result."""

from __future__ import annotations

from dataclasses import replace
from io import StringIO

import pytest
from rich.console import Console

from landfall.cli import render_plan
from landfall.engine.errors import SpecError
from landfall.engine.model.catalog import Check, Column, ColumnType, Index, IndexPart, SourceObject, Table, View
from landfall.engine.model.mapping import Violation
from landfall.engine.model.options import ColumnDecision, Mode, Options, Policies, Quiesce
from landfall.engine.model.plan import Decision, Severity, Stage
from landfall.engine.model.plan_codec import packed, unpacked
from landfall.engine.planning.planner import changed_objects
from landfall.engine.planning.settlement import settle
from landfall.engine.targets.engine import DryRun, Unworkable
from landfall.engine.targets.registry import target_of
from tests.support.plans import CATALOG, ENDS, ITEM, column, counted, planned


def test_names_are_folded_and_keys_are_found() -> None:
    table = planned().tables[0]
    assert (table.target, [c.target for c in table.columns]) == ("item", ["id", "seen", "name"])
    assert (table.key, table.key_kind, table.row_key) == (("Id",), "integer", ("Id",))


def test_everything_that_is_not_carried_has_a_line() -> None:
    things = (
        SourceObject("trigger", "bump", table="Item"),
        SourceObject("routine", "tidy", signature="()"),
        SourceObject("event", "nightly"),
    )
    indexes = (*ITEM.indexes, Index("words", (IndexPart("Name"),), method="FULLTEXT"))
    views = (View("shop", "odd", "SELECT FROM WHERE (("),)
    catalog = replace(CATALOG, objects=things, tables=(replace(ITEM, indexes=indexes),), views=views)
    assert {r.affected for r in planned(catalog).risks} >= {"bump", "tidy()", "nightly", "shop.Item.words", "odd"}


_WIDE = Table(
    "shop",
    "wide",
    (Column("id", ColumnType("bigint", "bigint"), nullable=False), Column("name", ColumnType("text", "text"))),
    (Index("wide_pkey", (IndexPart("id"),), unique=True, primary=True),),
    rows=10_001,
)
_KEYLESS = replace(ITEM, indexes=(), rows=10_001)


@pytest.mark.parametrize(
    ("engine", "version", "table", "one_stream"),
    [
        ("PostgreSQL", 150000, _WIDE, False),
        ("PostgreSQL", 140000, replace(_WIDE, indexes=()), False),
        ("PostgreSQL", 130000, _WIDE, True),
        ("PostgreSQL", 130000, replace(_WIDE, rows=10_000), False),
        ("MariaDB", 101100, replace(ITEM, rows=10_001), False),
        ("MariaDB", 101100, _KEYLESS, True),
        ("MariaDB", 101100, replace(_KEYLESS, rows=10_000), False),
    ],
)
def test_a_table_is_said_to_be_copied_by_one_stream_where_it_is(
    engine: str, version: int, table: Table, *, one_stream: bool
) -> None:
    plan = planned(replace(CATALOG, engine=engine, version_number=version, tables=(table,)))
    single_stream = [r for r in plan.risks if r.kind == "SingleStream"]
    assert bool(single_stream) is one_stream
    if one_stream:
        assert ("PostgreSQL 14" in single_stream[0].mitigation) is (engine == "PostgreSQL")


def test_a_zero_date_is_proposed_as_null_and_needs_a_person() -> None:
    plan = planned(census=counted("Seen", Violation.ZERO_DATE))
    actual_column = plan.tables[0].columns[1]
    assert actual_column.decision is Decision.NEEDS_REVIEW
    assert (actual_column.converted[0].rows, actual_column.converted[0].rule) == (3, "Null")
    assert "shop.Item.Seen" in plan.to_review


def test_a_decision_in_a_table_plan_settles_it() -> None:
    decided = ColumnDecision("", "Item", "Seen", "Approve", policy="Map:2000-01-01")
    plan = planned(census=counted("Seen", Violation.ZERO_DATE), decisions=(decided,))
    assert plan.tables[0].columns[1].converted[0].rule == "Map:2000-01-01"
    assert plan.to_review == ()


def test_fail_blocks() -> None:
    plan = planned(census=counted("Name", Violation.NUL_BYTE), policies=Policies(nul_bytes="Fail"))
    assert [r.affected for r in plan.blockers] == ["shop.Item.Name"]


def test_an_unknown_policy_is_refused_with_the_choice() -> None:
    with pytest.raises(SpecError) as caught:
        planned(census=counted("Name", Violation.NUL_BYTE), policies=Policies(nul_bytes="Eat"))
    assert "Fail, Replace, Strip" in caught.value.advice


def test_a_decision_about_a_column_that_is_not_there_blocks() -> None:
    plan = planned(decisions=(ColumnDecision("", "Item", "Gone", "Approve"),))
    assert [r.affected for r in plan.blockers] == ["Item.Gone"]


def test_the_digest_leaves_out_estimates_and_covers_rules() -> None:
    base = planned()
    assert planned(replace(CATALOG, tables=(replace(ITEM, rows=9),))).digest() == base.digest()
    assert planned(census=counted("Seen", Violation.ZERO_DATE)).digest() != base.digest()
    assert planned(exclude_tables=("x*",)).digest() == base.digest()


def test_a_plan_survives_its_archive() -> None:
    plan = planned(census=counted("Seen", Violation.ZERO_DATE))
    assert unpacked(packed(plan)) == plan
    assert unpacked(packed(plan)).digest() == plan.digest()


def test_a_changed_schema_is_named_and_changed_rows_are_not() -> None:
    plan = planned()
    assert changed_objects(plan, replace(CATALOG, tables=(replace(ITEM, rows=1),)), Options()) == ()
    wider = replace(ITEM, columns=(*ITEM.columns, column("More", "int(11)")))
    assert changed_objects(plan, replace(CATALOG, tables=(wider,)), Options()) == ("shop.Item",)


def test_a_table_that_an_earlier_version_read_in_another_way_is_the_same() -> None:
    escaped = replace(ITEM, checks=(Check("c", "`Name` <> _utf8mb4\\'a\\'"),))
    now = replace(CATALOG, tables=(replace(ITEM, checks=(Check("c", "`Name` <> _utf8mb4'a'"),)),), former=(escaped,))
    assert changed_objects(planned(replace(CATALOG, tables=(escaped,))), now, Options()) == ()
    assert changed_objects(planned(now), now, Options()) == ()
    assert changed_objects(planned(), now, Options()) == ("shop.Item",)


def test_what_the_target_refuses_becomes_a_risk_and_a_refused_key_blocks() -> None:
    views = (View("shop", "some", "SELECT Id FROM Item"),)
    plan = planned(replace(CATALOG, views=views))
    view = next(s for s in plan.statements if s.kind == "view")
    key = next(s for s in plan.statements if s.kind == "primary key")
    order = [(s.number, s.stage) for s in plan.statements if s.number not in {view.number, key.number}]
    settled_plan = settle(plan, DryRun({view.number: "no such function", key.number: "no"}, order), target_of(ENDS[1]))
    assert not [s for s in settled_plan.statements if s.kind in {"view", "primary key"}]
    reported = [(r.affected, r.severity) for r in settled_plan.risks if r.affected in {"some", "shop.Item.PRIMARY"}]
    assert sorted(reported) == [("shop.Item.PRIMARY", Severity.BLOCKER), ("some", Severity.HIGH)], "each is reported once"


def test_a_view_over_a_lost_view_names_it() -> None:
    views = (View("shop", "Under", "SELECT Id FROM Item"), View("shop", "over", "SELECT Id FROM Under"))
    plan = planned(
        replace(
            CATALOG,
            views=(*views, View("shop", "third", "SELECT FROM ((")),
        )
    )
    refused = {
        s.number: f'relation "{"under" if s.name == "over" else "x"}" does not exist' for s in plan.statements if s.kind == "view"
    }
    settled_plan = settle(
        plan, DryRun(refused, [(s.number, s.stage) for s in plan.statements if s.number not in refused]), target_of(ENDS[1])
    )
    descriptions = {r.affected: r.description for r in settled_plan.risks if r.affected in {"Under", "over"}}
    assert 'relation "x" does not exist' in descriptions["Under"]
    assert descriptions["over"] == "the view over is not carried: it reads the view Under, which is not carried"
    assert not [r for r in settled_plan.risks if r.kind == "ViewTranslated"]


def test_what_the_run_could_not_do_is_a_blocker() -> None:
    plan = planned()
    tried = DryRun({}, [(s.number, s.stage) for s in plan.statements], (Unworkable("shop.Item", "the repair of its rows", "no"),))
    (blocker,) = settle(plan, tried, target_of(ENDS[1])).blockers
    assert (blocker.affected, "the repair of its rows (no)" in blocker.description) == ("shop.Item", True)


def test_only_the_generated_columns_that_the_target_rejects_become_ordinary() -> None:
    more = (
        Column("twice", ColumnType("int", "int(11)"), generated="Id*2"),
        Column("odd", ColumnType("int", "int(11)"), generated="Id+1"),
    )
    plan = planned(replace(CATALOG, tables=(replace(ITEM, columns=(*ITEM.columns, *more)),)))
    table = next(s for s in plan.statements if s.kind == "table")
    tried = DryRun({table.number: "no"}, [], plain={table.number: {"odd": "no such function"}})
    settled_plan = settle(plan, tried, target_of(ENDS[1]))
    assert [bool(c.generated) for c in settled_plan.tables[0].columns[-2:]] == [True, False]
    assert [(r.affected, r.severity) for r in settled_plan.risks if r.kind == "GeneratedColumn"] == [
        ("shop.Item.odd", Severity.HIGH)
    ]


_TEXT = ColumnType("varchar", "varchar(255)", 255, charset="utf8mb4")


@pytest.mark.parametrize(
    ("kind", "unique", "expected"),
    [
        (_TEXT, False, ['btree ("name")']),
        (_TEXT, True, ['btree ("name")', 'unique ("left"("name"::text, 9))']),
        (replace(_TEXT, length=700), False, ['hash ("name")']),
        (replace(_TEXT, length=700), True, ['hash ("name")', 'unique ("left"("name"::text, 9))']),
        (ColumnType("text", "text", 65535, charset="utf8mb4"), False, ['hash ("name")']),
        (ColumnType("tinytext", "tinytext", 255, charset="utf8mb4"), False, ['btree ("name")']),
        (ColumnType("varbinary", "varbinary(2600)", 2600), False, ['btree ("name")']),
        (ColumnType("blob", "blob", 65535), True, ['hash ("name")', 'unique (substring("name" from 1 for 9))']),
    ],
)
def test_prefix_indexes_are_such_as_queries_use(kind: ColumnType, *, unique: bool, expected: list[str]) -> None:
    table = replace(
        ITEM,
        columns=(*ITEM.columns[:2], Column("Name", kind)),
        indexes=(*ITEM.indexes, Index("n", (IndexPart("Name", prefix=9),), unique=unique)),
    )
    plan = planned(replace(CATALOG, tables=(table,)))
    statements = [s.sql for s in plan.statements if s.kind in {"index", "unique index"}]
    for sql, words in zip(statements, expected, strict=True):
        assert ("UNIQUE" in sql, "USING hash" in sql, words.partition(" ")[2] in sql) == (
            words.startswith("unique"),
            words.startswith("hash"),
            True,
        )


@pytest.mark.parametrize(("length", "primary"), [(255, True), (2000, False)])
def test_a_primary_key_over_a_prefix_blocks_nothing(length: int, *, primary: bool) -> None:
    index = Index("PRIMARY", (IndexPart("Id"), IndexPart("Name", prefix=9)), unique=True, primary=True)
    name = Column("Name", replace(_TEXT, length=length), nullable=False)
    plan = planned(replace(CATALOG, tables=(replace(ITEM, columns=(*ITEM.columns[:2], name), indexes=(index,)),)))
    assert [s.kind for s in plan.statements if s.kind in {"primary key", "unique index"}] == [
        *(["primary key"] if primary else []),
        "unique index",
    ]
    assert plan.tables[0].row_key == ("Id", "Name")
    assert {r.affected for r in plan.risks} >= {"shop.Item.PRIMARY"}
    assert not [r for r in plan.risks if r.kind == "NoRowKey"]


def test_a_unique_rule_that_is_lost_is_a_high_risk() -> None:
    index = Index("u", (IndexPart(expression="json_table((("),), unique=True)
    plan = planned(replace(CATALOG, tables=(replace(ITEM, indexes=(*ITEM.indexes, index)),)))
    assert [r.severity for r in plan.risks if r.kind == "Index"] == [Severity.HIGH]


def test_foreign_keys_and_triggers_wait_for_the_delta() -> None:
    order = list(Stage)
    assert order.index(Stage.KEYS) > order.index(Stage.INDEXES)
    assert order.index(Stage.LAST) > order.index(Stage.KEYS)


def test_a_column_that_changes_its_name_is_shown_however_sure_it_is() -> None:
    plan = planned()
    table = plan.tables[0]
    columns = (replace(table.columns[0], target="number"), *table.columns[1:])
    console = Console(file=StringIO(), width=200)
    render_plan.plan(console, replace(plan, tables=(replace(table, columns=columns),)))
    output = console.file.getvalue()  # type: ignore[attr-defined]
    assert "item.number" in output
    assert "item.seen" not in output


@pytest.mark.parametrize(
    ("features", "options", "fence", "reason"),
    [
        ({"freeze", "fence"}, {}, True, ""),
        ({"freeze"}, {}, False, "log_bin_trust_function_creators"),
        ({"freeze"}, {"fence": False}, False, ""),
        ({"freeze", "fence"}, {"quiesce": Quiesce.CONFIRM}, False, ""),
        ({"freeze", "fence"}, {"mode": Mode.SCHEMA_ONLY}, False, ""),
    ],
)
def test_the_plan_says_whether_the_source_refuses_writers(
    features: set[str], options: dict[str, object], *, fence: bool, reason: str
) -> None:
    plan = planned(replace(CATALOG, features=frozenset(features)), **options)
    risks = [risk for risk in plan.risks if risk.kind == "NotFenced"]
    assert plan.fence is fence
    assert [reason in risk.description for risk in risks] == ([True] if reason else [])


def test_too_many_tables_for_a_fence_are_a_risk() -> None:
    tables = tuple(replace(ITEM, name=f"t{n}") for n in range(101))
    plan = planned(replace(CATALOG, tables=tables))
    assert not plan.fence
    assert [risk.description for risk in plan.risks if "at most 100 tables" in risk.description]


def test_the_digest_covers_the_fence() -> None:
    plan = planned()
    assert plan.fence
    assert replace(plan, fence=False).digest() != plan.digest()
