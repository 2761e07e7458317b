"""`make bench-plan`: how long the plan of a database with many tables takes, and how many lines its text has.

Options: LANDFALL_BENCH_TABLES, LANDFALL_BENCH_ROUNDS, LANDFALL_BENCH_PAGE (see tests/bench/page.py).
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.bench.page import put
from tests.support import manifest
from tests.support.mysql import MySql
from tests.support.servers import _PG15, MariaDb, PostgreSql

_REPOSITORY = Path(__file__).parent.parent.parent
_TABLES = int(os.environ.get("LANDFALL_BENCH_TABLES", "1000"))
_ROUNDS = int(os.environ.get("LANDFALL_BENCH_ROUNDS", "3"))
_VIEW_EVERY = 20
_PLANNED = (0, 3)  # 3: the plan waits for an approval, as one of so many tables does for its write lock


def schema(tables: int) -> list[str]:
    """Tables of eight columns with a key, a unique key, an index, a check, a foreign key and a row; a view for each twentieth.

    Returns:
        Statements that every engine runs.
    """
    statements = []
    for n in range(tables):
        parent = f", FOREIGN KEY (parent_id) REFERENCES t{n // 2}(id)" if n else ""
        columns = (
            "id integer PRIMARY KEY, code varchar(40) NOT NULL UNIQUE, name varchar(120), qty integer NOT NULL DEFAULT 1,"
            f" price decimal(12,2), created timestamp NULL, note text, parent_id integer, CONSTRAINT positive{n} CHECK (qty > 0)"
        )
        statements += [
            f"CREATE TABLE t{n} ({columns}{parent})",
            f"CREATE INDEX name{n} ON t{n} (name)",
            f"INSERT INTO t{n} (id,code,name,price,created) VALUES (1,'c','n',1.5,'2026-01-01 00:00:00')",
        ]
        if n % _VIEW_EVERY == 0:
            statements.append(f"CREATE VIEW v{n} AS SELECT id, upper(name) AS name, qty * price AS total FROM t{n} WHERE qty > 1")
    return statements


def _sqlite(folder: Path) -> list[manifest.Document]:
    path = folder / "plan.db"
    with sqlite3.connect(path) as connection:
        for statement in schema(_TABLES):
            connection.execute(statement)
    connection.close()
    return manifest.sqlite("source", path)


def _mysql(server: MariaDb) -> list[manifest.Document]:
    server.sql(";".join(schema(_TABLES)), server.database("plan"))
    return manifest.mariadb("source", server, "plan")


def _postgresql(server: PostgreSql) -> list[manifest.Document]:
    with server.connect(server.database("plan")) as connection:
        connection.execute(";".join(schema(_TABLES)).encode())
        connection.execute(b"ANALYZE")
    return manifest.postgresql("source", server, "plan")


def planned(path: Path) -> tuple[float, int]:
    """Seconds of `landfall plan`, and lines of its text.

    Raises:
        RuntimeError: There is no plan.
    """
    began = time.monotonic()
    process = subprocess.run(
        [sys.executable, "-m", "landfall", "plan", str(path)],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(_REPOSITORY / "operator")},
    )
    if process.returncode not in _PLANNED:
        raise RuntimeError(process.stdout[-2000:] + process.stderr[-2000:])
    return time.monotonic() - began, len(process.stdout.splitlines())


def main() -> None:
    """Plan each source several times, and write the section."""
    folder, lines = Path(tempfile.mkdtemp(prefix="landfall-bench-")), []
    pg, mysql = PostgreSql(_PG15).start(), MySql().start()
    makers: dict[str, Callable[[], list[manifest.Document]]] = {
        "PostgreSQL": lambda: _postgresql(pg),
        "MySQL": lambda: _mysql(mysql),
        "SQLite": lambda: _sqlite(folder),
    }
    try:
        for name, make in makers.items():
            target = manifest.postgresql("target", pg, pg.database("target"))
            path = manifest.write_documents(folder / "plan.yaml", [*make(), *target, manifest.migration("plan")])
            runs = [planned(path) for _ in range(_ROUNDS)]
            seconds = sorted(duration for duration, _ in runs)
            spread = f"{seconds[0]:.1f} to {seconds[-1]:.1f}"
            lines.append(f"| {name} | {_TABLES:,} | **{statistics.median(seconds):.1f}** | {spread} | {runs[-1][1]} |")
            print(lines[-1], flush=True)
    finally:
        mysql.stop()
        pg.stop()
        shutil.rmtree(folder, ignore_errors=True)
    put(_PAGE.format(rounds=_ROUNDS, lines="\n".join(lines)))


_PAGE = """
## Plans of many tables

`make bench-plan` writes this table: seconds of `landfall plan`, which changes nothing on either side, medians of {rounds} rounds, and the lines of the
plan's text. Each table has 8 columns, a primary key, a unique key, an index, a check, a foreign key and one row. Every twentieth has a view.

| source | tables | seconds | all rounds | lines |
|---|---|---|---|---|
{lines}
"""

if __name__ == "__main__":
    main()
