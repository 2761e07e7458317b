"""What version 0.1.0 began, this version completes: its rows are not copied again, and its checks of them are understood.

Version 0.1.0 is killed in a chosen state, which the ledger tells; locks hold it there, so that no test depends on speed.
"""

from __future__ import annotations

import contextlib
import signal
import sqlite3
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import MySQLdb
import pytest

from tests.support import checker, faults, kinds, manifest, version_0_1
from tests.support.forked import Forked
from tests.support.mysql import MySql
from tests.support.servers import MariaDb, PostgreSql
from tests.support.version_0_1 import Version01

_ROWS = 2500
_WORDS = 6000
_BATCH = 250
_ROWS_PER_SECOND = 4000
_PATIENCE = 300


@dataclass(frozen=True, slots=True)
class Source:
    """A filled source. `locked` keeps its tables from being locked against writers; `differences` compares with a database of the target."""

    documents: list[manifest.Document]
    differences: Callable[[str], list[str]]
    locked: Callable[[], AbstractContextManager[object]]


@pytest.fixture(scope="module")
def old() -> Version01:
    """Version 0.1.0."""
    version = version_0_1.installed()
    assert version.origin() == version.folder / "landfall"
    return version


@pytest.fixture(scope="module")
def mariadb_source(maria: MariaDb, pg15: PostgreSql) -> Source:
    """MariaDB: every type, and integer, composite, textual and no keys."""
    name = maria.database("begun")
    kinds.fill_mariadb(maria, name, 21, rows=_ROWS)
    maria.sql(
        "CREATE TABLE words (word VARCHAR(40) PRIMARY KEY, meaning LONGTEXT, doc JSON);"
        f"INSERT INTO words SELECT concat('w',seq),repeat('é',seq%50),concat('[',seq,']') FROM seq_1_to_{_WORDS};"
        "CREATE TABLE rules (id INT PRIMARY KEY, v VARCHAR(20) DEFAULT 'it''s', CHECK (v<>'nev''er'));INSERT INTO rules VALUES (1,'a')",
        name,
    )

    def differences(database: str) -> list[str]:
        tables = {**kinds.MARIADB, "words": (["word", "meaning", "doc"], ["word", "meaning", "doc::text"])}
        with pg15.connect(database) as target_connection:
            return [
                checker.difference(
                    checker.mariadb(maria.socket, name, table, left),
                    checker.postgresql(target_connection, kinds.target_name(table), right),
                )
                for table, (left, right) in tables.items()
            ]

    @contextlib.contextmanager
    def locked() -> Iterator[None]:
        with contextlib.closing(MySQLdb.connect(unix_socket=maria.socket, user="root", db=name)) as connection:
            connection.cursor().execute("INSERT INTO words VALUES ('never',NULL,NULL)")
            yield
            connection.rollback()

    return Source(manifest.mariadb("source", maria, name), differences, locked)


_MYSQL = {
    "documents": ["id", "doc", "body", "HEX(raw)", "HEX(spot)"],
    "words": ["word", "meaning"],
    "pairs": ["a", "b", "v"],
    "loose": ["a", "b"],
    "rules": ["id", "mood", "v"],
}
# Texts in expressions, which version 0.1.0 kept with the escapes of the catalog.
_RULES = (
    "CREATE TABLE rules (id INT PRIMARY KEY, mood ENUM('a','b'), v VARCHAR(20) DEFAULT (CONCAT('x','-')),"
    " w VARCHAR(40) AS (CONCAT(v,'its')) STORED, CONSTRAINT never CHECK (v<>'never'),"
    " CONSTRAINT maybe CHECK (v<>'maybe') NOT ENFORCED, INDEX odd ((CONCAT(v,'z'))), KEY (v));"
    "INSERT INTO rules (id,mood,v) VALUES (1,'a','x-'),(2,'b','y')"
)


@pytest.fixture(scope="module")
def mysql_source(mysql: MySql, pg15: PostgreSql) -> Source:
    """MySQL, whose version 9 has no MD5, by which version 0.1.0 planned to compare; integer, composite, textual and no keys."""
    name = mysql.database("begun")
    mysql.sql(
        "CREATE TABLE documents (id INT PRIMARY KEY, doc JSON, body LONGTEXT, raw BLOB, spot GEOMETRY);"
        "INSERT INTO documents SELECT seq,concat('[',seq,']'),repeat('é',seq%50),UNHEX(HEX(seq)),ST_GeomFromText('POINT(1 2)')"
        f" FROM {mysql.numbers(_WORDS)};"
        "CREATE TABLE words (word VARCHAR(40) PRIMARY KEY, meaning TEXT);"
        f"INSERT INTO words SELECT concat('w\\\\',seq),repeat('é',seq%50) FROM {mysql.numbers(_WORDS)};"
        "CREATE TABLE pairs (a INT, b VARCHAR(20), v VARBINARY(9), PRIMARY KEY (a,b));"
        f"INSERT INTO pairs SELECT seq%7,seq,UNHEX(HEX(seq)) FROM {mysql.numbers(_WORDS)};"
        f"CREATE TABLE loose (a INT, b TEXT); INSERT INTO loose SELECT seq%9,concat('l',seq%5) FROM {mysql.numbers(_ROWS)};{_RULES}",
        name,
    )

    def differences(database: str) -> list[str]:
        spelled = {"doc": "doc::text", "HEX(raw)": "upper(encode(raw,'hex'))", "HEX(spot)": "upper(encode(spot,'hex'))"}
        with pg15.connect(database) as target_connection:
            return [
                checker.difference(
                    checker.mariadb(mysql.socket, name, table, columns),
                    checker.postgresql(target_connection, table, [spelled.get(c, c) for c in columns]),
                )
                for table, columns in _MYSQL.items()
            ]

    return Source(manifest.mariadb("source", mysql, name), differences, contextlib.nullcontext)


@pytest.fixture(scope="module")
def postgresql_source(pg15: PostgreSql) -> Source:
    """PostgreSQL: every type, cut by blocks, with and without keys."""
    name = pg15.database("begun_source")
    kinds.fill_postgresql(pg15, name, 22, rows=_ROWS)
    with pg15.connect(name) as source:
        source.execute(b"CREATE TABLE words (word text PRIMARY KEY, meaning text, doc jsonb)")
        source.execute(
            f"INSERT INTO words SELECT 'w'||g,repeat('é',g%50),to_jsonb(g) FROM generate_series(1,{_WORDS * 5}) g".encode()
        )

    def differences(database: str) -> list[str]:
        with pg15.connect(name) as source_database, pg15.connect(database) as target_connection:
            return [
                checker.difference(
                    *(
                        Counter(c.execute(f"SELECT t::text FROM {table} t".encode()).fetchall())
                        for c in (source_database, target_connection)
                    )
                )
                for table in (*kinds.POSTGRESQL, "words")
            ]

    @contextlib.contextmanager
    def locked() -> Iterator[None]:
        with pg15.connect(name) as connection, connection.transaction():
            connection.execute(b"LOCK TABLE words IN ROW EXCLUSIVE MODE")
            yield

    return Source(manifest.postgresql("source", pg15, name), differences, locked)


@pytest.fixture(scope="module")
def sqlite_source(pg15: PostgreSql, tmp_path_factory: pytest.TempPathFactory) -> Source:
    """SQLite: every family of types, and integer, composite, textual and no keys."""
    path = tmp_path_factory.mktemp("begun") / "s.db"
    kinds.fill_sqlite(path, 23, rows=_ROWS)
    with contextlib.closing(sqlite3.connect(path)) as source, source:
        source.execute("CREATE TABLE words (word TEXT PRIMARY KEY, meaning TEXT, doc JSON)")
        source.executemany("INSERT INTO words VALUES (?,?,?)", [(f"w{n}", "é" * (n % 50), f"[{n}]") for n in range(_WORDS)])

    def differences(database: str) -> list[str]:
        tables = {**kinds.SQLITE, "words": (["word", "meaning", "doc"], ["word", "meaning", "doc::text"])}
        with pg15.connect(database) as target_connection:
            return [
                checker.difference(checker.sqlite(str(path), table, left), checker.postgresql(target_connection, table, right))
                for table, (left, right) in tables.items()
            ]

    @contextlib.contextmanager
    def locked() -> Iterator[None]:
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            yield
            connection.execute("ROLLBACK")

    return Source(manifest.sqlite("source", path), differences, locked)


@pytest.fixture(params=["mariadb", "postgresql", "sqlite"])
def source(request: pytest.FixtureRequest) -> Source:
    """Each source in turn."""
    value = request.getfixturevalue(f"{request.param}_source")
    assert isinstance(value, Source)
    return value


@dataclass
class Begun:
    """A run that version 0.1.0 carries out into an empty database of the target."""

    server: PostgreSql
    database: str
    path: Path
    log: Path
    process: subprocess.Popen[str]
    before: str

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """The rows of a query in the target."""
        with self.server.connect(self.database) as connection:
            return list(connection.execute(query.encode()).fetchall())

    def state(self) -> str:
        """The state in the ledger; empty where there is no run yet."""
        if self.rows("SELECT to_regclass('landfall.run')") == [(None,)]:
            return ""
        return "".join(str(state) for (state,) in self.rows("SELECT state FROM landfall.run"))

    def until(self, reached: Callable[[], bool]) -> None:
        """Wait for the ledger to show something, as long as the process lives."""
        deadline = time.monotonic() + _PATIENCE
        while not reached():
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.05)

    def half_copied(self) -> bool:
        """Whether half of the chunks of all tables are copied."""
        if self.state() != "copying":
            return False
        done_chunks, all_of_them = self.rows("SELECT count(*) FILTER (WHERE state='done'),count(*) FROM landfall.chunk")[0]
        return bool(done_chunks * 2 >= all_of_them > 0)

    def chunks(self, state: str) -> list[tuple[Any, ...]]:
        """The chunks in a state (`todo`, `done`): table, number, range, rows, bytes and the transaction that copied it."""
        return self.rows(f"SELECT \"table\",number,range,rows,bytes,xid FROM landfall.chunk WHERE state='{state}' ORDER BY 1,2")

    def kill(self) -> None:
        """As a loss of power does."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(_PATIENCE)

    def resumed(self) -> faults.Attempt:
        """The same command of this version, to its end."""
        attempt = faults.watched(faults.start(self.path), 0, faults.nothing)
        assert attempt.status == 0, (attempt.events[-3:], attempt.errors)
        return attempt

    def rolled_back(self) -> None:
        """Roll back with this version."""
        process = Forked("rollback", "--takeover-after", "1", str(self.path))
        output = process.communicate(_PATIENCE)
        assert process.returncode == 0, output


@pytest.fixture
def begin(old: Version01, pg15: PostgreSql, fresh: str, tmp_path: Path) -> Iterator[Callable[..., Begun]]:
    """Start a run of version 0.1.0 into an empty database. Whatever still runs at the end is killed."""
    started: list[Begun] = []

    def start(source: Source, rows_per_second: int = 0) -> Begun:
        limits = {"limits": {"rowsPerSecond": rows_per_second}} if rows_per_second else {}
        documents = [*source.documents, *manifest.postgresql("target", pg15, pg15.database(fresh))]
        documents.append(manifest.migration("begun", batchSize=_BATCH, parallelism=3, **limits))
        path, log = manifest.write_documents(tmp_path / "m.yaml", documents), tmp_path / "0.1.log"
        before = pg15.dump(fresh)
        started.append(Begun(pg15, fresh, path, log, old.start(path, log), before))
        return started[-1]

    yield start
    for run in started:
        run.kill()


def _is_right(run: Begun, source: Source, attempt: faults.Attempt, before: str) -> None:
    """The run is completed, nothing had to be repaired, every row is right, and the rollback leaves the target as it was before."""
    result = attempt.events[-1]
    assert (result["type"], result["state"], run.state()) == ("result", "Completed", "cut_over")
    assert (result["redone_rows"], result["repaired_before"], result["repaired_locked"], result["corrected"]) == (0, 0, 0, [])
    assert result["rows"] == sum(rows for _, _, _, rows, *_ in run.chunks("done"))
    assert [d for d in source.differences(run.database) if d] == []
    run.rolled_back()
    assert run.server.dump(run.database) == before


@pytest.mark.parametrize("name", ["mariadb", "mysql", "postgresql", "sqlite"])
def test_a_copy_that_0_1_began_is_completed(name: str, request: pytest.FixtureRequest, begin: Callable[..., Begun]) -> None:
    source: Source = request.getfixturevalue(f"{name}_source")
    run = begin(source, _ROWS_PER_SECOND)
    run.until(run.half_copied)
    run.kill()
    copied, remaining = run.chunks("done"), run.chunks("todo")
    assert copied
    assert remaining

    attempt = run.resumed()
    assert len(attempt.chunks("begun")) == len(remaining)
    assert [chunk for chunk in run.chunks("done") if chunk in copied] == copied
    _is_right(run, source, attempt, run.before)


def test_indexes_that_0_1_began_are_completed(source: Source, begin: Callable[..., Begun]) -> None:
    run = begin(source, _ROWS_PER_SECOND)
    run.until(run.half_copied)
    with run.server.connect(run.database) as other, other.transaction():
        staged = run.rows(
            "SELECT string_agg(oid::regclass::text,',') FROM pg_class WHERE relkind='r'"
            " AND relnamespace::regnamespace::text LIKE 'landfall\\_stage%'"
        )
        other.execute(f"LOCK TABLE {staged[0][0]} IN ROW EXCLUSIVE MODE".encode())
        run.until(lambda: run.state() == "indexing")
        run.kill()
    assert run.state() == "indexing"
    _completes_without_copying(run, source)


def test_a_comparison_that_0_1_began_is_completed(source: Source, begin: Callable[..., Begun]) -> None:
    with source.locked():
        run = begin(source)
        run.until(lambda: run.state() == "comparing")
        run.kill()
    assert run.state() == "comparing"
    _completes_without_copying(run, source)


def _completes_without_copying(run: Begun, source: Source) -> None:
    copied = run.chunks("done")
    attempt = run.resumed()
    assert attempt.chunks("begun") == []
    assert run.chunks("done") == copied
    _is_right(run, source, attempt, run.before)


def test_a_run_that_0_1_completed_is_known(source: Source, begin: Callable[..., Begun]) -> None:
    run = begin(source)
    assert run.process.wait(_PATIENCE) == 0, run.log.read_text()
    copied = run.chunks("done")
    attempt = run.resumed()
    assert attempt.events[-1]["state"] == "AlreadyCompleted"
    assert attempt.events[-1]["rows"] == sum(rows for _, _, _, rows, *_ in copied)
    assert run.chunks("done") == copied
    assert [d for d in source.differences(run.database) if d] == []
    run.rolled_back()
    assert run.server.dump(run.database) == run.before
