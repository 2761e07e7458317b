"""A table of the source and tables of the target for tests that load what exists."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from landfall.engine.model.options import Endpoint, OnExisting, Options
from tests.support import engine as run
from tests.support.servers import MariaDb, PostgreSql

FILL = Options(on_existing=OnExisting.FILL, batch_rows=200, parallelism=3)


@dataclass(frozen=True)
class Servers:
    """Where a source of any kind can be."""

    maria: MariaDb
    pg: PostgreSql
    folder: Path


def source(kind: str, name: str, text: str, rows: list[Any], servers: Servers) -> Endpoint:
    """One table `t` with these rows."""
    if kind == "sqlite":
        with sqlite3.connect(servers.folder / "t.db") as file:
            file.execute(text)
            file.executemany(f"INSERT INTO t VALUES ({','.join('?' * len(rows[0]))})", rows)
        return run.sqlite(servers.folder / "t.db")
    holes = ",".join(["%s"] * len(rows[0]))
    if kind == "postgresql":
        with servers.pg.connect(servers.pg.database(f"{name}s")) as target:
            target.execute(b"SET TimeZone='UTC'")
            target.execute(text.encode())
            target.cursor().executemany(f"INSERT INTO t VALUES ({holes})".encode(), rows)
        return run.postgresql(servers.pg, f"{name}s")
    import MySQLdb  # noqa: PLC0415  only here

    servers.maria.sql(text + " CHARACTER SET utf8mb4", servers.maria.database(name))
    connection = MySQLdb.connect(unix_socket=servers.maria.socket, user="root", db=name, charset="utf8mb4", autocommit=True)
    connection.cursor().execute("SET time_zone='+00:00'")
    connection.cursor().executemany(f"INSERT INTO t VALUES ({holes})", rows)
    connection.close()
    return run.mariadb(servers.maria, name)


def target(server: PostgreSql, name: str, text: str) -> Endpoint:
    """A database with these tables."""
    with server.connect(server.database(name)) as connection:
        connection.execute(text.encode())
    return run.postgresql(server, name)
