"""CREATE statements of SQLite are divided by their tokens, whatever types, comments and options they have."""

from __future__ import annotations

import pytest

from landfall.engine.sources.sqlite.statements import index_statement, table_statement

_ODD = """CREATE TABLE "a (b"(id integer primary key, -- a comment, with (parentheses
  n unsigned big int check(n>0 /* , ) */ or n is null), d blob sub_type text default 'check (x)' collate NoCase,
  g int generated always as (n*2||'x') stored, h as (n+1.5e-3), k text default (lower(hex(randomblob(4)))) check (k in ("x",'y''z')),
  "odd, name" any, `q``x` text collate rtrim, [b r] text, blob_one int check (blob_one <> x'00ff'),
  constraint c check (k in ('G','PG')), check(id > 0) check (n<5), foreign key(n) references t(id), unique(n), primary key (a,b)
) strict, without rowid"""


def test_a_table_of_every_oddity_is_read() -> None:
    statement = table_statement(_ODD)
    assert statement.columns == ("id", "n", "d", "g", "h", "k", "odd, name", "q`x", "b r", "blob_one")
    assert statement.checks == (
        "k IN ('G', 'PG')",
        "id > 0",
        "n < 5",
        "n > 0 OR n IS NULL",
        "k IN ('x', 'y''z')",
        "blob_one <> x'00ff'",
    )
    assert statement.generated == {"g": "n * (2 || 'x')", "h": "n + 1.5e-3"}
    assert statement.collations == {"d": "NOCASE", "q`x": "RTRIM"}


@pytest.mark.parametrize("options", ["", "WITHOUT ROWID", "STRICT", "WITHOUT  rowid , strict", "STRICT,WITHOUT ROWID"])
@pytest.mark.parametrize(
    "kind", ["INT", "UNSIGNED BIG INT", "BLOB SUB_TYPE TEXT", "ANY", "DOUBLE PRECISION", "DECIMAL(10, 2)", ""]
)
def test_types_of_several_words_and_options_lose_no_check(kind: str, options: str) -> None:
    statement = table_statement(f"CREATE TABLE t (id {kind} PRIMARY KEY CHECK (id <> 3), g {kind} AS (id+1)) {options}")
    assert (statement.columns, statement.checks, list(statement.generated)) == (("id", "g"), ("id <> 3",), ["g"])


def test_an_index_has_expressions_and_a_condition() -> None:
    sql = 'CREATE UNIQUE INDEX i ON t(lower(t) COLLATE nocase DESC, "n", json_extract(t,\'$.a\') ASC) WHERE t IS NOT NULL AND x = "dq"'
    statement = index_statement(sql, ("t", "n", "x"))
    assert statement.parts == ("LOWER(t)", '"n"', "JSON_EXTRACT(t, '$.a')")
    assert statement.where == "NOT t IS NULL AND x = 'dq'", "a text in double quotes that is no column is a string"
    assert index_statement("", ()).parts == ()
