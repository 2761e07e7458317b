"""What the benchmarks move: tables of mixed columns, made by each server itself where it can."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from pathlib import Path

from tests.bench.movers import Result, run_landfall
from tests.support import manifest
from tests.support.servers import MariaDb, PostgreSql

SETTINGS = ("shared_buffers=1GB", "max_wal_size=8GB", "maintenance_work_mem=256MB", "max_connections=200")
USER = "b"
_COLUMNS = (
    "id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY, customer INT NOT NULL, sku VARCHAR(40) NOT NULL, name VARCHAR(120), qty SMALLINT NOT NULL,"
    " price DECIMAL(12,2) NOT NULL, weight DOUBLE, active TINYINT(1) NOT NULL, created DATETIME NOT NULL, updated TIMESTAMP NULL, note TEXT, day DATE"
)
_ROW = (
    "floor(rand(seq)*1000000),concat('SKU-',lpad(seq%99991,8,'0')),concat('Product name ',left(sha2(seq,256),32)),seq%1000,(seq%1000000)/100,seq*1.37e-3,seq%2,"
    "'2020-01-01'+interval seq second,if(seq%5=0,null,'2021-01-01'+interval seq second),"
    "if(seq%3=0,null,concat('note ',repeat('lorem ',seq%12),char(10),seq)),'2015-01-01'+interval (seq%3000) day"
)
_SQLITE = "CREATE TABLE t (id INTEGER PRIMARY KEY, customer INTEGER, sku TEXT, name TEXT, qty INTEGER, weight REAL, note TEXT, created TEXT)"


def tables_of_mysql(server: MariaDb, tables: int, rows: int) -> list[manifest.Document]:
    """Tables of 12 mixed columns with a primary key and two indexes, in MariaDB or MySQL; user `b` may do everything."""
    name = server.database("bench")
    for n in range(tables):
        server.sql(
            f"CREATE TABLE t{n} ({_COLUMNS}) DEFAULT CHARSET=utf8mb4; INSERT INTO t{n} (customer,sku,name,qty,price,weight,active,created,"
            f"updated,note,day) SELECT {_ROW} FROM {server.numbers(rows)}; ALTER TABLE t{n} ADD KEY c{n} (customer), ADD KEY d{n} (created);"
            f" ANALYZE TABLE t{n}",
            name,
        )
    user = f"{USER}@'127.0.0.1'"
    server.sql(f"DROP USER IF EXISTS {user}; CREATE USER {user} IDENTIFIED BY '{USER}'; GRANT ALL ON *.* TO {user}")
    return manifest.mariadb("source", server, name)


def table_of_sqlite(path: Path, rows: int) -> list[manifest.Document]:
    """One plain table, with what every tool can carry."""
    path.unlink(missing_ok=True)
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute(_SQLITE)
    connection.execute("BEGIN")
    connection.executemany("INSERT INTO t VALUES (?,?,?,?,?,?,?,?)", map(_row_of_sqlite, range(1, rows + 1)))
    connection.execute("COMMIT")
    connection.execute("CREATE INDEX t_customer ON t (customer)")
    connection.close()
    return manifest.sqlite("source", path)


def _row_of_sqlite(n: int) -> tuple[object, ...]:
    note = None if n % 3 == 0 else "lorem " * (n % 12)
    name = f"Product name {n * 2654435761 % 2**32:08x}"
    return (n, n * 7 % 1000003, f"SKU-{n % 99991:08d}", name, n % 1000, n * 1.37e-3, note, "2020-01-01 00:00:00")


@dataclass
class PostgresqlSource:
    """A database that a move from MariaDB left in a server, as a source in the same server."""

    server: PostgreSql
    folder: Path

    def keep(self, source: list[manifest.Document]) -> None:
        """Move a source once and keep the result as a template."""
        move = manifest.migration("bench", batchSize=50_000)
        target = manifest.postgresql("target", self.server, self.server.database("bench_target"))
        run_landfall(Result("landfall"), manifest.write_documents(self.folder / "keep.yaml", [*source, *target, move]))
        with self.server.connect("bench_target") as connection:
            connection.execute(b"DROP SCHEMA landfall CASCADE")
            connection.execute(b"VACUUM ANALYZE")
        with self.server.connect() as connection:
            connection.execute(b"DROP DATABASE IF EXISTS bench_template WITH (FORCE)")
            connection.execute(b"ALTER DATABASE bench_target RENAME TO bench_template")

    def fresh(self) -> list[manifest.Document]:
        """A database like the one that was kept: a move fences its source, which the next mover needs without."""
        with self.server.connect() as connection:
            connection.execute(b"DROP DATABASE IF EXISTS bench_source WITH (FORCE)")
            connection.execute(b"CREATE DATABASE bench_source TEMPLATE bench_template")
        return manifest.postgresql("source", self.server, "bench_source")
