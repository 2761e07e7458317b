"""Several processes share one run through the ledger: nothing is lost or doubled, whichever of them dies."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import random
import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from multiprocessing.process import BaseProcess

import pytest
from psycopg import Connection, OperationalError

from landfall.engine.options import Endpoint, Options
from landfall.engine.run.migrate import Migration
from landfall.engine.transfer.work import Event
from tests.support import checker
from tests.support import engine as run
from tests.support.servers import MariaDb, PostgreSql

_ROWS = 60_000
_SPAWN = multiprocessing.get_context("spawn")


def _help(source: Endpoint, target: Endpoint, options: Options) -> None:
    """A process that helps, as a pod does: started again where a connection was lost."""
    migration = Migration(source, target, options, lambda _: None)
    migration.help()
    migration.close()


@dataclass
class Helpers:
    """Processes that help; one that is killed is replaced."""

    source: Endpoint
    target: Endpoint
    options: Options
    count: int
    processes: list[BaseProcess] = field(default_factory=list)
    killed: int = 0

    def start(self) -> None:
        """As many as there are to be."""
        self.processes = [p for p in self.processes if p.is_alive()]
        while len(self.processes) < self.count:
            process = _SPAWN.Process(target=_help, args=(self.source, self.target, self.options), daemon=True)
            process.start()
            self.processes.append(process)

    def kill(self, rng: random.Random) -> None:
        """One of them, and another takes its place."""
        victim = rng.choice(self.processes)
        with contextlib.suppress(ProcessLookupError):
            os.kill(victim.pid or 0, signal.SIGKILL)
            self.killed += 1
        victim.join()
        self.start()

    @contextlib.contextmanager
    def dying(self, seconds: float) -> Iterator[None]:
        """One is killed every so often."""
        over, rng = threading.Event(), random.Random(7)

        def strike() -> None:
            while not over.wait(seconds):
                self.kill(rng)

        thread = threading.Thread(target=strike)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
            for process in self.processes:
                process.join(20)
                process.kill()


def _source(maria: MariaDb, name: str) -> Endpoint:
    maria.sql(
        f"CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(60)); INSERT INTO t SELECT seq,concat('v',seq) FROM seq_1_to_{_ROWS};"
        "CREATE TABLE s (id INT PRIMARY KEY); INSERT INTO s SELECT seq FROM seq_1_to_100",
        maria.database(name),
    )
    return run.mariadb(maria, name)


def _move(maria: MariaDb, pg15: PostgreSql, name: str, workers: int, **options: object) -> tuple[run.Move, Helpers]:
    wanted = replace(
        Options(batch_rows=500, parallelism=1, workers=workers, rows_per_second=8_000, takeover_seconds=3), **options
    )
    move = run.Move(_source(maria, name), run.postgresql(pg15, pg15.database(name)), wanted)
    return move, Helpers(move.source, move.target, wanted, workers - 1)


def _equal(maria: MariaDb, pg15: PostgreSql, name: str) -> None:
    with pg15.connect(name) as target:
        there = checker.mariadb(maria.socket, name, "t", ["id", "v"])
        assert checker.difference(there, checker.postgresql(target, "t", ["id", "v"])) == ""
        chunks = target.execute(b"SELECT count(*),sum(rows),count(DISTINCT xid) FROM landfall.chunk").fetchone()
        assert chunks[1] == _ROWS + 100
        assert chunks[2] == chunks[0]  # each chunk in a transaction of its own, none twice


@pytest.mark.parametrize("workers", [2, 4])
def test_helpers_that_die_lose_and_double_nothing(maria: MariaDb, pg15: PostgreSql, fresh: str, workers: int) -> None:
    move, helpers = _move(maria, pg15, fresh, workers)
    move.options = replace(move.options, workers=1)
    move.at = {"copying": helpers.start}
    told: list[tuple[str, str]] = []

    def on(event: Event) -> None:
        if event.kind == "chunk":
            told.append((event.table, event.text))
        if event.kind == "begun" and move.dials and len(told) > 5:
            move.dials.workers = workers  # the spec came to ask for them while the run was at work

    move.on = on
    with helpers.dying(0.7):
        outcome = move.run()
    assert outcome.rows == _ROWS + 100
    assert outcome.redone_rows == 0
    assert helpers.killed >= 2
    _equal(maria, pg15, fresh)
    begun = {(e.table, e.text) for e in move.events if e.kind == "begun"}
    assert len(told) == len(set(told))  # the leader tells every chunk once, also those of others
    assert set(told) - begun  # and others had some
    assert sum(e.rows for e in move.events if e.kind == "chunk") == _ROWS + 100


def test_a_helper_that_hangs_holds_its_chunk_only_for_a_while(maria: MariaDb, pg15: PostgreSql, fresh: str) -> None:
    """A session as that of a helper whose process is frozen: it has claimed a chunk, holds the run's state, and does no more."""
    move, _ = _move(maria, pg15, fresh, 2, rows_per_second=0)
    hanging: list[Connection] = []

    def hang(event: Event) -> None:
        if event.kind != "begun" or hanging:
            return
        session = pg15.connect(fresh)
        hanging.append(session)
        session.execute(
            b"INSERT INTO landfall.backend SELECT (SELECT id FROM landfall.run),1,'helper',pid,backend_start::text"
            b" FROM pg_stat_activity WHERE pid=pg_backend_pid()"
        )
        session.execute(b"BEGIN")
        session.execute(b"SELECT 1 FROM landfall.run FOR SHARE")
        session.execute(b"SELECT 1 FROM landfall.chunk WHERE state='todo' LIMIT 1 FOR UPDATE SKIP LOCKED")

    move.on = hang
    assert move.run().rows == _ROWS + 100
    assert any("1 chunks are taken from helpers" in e.text for e in move.events)
    with pytest.raises(OperationalError):
        hanging[0].execute(b"COMMIT")
    _equal(maria, pg15, fresh)


def test_helpers_go_on_under_the_next_leader(maria: MariaDb, pg15: PostgreSql, fresh: str) -> None:
    move, helpers = _move(maria, pg15, fresh, 3)
    move.at = {"copying": helpers.start}

    class PlugError(Exception):
        """Pulled by the test."""

    def plug(event: Event) -> None:
        if event.kind == "chunk" and sum(e.kind == "chunk" for e in move.events) == 20:
            raise PlugError

    move.on = plug
    with pytest.raises(PlugError):
        move.run()
    move.on = lambda _: None
    move.at = {}
    assert move.run().rows == _ROWS + 100
    _equal(maria, pg15, fresh)
    for process in helpers.processes:
        process.join(20)
    assert [p.exitcode for p in helpers.processes] == [0, 0]
