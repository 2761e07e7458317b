"""Where statements of a plan with several target schemas find the names that they use, while the objects are staged."""

from __future__ import annotations

from dataclasses import replace

import pytest

from landfall.engine.targets.postgresql.plan_names import plan_search_path, staged, target_path
from tests.support.plans import planned

_PLAN = replace(
    planned(),
    engine="PostgreSQL",
    schemas=("core", "Sales"),
    target_schema="core",
    qualified=(("Sales", "cust"), ("core", "Log"), ("core", "cust"), ("core", "cust_id_seq"), ("core", "lower")),
)


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT * FROM core.cust", 'SELECT * FROM "s".cust'),
        ("SELECT * FROM CORE.Cust", 'SELECT * FROM "s".Cust'),
        ('SELECT * FROM "Sales".cust, "core"."Log"', 'SELECT * FROM "s_1".cust, "s"."Log"'),
        ("SELECT * FROM sales.cust, core.log, core.other", "SELECT * FROM sales.cust, core.log, core.other"),
        ("SELECT core.lower(x.core.cust)", 'SELECT "s".lower(x.core.cust)'),
        ("DEFAULT nextval('core.cust_id_seq'::regclass)", "DEFAULT nextval('\"s\".cust_id_seq'::regclass)"),
        (
            "SELECT 'core.cust'::text, E'\\'core.cust', 'it''s core.cust'",
            "SELECT 'core.cust'::text, E'\\'core.cust', 'it''s core.cust'",
        ),
        ("AS $$ SELECT core.cust $$", "AS $$ SELECT core.cust $$"),
        ("AS $f$ $$ core.cust $$ $f$ core.cust", 'AS $f$ $$ core.cust $$ $f$ "s".cust'),
        ("-- core.cust\ncore.cust /* core.cust */", '-- core.cust\n"s".cust /* core.cust */'),
        ('"core.cust" "x".core', '"core.cust" "x".core'),
    ],
)
def test_names_with_a_schema_are_those_in_staging(sql: str, expected: str) -> None:
    assert staged(_PLAN, sql, "s") == expected


def test_the_schema_of_a_statement_comes_first() -> None:
    assert plan_search_path(_PLAN, "s", "Sales") == '"s_1", "s", "Sales", "core", pg_temp'
    assert plan_search_path(_PLAN, "s") == '"s", "s_1", "core", "Sales", pg_temp'
    assert target_path(_PLAN, "Sales") == ("Sales", "core")


def test_a_plan_with_one_schema_is_as_before() -> None:
    single = replace(_PLAN, schemas=(), qualified=(), target_schema="public")
    assert plan_search_path(single, "s") == '"s", "public", pg_temp'
    assert staged(single, "SELECT core.cust", "s") == "SELECT core.cust"
    assert (single.place("s"), single.places("s"), single.target_label) == ("s", (("s", "public"),), "public")
