"""The fence: after the cutover, the source refuses writers, without a moment in which a write is lost; a rollback removes it."""

from __future__ import annotations

import itertools
import sqlite3
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from landfall.engine.errors import ConnectionLostError, EngineError, FenceLeftError
from landfall.engine.model.fence import PREFIX, Fence
from landfall.engine.model.options import Endpoint, Options
from landfall.engine.run import fencing
from landfall.engine.run.rollback import roll_back
from landfall.engine.sources.base import FencingLock, FencingSource
from landfall.engine.sources.registry import source_of
from landfall.engine.sources.run_key import run_key
from landfall.engine.targets.postgresql.swap import PostgresqlSwap
from tests.support import engine as run
from tests.support.servers import MariaDb, PostgreSql

_ROWS = 3000
_HOT = 50
_MOVED = "landfall: the data has moved to"


class _RefusedError(Exception):
    """A write that the source refused."""


@dataclass
class Old:
    """A source with two tables, one of which refers to the other and follows its changes."""

    endpoint: Endpoint
    run: Callable[[str], None]
    count: Callable[[str], int]
    triggers: Callable[[], int]

    def write(self, sql: str) -> None:
        """Run a statement. Raises _RefusedError with the source's own message."""
        self.run(sql)


def _postgresql(server: PostgreSql, name: str) -> Old:
    database = server.database(f"{name}s")

    def execute(sql: str) -> None:
        with server.connect(database) as session:
            try:
                session.execute(sql.encode())
            except Exception as error:
                raise _RefusedError(str(error)) from error

    def count(sql: str) -> int:
        with server.connect(database) as session:
            return int(session.execute(sql.encode()).fetchone()[0])

    execute("CREATE TABLE parent (id int PRIMARY KEY, v int NOT NULL DEFAULT 0) PARTITION BY RANGE (id)")
    execute("CREATE TABLE parent_low PARTITION OF parent FOR VALUES FROM (MINVALUE) TO (1000)")
    execute("CREATE TABLE parent_high PARTITION OF parent FOR VALUES FROM (1000) TO (MAXVALUE)")
    execute('CREATE TABLE "Child" (id int PRIMARY KEY, v int NOT NULL DEFAULT 0, parent int REFERENCES parent ON DELETE CASCADE)')
    execute(f"INSERT INTO parent SELECT g FROM generate_series(1,{_ROWS}) g")
    execute(f'INSERT INTO "Child" SELECT g,0,g FROM generate_series(1,{_ROWS}) g')
    found = f"SELECT count(*) FROM pg_trigger WHERE tgname LIKE '{PREFIX}%'"
    return Old(run.postgresql(server, database), execute, count, lambda: count(found))


def _mysql(server: MariaDb, name: str) -> Old:
    database = server.database(name)

    def execute(sql: str) -> None:
        try:
            server.sql(sql.replace('"', "`"), database)
        except subprocess.CalledProcessError as error:
            raise _RefusedError(error.stderr.decode()) from error

    def count(sql: str) -> int:
        return int(server.sql(sql.replace('"', "`"), database).stdout)

    execute("CREATE TABLE parent (id INT PRIMARY KEY, v INT NOT NULL DEFAULT 0)")
    execute(
        'CREATE TABLE "Child" (id INT PRIMARY KEY, v INT NOT NULL DEFAULT 0, parent INT, FOREIGN KEY (parent) REFERENCES parent(id) ON DELETE CASCADE)'
    )
    numbers = server.numbers(_ROWS)
    execute(f'INSERT INTO parent SELECT seq,0 FROM {numbers}; INSERT INTO "Child" SELECT seq,0,seq FROM {numbers}')
    found = (
        f"SELECT count(*) FROM information_schema.triggers WHERE trigger_schema='{database}' AND trigger_name LIKE '{PREFIX}%'"
    )
    return Old(run.mariadb(server, database), execute, count, lambda: count(found))


def _sqlite(folder: Path, name: str) -> Old:
    file = folder / f"{name}.db"

    def execute(sql: str) -> None:
        with sqlite3.connect(file, timeout=20) as session:
            session.execute("PRAGMA foreign_keys=ON")
            try:
                session.executescript(sql) if ";" in sql else session.execute(sql)
            except sqlite3.Error as error:
                raise _RefusedError(str(error)) from error

    def count(sql: str) -> int:
        with sqlite3.connect(file) as session:
            return int(session.execute(sql).fetchone()[0])

    execute("PRAGMA journal_mode=wal")
    execute("CREATE TABLE parent (id INTEGER PRIMARY KEY, v INT NOT NULL DEFAULT 0)")
    execute(
        'CREATE TABLE "Child" (id INTEGER PRIMARY KEY, v INT NOT NULL DEFAULT 0, parent INT REFERENCES parent ON DELETE CASCADE)'
    )
    numbers = f"WITH RECURSIVE g(n) AS (SELECT 1 UNION ALL SELECT n+1 FROM g WHERE n<{_ROWS})"
    execute(f"{numbers} INSERT INTO parent SELECT n,0 FROM g")
    execute(f'{numbers} INSERT INTO "Child" SELECT n,0,n FROM g')
    return Old(
        run.sqlite(file),
        execute,
        count,
        lambda: count(f"SELECT count(*) FROM sqlite_master WHERE type='trigger' AND name LIKE '{PREFIX}%'"),
    )


@pytest.fixture(params=["postgresql", "maria", "mysql", "sqlite"])
def old(request: pytest.FixtureRequest, fresh: str, tmp_path: Path) -> Old:
    """A source of each engine."""
    if request.param == "sqlite":
        return _sqlite(tmp_path, fresh)
    if request.param == "postgresql":
        return _postgresql(request.getfixturevalue("pg15"), fresh)
    return _mysql(request.getfixturevalue(request.param), fresh)


@dataclass
class _Written:
    """What writers received: accepted rows by table and key, the keys of accepted updates, and refusals.

    `late` are statements that were accepted although they began after `over` was set.
    """

    accepted: set[tuple[str, int]] = field(default_factory=set)
    updated: list[int] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    late: list[str] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def write(self, old: Old, table: str, number: int) -> None:
        """Insert a row of that number, or without a table count in a row."""
        key = 1 + number % _HOT * (_ROWS // _HOT)
        statement = f"INSERT INTO {table} (id) VALUES ({number})" if table else f"UPDATE parent SET v=v+1 WHERE id={key}"
        late = self.over.is_set()
        try:
            old.write(statement)
        except _RefusedError as error:
            self.refused.append(str(error))
            return
        if late:
            self.late.append(statement)
        if table:
            self.accepted.add((table, number))
        else:
            self.updated.append(key)


@contextmanager
def _writing(old: Old, threads: int = 3) -> Iterator[_Written]:
    """Writers that insert into both tables and count in rows all over the first one, until the block ends."""
    stop, seen, numbers = threading.Event(), _Written(), itertools.count(_ROWS + 1)

    def body() -> None:
        for number in numbers:
            for table in ("parent", '"Child"', ""):
                if stop.wait(0.002):
                    return
                seen.write(old, table, number)

    workers = [threading.Thread(target=body) for _ in range(threads)]
    for worker in workers:
        worker.start()
    try:
        yield seen
    finally:
        stop.set()
        for worker in workers:
            worker.join(300)


def _move(old: Old, pg: PostgreSql, name: str, **options: bool) -> run.Move:
    return run.Move(
        old.endpoint, run.postgresql(pg, pg.database(name)), replace(Options(batch_rows=500, parallelism=2), **options)
    )


def _back(move: run.Move) -> None:
    roll_back(move.source, move.target, move.options, run_key(move.source, move.target, move.options), discard_writes=True)


def _moved(pg: PostgreSql, name: str, table: str) -> set[int]:
    with pg.connect(name) as target:
        return {row[0] for row in target.execute(f"SELECT id FROM {table}".encode()).fetchall()}


def test_every_write_is_in_the_target_or_refused(old: Old, pg15: PostgreSql, fresh: str) -> None:
    move = _move(old, pg15, fresh)
    with _writing(old) as seen:
        while not seen.updated:
            time.sleep(0.01)
        outcome = move.run()
        seen.over.set()
        refused_so_far = len(seen.refused)
        deadline = time.monotonic() + 300
        while len(seen.refused) < refused_so_far + 3 and time.monotonic() < deadline:
            time.sleep(0.05)
    tables = {
        "parent": _moved(pg15, fresh, "parent"),
        '"Child"': _moved(pg15, fresh, '"Child"' if old.endpoint.engine == "PostgreSQL" else "child"),
    }
    assert seen.accepted, "writers wrote before the cutover"
    assert seen.late == [], "none is accepted after the cutover"
    assert {(table, number) for table, number in seen.accepted if number not in tables[table]} == set()
    with pg15.connect(fresh) as target:
        counted = dict(target.execute(b"SELECT id,v FROM parent WHERE v<>0").fetchall())
    assert counted == Counter(seen.updated)
    assert outcome.fence.startswith(PREFIX)
    assert any(_MOVED in message for message in seen.refused[refused_so_far:])
    for statement in (
        "UPDATE parent SET v=1 WHERE id=1",
        'DELETE FROM "Child" WHERE id=2',
        "INSERT INTO parent (id) VALUES (-1)",
    ):
        with pytest.raises(_RefusedError, match=_MOVED):
            old.write(statement)
    assert old.count("SELECT count(*) FROM parent") >= _ROWS, "reading goes on"
    _back(move)
    assert old.triggers() == 0
    for statement in (
        "UPDATE parent SET v=1 WHERE id=1",
        'DELETE FROM "Child" WHERE id=2',
        "INSERT INTO parent (id) VALUES (-1)",
    ):
        old.write(statement)


def test_a_cutover_that_fails_lets_writers_in_again(
    old: Old, pg15: PostgreSql, fresh: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    move = _move(old, pg15, fresh)

    def lost(*_: object, **__: object) -> None:
        assert old.triggers() > 0, "writers are refused before the cutover"
        message = "target: the connection is lost"
        raise ConnectionLostError(message)

    with monkeypatch.context() as patched:
        patched.setattr(PostgresqlSwap, "cut_over", lost)
        with pytest.raises(ConnectionLostError):
            move.run()
    assert old.triggers() == 0
    old.write("UPDATE parent SET v=7 WHERE id=1")
    outcome = move.run()
    assert outcome.fence
    with pg15.connect(fresh) as target:
        assert target.execute(b"SELECT v FROM parent WHERE id=1").fetchone()[0] == 7


@pytest.mark.parametrize("then", ["resumed", "rolled back"])
def test_a_process_that_dies_behind_the_fence(
    old: Old, pg15: PostgreSql, fresh: str, monkeypatch: pytest.MonkeyPatch, then: str
) -> None:
    move = _move(old, pg15, fresh)

    def dies(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(PostgresqlSwap, "cut_over", dies)
        patched.setattr(fencing, "unfence_before_cutover", lambda *_: None)
        with pytest.raises(KeyboardInterrupt):
            move.run()
    with pytest.raises(_RefusedError, match=_MOVED):
        old.write("UPDATE parent SET v=1 WHERE id=1")
    move.options = replace(move.options, takeover_seconds=0)
    if then == "resumed":
        assert move.run().rows == 2 * _ROWS
        with pytest.raises(_RefusedError, match=_MOVED):
            old.write("UPDATE parent SET v=1 WHERE id=1")
    else:
        _back(move)
        old.write("UPDATE parent SET v=1 WHERE id=1")


def test_a_source_that_cannot_be_reached_keeps_no_target_from_going_back(
    pg15: PostgreSql, fresh: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = _postgresql(pg15, fresh)
    move = _move(old, pg15, fresh)
    move.run()
    gone = replace(move.source, database="no_such_database")
    key = run_key(move.source, move.target, move.options)
    with pytest.raises(FenceLeftError, match="may still refuse writers"):
        roll_back(gone, move.target, move.options, key)
    with pg15.connect(fresh) as target:
        assert target.execute(b"SELECT to_regclass('parent')").fetchone()[0] is None, "the target is rolled back"
    assert old.triggers() > 0
    roll_back(move.source, move.target, move.options, key)
    assert old.triggers() == 0
    with monkeypatch.context() as patched:
        patched.setattr("landfall.engine.run.fencing.source_of", lambda _: pytest.fail("nothing is left to remove"))
        roll_back(move.source, move.target, move.options, key)


def test_without_the_fence_nothing_is_created(old: Old, pg15: PostgreSql, fresh: str) -> None:
    move = _move(old, pg15, fresh, fence=False)
    assert (move.run().fence, old.triggers()) == ("", 0)
    old.write("UPDATE parent SET v=1 WHERE id=1")
    _back(move)


def test_who_may_not_create_triggers_is_told_and_moves_all_the_same(pg15: PostgreSql, mysql: MariaDb, fresh: str) -> None:
    plain = _postgresql(pg15, fresh)
    plain.write("DO $$BEGIN CREATE ROLE no_triggers LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END$$")
    plain.write("GRANT SELECT, UPDATE ON ALL TABLES IN SCHEMA public TO no_triggers")
    logged = _mysql(mysql, f"{fresh}m")
    mysql.sql(
        f"CREATE USER '{fresh}'@'localhost'; GRANT SELECT,SHOW VIEW,TRIGGER,LOCK TABLES,EVENT ON {fresh}m.* TO '{fresh}'@'localhost'"
    )
    users = {"no_triggers": plain, fresh: logged}
    for number, (user, old) in enumerate(users.items()):
        name = f"{fresh}t{number}"
        move = run.Move(replace(old.endpoint, username=user), run.postgresql(pg15, pg15.database(name)))
        plan = move.plan()
        (risk,) = (risk for risk in plan.risks if risk.kind == "NotFenced")
        assert (plan.fence, risk.severity.value) == (False, "medium")
        assert ("TRIGGER on the tables" if old is plain else "log_bin_trust_function_creators") in risk.description
        move.run()
        assert old.triggers() == 0


def test_a_schema_whose_tables_are_excluded_is_no_place_for_a_fence(pg15: PostgreSql, fresh: str) -> None:
    """What the plan says of the fence is what the cutover does: both ask about the tables that are migrated."""
    old = _postgresql(pg15, fresh)
    old.write("DO $$BEGIN CREATE ROLE here_only LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END$$")
    old.write(
        "REVOKE CREATE ON SCHEMA public FROM PUBLIC; CREATE SCHEMA open; GRANT ALL ON SCHEMA open TO here_only; CREATE TABLE open.x ()"
    )
    old.write(
        "GRANT SELECT, UPDATE, TRIGGER ON ALL TABLES IN SCHEMA public TO here_only; GRANT SELECT, UPDATE, TRIGGER ON open.x TO here_only"
    )
    old.write("CREATE TABLE closed (id int); GRANT SELECT ON closed TO here_only")
    endpoint = replace(old.endpoint, username="here_only", schemas=("public", "open"))
    options = Options(schemas=("public", "open"), exclude_tables=("x", "closed"))
    move = run.Move(endpoint, run.postgresql(pg15, pg15.database(f"{fresh}t")), options)
    plan = move.plan()
    assert (plan.fence, [r.kind for r in plan.blockers]) == (False, [])
    assert [r.severity.value for r in plan.risks if r.kind == "NotFenced"] == ["medium"]
    old.write("GRANT CREATE ON SCHEMA public TO here_only")
    assert move.plan().fence
    assert move.run().fence
    with pytest.raises(_RefusedError, match=_MOVED):
        old.write("UPDATE parent SET v=1 WHERE id=1")
    _back(move)  # only the owner of a table may drop the trigger: it stays, and refuses nothing any more
    old.write("UPDATE parent SET v=1 WHERE id=1")


def test_a_fenced_source_can_be_planned_and_moved_again(pg15: PostgreSql, maria: MariaDb, fresh: str) -> None:
    for number, old in enumerate((_postgresql(pg15, fresh), _mysql(maria, fresh))):
        first = _move(old, pg15, f"{fresh}a{number}")
        first.run()
        second = replace(first, target=run.postgresql(pg15, pg15.database(f"{fresh}b{number}")), events=[])
        plan = second.plan()
        assert not [risk for risk in plan.risks if PREFIX in risk.affected]
        assert not [statement for statement in plan.statements if PREFIX in statement.sql]
        second.run()
        _back(second)
        with pytest.raises(_RefusedError, match=_MOVED):
            old.write("UPDATE parent SET v=1 WHERE id=1")
        _back(first)
        old.write("UPDATE parent SET v=1 WHERE id=1")


def test_a_fence_leaves_no_file_behind(either: MariaDb, fresh: str) -> None:
    database = either.database(fresh)
    either.sql("".join(f"CREATE TABLE t{n} (id INT PRIMARY KEY);" for n in range(12)), database)
    tables = tuple((database, f"t{n}") for n in range(12))
    source = source_of(run.mariadb(either, database))
    assert isinstance(source, FencingSource)
    for _ in range(3):
        lock = source.freeze(tables, fenced=True)
        assert isinstance(lock, FencingLock)
        lock.fence(Fence(f"{PREFIX}files", "moved", tables))
        assert source.unfence(f"{PREFIX}files") == 36
    either.sql(f"DROP DATABASE {database}")


def test_more_tables_than_a_session_locks(maria: MariaDb, mysql: MariaDb, pg15: PostgreSql, fresh: str) -> None:
    for number, server in enumerate((maria, mysql)):
        database = server.database(f"{fresh}n{number}")
        server.sql("".join(f"CREATE TABLE t{n} (id INT PRIMARY KEY);" for n in range(25)), database)
        move = run.Move(run.mariadb(server, database), run.postgresql(pg15, pg15.database(f"{fresh}n{number}")))
        move.run()
        found = server.sql(f"SELECT count(*) FROM information_schema.triggers WHERE trigger_schema='{database}'").stdout
        assert int(found) == 75
        _back(move)


def test_an_error_of_an_engine_is_passed_on(pg15: PostgreSql, fresh: str) -> None:
    """A fence that cannot be created fails the run, and the source stays writable."""
    old = _postgresql(pg15, fresh)
    move = _move(old, pg15, fresh)
    old.write(
        "CREATE FUNCTION refuse() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''no triggers here''; END'"
    )
    move.at = {
        "comparing": lambda: old.write(
            "CREATE EVENT TRIGGER e ON ddl_command_end WHEN tag IN ('CREATE TRIGGER') EXECUTE FUNCTION refuse()"
        )
    }
    with pytest.raises(EngineError, match=r"raised an exception \(SQLSTATE P0001\)"):
        move.run()
    assert old.triggers() == 0
    old.write("DROP EVENT TRIGGER e")
    move.at = {}
    old.write("UPDATE parent SET v=1 WHERE id=1")
    assert move.run().fence
