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
from itertools import cycle
from multiprocessing.process import BaseProcess
from multiprocessing.synchronize import Event as Flag

import pytest
from psycopg import Connection, OperationalError

from landfall.engine.model.events import Event, EventKind
from landfall.engine.model.options import Endpoint, Options
from landfall.engine.run.runner import MigrationRun
from tests.support import checker
from tests.support import engine as run
from tests.support.servers import MariaDb, PostgreSql

_ROWS = 60_000
_SPAWN = multiprocessing.get_context("spawn")
_ALONE_ROWS_PER_SECOND = 500  # of a leader that waits for its helpers, for a process takes its time to start
_HELPER_ROWS_PER_SECOND = 2_000  # three of them leave most of the rows to the time after the leader has been told of them


def _help(source: Endpoint, target: Endpoint, options: Options, begins: int, at_work: Flag) -> None:
    """A process that helps, as a pod does: started again where a connection was lost. Its flag is up once it has begun so many chunks."""
    begun_events: list[Event] = []

    def on(event: Event) -> None:
        begun_events.extend([event] if event.kind == EventKind.BEGUN else [])
        if len(begun_events) >= begins:
            at_work.set()

    migration = MigrationRun(source, target, options, on)
    migration.help()
    migration.close()


@dataclass
class Helpers:
    """Processes that help; one that is killed is replaced."""

    source: Endpoint
    target: Endpoint
    options: Options
    count: int
    processes: list[tuple[BaseProcess, Flag]] = field(default_factory=list)
    begins: Iterator[int] = field(default_factory=lambda: cycle((2, 1, 3)))
    killed: int = 0

    def start(self) -> None:
        """As many as there are to be."""
        self.processes = [(process, flag) for process, flag in self.processes if process.is_alive()]
        while len(self.processes) < self.count:
            flag = _SPAWN.Event()
            process = _SPAWN.Process(
                target=_help, args=(self.source, self.target, self.options, next(self.begins), flag), daemon=True
            )
            process.start()
            self.processes.append((process, flag))

    def kill(self, rng: random.Random, over: threading.Event) -> None:
        """One of those that are at work, once there is one, and another takes its place."""
        while not (busy := [process for process, at_work in self.processes if at_work.is_set()]):
            if over.wait(0.05):
                return
        victim = rng.choice(busy)
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
                if self.processes:
                    self.kill(rng, over)

        thread = threading.Thread(target=strike)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
            for process, _ in self.processes:
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
    all_options = replace(
        Options(batch_rows=500, parallelism=1, workers=workers, rows_per_second=8_000, takeover_seconds=3), **options
    )
    move = run.Move(_source(maria, name), run.postgresql(pg15, pg15.database(name)), all_options)
    return move, Helpers(move.source, move.target, all_options, workers - 1)


def _equal(maria: MariaDb, pg15: PostgreSql, name: str) -> None:
    with pg15.connect(name) as target:
        source_rows = checker.mariadb(maria.socket, name, "t", ["id", "v"])
        assert checker.difference(source_rows, checker.postgresql(target, "t", ["id", "v"])) == ""
        chunks = target.execute(b"SELECT count(*),sum(rows),count(DISTINCT xid) FROM landfall.chunk").fetchone()
        assert chunks[1] == _ROWS + 100
        assert chunks[2] == chunks[0]  # each chunk in a transaction of its own, none twice


@pytest.mark.parametrize("workers", [2, 4])
def test_helpers_that_die_lose_and_double_nothing(maria: MariaDb, pg15: PostgreSql, fresh: str, workers: int) -> None:
    move, helpers = _move(maria, pg15, fresh, workers)
    move.options = replace(move.options, workers=1, rows_per_second=_ALONE_ROWS_PER_SECOND)
    helpers.options = replace(helpers.options, rows_per_second=_HELPER_ROWS_PER_SECOND)
    move.at = {"copying": helpers.start}
    finished_chunks: list[tuple[str, str]] = []
    begun_chunks: set[tuple[str, str]] = set()

    def on(event: Event) -> None:
        assert move.dials
        if event.kind == EventKind.BEGUN:
            begun_chunks.add((event.table, event.text))
        if event.kind == EventKind.CHUNK:
            finished_chunks.append((event.table, event.text))
            if finished_chunks[-1] not in begun_chunks and helpers.killed > 1:
                move.dials.rows_per_second = 8_000
        if event.kind == EventKind.BEGUN and len(finished_chunks) > 2:
            move.dials.workers = workers  # the spec came to ask for them while the run was at work

    move.on = on
    with helpers.dying(0.7):
        outcome = move.run()
    assert outcome.rows == _ROWS + 100
    assert outcome.redone_rows == 0
    assert helpers.killed >= 2
    _equal(maria, pg15, fresh)
    assert len(finished_chunks) == len(set(finished_chunks))  # the leader tells every chunk once, also those of others
    assert set(finished_chunks) - begun_chunks  # and others had some
    assert sum(e.rows for e in move.events if e.kind == EventKind.CHUNK) == _ROWS + 100


def test_a_helper_that_hangs_holds_its_chunk_only_for_a_while(maria: MariaDb, pg15: PostgreSql, fresh: str) -> None:
    """A session as that of a helper whose process is frozen: it has claimed a chunk, holds the run's state, and does no more."""
    move, _ = _move(maria, pg15, fresh, 2, rows_per_second=0)
    hanging: list[Connection] = []

    def hang(event: Event) -> None:
        if event.kind != EventKind.BEGUN or hanging:
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
    assert any("1 chunks are taken over from copy helpers" in e.text for e in move.events)
    with pytest.raises(OperationalError):
        hanging[0].execute(b"COMMIT")
    _equal(maria, pg15, fresh)


def test_helpers_go_on_under_the_next_leader(maria: MariaDb, pg15: PostgreSql, fresh: str) -> None:
    move, helpers = _move(maria, pg15, fresh, 3)
    move.at = {"copying": helpers.start}

    class PlugError(Exception):
        """Pulled by the test."""

    def plug(event: Event) -> None:
        if event.kind == EventKind.CHUNK and sum(e.kind == EventKind.CHUNK for e in move.events) == 20:
            raise PlugError

    move.on = plug
    with pytest.raises(PlugError):
        move.run()
    move.on = lambda _: None
    move.at = {}
    assert move.run().rows == _ROWS + 100
    _equal(maria, pg15, fresh)
    for process, _ in helpers.processes:
        process.join(300)
    assert [process.exitcode for process, _ in helpers.processes] == [0, 0]
