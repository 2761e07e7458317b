"""The text of a plan: each cause once, what waits for a person first, two screens at any size."""

from __future__ import annotations

from dataclasses import replace
from io import StringIO

import pytest
from rich.console import Console

from landfall.cli import render_plan
from landfall.engine.model.mapping import Violation
from landfall.engine.model.plan import Decision, Plan, Risk, Severity, Stage, Statement
from landfall.engine.planning.tables import SourceProfile
from landfall.lib.plan_code import code_digest
from tests.support.plans import CATALOG, ITEM, column, planned

_TABLES = 1_000


def _render(plan: Plan, *, width: int = 160, every: bool = False) -> str:
    console = Console(file=StringIO(), width=width)
    render_plan.plan(console, plan, every_column=every)
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


@pytest.fixture(scope="module")
def large() -> Plan:
    """Some causes, each in hundreds of tables: zero dates that block, that change, defaults, conversions, columns to review."""
    tables = tuple(
        replace(
            ITEM,
            name=f"wp_{n}_posts",
            columns=(
                *ITEM.columns,
                column("post_date", "datetime", nullable=False, default="'0000-00-00 00:00:00'"),
                column("on", "tinyint(1)"),
                column("shape", "geometry"),
                column(f"Own{n}", "set('a','b')"),
            ),
        )
        for n in range(_TABLES)
    )
    names = ("shop", "{}", "{}")
    violations = {}
    for n, table in enumerate(tables):
        violations[names[0], table.name, "post_date"] = {Violation.ZERO_DATE: n % 3 + 1}
        violations[names[0], table.name, "Seen"] = {Violation.ZERO_DATE: n + 1}
    plan = planned(replace(CATALOG, tables=tables), SourceProfile(violations=violations))
    odd = tuple(
        Risk(Severity.MEDIUM, f"Odd{chr(65 + n)}", f"thing {n}", "something of its own", "Do something") for n in range(20)
    )
    return plan.with_risks(odd)


@pytest.mark.parametrize("width", [80, 120, 160])
def test_a_plan_of_a_thousand_tables_is_two_screens(large: Plan, width: int) -> None:
    assert len(large.risks) > 2 * _TABLES
    assert len(_render(large, width=width).splitlines()) <= 120
    assert "--all" in _render(large, width=width)


def test_one_cause_is_one_line_with_its_setting(large: Plan) -> None:
    text = _render(large)
    blockers = [line for line in text.splitlines() if line.strip().startswith("blocker")]
    assert len(blockers) == 1
    assert "and 999 more" in blockers[0]
    assert "policies.zeroDates: Map:1970-01-01" in " ".join(text.split())


def test_all_shows_every_risk_and_every_column() -> None:
    plan = planned(census=SourceProfile(violations={("shop", "Item", n): {Violation.ZERO_DATE: 1} for n in ("Seen", "Name")}))
    text = _render(plan, every=True)
    assert all(f"item.{c.target}" in text for c in plan.tables[0].columns)
    assert all(r.affected in text for r in plan.risks)
    assert "more" not in text


def test_what_waits_for_a_person_is_not_between_what_does_not(large: Plan) -> None:
    text = _render(large)
    review, other_mappings = text.split("mappings to review")[1].split("other mappings")
    assert "AutoApproved" not in review
    assert "NeedsReview" not in other_mappings
    assert "geometry is kept as the source stores it" in " ".join(review.split())


def test_a_renamed_column_has_a_line_of_its_own(large: Plan) -> None:
    table = large.tables[0]
    columns = tuple(replace(c, target=f"new_{c.target}", decision=Decision.NEEDS_REVIEW) for c in table.columns)
    text = _render(replace(large, tables=(replace(table, columns=columns),)))
    assert all(f"wp_0_posts.new_{c.target}" in text for c in table.columns)


_HEADER = (
    "CREATE OR REPLACE FUNCTION all_salaries()\n RETURNS int\n LANGUAGE sql\n SECURITY DEFINER\nAS $function$SELECT 1$function$"
)


def test_every_statement_that_is_code_is_shown_with_a_digest() -> None:
    """Functions, triggers, rules, policies and views, also of a kind that nobody has thought of; not what makes up a table."""
    kinds = (
        "function",
        "trigger",
        "rule",
        "policy",
        "view",
        "materialized view",
        "aggregate",
        "table setting",
        "extension",
        "kind of tomorrow",
    )
    table_statement = Statement(0, Stage.TABLES, "table", "item", "item", "CREATE TABLE item ()")
    plain = ("schema", "schema owner", "schema privilege", "comment on schema", "owner")
    schema = [Statement(400 + n, Stage.MOVED, kind, "sales", "", f"ALTER {n}") for n, kind in enumerate(plain)]
    code = [Statement(n, Stage.LAST, kind, f"the_{n}", "item", f"CREATE {n}") for n, kind in enumerate(kinds, 1)]
    code += [Statement(20 + n, Stage.PREPARE, "function", f"f{n:03}", "", f"SELECT {n}") for n in range(200)]
    definer = Statement(300, Stage.PREPARE, "function", "all_salaries", "", _HEADER)
    plan = replace(planned(CATALOG), statements=(table_statement, definer, *code, *schema))
    short, whole = _render(plan), _render(plan, every=True)
    assert "202 functions: all_salaries (SECURITY DEFINER), the_1, f000 and 199 more" in short
    assert len(short.splitlines()) < 120
    for kind in kinds:
        assert f"  {kind} the_" in whole
    assert f"  function f199 sha256:{code_digest('SELECT 199')}" in whole
    assert "table item sha256" not in whole
    assert "sales sha256" not in whole
    changed = replace(plan, statements=(table_statement, replace(definer, sql="SELECT 2"), *code))
    assert [line for line in _render(changed).splitlines() if "functions" in line] != [
        line for line in short.splitlines() if "functions" in line
    ], "the digest of all shows that one has changed"


def test_a_plan_without_code_says_nothing_of_it() -> None:
    plan = planned(CATALOG)
    without_code = replace(plan, statements=tuple(s for s in plan.statements if s.kind == "table"))
    assert "code that is created" not in _render(without_code)
