"""The write lock: short because what differs was repaired before, bounded because it is given back, exact all the same."""

from __future__ import annotations

import itertools
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import psycopg
import pytest

from landfall.engine.copy.cancellation import CancellationToken
from landfall.engine.copy.run_context import Limit, Work
from landfall.engine.errors import (
    ConnectionLostError,
    EngineError,
    InterruptedRunError,
    PauseExceededError,
    SourceBusyError,
    ValueRefusedError,
    VerificationError,
)
from landfall.engine.model.events import Event, EventKind
from landfall.engine.model.options import Options, Quiesce
from landfall.engine.model.run_state import Chunk
from landfall.engine.run import cutover, rounds
from landfall.engine.sources import base
from landfall.engine.sources.base import Reader
from landfall.engine.sources.registry import engine_of
from landfall.engine.targets.ledger import Lease
from landfall.engine.targets.postgresql import schema_swap
from landfall.engine.targets.postgresql.ledger import PostgresqlLedger as Ledger
from landfall.engine.verify.compare import TableDifference
from landfall.engine.verify.repair import repair
from tests.support import engine as run
from tests.support.servers import MariaDb, PostgreSql

_ROWS = 20_000
_CHUNK = 1000
_HOT = 40
_SCATTERED = _ROWS // _CHUNK * 2
_ENGINES = ("mariadb", "postgresql")


@pytest.fixture(autouse=True)
def _no_back_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounds, "_BACK_OFF_SECONDS", (0.1, 0.1))


def _source(kind: str, fresh: str, maria: MariaDb, pg: PostgreSql) -> run.Endpoint:
    if kind == "mariadb":
        filled = f"INSERT INTO t SELECT seq,seq,repeat('x',50) FROM seq_1_to_{_ROWS}"
        maria.sql(f"CREATE TABLE t (id INT PRIMARY KEY, v INT NOT NULL, w TEXT); {filled}", maria.database(fresh))
        return run.mariadb(maria, fresh)
    with pg.connect(pg.database(f"{fresh}s")) as source:
        source.execute(b"CREATE TABLE t (id int PRIMARY KEY, v int NOT NULL, w text) WITH (autovacuum_enabled=off)")
        source.execute(f"INSERT INTO t SELECT g,g,repeat('x',50) FROM generate_series(1,{_ROWS}) g".encode())
    return run.postgresql(pg, f"{fresh}s")


def _write(kind: str, fresh: str, maria: MariaDb, pg: PostgreSql, statement: str) -> None:
    if kind == "mariadb":
        maria.sql(statement, fresh)
    else:
        with pg.connect(f"{fresh}s") as source:
            source.execute(statement.encode())


def _sum(kind: str, fresh: str, maria: MariaDb, pg: PostgreSql) -> tuple[int, int]:
    """Rows and the sum of the written column, on the source."""
    if kind == "mariadb":
        rows, total = maria.sql("SELECT count(*),sum(v) FROM t", fresh).stdout.split()
        return int(rows), int(total)
    with pg.connect(f"{fresh}s") as source:
        return source.execute(b"SELECT count(*),sum(v) FROM t").fetchone()


def _in_target(pg: PostgreSql, fresh: str) -> tuple[int, int]:
    with pg.connect(fresh) as target:
        return target.execute(b"SELECT count(*),sum(v) FROM t").fetchone()


def _until(condition: Callable[[], bool]) -> None:
    while not condition():
        time.sleep(0.01)


@contextmanager
def _writing(write: Callable[[str], None]) -> Iterator[list[int]]:
    """One writer that works on rows all over the table at first, and on the first few from then on."""
    stop, keys = threading.Event(), []

    def body() -> None:
        for at in itertools.count():
            if stop.wait(0.01):
                return
            key = 1 + (at * 7919 % _ROWS if at < _SCATTERED else at % _HOT)
            try:
                write(f"UPDATE t SET v=v+1 WHERE id={key}")
            except (subprocess.CalledProcessError, psycopg.Error):  # the source refuses writers after the cutover
                return
            keys.append(key)

    thread = threading.Thread(target=body)
    thread.start()
    try:
        yield keys
    finally:
        stop.set()
        thread.join(300)


@pytest.mark.parametrize("kind", _ENGINES)
def test_with_writers_little_is_copied_again_under_the_lock(maria: MariaDb, pg15: PostgreSql, fresh: str, kind: str) -> None:
    source = _source(kind, fresh, maria, pg15)
    move = run.Move(source, run.postgresql(pg15, pg15.database(fresh)), Options(batch_rows=_CHUNK, parallelism=2))
    scattered = [1 + n * _CHUNK for n in range(_ROWS // _CHUNK)]
    everywhere = f"UPDATE t SET v=v+1 WHERE id IN ({','.join(map(str, scattered))})"
    move.at = {"indexing": lambda: _write(kind, fresh, maria, pg15, everywhere)}
    sums: list[tuple[int, int]] = []
    move.handed_over = lambda _outcome, _still: sums.append(_sum(kind, fresh, maria, pg15))  # while writers are locked out
    with _writing(lambda statement: _write(kind, fresh, maria, pg15, statement)) as keys:
        _until(lambda: bool(keys))
        move.at["comparing"] = lambda: _until(lambda: len(keys) > _SCATTERED)
        outcome = move.run()
    assert _in_target(pg15, fresh) == sums[0]
    assert sums[0][0] == _ROWS
    assert [e.text for e in move.events if e.kind == EventKind.VERDICT] == ["equal"]
    assert outcome.repair_rounds
    assert outcome.repaired_before >= len(scattered) // 2, "every chunk was written to after it was copied"
    assert outcome.repaired_locked <= 4, "only what is written all the time is left for the lock"
    with pg15.connect(fresh) as target:
        (chunks,) = target.execute(b"SELECT count(*) FROM landfall.chunk").fetchone()
    assert outcome.compared_locked == chunks + outcome.repaired_locked, "every chunk once, and once more what was copied again"


@pytest.mark.parametrize("kind", _ENGINES)
def test_rows_inserted_during_the_copy_are_not_all_copied_again_with_one_more(
    maria: MariaDb, pg15: PostgreSql, fresh: str, kind: str
) -> None:
    """They are all in the last chunk, which is open. A definition can be changed during a round."""
    source = _source(kind, fresh, maria, pg15)
    added = 6 * _CHUNK
    numbers = {
        "mariadb": f"SELECT seq+{_ROWS} AS g FROM seq_1_to_{added}",
        "postgresql": f"SELECT generate_series({_ROWS + 1},{_ROWS + added}) g",
    }
    move = run.Move(source, run.postgresql(pg15, pg15.database(fresh)), Options(batch_rows=_CHUNK, parallelism=2))
    insert = f"INSERT INTO t SELECT g,g,repeat('x',50) FROM ({numbers[kind]}) n"
    move.at = {"indexing": lambda: _write(kind, fresh, maria, pg15, insert)}
    in_round = threading.Event()

    def seen(event: Event) -> None:
        if event.kind == EventKind.ROUND:
            in_round.set()
        elif event.kind == EventKind.COMPARED and in_round.is_set() and kind == "mariadb":
            in_round.clear()
            _write(kind, fresh, maria, pg15, "SET lock_wait_timeout=5; ALTER TABLE t FORCE")
        elif event.kind == EventKind.NOTICE and event.text.endswith("is acquired"):
            sizes.append(_largest_chunk(pg15, fresh))

    sizes: list[int] = []
    move.on = seen
    outcome = move.run()
    assert outcome.repair_rounds
    assert outcome.rows == _ROWS + added
    assert sizes[0] < 2 * _CHUNK, "the rows of the last chunk"


def _largest_chunk(pg: PostgreSql, fresh: str) -> int:
    with pg.connect(fresh) as target:
        return target.execute(b"SELECT max(rows) FROM landfall.chunk").fetchone()[0]


@pytest.mark.parametrize("kind", _ENGINES)
def test_a_source_at_rest_is_compared_once(maria: MariaDb, pg15: PostgreSql, fresh: str, kind: str) -> None:
    source = _source(kind, fresh, maria, pg15)
    outcome = run.Move(source, run.postgresql(pg15, pg15.database(fresh)), Options(batch_rows=_CHUNK)).run()
    assert (outcome.rows, outcome.repair_rounds, outcome.repaired_locked, outcome.locks_given_back) == (_ROWS, 0, 0, 0)


@pytest.mark.parametrize("end", ["stopped", "refused"])
@pytest.mark.parametrize("kind", _ENGINES)
def test_a_round_that_breaks_off_between_two_chunks_loses_no_row(
    maria: MariaDb, pg15: PostgreSql, fresh: str, kind: str, end: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = _source(kind, fresh, maria, pg15)
    move = run.Move(source, run.postgresql(pg15, pg15.database(fresh)), Options(batch_rows=_CHUNK * 5, parallelism=1))
    inner = "UPDATE t SET v=v+1 WHERE id IN (6001,12001)"  # in chunks that are cut smaller: neither the first nor the last
    move.at = {"indexing": lambda: _write(kind, fresh, maria, pg15, inner)}
    recopied, stops, put_in = Ledger.recopied, list[CancellationToken](), list[Chunk]()

    def repaired(work: Work, readers: Sequence[Reader], differences: Sequence[TableDifference], *, finer: bool) -> int:
        stops.append(work.stop)
        return repair(work, readers, differences, finer=finer)

    def breaks_off(ledger: Ledger, lease: Lease, chunk: Chunk) -> str:
        put_in.append(chunk)
        if end == "refused" and len(put_in) == 2:
            message = "target: a unique value is there twice"
            raise ValueRefusedError(message)
        if end == "stopped" and len(put_in) == 1:
            stops[-1].request()
        return recopied(ledger, lease, chunk)

    monkeypatch.setattr(rounds, "repair", repaired)
    monkeypatch.setattr(Ledger, "recopied", breaks_off)
    if end == "stopped":
        with pytest.raises(InterruptedRunError):
            move.run()
        assert len(put_in) == 1
    outcome = move.run()
    assert outcome.rows == _ROWS
    assert _in_target(pg15, fresh) == _sum(kind, fresh, maria, pg15) == (_ROWS, _ROWS * (_ROWS + 1) // 2 + 2)


def test_a_ledger_that_does_not_cover_the_table_is_not_cut_over(maria: MariaDb, pg15: PostgreSql, fresh: str) -> None:
    source = _source("mariadb", fresh, maria, pg15)
    move = run.Move(source, run.postgresql(pg15, pg15.database(fresh)), Options(batch_rows=_CHUNK))

    def damage() -> None:
        with pg15.connect(fresh) as target:
            target.execute(b"DELETE FROM landfall.chunk WHERE number=7")

    move.at = {"comparing": damage}
    with pytest.raises(VerificationError, match="there is a gap between two of its chunks") as caught:
        move.run()
    assert "rollback" in caught.value.advice


def test_a_session_in_a_snapshot_holds_no_lock_on_what_it_has_read(maria: MariaDb, pg15: PostgreSql, fresh: str) -> None:
    source = engine_of("PostgreSQL").connect(_source("postgresql", fresh, maria, pg15))
    readers = [source.reader(), source.reader()]
    lock_query = f"SELECT count(*) FROM pg_locks WHERE relation='t'::regclass AND pid IN ({','.join(r.backend for r in readers)})"
    try:
        assert source.snapshot(readers)
        with pg15.connect(f"{fresh}s") as other:
            for reader in readers:
                for _ in range(2):
                    assert reader.sums("SELECT count(*),sum(v) FROM t") == (_ROWS, _ROWS * (_ROWS + 1) // 2)
                    assert reader.rows("SELECT v FROM t WHERE id=1") == [("1",)]
                    assert other.execute(lock_query.encode()).fetchone() == (0,)
                    other.execute(b"UPDATE t SET v=v+1 WHERE id=1; ANALYZE t")  # which their snapshot does not see
                with pytest.raises(EngineError, match="division by zero"):
                    reader.sums("SELECT 1/0,0")
                with pytest.raises(EngineError, match="aborted"):
                    reader.sums("SELECT 1,0")
    finally:
        for reader in readers:
            reader.close()


class _Slow:
    """Makes the comparison under the lock take as long as a writer has to wait, so many times."""

    def __init__(self, write: Callable[[], None], times: int) -> None:
        self._write = write
        self._times = times
        self._locked = threading.Event()
        self._through = threading.Event()
        self.written = 0

    def __call__(self, event: Event) -> None:
        if event.kind == EventKind.NOTICE and event.text.endswith("is acquired") and self._times:
            self._times -= 1
            self._through.clear()
            self._locked.set()
            threading.Thread(target=self._writer).start()
        elif event.kind == EventKind.NOTICE and event.text.endswith("is released"):
            self._locked.clear()
        elif event.kind == EventKind.COMPARED and self._locked.is_set():
            assert self._through.wait(300), "the lock was not given back"

    def _writer(self) -> None:
        self._write()
        self.written += 1
        self._through.set()


@pytest.mark.parametrize("kind", _ENGINES)
def test_a_lock_that_outlasts_its_limit_is_given_back(
    maria: MariaDb, pg15: PostgreSql, fresh: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = iter((1.0, 600.0))  # however slow the machine is, the second lock is in time
    monkeypatch.setattr(cutover, "Limit", lambda stop, _seconds: Limit(stop, next(limits)))
    source = _source(kind, fresh, maria, pg15)
    slow = _Slow(lambda: _write(kind, fresh, maria, pg15, "UPDATE t SET v=v+1 WHERE id=7777"), times=1)
    options = Options(batch_rows=_CHUNK, parallelism=2)
    outcome = run.Move(source, run.postgresql(pg15, pg15.database(fresh)), options, on=slow).run()
    assert (slow.written, outcome.locks_given_back) == (1, 1)
    assert outcome.repaired_before == 1 or kind == "postgresql"
    assert _in_target(pg15, fresh) == _sum(kind, fresh, maria, pg15) == (_ROWS, _ROWS * (_ROWS + 1) // 2 + 1)


@pytest.mark.parametrize("kind", _ENGINES)
def test_a_limit_releases_the_lock_before_it_ends_a_reader(
    maria: MariaDb, pg15: PostgreSql, fresh: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended_first: list[str] = []
    limits = iter((1.0, 600.0))

    class Told(Limit):
        def register(self, owner: object, abort: Callable[[], None]) -> None:
            def end_owner() -> None:
                ended_first.append(type(owner).__name__)
                abort()

            super().register(owner, end_owner)

    release = vars(base)["HeldLock"].release

    def released(freeze: base.WriteLock) -> None:
        ended_first.append("released")
        release(freeze)

    monkeypatch.setattr("landfall.engine.sources.base.HeldLock.release", released)
    monkeypatch.setattr(cutover, "Limit", lambda stop, _seconds: Told(stop, next(limits)))
    slow = _Slow(lambda: _write(kind, fresh, maria, pg15, "UPDATE t SET v=v+1 WHERE id=7777"), times=1)
    source = _source(kind, fresh, maria, pg15)
    run.Move(source, run.postgresql(pg15, pg15.database(fresh)), Options(batch_rows=_CHUNK, parallelism=2), on=slow).run()
    readers = [at for at, name in enumerate(ended_first) if name.endswith("Reader")]
    assert readers
    assert ended_first.index("released") < readers[0]


def test_a_write_between_the_mark_and_the_snapshots_is_not_lost(
    maria: MariaDb, pg15: PostgreSql, pg18: PostgreSql, fresh: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # two servers: what the run writes to the target does not move the mark of the source
    source = _source("postgresql", fresh, maria, pg15)
    options = Options(batch_rows=_CHUNK, quiesce=Quiesce.CONFIRM, quiesced=True)
    move = run.Move(source, run.postgresql(pg18, pg18.database(fresh)), options)
    see, late = vars(cutover.FinalPhase)["_see"], iter(["UPDATE t SET v=v+1 WHERE id=7777"])

    def record(finale: cutover.FinalPhase, readers: list[Reader]) -> None:
        see(finale, readers)
        for statement in late:
            _write("postgresql", fresh, maria, pg15, statement)

    monkeypatch.setattr(cutover.FinalPhase, "_see", record)
    with pytest.raises(SourceBusyError, match="was written to during the cutover"):
        move.run()
    move.run()
    assert _in_target(pg18, fresh) == _sum("postgresql", fresh, maria, pg15)


@pytest.mark.parametrize("kind", _ENGINES)
def test_a_lock_that_is_always_too_long_fails_and_is_resumed(maria: MariaDb, pg15: PostgreSql, fresh: str, kind: str) -> None:
    source = _source(kind, fresh, maria, pg15)
    slow = _Slow(lambda: _write(kind, fresh, maria, pg15, "UPDATE t SET v=v+1 WHERE id=1"), times=3)
    options = Options(batch_rows=_CHUNK, parallelism=2, max_pause_seconds=1)
    move = run.Move(source, run.postgresql(pg15, pg15.database(fresh)), options, on=slow)
    with pytest.raises(PauseExceededError, match=r"longer than the allowed 1 s.*released 3 times") as caught:
        move.run()
    assert "cutover.maxPause" in caught.value.advice
    assert slow.written == 3, "every time the writer got through"
    assert sum(e.kind == EventKind.RETURNED for e in move.events) == 3
    move.options = replace(options, max_pause_seconds=600)
    assert move.run().rows == _ROWS
    assert _in_target(pg15, fresh) == _sum(kind, fresh, maria, pg15) == (_ROWS, _ROWS * (_ROWS + 1) // 2 + 3)


def test_an_attempt_that_ended_after_its_foreign_keys_is_repaired_all_the_same(
    maria: MariaDb, pg15: PostgreSql, fresh: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    maria.sql(
        "CREATE TABLE p (id INT PRIMARY KEY, v INT); CREATE TABLE c (id INT PRIMARY KEY, p INT, FOREIGN KEY (p) REFERENCES p (id));"
        "CREATE TABLE d (id INT PRIMARY KEY, p INT, FOREIGN KEY (p) REFERENCES p (id) ON DELETE CASCADE);"
        "INSERT INTO p SELECT seq,seq FROM seq_1_to_500; INSERT INTO c SELECT seq,seq FROM seq_1_to_500;"
        "INSERT INTO d SELECT seq,seq FROM seq_1_to_500",
        maria.database(fresh),
    )
    move = run.Move(run.mariadb(maria, fresh), run.postgresql(pg15, pg15.database(fresh)))

    def lose_connection(*_: object, **__: object) -> None:
        message = "the process dies here"
        raise ConnectionLostError(message)

    with monkeypatch.context() as patch:
        patch.setattr(schema_swap, "cut_over", lose_connection)
        with pytest.raises(ConnectionLostError):
            move.run()
    maria.sql("UPDATE p SET v=0 WHERE id=7; DELETE FROM c WHERE p=9; DELETE FROM p WHERE id=9", fresh)
    move.run()
    with pg15.connect(fresh) as target:
        counts = "SELECT (SELECT count(*) FROM p),(SELECT count(*) FROM c),(SELECT count(*) FROM d),(SELECT v FROM p WHERE id=7)"
        assert target.execute(counts.encode()).fetchone() == (499, 499, 499, 0)
        keys = b"SELECT count(*) FROM pg_constraint WHERE contype='f' AND convalidated AND connamespace='public'::regnamespace"
        assert target.execute(keys).fetchone() == (2,)
