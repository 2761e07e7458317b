"""Expressions in a column's place: what may be one, and what is shown of its results."""

from __future__ import annotations

import pytest

from landfall.engine.model.catalog import Column, ColumnType, Table
from landfall.engine.planning.overrides import accepted, masked, refusal, uses
from landfall.engine.sources.translate import UntranslatableError, expression, query
from landfall.engine.sources.view_relations import Relation, RelationColumn, Relations

TABLE = Table("s", "t", tuple(Column(name, ColumnType("text", "text")) for name in ("a", "b", "Price")))
ENGINES = ("MariaDB", "MySQL", "PostgreSQL", "SQLite")


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    "expression",
    [
        "a",
        "upper(a)",
        "concat(a,' ',b)",
        "price*100",
        "case when a='1' then b else null end",
        "coalesce(nullif(a,''),b)",
        "'now'",
    ],
)
def test_what_is_computed_from_its_own_row_may_be_one(expression: str, engine: str) -> None:
    assert refusal(expression, engine, TABLE) == ""


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("a; DROP TABLE t", "not a single expression"),
        ("a FROM x", "not a single expression"),
        ("a, b", "not a single expression"),
        ("a AS c", "not a single expression"),
        ("*", "not a single expression"),
        ("a) OR (1=1", "cannot be parsed"),
        ("upper(", "cannot be parsed"),
        ("a -- b", "a comment"),
        ("a /* b */", "a comment"),
        ("count(*)", "its own row"),
        ("(SELECT 1)", "its own row"),
        ("row_number() over ()", "its own row"),
        ("rand()", "a different result each time"),
        ("concat(a, uuid())", "a different result each time"),
        ("CURRENT_TIMESTAMP", "a different result each time"),
        ("date('now')", "a different result each time"),
        ("t.a", "without its table"),
        ("missing", "column missing not found; the table has a, b, Price"),
    ],
)
def test_anything_else_is_refused_and_says_why(expression: str, words: str, engine: str) -> None:
    assert words in refusal(expression, engine, TABLE)


def test_a_backslash_means_different_things_to_sessions_of_mysql() -> None:
    assert "CHAR(92)" in refusal("concat(a,'\\')", "MariaDB", TABLE)


def test_two_bars_mean_different_things_to_sessions_of_mysql() -> None:
    assert "CONCAT" in refusal("a || b", "MySQL", TABLE)
    assert refusal("concat(a, '||')", "MySQL", TABLE) == ""
    assert accepted("a || b", "PostgreSQL", TABLE) == ("a || b", "")


@pytest.mark.parametrize(
    ("text", "shape"),
    [("Ann Äö 12", "xxx xx 99"), ("a@b.de", "x@x.xx"), ("", ""), ("x" * 30, "x" * 24 + "…"), ("日本", "xx")],
)
def test_results_are_shown_by_their_shape(text: str, shape: str) -> None:
    assert masked(text) == shape


def test_a_generated_column_that_reads_an_override_is_noticed() -> None:
    assert uses("upper(`a`)", "MariaDB", ("A",))
    assert not uses("upper(b)", "MariaDB", ("a",))
    assert uses("this cannot (be parsed", "MariaDB", ("a",))


_REACHING = {
    "PostgreSQL": (
        "pg_read_file('/etc/passwd')",
        "lo_import('/x')::text",
        "query_to_xml('select 1',true,false,'')::text",
        '"pg_sleep"(9)::text',
        "pg_catalog.pg_sleep(9)::text",
        "pg_terminate_backend(1)::text",
        "set_config('a','b',false)",
        "dblink_exec('host=x','drop table y')",
        "setval('s',1)::text",
        "current_setting('is_superuser')",
        "my_function(a)",
        "a || (table pg_shadow)::text",
        "(array(select 1))::text",
        "a OPERATOR(public.+) b",
        "generate_series(1,2)::text",
        "xmlparse(document a)::text",
        "a::regclass::text",
    ),
    "MariaDB": (
        "`LOAD_FILE`('/etc/passwd')",
        "mysql.LOAD_FILE('/x')",
        "`SLEEP`(10)",
        "SLEEP (10)",
        "sys_exec('id')",
        "shop.side_effect(a)",
        "RELEASE_ALL_LOCKS()",
        "MASTER_POS_WAIT('a',4,100)",
        "@@datadir",
        "@x:=1",
        "EXTRACTVALUE(a, concat('~', b))",
        "UPDATEXML(1, a, 1)",
        "`RAND`()",
        "SCHEMA()",
        "NAME_CONST('a', SLEEP(3))",
        "VALUES(a)",
        "MATCH(a) AGAINST('x')",
    ),
    "SQLite": (
        "load_extension('/x.so')",
        "zeroblob(2000000000)",
        "readfile('/etc/passwd')",
        "writefile('/tmp/x','y')",
        "edit(a)",
        "changes()",
        "[RANDOM]()",
        '"RANDOM"()',
        "date()",
        "julianday('NOW ')",
        "strftime('%s')",
    ),
}


@pytest.mark.parametrize(("engine", "expression"), [(e, text) for e, texts in _REACHING.items() for text in texts])
def test_what_reaches_beyond_its_row_is_refused_however_it_is_written(engine: str, expression: str) -> None:
    assert refusal(expression, engine, TABLE)
    assert accepted(expression, engine, TABLE)[0] == ""


@pytest.mark.parametrize(
    "form",
    ["concat({} a)", "({} a)", "-{} a", "not {} a", "case when {} a then 1 end", "a in ({} 1)", "a like {} 'x'", "a is {} null"],
)
@pytest.mark.parametrize("comment", ["/*!(select 1),*/", "/*!50000 sleep(1) or*/", "/*M! sleep(1)+*/"])
def test_no_comment_is_sent(form: str, comment: str) -> None:
    text, actual_refusal = accepted(form.format(comment), "MariaDB", TABLE)
    assert "/*" not in text
    assert "sleep" not in text.lower()
    assert bool(text) != bool(actual_refusal)


@pytest.mark.parametrize("engine", ["MariaDB", "MySQL", "SQLite"])
def test_a_translation_calls_nothing_that_its_source_does_not_have(engine: str) -> None:
    for text in (
        "pg_read_file('/etc/hostname')",
        "length(pg_read_file('/x')) > 0",
        "lo_create(1)",
        "dblink('a','b')",
        "public.f(a)",
    ):
        with pytest.raises(UntranslatableError, match="it calls"):
            expression(text, engine, "postgres", str)
        relations = Relations.from_list([Relation("", "t", "t", (RelationColumn("a", "a", "text"),))])
        with pytest.raises(UntranslatableError, match=r"it calls|no counterpart"):
            query(f"SELECT {text} AS x FROM t", engine, "postgres", str, relations)
    assert expression("abs(a)", engine, "postgres", str) == 'ABS("a")'


def test_a_default_or_check_that_is_a_query_is_not_translated() -> None:
    for text in ("(SELECT 1 FROM t)", "1 FROM t", "1, 2"):
        with pytest.raises(UntranslatableError):
            expression(text, "SQLite", "postgres", str)
