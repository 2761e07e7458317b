"""Whatever a server writes into its message, no value of a row is passed on."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from landfall.engine.clients.errors import from_mysql, from_postgresql
from landfall.engine.clients.server_messages import PostgresMessage
from landfall.engine.errors import EngineError, ValueRefusedError
from landfall.engine.model.options import Endpoint, EngineName
from landfall.engine.sources.sqlite.session import SqliteSession

_CARD = "4111111111111111"


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("22003", f'value "{_CARD}" is out of range for type integer'),
        ("22007", f'invalid value "{_CARD}" for "YYYY"'),
        ("22P02", f'invalid input syntax for type integer: "{_CARD}"'),
        ("22P02", f"invalid input syntax for type json: {_CARD}"),
        ("22008", f"date/time field value out of range: {_CARD}"),
        ("22021", f"invalid byte sequence: {_CARD}"),
        ("22023", f"unrecognized parameter {_CARD}"),
        ("23502", f"Failing row contains ({_CARD})"),
        ("23514", f"row ({_CARD}) violates check"),
        ("21000", _CARD),
        ("42P01", f'relation "{_CARD}!" does not exist'),
        ("42704", f'unrecognized configuration parameter "{_CARD}"'),
        ("42601", f'syntax error at or near "{_CARD}"'),
        ("3F000", f'schema "{_CARD}" does not exist'),
        ("0A000", f'cross-database references are not implemented: "{_CARD}.b.c"'),
        ("P0001", f"the card {_CARD} is not accepted"),
        ("45000", _CARD),
        ("38000", _CARD),
        ("HV000", _CARD),
        ("XX000", f"unexpected {_CARD}"),
        ("ZZ999", _CARD),
    ],
)
def test_no_text_of_postgresql_with_a_value_is_passed_on(code: str, text: str) -> None:
    error = from_postgresql(PostgresMessage(code, text, f'COPY cards, line 3, column number: "{_CARD}"'), "target")
    assert _CARD not in str(error)
    assert (code in error.message, error.code) == (True, code)
    assert error.message.startswith("target: ")
    if code[:2] in {"22", "23"}:
        assert (type(error), "table cards.number" in error.message) == (ValueRefusedError, True)


_ALL = st.text("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=5, max_size=5)
_SPEAK_OF_THE_SERVER = ("03", "08", "25", "28", "3D", "40", "42501", "53", "55", "57", "58")


@given(_ALL)
def test_only_codes_of_the_server_itself_pass_their_text(code: str) -> None:
    is_passed = _CARD in str(from_postgresql(PostgresMessage(code, _CARD), "source"))
    assert is_passed == code.startswith(_SPEAK_OF_THE_SERVER)


def test_names_stay() -> None:
    words = PostgresMessage("23505", f"Key (n)=({_CARD})", "", "cards", "", "cards_pkey")
    assert from_postgresql(words, "target").message == (
        "target: two rows have the same key (table cards, constraint cards_pkey, SQLSTATE 23505)"
    )
    of_the_statement = PostgresMessage("42P01", 'relation "shop" does not exist', positioned=True)
    assert 'relation "shop" does not exist' in from_postgresql(of_the_statement, "source").message
    over_empty_tables = PostgresMessage("22P02", 'invalid input syntax for type integer: "x"')
    assert 'integer: "x"' in from_postgresql(over_empty_tables, "target", no_rows=True).message


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (1062, f"Duplicate entry '{_CARD}' for key 'PRIMARY'"),
        (1292, f"Truncated incorrect DOUBLE value: '{_CARD}'"),
        (1366, f"Incorrect integer value: '{_CARD}' for column `d`.`t`.`n` at row 1"),
        (1105, f"XPATH syntax error: '~{_CARD}'"),
        (1411, f"Incorrect datetime value: '{_CARD}' for function str_to_date"),
        (1064, f"You have an error in your SQL syntax; near '{_CARD}'"),
        (1644, f"the card {_CARD} is refused"),
        (1690, f"BIGINT value is out of range in '({_CARD} * 9)'"),
        (3140, f"Invalid JSON text: {_CARD}"),
        (9999, _CARD),
    ],
)
def test_no_text_of_mysql_with_a_value_is_passed_on(number: int, text: str) -> None:
    error = from_mysql(number, text, "source")
    assert _CARD not in str(error)
    assert error.message.endswith(f"(error {number})")


@pytest.mark.parametrize("number", [1045, 1146, 1054, 1142, 1205, 2003, 2026])
def test_texts_of_mysql_about_names_and_logins_stay(number: int) -> None:
    assert "shop" in from_mysql(number, "Table 'shop' …", "source").message


@pytest.mark.parametrize(
    "sql",
    [
        f"SELECT json_extract('{{}}', '{_CARD}')",
        f"SELECT '{_CARD}' -> '$['",
        f"SELECT * FROM s WHERE s MATCH '\"{_CARD}'",
        f"INSERT INTO t VALUES ('{_CARD}')",
        f"SELECT zeroblob({_CARD})",
    ],
)
def test_no_text_of_sqlite_with_a_value_is_passed_on(tmp_path: Path, sql: str) -> None:
    with sqlite3.connect(tmp_path / "a.db") as file:
        file.execute("CREATE TABLE t (n text PRIMARY KEY)")
        file.execute("CREATE VIRTUAL TABLE s USING fts5(n)")
        file.execute("CREATE TRIGGER r BEFORE INSERT ON t BEGIN SELECT RAISE(ABORT,'4111111111111111'); END")
    session = SqliteSession(Endpoint(EngineName("SQLite"), path=str(tmp_path / "a.db")), write=True)
    with pytest.raises(EngineError) as refused:
        session.rows(sql)
    session.close()
    assert _CARD not in str(refused.value)


def test_sqlite_still_names_what_is_missing(tmp_path: Path) -> None:
    sqlite3.connect(tmp_path / "a.db").execute("CREATE TABLE t (n)").connection.close()
    session = SqliteSession(Endpoint(EngineName("SQLite"), path=str(tmp_path / "a.db")))
    with pytest.raises(EngineError, match="no such table: shop"):
        session.rows("SELECT * FROM shop")
    session.close()
