"""Tables of any number of columns that the target holds: copied, compared and repaired. Larger ones are blockers of the plan."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from landfall.engine.model.options import ColumnDecision, Options
from tests.support import checker
from tests.support import engine as run
from tests.support.servers import MariaDb, PostgreSql

# What a column of SQLite is declared as, and a value of it.
_KINDS = {
    "int": 7,
    "text": "a|b",
    "real": 1.25,
    "numeric": 2.5,
    "datetime": "2024-02-29 12:00:00",
    "blob": b"\0\xff",
    "boolean": 1,
    "json": "{}",
    "date": "2024-02-29",
    "": "x",
}


def _file(path: Path, columns: int, filled: int, key: str = "id integer primary key", kinds: dict[str, object] = _KINDS) -> Path:
    """A SQLite file with a table of so many columns, of which the first ones have values in its three rows."""
    chosen_kinds = [list(kinds)[n % len(kinds)] for n in range(columns - 1)]
    names = [f"c{n}" for n in range(filled)]
    first, _, last = key.partition(";")
    with sqlite3.connect(path) as file:
        declared = ",".join(f"c{n} {kind}" for n, kind in enumerate(chosen_kinds))
        file.execute(f"CREATE TABLE wide({first},{declared}{last}")
        for row in range(3):
            marks = ",".join("?" * (filled + 1))
            file.execute(
                f"INSERT INTO wide(id,{','.join(names)}) VALUES ({marks})", (row, *(kinds[k] for k in chosen_kinds[:filled]))
            )
    return path


def _plant(pg: PostgreSql, database: str, statement: str) -> None:
    with pg.connect(database) as target:
        (stage,) = target.execute(b"SELECT nspname FROM pg_namespace WHERE nspname LIKE 'landfall_stage%'").fetchone()
        target.execute(statement.replace("{s}", stage).encode())


@pytest.mark.parametrize(
    ("columns", "key"),
    [
        (100, "id integer primary key;)"),
        (1600, "id integer primary key;)"),
        (1600, "id int;,primary key(id,c1)) without rowid"),
        (101, "id int not null unique;)"),
    ],
    ids=["100", "most", "most, by a compound key", "101, without a primary key"],
)
def test_wide_tables_are_compared_and_repaired(pg15: PostgreSql, fresh: str, tmp_path: Path, columns: int, key: str) -> None:
    path = _file(tmp_path / "w.db", columns, 90, key)
    move = run.Move(run.sqlite(path), run.postgresql(pg15, pg15.database(fresh)))
    move.at["comparing"] = lambda: _plant(pg15, fresh, "UPDATE {s}.wide SET c1='other' WHERE id=1")
    outcome = move.run()
    assert outcome.corrected, "the change of the staged row is found"
    with pg15.connect(fresh) as target:
        assert target.execute(b"SELECT id,c0,c1,c2,c9,c89 FROM wide ORDER BY id").fetchall() == [
            (n, 7, "a|b", 1.25, "x", "x") for n in range(3)
        ]
        assert target.execute(b"SELECT count(*) FROM pg_attribute WHERE attrelid='wide'::regclass AND attnum>0").fetchone() == (
            columns,
        )


def test_a_wide_table_of_mysql_and_mariadb_is_moved(either: MariaDb, pg15: PostgreSql, fresh: str) -> None:
    kinds = ["INT", "VARCHAR(5)", "FLOAT", "DATE", "DECIMAL(5,2)"]
    declared = ",".join(f"c{n} {kinds[n % 5]}" for n in range(1015))  # with the key, the most of InnoDB
    either.sql(
        f"CREATE TABLE wide (a INT, b VARCHAR(9), {declared}, PRIMARY KEY (a,b)) ROW_FORMAT=DYNAMIC;"
        "INSERT INTO wide(a,b,c0,c1014) VALUES (1,'x',1,2.5),(1,'y',3,NULL),(2,'x',NULL,4.25)",
        either.database(fresh),
    )
    move = run.Move(run.mariadb(either, fresh), run.postgresql(pg15, pg15.database(fresh)))
    move.at["comparing"] = lambda: _plant(pg15, fresh, "DELETE FROM {s}.wide WHERE b='y'")
    assert move.run().corrected
    names = ["a", "b", "c0", "c1014"]
    with pg15.connect(fresh) as target:
        source_rows = checker.mariadb(either.socket, fresh, "wide", names)
        assert checker.difference(source_rows, checker.postgresql(target, "wide", names)) == ""


def test_what_no_row_of_the_target_holds_is_a_blocker(pg15: PostgreSql, fresh: str, tmp_path: Path) -> None:
    def blockers(path: Path, options: Options = Options()) -> list[tuple[str, str]]:  # noqa: B008  immutable
        plan = run.Move(run.sqlite(path), run.postgresql(pg15, pg15.database(fresh)), options).plan()
        return [(r.kind, r.affected) for r in plan.risks if r.kind in {"TooManyColumns", "RowTooLarge"} and r in plan.blockers]

    key = "id integer primary key;)"
    too_many = _file(tmp_path / "m.db", 1601, 5, key)
    assert blockers(too_many) == [("TooManyColumns", "wide")]
    without_one = Options(decisions=(ColumnDecision("", "wide", "c9", "Exclude"),))
    assert blockers(too_many, without_one) == [], "a column that is excluded does not count"
    assert blockers(_file(tmp_path / "l.db", 1200, 1100, key, {"int": 1})) == [("RowTooLarge", "wide")], (
        "8 octets for each number"
    )
    assert blockers(_file(tmp_path / "f.db", 1200, 900, key, {"int": 1})) == []


@pytest.mark.parametrize(("filled", "fits"), [(1390, True), (1425, False)])
def test_the_size_of_a_row_is_computed_with_the_gaps_between_values(
    pg15: PostgreSql, fresh: str, tmp_path: Path, filled: int, *, fits: bool
) -> None:
    path = _file(tmp_path / "g.db", 1600, filled, "id integer primary key;)")
    move = run.Move(run.sqlite(path), run.postgresql(pg15, pg15.database(fresh)))
    plan = move.plan()
    assert [r.severity.value for r in plan.risks if r.kind == "RowTooLarge"] == ["medium" if fits else "blocker"]
    if fits:
        assert move.run().rows == 3
