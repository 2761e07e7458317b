"""Expressions of a person in a column's place: tried before anybody is asked, moved, compared, kept up to date."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from landfall.engine.model.options import ColumnDecision, Endpoint, Options
from landfall.engine.model.plan import Decision, Plan
from tests.support import engine as run
from tests.support.servers import MariaDb, PostgreSql

_ROWS = 1500
_MAKE = (
    "CREATE TABLE person (id INTEGER PRIMARY KEY, first VARCHAR(40) NOT NULL, last VARCHAR(40), cents INTEGER NOT NULL, born VARCHAR(10),"
    " mail VARCHAR(80))"
)
_EXPRESSIONS = {
    "first": "concat(upper(first), ' ', last)",
    "cents": "cents / 100.0",
    "born": "CASE WHEN born = '' THEN NULL ELSE born END",
    "mail": "lower(mail)",
}


def _rows() -> list[tuple[object, ...]]:
    return [
        (
            n,
            f"Änn{n}" if n % 5 else "o'\x01N",
            f"Lee {n}",
            n * 7,
            "" if n % 3 == 0 else "2001-02-03",
            f"Mail{n}@X.de" if n % 4 else None,
        )
        for n in range(1, _ROWS + 1)
    ]


def _source(kind: str, name: str, maria: MariaDb, pg15: PostgreSql, folder: Path) -> Endpoint:
    if kind == "sqlite":
        with sqlite3.connect(folder / "p.db") as file:
            file.execute(_MAKE)
            file.executemany("INSERT INTO person VALUES (?,?,?,?,?,?)", _rows())
        return run.sqlite(folder / "p.db")
    if kind == "postgresql":
        with pg15.connect(pg15.database(f"{name}s")) as source:
            source.execute(_MAKE.encode())
            source.cursor().executemany(b"INSERT INTO person VALUES (%s,%s,%s,%s,%s,%s)", _rows())
        return run.postgresql(pg15, f"{name}s")
    import MySQLdb  # noqa: PLC0415  only here

    maria.sql(_MAKE + " CHARACTER SET utf8mb4", maria.database(name))
    connection = MySQLdb.connect(unix_socket=maria.socket, user="root", db=name, charset="utf8mb4", autocommit=True)
    connection.cursor().executemany("INSERT INTO person VALUES (%s,%s,%s,%s,%s,%s)", _rows())
    connection.close()
    return run.mariadb(maria, name)


def _decided(**expressions: str) -> tuple[ColumnDecision, ...]:
    return tuple(ColumnDecision("", "person", column, "Override", expression) for column, expression in expressions.items())


def _person(plan: Plan) -> dict[str, tuple[str, str, Decision, bool]]:
    return {c.source: (c.target_type, c.transformation, c.decision, c.nullable) for c in plan.tables[0].columns}


@pytest.mark.parametrize("kind", ["mariadb", "postgresql", "sqlite"])
def test_what_arrives_is_what_the_expressions_give(
    maria: MariaDb, pg15: PostgreSql, fresh: str, tmp_path: Path, kind: str
) -> None:
    options = Options(batch_rows=200, parallelism=3, decisions=_decided(**_EXPRESSIONS))
    if kind == "sqlite":  # which has no concat
        options = Options(
            batch_rows=200, parallelism=2, decisions=_decided(**{**_EXPRESSIONS, "first": "upper(first)||' '||last"})
        )
    move = run.Move(_source(kind, fresh, maria, pg15, tmp_path), run.postgresql(pg15, pg15.database(fresh)), options)
    person = _person(move.plan())
    assert not move.plan().blockers
    assert person["born"][1:3] == (_EXPRESSIONS["born"], Decision.APPROVED)
    assert person["first"][0] == "text"
    assert person["cents"][0].startswith("numeric" if kind != "sqlite" else "double")
    reasons = next(c.reasons for c in move.plan().tables[0].columns if c.source == "mail")
    assert any("for example xxxx9@x.xx" in reason for reason in reasons)
    assert move.run().rows == _ROWS
    with pg15.connect(fresh) as target:
        found = target.execute(b"SELECT id,first,cents::float8,born,mail,last FROM person ORDER BY id").fetchall()
    for row, (number, first, last, cents, born, mail) in zip(found, _rows(), strict=True):
        raised = (c.upper() if kind != "sqlite" or c.isascii() else c for c in str(first))  # SQLite knows ASCII only
        upper = "".join(raised)
        assert row == (number, f"{upper} {last}", float(str(cents)) / 100, born or None, mail.lower() if mail else None, last)


def test_rows_that_change_meanwhile_arrive_as_the_expression_gives_them(maria: MariaDb, pg15: PostgreSql, fresh: str) -> None:
    source = _source("mariadb", fresh, maria, pg15, Path())
    options = Options(batch_rows=200, parallelism=2, decisions=_decided(cents="cents * 2"))

    def write() -> None:
        maria.sql("UPDATE person SET cents=1 WHERE id%50=0; DELETE FROM person WHERE id%70=0", fresh)

    move = run.Move(source, run.postgresql(pg15, pg15.database(fresh)), options, at={"indexing": write})
    assert move.run().redone_rows > 0
    with pg15.connect(fresh) as target:
        assert target.execute(b"SELECT count(*) FROM person WHERE id%50=0 AND cents<>2").fetchone() == (0,)
        assert target.execute(b"SELECT count(*) FROM person WHERE id%50<>0 AND cents<>id*14").fetchone() == (0,)
        assert target.execute(b"SELECT count(*) FROM person").fetchone() == (_ROWS - _ROWS // 70,)


@pytest.mark.parametrize(
    ("kind", "expression", "told"),
    [
        ("mariadb", "nosuch(cents)", "nosuch"),
        ("postgresql", "cents || now()", "another result each time"),
        ("postgresql", "first / 2", "varchar"),
        ("sqlite", "nosuch(cents)", "no such function"),
        ("mariadb", "missing + 1", "there is no column missing"),
    ],
)
def test_what_the_source_refuses_stops_the_plan_by_name(
    maria: MariaDb, pg15: PostgreSql, fresh: str, tmp_path: Path, kind: str, expression: str, told: str
) -> None:
    options = Options(decisions=_decided(cents=expression))
    move = run.Move(_source(kind, fresh, maria, pg15, tmp_path), run.postgresql(pg15, pg15.database(fresh)), options)
    (blocker,) = move.plan().blockers
    assert (blocker.kind, blocker.affected.endswith("person.cents")) == ("Override", True)
    assert told in blocker.description.replace("character varying", "varchar")


@pytest.mark.parametrize(
    ("expression", "kind"),
    [
        ("lower(first) COLLATE utf8mb4_bin", "text"),
        ("cast(first as binary)", "bytea"),
        ("unhex('00ff')", "bytea"),
        ("hex(cents)", "text"),
    ],
)
def test_texts_in_a_binary_collation_are_texts_and_bytes_are_bytes(
    maria: MariaDb, pg15: PostgreSql, fresh: str, expression: str, kind: str
) -> None:
    options = Options(decisions=_decided(mail=expression))
    move = run.Move(_source("mariadb", fresh, maria, pg15, Path()), run.postgresql(pg15, pg15.database(fresh)), options)
    assert [r.description for r in move.plan().blockers] == []
    assert _person(move.plan())["mail"][0] == kind
    assert move.run().rows == _ROWS


def test_null_in_a_column_without_nulls_is_allowed_and_told(maria: MariaDb, pg15: PostgreSql, fresh: str) -> None:
    options = Options(decisions=_decided(first="nullif(first,'Änn1')", id="id + 1000"))
    move = run.Move(_source("mariadb", fresh, maria, pg15, Path()), run.postgresql(pg15, pg15.database(fresh)), options)
    column = next(c for c in move.plan().tables[0].columns if c.source == "first")
    assert (column.nullable, any("1 row becomes NULL" in r for r in column.reasons)) == (True, True)
    assert move.run().rows == _ROWS
    with pg15.connect(fresh) as target:
        assert target.execute(b"SELECT count(*),min(id),max(id) FROM person").fetchone() == (_ROWS, 1001, 1000 + _ROWS)
        assert target.execute(b"SELECT count(*) FROM person WHERE first IS NULL").fetchone() == (1,)


def test_a_generated_column_over_an_override_is_refused(pg15: PostgreSql, fresh: str) -> None:
    with pg15.connect(pg15.database(f"{fresh}s")) as source:
        source.execute(b"CREATE TABLE person (id int PRIMARY KEY, cents int, euros int GENERATED ALWAYS AS (cents/100) STORED)")
    options = Options(decisions=_decided(cents="cents + 1"))
    move = run.Move(run.postgresql(pg15, f"{fresh}s"), run.postgresql(pg15, pg15.database(fresh)), options)
    assert [(r.kind, r.affected) for r in move.plan().blockers] == [("Override", "public.person.euros")]
