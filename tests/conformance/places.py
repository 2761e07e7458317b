"""Where the suite makes databases of each engine: the same tables and rows in all of them.

Types are the words `int`, `bool`, `text`, `bytes` and `word` (a text that may be part of a key).
"""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Protocol, Self

import MySQLdb

from landfall.engine.model.options import Endpoint
from tests.support import engine as run
from tests.support.mysql import MySql
from tests.support.servers import MariaDb, PostgreSql

Rows = Sequence[Sequence[object]]


@dataclass(frozen=True)
class Spec:
    """A table: its columns as (name, type), and its primary key."""

    name: str
    columns: tuple[tuple[str, str], ...]
    key: tuple[str, ...]


class Place(Protocol):
    """Makes databases of one engine."""

    engine: str

    def __enter__(self) -> Self: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None: ...

    def made(self, name: str, tables: Sequence[tuple[Spec, Rows]]) -> Endpoint:
        """A database with these tables."""

    def write(self, endpoint: Endpoint, table: Spec, row: Sequence[object]) -> None:
        """Add a row. Raises where a lock keeps it from that for a second."""

    def refused(self, endpoint: Endpoint) -> Endpoint:
        """The same database as one sees it who may not read it."""


class _Sql:
    quote = '"'
    mark = "%s"
    words: ClassVar[dict[str, str]]

    def name(self, text: str) -> str:
        return self.quote + text.replace(self.quote, self.quote * 2) + self.quote

    def create(self, table: Spec) -> str:
        columns = [f"{self.name(n)} {self.words[t]}{' NOT NULL' if n in table.key else ''}" for n, t in table.columns]
        key = f"PRIMARY KEY ({','.join(map(self.name, table.key))})"
        return f"CREATE TABLE {self.name(table.name)} ({','.join([*columns, key])})"

    def insert(self, table: Spec) -> str:
        return f"INSERT INTO {self.name(table.name)} VALUES ({','.join([self.mark] * len(table.columns))})"


class _Postgresql(_Sql):
    engine = "PostgreSQL"
    words: ClassVar = {"int": "bigint", "bool": "boolean", "text": "text", "bytes": "bytea", "word": "text"}

    def __init__(self, target: PostgreSql) -> None:
        self._server = target

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """The server is the target's."""

    def made(self, name: str, tables: Sequence[tuple[Spec, Rows]]) -> Endpoint:
        with self._server.connect(self._server.database(f"{name}s")) as there:
            for table, rows in tables:
                there.execute(self.create(table).encode())
                with there.cursor() as cursor:
                    cursor.executemany(self.insert(table).encode(), rows)
        return run.postgresql(self._server, f"{name}s")

    def write(self, endpoint: Endpoint, table: Spec, row: Sequence[object]) -> None:
        with self._server.connect(endpoint.database) as there:
            there.execute(b"SET lock_timeout='1s'")
            there.execute(self.insert(table).encode(), row)

    def refused(self, endpoint: Endpoint) -> Endpoint:
        with self._server.connect(endpoint.database) as there:
            there.execute(b"DROP ROLE IF EXISTS stranger")
            there.execute(b"CREATE ROLE stranger LOGIN")
        return replace(endpoint, username="stranger")


class _Mysql(_Sql):
    quote = "`"
    words: ClassVar = {"int": "bigint", "bool": "tinyint(1)", "text": "longtext", "bytes": "longblob", "word": "varchar(60)"}

    def __init__(self, engine: str, server: MariaDb) -> None:
        self.engine, self._server = engine, server

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop()

    def _connected(self, database: str) -> Any:
        return MySQLdb.connect(unix_socket=self._server.socket, user="root", db=database, charset="utf8mb4", autocommit=True)

    def made(self, name: str, tables: Sequence[tuple[Spec, Rows]]) -> Endpoint:
        there = self._connected(self._server.database(name))
        for table, rows in tables:
            cursor = there.cursor()
            cursor.execute(self.create(table) + " DEFAULT CHARSET=utf8mb4")
            cursor.executemany(self.insert(table), rows)
        there.close()
        return run.mariadb(self._server, name)

    def write(self, endpoint: Endpoint, table: Spec, row: Sequence[object]) -> None:
        there = self._connected(endpoint.database)
        try:
            cursor = there.cursor()
            cursor.execute("SET SESSION lock_wait_timeout=1")
            cursor.execute(self.insert(table), row)
        finally:
            there.close()

    def refused(self, endpoint: Endpoint) -> Endpoint:
        self._server.sql(
            "CREATE USER IF NOT EXISTS stranger@localhost; CREATE TABLE IF NOT EXISTS `there` (id int PRIMARY KEY);"
            f"GRANT SELECT ON `{endpoint.database}`.`there` TO stranger@localhost",
            endpoint.database,
        )
        return replace(endpoint, username="stranger")


class _Folder:
    def __init__(self, target: PostgreSql) -> None:
        del target
        self._folder = tempfile.TemporaryDirectory(prefix="landfall-files-")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._folder.cleanup()

    def refused(self, endpoint: Endpoint) -> Endpoint:
        return replace(endpoint, path=f"{endpoint.path}-elsewhere")


class _Sqlite(_Folder, _Sql):
    engine = "SQLite"
    mark = "?"
    words: ClassVar = {"int": "INTEGER", "bool": "BOOLEAN", "text": "TEXT", "bytes": "BLOB", "word": "TEXT"}

    def made(self, name: str, tables: Sequence[tuple[Spec, Rows]]) -> Endpoint:
        path = Path(self._folder.name) / f"{name}.db"
        with sqlite3.connect(path) as there:
            for table, rows in tables:
                there.execute(self.create(table))
                there.executemany(self.insert(table), rows)
        there.close()
        return run.sqlite(path)

    def write(self, endpoint: Endpoint, table: Spec, row: Sequence[object]) -> None:
        with sqlite3.connect(endpoint.path, timeout=1) as there:
            there.execute(self.insert(table), row)
        there.close()


class _JsonLines(_Folder):
    engine = "JSONLines"

    def made(self, name: str, tables: Sequence[tuple[Spec, Rows]]) -> Endpoint:
        from landfall_jsonlines import written  # noqa: PLC0415  it is on the path when the suite runs

        folder = Path(self._folder.name) / name
        folder.mkdir()
        self._written = {}
        for table, rows in tables:
            columns = [(n, "text" if t == "word" else t) for n, t in table.columns]
            self._written[folder, table.name] = ({"columns": columns, "key": table.key}, list(rows))
            written(folder, table.name, *self._written[folder, table.name])
        return Endpoint("JSONLines", path=str(folder))

    def write(self, endpoint: Endpoint, table: Spec, row: Sequence[object]) -> None:
        from landfall_jsonlines import locked, written  # noqa: PLC0415

        folder = Path(endpoint.path)
        header, rows = self._written[folder, table.name]
        with locked(folder, wait=False):
            rows.append(row)
            written(folder, table.name, header, rows)


PLACES: dict[str, Any] = {
    "JSONLines": _JsonLines,
    "MariaDB": lambda _: _Mysql("MariaDB", MariaDb()),
    "MySQL": lambda _: _Mysql("MySQL", MySql()),
    "PostgreSQL": _Postgresql,
    "SQLite": _Sqlite,
}


class TargetPlace(Protocol):
    """Makes databases of one target engine, and looks into them."""

    def database(self, name: str, *occupied: str) -> Endpoint:
        """An empty database, or one with tables of these names and one row each, of other columns than the source's."""

    def refused(self, endpoint: Endpoint) -> Endpoint:
        """The same database as one sees it who may not connect."""

    def tables(self, name: str) -> set[str]:
        """The tables that applications see."""

    def rows(self, name: str, table: str) -> list[tuple[Any, ...]]:
        """The rows of a table that applications see, in the order of its first column."""

    def contents(self, name: str) -> str:
        """Definitions and rows of the whole database, without the ledger."""


class _PostgresqlTarget:
    def __init__(self, target: PostgreSql) -> None:
        self._server = target

    def database(self, name: str, *occupied: str) -> Endpoint:
        with self._server.connect(self._server.database(name)) as connection:
            for table in occupied:
                connection.execute(f'CREATE TABLE "{table}" (id bigint PRIMARY KEY, before text)'.encode())
                connection.execute(f"INSERT INTO \"{table}\" VALUES (7, 'old')".encode())
        return run.postgresql(self._server, name)

    def refused(self, endpoint: Endpoint) -> Endpoint:
        return replace(endpoint, username="nobody_of_that_name")

    def tables(self, name: str) -> set[str]:
        with self._server.connect(name) as connection:
            return {row[0] for row in connection.execute(b"SELECT tablename FROM pg_tables WHERE schemaname='public'")}

    def rows(self, name: str, table: str) -> list[tuple[Any, ...]]:
        with self._server.connect(name) as connection:
            return connection.execute(f'SELECT * FROM "{table}" ORDER BY 1'.encode()).fetchall()

    def contents(self, name: str) -> str:
        return self._server.dump(name)


TARGETS: dict[str, Callable[[PostgreSql], TargetPlace]] = {"PostgreSQL": _PostgresqlTarget}

__all__ = ["PLACES", "TARGETS", "Place", "Spec", "TargetPlace"]
