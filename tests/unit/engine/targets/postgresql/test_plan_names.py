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
        ("/* /* core.cust */ core.cust */ core . cust", '/* /* core.cust */ core.cust */ "s" . cust'),
        ("SELECT core.cust FROM v core", "SELECT core.cust FROM v core"),
        ("SELECT core.cust FROM core.cust core", 'SELECT core.cust FROM "s".cust core'),
        (
            "SELECT core.cust FROM core.cust JOIN v core ON core.cust = 1",
            'SELECT core.cust FROM "s".cust JOIN v core ON core.cust = 1',
        ),
        (
            "SELECT DISTINCT ON (core.cust) core.cust, core.lower(core.cust) AS x FROM ((core JOIN core.cust c ON true) JOIN v ON core.cust = c.id)",
            'SELECT DISTINCT ON (core.cust) core.cust, "s".lower(core.cust) AS x FROM ((core JOIN "s".cust c ON true) JOIN v ON core.cust = c.id)',
        ),
        (
            "SELECT 1 FROM v core, core.cust d WHERE core.cust IS DISTINCT FROM EXTRACT(year FROM core.cust)",
            'SELECT 1 FROM v core, "s".cust d WHERE core.cust IS DISTINCT FROM EXTRACT(year FROM core.cust)',
        ),
        (
            "SELECT 1::core.cust, x COLLATE core.cust, NULL::core.cust[] FROM v core WHERE core.cust OPERATOR(core.=) 1",
            'SELECT 1::"s".cust, x COLLATE "s".cust, NULL::"s".cust[] FROM v core WHERE core.cust OPERATOR(core.=) 1',
        ),
        (
            "CREATE RULE r AS ON UPDATE TO core.cust DO INSTEAD UPDATE core.cust core SET a = core.cust FROM v WHERE v.id = core.cust",
            'CREATE RULE r AS ON UPDATE TO "s".cust DO INSTEAD UPDATE "s".cust core SET a = core.cust FROM v WHERE v.id = core.cust',
        ),
        (
            "CREATE POLICY p ON core.cust USING (EXISTS (SELECT 1 FROM core.cust cust_1 WHERE core.cust = cust_1.id AND core = 1))",
            'CREATE POLICY p ON "s".cust USING (EXISTS (SELECT 1 FROM "s".cust cust_1 WHERE core.cust = cust_1.id AND core = 1))',
        ),
        (
            "CREATE FUNCTION f(core.cust, a core.cust) RETURNS SETOF core.cust BEGIN ATOMIC SELECT core.cust FROM v core; END",
            'CREATE FUNCTION f("s".cust, a "s".cust) RETURNS SETOF "s".cust BEGIN ATOMIC SELECT core.cust FROM v core; END',
        ),
        (
            "CREATE INDEX i ON core.cust USING gist (core core.cust, (a + core) core.cust) WHERE core > 1",
            'CREATE INDEX i ON "s".cust USING gist (core "s".cust, (a + core) "s".cust) WHERE core > 1',
        ),
        (
            'CREATE TABLE core.cust ("core" core.cust GENERATED ALWAYS AS (CASE WHEN core THEN 1 END) STORED, "b" core.cust) INHERITS (core.cust)',
            'CREATE TABLE "s".cust ("core" "s".cust GENERATED ALWAYS AS (CASE WHEN core THEN 1 END) STORED, "b" "s".cust) INHERITS ("s".cust)',
        ),
        ("GRANT SELECT (core) ON core.cust TO x", 'GRANT SELECT (core) ON "s".cust TO x'),
    ],
)
def test_names_with_a_schema_are_those_in_staging(sql: str, expected: str) -> None:
    assert staged(_PLAN, sql, "s") == expected


def test_the_rows_of_a_trigger_are_no_schemas() -> None:
    plan = replace(_PLAN, schemas=("new", "old"), target_schema="new", qualified=(("new", "kind"), ("old", "kind")))
    sql = "CREATE TRIGGER t BEFORE UPDATE ON {0}kind FOR EACH ROW WHEN (new.kind <> old.kind AND new.kind = 'a'::{1}kind) EXECUTE FUNCTION {1}kind()"
    assert staged(plan, sql.format("new.", "old."), "s") == sql.format('"s".', '"s_1".')
    assert staged(plan, "CREATE TYPE t AS RANGE (subtype = new.kind)", "s") == 'CREATE TYPE t AS RANGE (subtype = "s".kind)'


def test_the_schema_of_a_statement_comes_first() -> None:
    assert plan_search_path(_PLAN, "s", "Sales") == '"s_1", "s", "Sales", "core", pg_temp'
    assert plan_search_path(_PLAN, "s") == '"s", "s_1", "core", "Sales", pg_temp'
    assert target_path(_PLAN, "Sales") == ("Sales", "core")


def test_a_plan_with_one_schema_is_as_before() -> None:
    single = replace(_PLAN, schemas=(), qualified=(), target_schema="public")
    assert plan_search_path(single, "s") == '"s", "public", pg_temp'
    assert staged(single, "SELECT core.cust", "s") == "SELECT core.cust"
    assert (single.place("s"), single.places("s"), single.target_label) == ("s", (("s", "public"),), "public")
