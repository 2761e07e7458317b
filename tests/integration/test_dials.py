"""What a person may change while rows are on their way: streams, limits, the size of chunks."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from landfall.engine.errors import ConnectionLostError, CutoverHeldError
from landfall.engine.model.events import Event, EventKind
from landfall.engine.model.options import Options
from tests.support import engine as run
from tests.support.servers import MariaDb, PostgreSql

_ROWS = 6000


def _source(kind: str, name: str, maria: MariaDb, pg15: PostgreSql) -> run.Endpoint:
    if kind == "mariadb":
        maria.sql(
            f"CREATE TABLE t (id INT PRIMARY KEY, v TEXT); INSERT INTO t SELECT seq,repeat('x',200) FROM seq_1_to_{_ROWS}",
            maria.database(name),
        )
        return run.mariadb(maria, name)
    with pg15.connect(pg15.database(f"{name}s")) as source:
        source.execute(b"CREATE TABLE t (id int PRIMARY KEY, v text)")
        source.execute(f"INSERT INTO t SELECT g,repeat('x',200) FROM generate_series(1,{_ROWS}) g".encode())
        source.execute(b"ANALYZE t")
    return run.postgresql(pg15, f"{name}s")


class _Flights:
    """How many chunks are in flight, and the sizes of those that landed."""

    def __init__(self) -> None:
        self.now = self.most = 0
        self.sizes: list[int] = []
        self.lock = threading.Lock()

    def event(self, event: Event) -> None:
        """Count."""
        with self.lock:
            if event.kind == EventKind.BEGUN:
                self.now += 1
                self.most = max(self.most, self.now)
            elif event.kind == EventKind.CHUNK:
                self.now -= 1
                self.sizes.append(event.rows)
        if event.kind == EventKind.BEGUN:
            time.sleep(0.05)  # so that chunks overlap where there are streams for it


@pytest.mark.parametrize("kind", ["mariadb", "postgresql"])
def test_more_streams_and_smaller_chunks_from_one_chunk_to_the_next(
    maria: MariaDb, pg15: PostgreSql, fresh: str, kind: str
) -> None:
    flights = _Flights()
    move = run.Move(
        _source(kind, fresh, maria, pg15),
        run.postgresql(pg15, pg15.database(fresh)),
        options=Options(batch_rows=600, parallelism=1),
    )

    def on(event: Event) -> None:
        flights.event(event)
        if event.kind == EventKind.CHUNK and len(flights.sizes) == 2:
            assert flights.most == 1
            assert move.dials is not None
            move.dials.parallelism, move.dials.batch_rows = 3, 150

    move.on = on
    assert move.run().rows == _ROWS
    assert flights.most in {2, 3}
    assert sum(flights.sizes) == _ROWS
    assert max(flights.sizes[:2]) > 400
    assert min(flights.sizes[2:]) < 400
    with pg15.connect(fresh) as target:
        assert target.execute(b"SELECT count(*),count(DISTINCT id),min(id),max(id) FROM t").fetchone() == (_ROWS, _ROWS, 1, _ROWS)


def test_fewer_streams_and_a_limit_that_is_lifted(maria: MariaDb, pg15: PostgreSql, fresh: str) -> None:
    flights = _Flights()
    move = run.Move(
        _source("mariadb", fresh, maria, pg15),
        run.postgresql(pg15, pg15.database(fresh)),
        options=Options(batch_rows=300, parallelism=4),
    )

    def lift() -> None:
        assert move.dials is not None
        move.dials.rows_per_second = 0

    def on(event: Event) -> None:
        flights.event(event)
        if event.kind == EventKind.CHUNK and len(flights.sizes) == 4:
            assert move.dials is not None
            move.dials.parallelism, move.dials.rows_per_second = 1, 1  # an hour, if it stayed
            flights.most = 0
            threading.Timer(1.5, lift).start()

    move.on = on
    assert move.run().rows == _ROWS
    assert flights.now == 0
    assert flights.sizes[-3:] == [300, 300, 300]


@pytest.mark.parametrize("closes", ["at the end of the copy", "while it compares"])
def test_outside_its_hours_nothing_is_cut_over(maria: MariaDb, pg15: PostgreSql, fresh: str, closes: str) -> None:
    move = run.Move(_source("mariadb", fresh, maria, pg15), run.postgresql(pg15, pg15.database(fresh)))
    before = pg15.dump(fresh)
    looks = iter([closes == "while it compares", False])

    def close() -> None:
        assert move.dials is not None
        move.dials.may_cut_over = lambda: next(looks)

    move.at = {"copying": close}
    with pytest.raises(CutoverHeldError):
        move.run()
    assert pg15.dump(fresh) == before
    maria.sql("UPDATE t SET v='late' WHERE id=5", fresh)  # nobody is locked out meanwhile
    move.at = {}
    assert move.run().rows == _ROWS
    with pg15.connect(fresh) as target:
        assert target.execute(b"SELECT v FROM t WHERE id=5").fetchone() == ("late",)


@pytest.mark.parametrize("kind", ["mariadb", "postgresql"])
def test_writers_stay_locked_out_until_what_moves_along_has_moved(
    maria: MariaDb, pg15: PostgreSql, fresh: str, kind: str
) -> None:
    target_of_move = run.postgresql(pg15, pg15.database(fresh))
    move = run.Move(_source(kind, fresh, maria, pg15), target_of_move, Options(fence=False))
    written = threading.Event()

    def write() -> None:
        if kind == "mariadb":
            maria.sql("UPDATE t SET v='late' WHERE id=5", fresh)
        else:
            with pg15.connect(f"{fresh}s") as source:
                source.execute(b"UPDATE t SET v='late' WHERE id=5")
        written.set()

    writer = threading.Thread(target=write)

    def held(outcome: run.Outcome, still: Callable[[], None]) -> None:
        assert outcome.rows == _ROWS
        with pg15.connect(fresh) as target:
            assert target.execute(b"SELECT count(*) FROM t").fetchone() == (_ROWS,), "it is cut over already"
        writer.start()
        assert not written.wait(1.5)
        still()

    move.handed_over = held
    assert move.run().rows == _ROWS
    writer.join(300)
    assert written.is_set()
    with pg15.connect(fresh) as target:
        assert target.execute(b"SELECT count(*) FROM t WHERE v='late'").fetchone() == (0,)


def test_a_lock_that_is_lost_after_the_cutover_is_told(maria: MariaDb, pg15: PostgreSql, fresh: str) -> None:
    target_of_move = run.postgresql(pg15, pg15.database(fresh))
    move = run.Move(_source("mariadb", fresh, maria, pg15), target_of_move, Options(fence=False))

    def held(_: run.Outcome, still: Callable[[], None]) -> None:
        listed = "SELECT id FROM information_schema.processlist WHERE id<>connection_id() AND command='Sleep'"
        for line in maria.sql(listed, fresh).stdout.decode().split():
            maria.sql(f"KILL {line}", fresh)
        still()

    move.handed_over = held
    with pytest.raises(ConnectionLostError):
        move.run()
    with pg15.connect(fresh) as target:
        assert target.execute(b"SELECT count(*) FROM t").fetchone() == (_ROWS,), "what is cut over is cut over"
