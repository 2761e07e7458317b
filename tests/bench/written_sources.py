"""The table that writers work on, in each source engine: 12 mixed columns and two indexes, the rows made by the server itself.

Column `qty` begins as the key modulo 1000, so that what was added to it can be read from either side.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import MySQLdb

from tests.bench.writers import Connect, session
from tests.support import manifest
from tests.support.servers import MariaDb, PostgreSql

MYSQL_SETTINGS = ("--cte-max-recursion-depth=100000000", "--innodb-buffer-pool-size=512M")
_WAIT_SECONDS = 600
_COLUMNS = "id,customer,sku,name,qty,price,weight,active,created,updated,note,day"
_ADDED = "SELECT id, qty - id % 1000 FROM t WHERE qty <> id % 1000"
_INDEXES = ("CREATE INDEX by_customer ON t (customer)", "CREATE INDEX by_sku ON t (sku)")


@dataclass(frozen=True)
class WrittenSource:
    """A source with the table `t`.

    `added` reads by key what writers have added to the rows. `connect` opens a session of a writer.
    """

    label: str
    documents: list[manifest.Document]
    connect: Connect
    added: Callable[[], dict[int, int]]


def added_in_target(pg: PostgreSql, database: str) -> dict[int, int]:
    """What writers have added, by key."""
    with pg.connect(database) as connection:
        return {int(key): int(count) for key, count in connection.execute(_ADDED.encode()).fetchall()}


def in_postgresql(pg: PostgreSql, rows: int) -> WrittenSource:
    """In PostgreSQL, database `source`."""
    with pg.connect(pg.database("source")) as source:
        source.execute(
            b"CREATE TABLE t (id bigint PRIMARY KEY, customer int NOT NULL, sku varchar(40) NOT NULL, name varchar(120), qty int NOT NULL,"
            b" price numeric(12,2) NOT NULL, weight double precision, active boolean NOT NULL, created timestamp NOT NULL,"
            b" updated timestamptz, note text, day date)"
        )
        source.execute(
            f"INSERT INTO t ({_COLUMNS}) SELECT i,i*7919%1000000,'SKU-'||lpad((i%99991)::text,8,'0'),'Product '||md5(i::text),i%1000,"
            "(i%1000000)/100.0,i*1.37e-3,i%2=1,timestamp '2020-01-01'+i*interval '1 s',CASE WHEN i%5>0 THEN now() END,"
            f"repeat('lorem ',(i%12)::int)||i,date '2015-01-01'+(i%3000)::int FROM generate_series(1::bigint,{rows}) i".encode()
        )
        for statement in (*_INDEXES, "VACUUM ANALYZE t"):
            source.execute(statement.encode())
    return WrittenSource(
        "PostgreSQL",
        manifest.postgresql("source", pg, "source"),
        lambda: session(pg.connect("source")),
        lambda: added_in_target(pg, "source"),
    )


def in_mysql(label: str, server: MariaDb, rows: int) -> WrittenSource:
    """In MariaDB or MySQL, database `source`."""
    server.sql(
        "CREATE TABLE t (id bigint PRIMARY KEY, customer int NOT NULL, sku varchar(40) NOT NULL, name varchar(120), qty int NOT NULL,"
        " price decimal(12,2) NOT NULL, weight double, active tinyint(1) NOT NULL, created datetime NOT NULL, updated timestamp NULL,"
        " note text, day date);"
        f"INSERT INTO t ({_COLUMNS}) SELECT seq,seq*7919%1000000,concat('SKU-',lpad(seq%99991,8,'0')),concat('Product ',left(sha2(seq,256),32)),seq%1000,"
        "(seq%1000000)/100,seq*1.37e-3,seq%2,'2020-01-01'+INTERVAL seq SECOND,if(seq%5=0,NULL,now()),concat(repeat('lorem ',seq%12),seq),"
        f"'2015-01-01'+INTERVAL (seq%3000) DAY FROM {server.numbers(rows)}; {'; '.join(_INDEXES)}; ANALYZE TABLE t",
        server.database("source"),
    )

    def connection() -> MySQLdb.Connection:
        return MySQLdb.connect(unix_socket=server.socket, user="root", db="source", autocommit=True)

    def added() -> dict[int, int]:
        with closing(connection()) as reader:
            cursor = reader.cursor()
            cursor.execute(_ADDED)
            return {int(key): int(count) for key, count in cursor.fetchall()}

    return WrittenSource(label, manifest.mariadb("source", server, "source"), lambda: session(connection()), added)


def in_sqlite(path: Path, rows: int) -> WrittenSource:
    """In a file of SQLite in WAL mode, as a file with writers is kept."""

    def connection() -> sqlite3.Connection:
        opened = sqlite3.connect(path, timeout=_WAIT_SECONDS, isolation_level=None)
        opened.execute("PRAGMA synchronous=normal")
        return opened

    def added() -> dict[int, int]:
        with closing(connection()) as reader:
            return dict(reader.execute(_ADDED).fetchall())

    with closing(connection()) as database:
        database.execute("PRAGMA journal_mode=wal")
        database.execute(
            "CREATE TABLE t (id INTEGER PRIMARY KEY, customer INTEGER NOT NULL, sku TEXT NOT NULL, name TEXT, qty INTEGER NOT NULL,"
            " price NUMERIC NOT NULL, weight REAL, active BOOLEAN NOT NULL, created TEXT NOT NULL, updated TEXT, note TEXT, day TEXT)"
        )
        database.execute(
            f"WITH RECURSIVE g(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM g WHERE i<{rows}) INSERT INTO t ({_COLUMNS})"
            " SELECT i,i*7919%1000000,printf('SKU-%08d',i%99991),printf('Product %032x',i),i%1000,(i%1000000)/100.0,i*1.37e-3,i%2,"
            "datetime('2020-01-01',i||' seconds'),CASE WHEN i%5>0 THEN '2026-01-01 00:00:00' END,'lorem '||i,"
            "date('2015-01-01',(i%3000)||' days') FROM g"
        )
        for statement in _INDEXES:
            database.execute(statement)
    return WrittenSource("SQLite", manifest.sqlite("source", path), lambda: session(connection(), "?"), added)
