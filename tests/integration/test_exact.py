"""What arrives is exactly what left: every type, random and extreme values, writers that go on, planted corruption."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import MySQLdb
import pytest

from landfall.engine.errors import SpecError, VerificationError
from landfall.engine.model.catalog import Column, ColumnType
from landfall.engine.model.options import Options, Policies
from landfall.engine.model.plan import Plan
from landfall.engine.sources.mysql.session import MySqlSession
from landfall.engine.sources.postgresql import dialect
from landfall.engine.targets.registry import engines
from tests.support import checker, kinds
from tests.support import engine as run
from tests.support.servers import MariaDb, PostgreSql


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_every_type_of_mariadb_arrives_equal(maria: MariaDb, pg15: PostgreSql, fresh: str, seed: int) -> None:
    kinds.fill_mariadb(maria, maria.database(fresh), seed)
    move = run.Move(run.mariadb(maria, fresh), run.postgresql(pg15, pg15.database(fresh)))
    outcome = move.run()
    with pg15.connect(fresh) as target:
        for table, (left, right) in kinds.MARIADB.items():
            source_rows = checker.mariadb(maria.socket, fresh, table, left)
            target_rows = checker.postgresql(target, kinds.target_name(table), right)
            assert checker.difference(source_rows, target_rows) == "", table
        rows = sum(target.execute(f"SELECT count(*) FROM {kinds.target_name(t)}".encode()).fetchone()[0] for t in kinds.MARIADB)
        more = target.execute(
            b"SELECT (SELECT count(*) FROM pg_trigger WHERE tgrelid='parent'::regclass AND NOT tgisinternal),nextval('counter'),"
            b"nextval('counter'),(SELECT count(*)>0 FROM parent_titles)"
        )
        assert more.fetchone() == (1, 100, 105, True), "ON UPDATE, the sequence, a view"
    assert outcome.rows == rows


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_every_type_of_sqlite_arrives_equal(pg18: PostgreSql, fresh: str, seed: int, tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    kinds.fill_sqlite(path, seed)
    run.Move(run.sqlite(path), run.postgresql(pg18, pg18.database(fresh))).run()
    with pg18.connect(fresh) as target:
        for table, (left, right) in kinds.SQLITE.items():
            source_rows, target_rows = checker.sqlite(str(path), table, left), checker.postgresql(target, table, right)
            assert checker.difference(source_rows, target_rows) == "", table


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("newer", [False, True], ids=["15 to 15", "15 to 18"])
def test_every_type_of_postgresql_arrives_equal(pg15: PostgreSql, pg18: PostgreSql, fresh: str, seed: int, newer: bool) -> None:  # noqa: FBT001
    target_server = pg18 if newer else pg15
    kinds.fill_postgresql(pg15, pg15.database(f"{fresh}s"), seed)
    if newer:  # the embedded server knows no xml, and says so in the plan
        move = run.Move(run.postgresql(pg15, f"{fresh}s"), run.postgresql(pg18, pg18.database(fresh)))
        assert [r.affected for r in move.plan().blockers] == ["public.kinds.x"]
        with pg15.connect(f"{fresh}s") as source:
            source.execute(b"ALTER TABLE kinds DROP COLUMN x")
    run.Move(run.postgresql(pg15, f"{fresh}s"), run.postgresql(target_server, target_server.database(fresh))).run()
    with pg15.connect(f"{fresh}s") as source, target_server.connect(fresh) as target:
        for table in kinds.POSTGRESQL:
            query = f"SELECT t::text FROM {table} t ORDER BY 1".encode()
            assert source.execute(query).fetchall() == target.execute(query).fetchall(), table


def test_a_schema_of_postgresql_dumps_the_same(pg15: PostgreSql, fresh: str) -> None:
    kinds.fill_postgresql(pg15, pg15.database(f"{fresh}s"), 7, rows=5)
    run.Move(run.postgresql(pg15, f"{fresh}s"), run.postgresql(pg15, pg15.database(fresh)), Options(fence=False)).run()
    before, after = pg15.dump(f"{fresh}s").splitlines(), pg15.dump(fresh).splitlines()
    odd = [line for line in {*before} ^ {*after} if "setval" not in line]
    assert not odd, odd[:5]


# -- writers that go on -----------------------------------------------------------------------------------------------


def _maria_writer(maria: MariaDb, database: str, stop: threading.Event, failures: list[str]) -> None:
    """Updates keys, deletes, inserts and swaps unique values until the freeze locks it out, and after it is over."""
    connection = MySQLdb.connect(unix_socket=maria.socket, user="root", db=database, autocommit=True)
    cursor = connection.cursor()
    cursor.execute("SET SESSION lock_wait_timeout=60")
    n = 0
    while not stop.is_set():
        n += 1
        try:
            cursor.execute(f"UPDATE w SET id=id+1000000 WHERE id={n * 7}")
            cursor.execute(f"DELETE FROM w WHERE id={n * 11}")
            cursor.execute(f"INSERT INTO w VALUES({2000000 + n},'new{n}','n')")
            cursor.execute("BEGIN")
            cursor.execute(f"UPDATE w SET u='tmp' WHERE id={n * 13}")
            cursor.execute(f"UPDATE w SET u='u{n * 13}' WHERE id={20000 - n}")
            cursor.execute(f"UPDATE w SET u='u{20000 - n}' WHERE id={n * 13}")
            cursor.execute("COMMIT")
        except MySQLdb.IntegrityError:
            cursor.execute("ROLLBACK")
        except MySQLdb.Error as error:
            failures.append(str(error))
            return
    connection.close()


def test_writers_that_go_on_lose_nothing(maria: MariaDb, pg15: PostgreSql, fresh: str) -> None:
    maria.sql(
        "CREATE TABLE w (id INT PRIMARY KEY, u VARCHAR(20) UNIQUE, v VARCHAR(20));"
        "INSERT INTO w SELECT seq,concat('u',seq),repeat('x',seq%20) FROM seq_1_to_20000;"
        "CREATE TABLE loose (a INT, b INT); INSERT INTO loose SELECT seq,seq FROM seq_1_to_3000",
        maria.database(fresh),
    )
    stop, failures = threading.Event(), []
    writer = threading.Thread(target=_maria_writer, args=(maria, fresh, stop, failures))
    counts: list[checker.Rows] = []

    def at_cutover() -> None:
        counts.append(checker.mariadb(maria.socket, fresh, "w", ["id", "u", "v"]))

    def late() -> None:
        maria.sql("UPDATE loose SET b=b+1 WHERE a%100=0; DELETE FROM loose WHERE a%77=0", fresh)

    move = run.Move(
        run.mariadb(maria, fresh),
        run.postgresql(pg15, pg15.database(fresh)),
        at={"copying": writer.start, "indexing": late, "cut_over": at_cutover},
    )
    try:
        outcome = move.run()
    finally:
        stop.set()
        writer.join()
    assert failures
    assert all("the data has moved" in failure for failure in failures), "writers wrote until the cutover, and not after it"
    assert outcome.redone_rows
    with pg15.connect(fresh) as target:
        assert checker.difference(counts[0], checker.postgresql(target, "w", ["id", "u", "v"])) == ""
        assert (
            checker.difference(
                checker.mariadb(maria.socket, fresh, "loose", ["a", "b"]), checker.postgresql(target, "loose", ["a", "b"])
            )
            == ""
        )


def test_writers_of_postgresql_lose_nothing(pg15: PostgreSql, fresh: str) -> None:
    with pg15.connect(pg15.database(f"{fresh}s")) as source:
        source.execute(b"CREATE TABLE w (id int PRIMARY KEY, u text UNIQUE, v text)")
        source.execute(b"INSERT INTO w SELECT g,'u'||g,repeat('x',g%20) FROM generate_series(1,20000) g")

        def write() -> None:
            source.execute(b"UPDATE w SET id=id+100000 WHERE id%97=0")
            source.execute(b"DELETE FROM w WHERE id%89=0")
            source.execute(b"UPDATE w SET u=CASE id WHEN 1 THEN 'u20000x' WHEN 20000 THEN 'u1x' END WHERE id IN (1,20000)")
            source.execute(b"INSERT INTO w VALUES(-5,'low','x'),(999999,'high','y')")

        run.Move(run.postgresql(pg15, f"{fresh}s"), run.postgresql(pg15, pg15.database(fresh)), at={"indexing": write}).run()
        source_rows = source.execute(b"SELECT * FROM w ORDER BY id").fetchall()
    with pg15.connect(fresh) as target:
        assert target.execute(b"SELECT * FROM w ORDER BY id").fetchall() == source_rows


def test_writers_of_sqlite_lose_nothing(pg15: PostgreSql, fresh: str, tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    kinds.fill_sqlite(path, 5)
    live = sqlite3.connect(path, isolation_level=None, check_same_thread=False)

    def write() -> None:
        live.executescript(
            "UPDATE numbers SET id=id+100000 WHERE id%9=0; DELETE FROM pairs WHERE b%5=0; INSERT INTO keyless VALUES(9,'z')"
        )

    run.Move(run.sqlite(path), run.postgresql(pg15, pg15.database(fresh)), at={"indexing": write}).run()
    with pg15.connect(fresh) as target:
        for table, (left, right) in kinds.SQLITE.items():
            assert checker.difference(checker.sqlite(str(path), table, left), checker.postgresql(target, table, right)) == "", (
                table
            )


# -- planted corruption -----------------------------------------------------------------------------------------------


def _plain_table(maria: MariaDb, name: str) -> None:
    maria.sql(
        "CREATE TABLE p (id INT PRIMARY KEY, a VARCHAR(40), b VARCHAR(40), big LONGTEXT);"
        "INSERT INTO p SELECT seq,concat('a',seq),concat('b',seq),repeat('y',seq) FROM seq_1_to_2000",
        maria.database(name),
    )


_PLANTED = {
    "one changed byte": ("UPDATE {s}.p SET a=overlay(a placing 'X' from 2 for 1) WHERE id=777", "changed id=777"),
    "one lost row": ("DELETE FROM {s}.p WHERE id=1234", "missing id=1234"),
    "one surplus row": ("INSERT INTO {s}.p VALUES (-3,'a','b','')", "surplus id=-3"),
    "two swapped values": ("UPDATE {s}.p SET a=b,b=a WHERE id=5", "changed id=5"),
    "a NULL for a value": ("UPDATE {s}.p SET big=NULL WHERE id=2000", "changed id=2000"),
}


@pytest.mark.parametrize("planted", _PLANTED)
def test_corruption_of_the_staged_rows_is_found_named_and_mended(
    maria: MariaDb, pg15: PostgreSql, fresh: str, planted: str
) -> None:
    _plain_table(maria, fresh)
    statement, words = _PLANTED[planted]

    def plant() -> None:
        with pg15.connect(fresh) as target:
            (stage,) = target.execute(b"SELECT nspname FROM pg_namespace WHERE nspname LIKE 'landfall_stage%'").fetchone()
            target.execute(statement.replace("{s}", stage).encode())

    move = run.Move(run.mariadb(maria, fresh), run.postgresql(pg15, pg15.database(fresh)), at={"comparing": plant})
    outcome = move.run()
    assert [line for line in outcome.corrected if line.startswith(f"{fresh}.p: {words}")], outcome.corrected
    columns = ["id", "a", "b", "big"]
    with pg15.connect(fresh) as target:
        assert (
            checker.difference(checker.mariadb(maria.socket, fresh, "p", columns), checker.postgresql(target, "p", columns)) == ""
        )


def test_a_doubled_row_is_found_and_mended(maria: MariaDb, pg15: PostgreSql, fresh: str) -> None:
    _plain_table(maria, fresh)

    def plant() -> None:
        with pg15.connect(fresh) as target:
            (stage,) = target.execute(b"SELECT nspname FROM pg_namespace WHERE nspname LIKE 'landfall_stage%'").fetchone()
            target.execute(f"INSERT INTO {stage}.p SELECT * FROM {stage}.p WHERE id=42".encode())

    move = run.Move(run.mariadb(maria, fresh), run.postgresql(pg15, pg15.database(fresh)), at={"indexing": plant})
    outcome = move.run()
    assert any("id=42" in line for line in outcome.corrected), outcome.corrected
    with pg15.connect(fresh) as target:
        assert target.execute(b"SELECT count(*) FROM p").fetchone() == (2000,)


def test_the_census_counts_what_the_target_cannot_hold(maria: MariaDb, pg15: PostgreSql, fresh: str) -> None:
    maria.sql(
        "SET sql_mode=''; CREATE TABLE v (id INT PRIMARY KEY, a VARCHAR(20), b TEXT CHARACTER SET latin1, d DATE, t DATETIME);"
        "INSERT INTO v VALUES (1,concat('x',char(0)),concat(char(0),'y'),'2020-00-15','0000-00-00'),(2,'%','_','0000-05-05','0001-01-01'),"
        "(3,NULL,'100 %',NULL,'9999-12-31'),(4,'','x','2020-05-00','2020-02-29')",
        maria.database(fresh),
    )
    plan = run.Move(
        run.mariadb(maria, fresh),
        run.postgresql(pg15, pg15.database(fresh)),
        options=Options(policies=Policies(nul_bytes="Strip")),
    ).plan()
    counted = {c.source: [(v.kind, v.rows) for v in c.converted] for t in plan.tables for c in t.columns}
    assert counted == {"id": [], "a": [("nulByte", 1)], "b": [("nulByte", 1)], "d": [("zeroDate", 3)], "t": [("zeroDate", 1)]}


def test_text_in_utf16_is_refused_by_name(pg15: PostgreSql, fresh: str, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "u.db") as file:
        file.execute("PRAGMA encoding='UTF-16'")
        file.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT)")
    with pytest.raises(SpecError, match=r"UTF-16le.*UTF-8"):
        run.Move(run.sqlite(tmp_path / "u.db"), run.postgresql(pg15, pg15.database(fresh))).plan()


@pytest.mark.parametrize("batch_rows", [2, 200])
@pytest.mark.parametrize("kind", ["INTEGER", "INT", "BIGINT"])
def test_keys_of_sqlite_that_are_no_integers_arrive_with_those_that_are(
    pg15: PostgreSql, fresh: str, tmp_path: Path, kind: str, batch_rows: int
) -> None:
    with sqlite3.connect(tmp_path / "k.db") as file:
        file.execute(f"CREATE TABLE t (id {kind} PRIMARY KEY, v TEXT) WITHOUT ROWID")
        file.execute("INSERT INTO t VALUES (1,'a'),(2,'b'),(3,'c'),('abc','d'),(-5,'e'),('x','f')")
    target = run.postgresql(pg15, pg15.database(fresh))
    assert run.Move(run.sqlite(tmp_path / "k.db"), target, Options(batch_rows=batch_rows)).run().rows == 6
    with pg15.connect(fresh) as connection:
        assert connection.execute(b"SELECT string_agg(v,'' ORDER BY v) FROM t").fetchone() == ("abcdef",)


def test_moments_of_sqlite_that_are_null_are_moments_all_the_same(pg15: PostgreSql, fresh: str, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "n.db") as file:
        file.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, d DATE, m DATETIME)")
        file.executemany("INSERT INTO t VALUES (?,?,?)", [(1, "2024-02-29", "2024-02-29 01:02:03"), (2, None, None)])
    move = run.Move(run.sqlite(tmp_path / "n.db"), run.postgresql(pg15, pg15.database(fresh)))
    assert [c.target_type for c in move.plan().tables[0].columns] == ["bigint", "date", "timestamp"]
    assert not move.plan().to_review
    move.run()
    with pg15.connect(fresh) as target:
        assert target.execute(b"SELECT d::text,m::text FROM t ORDER BY id").fetchall() == [
            ("2024-02-29", "2024-02-29 01:02:03"),
            (None, None),
        ]


def test_the_census_of_sqlite_looks_closer_where_it_must(pg15: PostgreSql, fresh: str, tmp_path: Path) -> None:
    path = tmp_path / "c.db"
    with sqlite3.connect(path) as file:
        file.execute("CREATE TABLE v (id INTEGER PRIMARY KEY, i INTEGER, r REAL, b BOOLEAN, t TEXT, x, d DATE, n NUMERIC(5,2))")
        file.execute("INSERT INTO v VALUES (1,1,1.5,1,'a',1,'2020-02-29',1.25),(2,NULL,NULL,NULL,NULL,NULL,NULL,NULL)")
        file.commit()
        without_text = run.Move(run.sqlite(path), run.postgresql(pg15, pg15.database(fresh))).plan()
        file.execute("INSERT INTO v VALUES (3,'one','two','yes',x'00ff',2,'2020-02-30',123456.789)")
        file.execute("INSERT INTO v VALUES (4,1e300,x'31',2,CAST(x'61ff' AS TEXT),2,20200101,'x')")
        file.execute("INSERT INTO v (id,d) VALUES (5,'0000-01-01'),(6,'0001-01-01')")
    odd = run.Move(run.sqlite(path), run.postgresql(pg15, pg15.database(fresh))).plan()
    types = [{c.source: c.target_type for c in plan.tables[0].columns} for plan in (without_text, odd)]
    assert types[0] == {
        "id": "bigint",
        "i": "bigint",
        "r": "double precision",
        "b": "boolean",
        "t": "text",
        "x": "bigint",
        "d": "date",
        "n": "numeric(5,2)",
    }
    assert types[1] == {
        "id": "bigint",
        "i": "text",
        "r": "bytea",
        "b": "text",
        "t": "bytea",
        "x": "bigint",
        "d": "text",
        "n": "text",
    }
    assert [(c.source, v.rule, v.rows) for c in odd.tables[0].columns for v in c.converted] == [("t", "Replace", 1)]


_ALIKE = {
    "values that change places between rows": (
        "(1,1,'a','x'::text,1.5::float8),(2,2,'b','y',2.5)",
        "(1,1,'a','y'::text,1.5::float8),(2,2,'b','x',2.5)",
    ),
    "the scale of a number": ("(1,1.0,'a',''::text,0::float8)", "(1,1.00,'a',''::text,0::float8)"),
    "the sign of zero": ("(1,1,'a',''::text,0::float8)", "(1,1,'a',''::text,'-0'::float8)"),
    "an empty text and none": ("(1,1,'a',''::text,0::float8)", "(1,1,'a',NULL::text,0::float8)"),
}


@pytest.mark.parametrize("case", _ALIKE)
def test_the_hash_of_postgresql_rows_notices(pg15: PostgreSql, case: str) -> None:
    types = {"a": "bigint", "b": "numeric", "c": "character varying(5)", "d": "text", "e": "double precision"}
    mapping = engines()["PostgreSQL"].types.mapping
    columns = [(name, mapping(dialect.mapping(Column(name, ColumnType(kind, kind))))) for name, kind in types.items()]
    number = dialect.native_number(
        [(f"{name}::{kind}", m) for (name, m), kind in zip(columns, types.values(), strict=True)], hashed=True
    )
    with pg15.connect() as server:
        sums = [
            server.execute(f"SELECT sum({number}) FROM (VALUES {rows}) v(a,b,c,d,e)".encode()).fetchone()[0]
            for rows in _ALIKE[case]
        ]
    assert (sums[0] - sums[1]) % 2**64  # a carry alone must not be what tells them apart


def _with_copy(column: str, copy: str) -> Callable[[Plan], Plan]:
    """A plan whose copy expression of a column is at fault, as a bug in the dialect would be."""

    def change(plan: Plan) -> Plan:
        table = plan.tables[0]
        columns = tuple(replace(c, mapping=replace(c.mapping, copy=copy)) if c.source == column else c for c in table.columns)
        return replace(plan, tables=(replace(table, columns=columns),))

    return change


@pytest.mark.parametrize(
    ("column", "copy", "words"),
    [
        ("a", "`b`", "changed id=1"),
        ("big", "IF(LENGTH(`big`)>1990,NULL,`big`)", "id=1991"),
        ("a", "IF(`id`=9,'',`a`)", "changed id=9 "),
    ],
    ids=["swapped columns", "NULL from an oversized value", "one wrong value"],
)
def test_a_fault_of_the_copy_is_refused_by_the_verdict(
    maria: MariaDb, pg15: PostgreSql, fresh: str, column: str, copy: str, words: str
) -> None:
    _plain_table(maria, fresh)
    before = pg15.dump(pg15.database(fresh))
    move = run.Move(run.mariadb(maria, fresh), run.postgresql(pg15, fresh), change=_with_copy(column, copy))
    with pytest.raises(VerificationError, match=words):
        move.run()
    assert pg15.dump(fresh) == before


def _as_version_01_planned(plan: Plan) -> Plan:
    """The plan with MD5 where digests of columns are compared."""
    (table,) = plan.tables
    old = {
        "big": ("MD5(`big`)", "md5({c})"),
        "doc": ("MD5(`doc`)", "md5({c}::text)"),
        "raw": ("MD5(`raw`)", "md5({c})"),
    }
    assert old.keys() <= {c.source for c in table.columns if "sha256" in c.mapping.check_target}
    columns = tuple(
        replace(c, mapping=replace(c.mapping, check_source=old[c.source][0], check_target=old[c.source][1]))
        if c.source in old
        else c
        for c in table.columns
    )
    return replace(plan, tables=(replace(table, columns=columns),))


@pytest.mark.parametrize(
    "key_definition", ["id INT PRIMARY KEY", "id INT, PRIMARY KEY (id, a)"], ids=["one column as key", "two columns as key"]
)
def test_a_run_that_version_01_began_is_resumed_without_md5(
    maria: MariaDb, pg15: PostgreSql, fresh: str, monkeypatch: pytest.MonkeyPatch, key_definition: str
) -> None:
    maria.sql(
        f"CREATE TABLE p (a VARCHAR(40) NOT NULL, big LONGTEXT, doc JSON, raw BLOB, {key_definition});"
        "INSERT INTO p(id,a,big,doc,raw) SELECT seq,concat('a',seq),repeat('y',seq),concat('[',seq,']'),unhex(sha1(seq)) FROM seq_1_to_900",
        maria.database(fresh),
    )

    def plant() -> None:
        with pg15.connect(fresh) as target:
            (stage,) = target.execute(b"SELECT nspname FROM pg_namespace WHERE nspname LIKE 'landfall_stage%'").fetchone()
            target.execute(f"UPDATE {stage}.p SET raw=raw||'\\x00' WHERE id=77".encode())
            target.execute(f"UPDATE {stage}.p SET big='Y'||substr(big,2) WHERE id=78".encode())

    def die() -> None:
        message = "killed"
        raise RuntimeError(message)

    move = run.Move(
        run.mariadb(maria, fresh),
        run.postgresql(pg15, pg15.database(fresh)),
        Options(batch_rows=200, parallelism=3, takeover_seconds=0),
        at={"comparing": die},
        change=_as_version_01_planned,
    )
    with pytest.raises(RuntimeError, match="killed"):
        move.run()
    statements: list[str] = []
    rows = MySqlSession.rows

    def record(session: MySqlSession, sql: str) -> list[tuple[str | None, ...]]:
        statements.append(sql)
        return rows(session, sql)

    monkeypatch.setattr(MySqlSession, "rows", record)
    move.at = {"comparing": plant}
    outcome = move.run()
    assert [sql for sql in statements if "SHA2(`raw`,256)" in sql]
    assert not [sql for sql in statements if "MD5" in sql]
    assert outcome.redone_rows == 200, "the one chunk that holds both"
    columns = ["id", "a", "big", "doc", "HEX(raw)"]
    target_columns = ["id", "a", "big", "doc::text", "upper(encode(raw,'hex'))"]
    with pg15.connect(fresh) as target:
        assert (
            checker.difference(
                checker.mariadb(maria.socket, fresh, "p", columns), checker.postgresql(target, "p", target_columns)
            )
            == ""
        )
