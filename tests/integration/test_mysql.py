"""Sources that are a real MySQL, and sessions that change nothing there, whatever `sql_mode` its own sessions are in."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import MySQLdb
import pytest

from landfall.engine.model.options import Endpoint, Options
from landfall.engine.sources.mysql.session import MySqlSession
from tests.support import checker
from tests.support import engine as run
from tests.support.mysql import MySql
from tests.support.servers import MariaDb, PostgreSql

_SESSIONS = 32  # more than the table cache has instances, so that each of them is looked into

# Expressions that a server parses anew in each instance of its table cache, and what depends on the mode of whoever asks first.
_STORED = (
    "CREATE TABLE e (id INT PRIMARY KEY, a VARCHAR(10), u BIGINT UNSIGNED,"
    " path VARCHAR(40) AS (concat('C:\\\\dir\\\\',a)) VIRTUAL, line VARCHAR(40) AS (concat(a,'\\n')) STORED,"
    " less VARCHAR(20) AS (u - 2) VIRTUAL, CHECK (a NOT LIKE '%\\\\\\\\%'));"
    "INSERT INTO e(id,a,u) VALUES (1,'x',7); FLUSH TABLES"
)


def _seen(server: MariaDb, database: str) -> Counter[tuple[object, ...]]:
    """What ordinary sessions read, and store, each for itself."""
    counts: Counter[tuple[object, ...]] = Counter()
    open_ones = [MySQLdb.connect(unix_socket=server.socket, user="root", db=database, autocommit=True) for _ in range(_SESSIONS)]
    for connection in open_ones:
        cursor = connection.cursor()
        cursor.execute("SELECT path FROM e WHERE id=1")
        (path,) = cursor.fetchone()
        cursor.execute("REPLACE INTO e(id,a,u) VALUES (2,'z',9)")
        cursor.execute("SELECT HEX(line) FROM e WHERE id=2")
        (line,) = cursor.fetchone()
        cursor.execute("DELETE FROM e WHERE id=2")
        try:
            cursor.execute("REPLACE INTO e(id,a,u) VALUES (3,'z',1)")
            cursor.execute("SELECT less FROM e WHERE id=3")
            (less,) = cursor.fetchone()
            cursor.execute("DELETE FROM e WHERE id=3")
        except MySQLdb.Error as error:
            less = error.args[0]
        counts[(path, line, less)] += 1
    for connection in open_ones:
        connection.close()
    return counts


@pytest.mark.parametrize("mode", ["", "NO_UNSIGNED_SUBTRACTION", "NO_BACKSLASH_ESCAPES"])
def test_what_others_read_and_store_is_the_same_after_a_plan_and_a_run(
    either: MariaDb, pg15: PostgreSql, fresh: str, mode: str
) -> None:
    either.sql(_STORED, either.database(fresh))
    before_mode = either.sql("SELECT @@GLOBAL.sql_mode").stdout.decode().strip()
    either.sql(f"SET GLOBAL sql_mode='{mode}'")
    try:
        either.sql("FLUSH TABLES")
        before = _seen(either, fresh)
        assert len(before) == 1
        move = run.Move(run.mariadb(either, fresh), run.postgresql(pg15, pg15.database(fresh)), Options(fence=False))
        for step in (move.plan, move.run):
            either.sql("FLUSH TABLES")
            step()
            assert _seen(either, fresh) == before
    finally:
        either.sql(f"SET GLOBAL sql_mode='{before_mode}'")


def test_a_quote_in_an_expression_is_no_error_of_the_server(mysql: MySql, pg15: PostgreSql, fresh: str) -> None:
    mysql.sql(
        "CREATE TABLE t (id INT PRIMARY KEY, a VARCHAR(10), g VARCHAR(20) AS (concat(a,'it''s')) VIRTUAL);"
        "INSERT INTO t(id,a) VALUES (1,'q'); FLUSH TABLES",
        mysql.database(fresh),
    )
    move = run.Move(run.mariadb(mysql, fresh), run.postgresql(pg15, pg15.database(fresh)))
    assert not move.plan().blockers
    move.run()
    with pg15.connect(fresh) as target:
        assert target.execute(b"SELECT id,a,g FROM t").fetchall() == [(1, "q", "qit's")]


_MODES = {
    "maria": ("ORACLE", "EMPTY_STRING_IS_NULL", "PAD_CHAR_TO_FULL_LENGTH,NO_ZERO_DATE,NO_ZERO_IN_DATE,STRICT_TRANS_TABLES"),
    "mysql": (
        "ANSI,ONLY_FULL_GROUP_BY",
        "TRADITIONAL",
        "PAD_CHAR_TO_FULL_LENGTH,NO_ZERO_DATE,NO_ZERO_IN_DATE,STRICT_TRANS_TABLES",
    ),
}
_KINDS = (
    "CREATE TABLE k (id INT PRIMARY KEY, c CHAR(9), v VARCHAR(40) DEFAULT 'C:\\\\d', t LONGTEXT, b BLOB, j JSON, d DATE, e ENUM('x','it''s'),"
    " s SET('p','q'), n DECIMAL(9,3), f DOUBLE, ts TIMESTAMP(3) NULL, bi BIT(9), w VARCHAR(60) AS (concat(v,'it''s')) VIRTUAL);"
    "INSERT INTO k(id,c,v,t,b,j,d,e,s,n,f,ts,bi) SELECT seq,'ab',concat('a\\\\',seq),repeat('\\'',seq),unhex('5c27'),'[\"\\\\\\\\\"]','2020-02-29','it''s','p,q',"
    "seq/8,seq/3,'2020-02-29 01:02:03.456',seq FROM {numbers};"
    "INSERT INTO k(id,c,v,t,b) VALUES (900,'','','',''),(901,NULL,NULL,NULL,NULL);"
    # keys whose bounds are literals: a backslash, a quote, dates without a month
    "CREATE TABLE bits (a BIT(8), b INT, PRIMARY KEY (a,b)); INSERT INTO bits SELECT seq,seq FROM {few};"
    "CREATE TABLE words (a VARCHAR(20), b SET('it''s','z'), PRIMARY KEY (a,b)); INSERT INTO words SELECT concat('\\\\',seq,''''),1+seq%3 FROM {few};"
    "CREATE TABLE days (a DATE, b INT, PRIMARY KEY (a,b)); INSERT INTO days SELECT if(seq%9,'2020-02-29','2020-00-00'),seq FROM {few};"
    "INSERT INTO days VALUES ('0001-01-01',1),('0001-01-01',2),('0000-00-00',1)"
)


@pytest.mark.parametrize("number", range(3))
def test_rows_arrive_equal_whatever_mode_the_server_is_in(either: MariaDb, pg15: PostgreSql, fresh: str, number: int) -> None:
    mode = _MODES["mysql" if isinstance(either, MySql) else "maria"][number]
    text = _KINDS.replace("{numbers}", either.numbers(300)).replace("{few}", either.numbers(255))
    either.sql(f"SET sql_mode=''; {text}", either.database(fresh))
    before = either.sql("SELECT @@GLOBAL.sql_mode").stdout.decode().strip()
    either.sql(f"SET GLOBAL sql_mode='{mode}'")
    try:
        options = Options(batch_rows=40, parallelism=2, policies=replace(Options().policies, zero_dates="Map:1999-01-01"))
        move = run.Move(run.mariadb(either, fresh), run.postgresql(pg15, pg15.database(fresh)), options)
        outcome = move.run()
    finally:
        either.sql(f"SET GLOBAL sql_mode='{before}'")
    assert not outcome.redone_rows
    whole = ["id", "c", "v", "t", "HEX(b)", "j", "d", "e", "s", "n", "f", "ts", "bi+0", "w"]
    target_columns = [
        *("id", "c", "v", "t", "upper(encode(b,'hex'))", "j::text", "d", "e::text", "array_to_string(s,',')", "n", "f"),
        "ts",
        "bi::int",
        "w",
    ]
    with pg15.connect(fresh) as target:
        for table, left, right in (
            ("k", whole, target_columns),
            ("bits", ["a+0", "b"], ["a::int", "b"]),
            ("words", ["a", "b"], ["a", "array_to_string(b,',')"]),
            ("days", ["IF(MONTH(a)=0,'1999-01-01',a)", "b"], ["a::text", "b"]),
        ):
            source_rows = checker.mariadb(either.socket, fresh, table, left)
            assert checker.difference(source_rows, checker.postgresql(target, table, right)) == "", table


def test_rows_next_to_large_ones_arrive_whatever_not_binds_to(either: MariaDb, pg15: PostgreSql, fresh: str) -> None:
    either.sql(
        "CREATE TABLE t (id INT PRIMARY KEY, w LONGTEXT); INSERT INTO t VALUES (1,'a'),(2,repeat('x',5000000)),(3,NULL)",
        either.database(fresh),
    )
    before = either.sql("SELECT @@GLOBAL.sql_mode").stdout.decode().strip()
    either.sql(f"SET GLOBAL sql_mode='{before},HIGH_NOT_PRECEDENCE'")
    try:
        run.Move(run.mariadb(either, fresh), run.postgresql(pg15, pg15.database(fresh))).run()
    finally:
        either.sql(f"SET GLOBAL sql_mode='{before}'")
    with pg15.connect(fresh) as target:
        assert target.execute(b"SELECT id,length(w) FROM t ORDER BY id").fetchall() == [(1, 1), (2, 5_000_000), (3, None)]


def test_localhost_means_the_port(either: MariaDb, fresh: str) -> None:
    database = either.database(fresh)
    for host in ("localhost", "127.0.0.1"):
        session = MySqlSession(Endpoint("MariaDB", host, either.port, database, "root"))
        assert session.rows("SELECT @@port, DATABASE()") == [(str(either.port), database)]
        session.close()
