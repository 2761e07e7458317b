"""Expressions in a column's place: what may be one, and what is shown of its results."""

from __future__ import annotations

import pytest

from landfall.engine.model.catalog import Column, ColumnType, Table
from landfall.engine.planning.overrides import masked, refusal, uses

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
    ("expression", "told"),
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
        ("rand()", "another result each time"),
        ("concat(a, uuid())", "another result each time"),
        ("CURRENT_TIMESTAMP", "another result each time"),
        ("date('now')", "another result each time"),
        ("t.a", "without its table"),
        ("missing", "there is no column missing; the table has a, b, Price"),
    ],
)
def test_anything_else_is_refused_and_says_why(expression: str, told: str, engine: str) -> None:
    assert told in refusal(expression, engine, TABLE)


def test_a_backslash_means_different_things_to_sessions_of_mysql() -> None:
    assert "CHAR(92)" in refusal("concat(a,'\\')", "MariaDB", TABLE)


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
