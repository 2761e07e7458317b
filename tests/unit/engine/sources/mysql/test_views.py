"""Queries of views of MySQL and MariaDB: what is written keeps its meaning, and what may not is refused by name and reason."""

from __future__ import annotations

import pytest

from landfall.engine.sources.registry import engine_of
from landfall.engine.sources.translate import UntranslatableError, query
from landfall.engine.sources.view_relations import Relation, RelationColumn, Relations, WrittenView

_COLUMNS = {
    "id": "integer",
    "c": "varchar(20)",
    "n": "numeric(8,2)",
    "at": "timestamp(0) without time zone",
    "f": "boolean",
    "x": "double precision",
    "j": "json",
    "s": "text[]",
    "e": '"o_e"',
}


def _view(query: str, engine: str = "MySQL") -> WrittenView:
    columns = tuple(RelationColumn(name, name, kind) for name, kind in _COLUMNS.items())
    columns += (RelationColumn("b", "b", "text", exact=True), RelationColumn("l", "l", "text", foreign=True))
    relations = Relations.from_list([Relation("d", "o", "o", columns)], ["d"])
    view = engine_of(engine).dialect.written_view(query, relations, str.lower)
    assert view is not None
    return view


def _expression(text: str, engine: str = "MySQL") -> str:
    sql = _view(f"select {text} as r from d.o", engine).sql
    return sql.removeprefix("SELECT ").removesuffix(' AS "r" FROM "o" AS "o"')


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("c = 'X'", """((lower("o"."c") = 'x'::text))::integer"""),
        ("b = 'X'", """(("o"."b" = 'X'::text))::integer"""),
        ("c = b", """(("o"."c" = "o"."b"))::integer"""),
        ("c collate utf8mb4_bin = 'X'", """(("o"."c" = 'X'::text))::integer"""),
        ("c not like 'a%'", """((NOT ("o"."c" ILIKE 'a%'::text)))::integer"""),
        ("b not like 'a!%' escape '!'", """((NOT ("o"."b" LIKE 'a!%'::text ESCAPE '!')))::integer"""),
        ("c not in ('A','b')", """((NOT (lower("o"."c") IN ('a'::text, 'b'::text))))::integer"""),
        ("f", '"o"."f"'),
        ("f = 1", '("o"."f")::integer'),
        ("0 = f", '((NOT "o"."f"))::integer'),
        ("f + 1", '((("o"."f")::integer)::bigint + 1)'),
        ("id <=> null", '(("o"."id" IS NOT DISTINCT FROM NULL))::integer'),
        ("n / 3", 'round((("o"."n")::numeric / nullif(3, 0)), 6)'),
        ("concat(c, null)", """("o"."c" || NULL::text)"""),
        ("if(f, 'y', 'n')", """(CASE WHEN "o"."f" THEN 'y'::text ELSE 'n'::text END)"""),
        ("date_format(at, '%D')", """(to_char("o"."at", 'FMDDth'))"""),
        ("sum(f) over ()", 'sum(("o"."f")::integer) OVER ()'),
        ("x'41'", r"""'\x41'::bytea"""),
    ],
)
def test_expressions_keep_their_meaning(source: str, target: str) -> None:
    assert _expression(source) == target


def test_products_differ_in_what_a_quotient_is_computed_on_with() -> None:
    assert _expression("n / 3 * 3") == '(round((("o"."n")::numeric / nullif(3, 0)), 6) * 3)'
    assert _expression("n / 3 * 3", "MariaDB") == 'round((trunc((("o"."n")::numeric / nullif(3, 0)), 9) * 3), 6)'


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("sha1(c)", "SHA-1 only with an extension"),
        ("some_function(c)", "no counterpart that is known to mean the same"),
        ("pg_read_file('/x')", "no counterpart that is known to mean the same"),
        ("@v", "no counterpart that is known to mean the same"),
        ("e + 1", "an enumeration is used as a number"),
        ("at + 1", "a date and time is used as a number"),
        ("year(c)", "a text that is no literal is used as a date"),
        ("at > '1.2.2024'", "none in the form"),
        ("concat(x, 'a')", "a floating-point number is used as a text"),
        ("find_in_set('p', s)", "the position in a set"),
        ("least(c, 'b')", "orders texts by their collation"),
        ("c regexp '\\\\bx'", "the target may read otherwise"),
        ("trim(both 'xy' from c)", "a set of characters"),
        ("md5(l)", "another character set"),
        ("week(at, 4)", "WEEK in mode 4"),
        ("json_extract(j, '$[*]')", "the JSON path"),
        ("json_extract(j, '$.a') > 1", "a JSON document and an integer are compared"),
        ("coalesce()", "a call without arguments"),
        ("sum()", "a call without arguments"),
        ("lag() over ()", "a call without arguments"),
        ("greatest()", "a call without arguments"),
        ("at + interval 1", "INTERVAL"),
        ("1 | 2 ^ 3", "which operator comes first is not certain"),
        ("concat(c, sha1(c))", r"SHA1\(`o`.`c`\)|SHA1\(c\)"),
    ],
)
@pytest.mark.parametrize("engine", ["MySQL", "MariaDB"])
def test_what_may_mean_something_else_is_refused(engine: str, expression: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        _expression(expression, engine)


@pytest.mark.parametrize(
    ("query", "target"),
    [
        (
            "select c as k, count(0) as n from d.o group by c order by c",
            (
                """SELECT (array_agg("o"."c"))[1] AS "k", count(*) AS "n" FROM "o" AS "o" GROUP BY lower("o"."c")"""
                """ ORDER BY lower((array_agg("o"."c"))[1]) ASC NULLS FIRST"""
            ),
        ),
        (
            "select distinct b as k from d.o",
            """SELECT DISTINCT ON ("q"."k") "q".* FROM (SELECT "o"."b" AS "k" FROM "o" AS "o") AS "q\"""",
        ),
        (
            "select id as k from d.o having k > 1",
            'SELECT "o"."id" AS "k" FROM "o" AS "o" WHERE ("o"."id" > 1)',
        ),
        (
            "with recursive q as (select 1 as i union all select q.i + 1 as i from q where q.i < 5) select q.i as i from q",
            (
                'WITH RECURSIVE "q" ("i") AS (SELECT (1)::bigint AS "i" UNION ALL SELECT ((("q"."i")::bigint + 1))::bigint AS "i"'
                ' FROM "q" AS "q" WHERE ("q"."i" < 5)) SELECT "q"."i" AS "i" FROM "q" AS "q"'
            ),
        ),
    ],
)
def test_queries_keep_their_meaning(query: str, target: str) -> None:
    assert _view(query).sql == target


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("select o.c as c, count(0) as n from d.o group by o.c with rollup", "WITH ROLLUP"),
        ("select gone.x as x from d.gone", "it reads gone, which is not carried"),
        ("select o.gone as x from d.o", "the column gone is not migrated"),
        ("select o.id as x from d.o for update", "the clause locks"),
        ("select jt.t as t from d.o join json_table(o.j, '$[*]' columns (t int path '$')) jt", "JSON_TABLE"),
        ("select distinct o.id as x from d.o order by 2", "none of the columns"),
        ("select group_concat(distinct o.id, o.c) as g from d.o", "GROUP_CONCAT"),
    ],
)
def test_queries_without_a_counterpart_are_refused(query: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        _view(query)


def test_what_changes_with_time_and_what_ignores_case_is_known() -> None:
    assert _view("select now() as a, rand() as b from d.o").changing == ("NOW()", "RAND()")
    assert _view("select unix_timestamp(at) as a from d.o").changing == ()
    assert _view("select c = 'x' as a from d.o").lower
    assert not _view("select b = 'x' as a from d.o").lower


def test_a_query_that_is_nested_too_deeply_is_refused() -> None:
    deep = f"select {'(1+' * 3000}1{')' * 3000} as x from d.o"
    with pytest.raises(UntranslatableError, match=r"nested too deeply|[eE]xpect"):
        query(deep, "MySQL", "postgres", str.lower, Relations())
