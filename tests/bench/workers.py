"""`make bench-workers`: one table shared by several worker processes, with both databases a network's delay away.

On a machine with two cores more processes have no more cores; what they have is more connections. So every connection goes
through a relay that holds each block back for a while and lets only so much be in flight, as a long line does.
"""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import os
import random
import signal
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

from landfall.engine.model.events import Event, EventKind
from landfall.engine.model.options import Endpoint, Options, Quiesce
from landfall.engine.prepare.make_plan import make_plan
from landfall.engine.run.runner import MigrationRun
from tests.bench.page import put
from tests.support.servers import _PG15, MariaDb, PostgreSql, free_port

_ROWS = int(os.environ.get("LANDFALL_BENCH_ROWS", "5000000"))
_ROUNDS = 3
_DELAY = 0.02
_WINDOW = 128 * 1024
_BATCH = 20_000
_KILL_SECONDS = 2.0
_SPAWN = multiprocessing.get_context("spawn")


# -- the line ---------------------------------------------------------------------------------------------------------


async def _carried(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One direction: a block arrives a delay after it was sent, and no more than a window of them is under way."""
    queue: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(maxsize=2)

    async def send() -> None:
        while block := (entry := await queue.get())[1]:
            await asyncio.sleep(max(0.0, entry[0] - time.monotonic()))
            writer.write(block)
            await writer.drain()

    async def receive() -> None:
        while block := await reader.read(_WINDOW // 2):
            await queue.put((time.monotonic() + _DELAY, block))
        await queue.put((time.monotonic(), b""))

    with contextlib.suppress(OSError):  # one end was killed: the other hears of it
        await asyncio.gather(send(), receive())
    writer.close()


async def _line(port: int, beyond: int) -> None:
    async def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_connection("127.0.0.1", beyond)
        await asyncio.gather(_carried(reader, there_writer), _carried(there_reader, writer))

    server = await asyncio.start_server(accepted, "127.0.0.1", port, limit=_WINDOW)
    await server.serve_forever()


def _relay(port: int, beyond: int) -> None:
    asyncio.run(_line(port, beyond))


# -- the workers ------------------------------------------------------------------------------------------------------


def _lead(source: Endpoint, target: Endpoint, options: Options, channel: Connection) -> None:
    """Plan and run; when the copy began and when it was over."""

    def report(event: Event) -> None:
        if event.kind == EventKind.STATE:
            channel.send((event.text, time.monotonic()))

    plan = make_plan(source, target, options)
    migration = MigrationRun(source, target, options, report)
    outcome = migration.run("bench", plan)
    channel.send(("rows", outcome.rows))


def _help(source: Endpoint, target: Endpoint, options: Options) -> None:
    MigrationRun(source, target, options, lambda _: None).help()


def _started(body: Callable[..., None], *arguments: object) -> BaseProcess:
    process = _SPAWN.Process(target=body, args=arguments, daemon=True)
    process.start()
    return process


def _copied(source: Endpoint, target: Endpoint, workers: int, *, killing: bool) -> tuple[float, int]:
    """Seconds that the copy took with so many workers, and how many were killed meanwhile. Helpers are up before it begins."""
    options = Options(parallelism=1, workers=workers, batch_rows=_BATCH, quiesce=Quiesce.ENGINE, takeover_seconds=5)
    helpers = [_started(_help, source, target, options) for _ in range(workers - 1)]
    time.sleep(2)
    receiver, sender = _SPAWN.Pipe()
    leader = _started(_lead, source, target, options, sender)
    reached: dict[str, float] = {}
    killed, rng, struck = 0, random.Random(1), time.monotonic()
    while "rows" not in reached:
        if receiver.poll(0.2):
            state, at = receiver.recv()
            reached[state] = at
        if killing and "copying" in reached and "indexing" not in reached and time.monotonic() - struck > _KILL_SECONDS:
            victim = rng.randrange(len(helpers))
            struck = time.monotonic()
            with contextlib.suppress(ProcessLookupError):  # it found nothing left to help with
                os.kill(helpers[victim].pid or 0, signal.SIGKILL)
                helpers[victim] = _started(_help, source, target, options)
                killed += 1
        if not leader.is_alive() and not receiver.poll():
            message = f"the leader ended with {leader.exitcode}"
            raise RuntimeError(message)
    for process in helpers:
        process.join(20)
        process.kill()
    assert reached["rows"] == _ROWS, reached
    return reached["indexing"] - reached["copying"], killed


def main() -> None:
    """Measure, and write the section."""
    maria = MariaDb(settings=("--innodb-buffer-pool-size=1G",)).start()
    pg = PostgreSql(_PG15, settings=("fsync=off", "shared_buffers=1GB", "max_wal_size=8GB", "max_connections=200")).start()
    near, far = free_port(), free_port()
    lines = [_started(_relay, near, maria.port), _started(_relay, far, pg.port)]
    try:
        maria.sql(
            "CREATE OR REPLACE USER b@'127.0.0.1' IDENTIFIED BY 'b'; GRANT ALL ON *.* TO b@'127.0.0.1';"
            "CREATE TABLE t (id INT PRIMARY KEY, sku VARCHAR(40) NOT NULL, n INT NOT NULL, price DECIMAL(10,2));"
            f"INSERT INTO t SELECT seq,concat('SKU-',md5(seq)),seq%1000,seq/7 FROM seq_1_to_{_ROWS}",
            maria.database("bench"),
        )
        source = Endpoint("MariaDB", "127.0.0.1", near, "bench", "b", "b")
        target = Endpoint("PostgreSQL", "127.0.0.1", far, "target", "postgres")
        rows_text = _rounds(pg, source, target)
    finally:
        for line in lines:
            line.kill()
        maria.stop()
        pg.stop()
    print(rows_text)
    put(
        _PAGE.format(
            rows=_ROWS, rounds=_ROUNDS, delay=int(_DELAY * 1000), window=_WINDOW // 1024, lines=rows_text, every=_KILL_SECONDS
        )
    )


def _rounds(pg: PostgreSql, source: Endpoint, target: Endpoint) -> str:
    durations: dict[tuple[int, bool], list[float]] = {}
    strikes = 0
    for _ in range(_ROUNDS):
        for workers, killing in ((1, False), (2, False), (4, False), (4, True)):
            pg.database("target")
            seconds, killed = _copied(source, replace(target), workers, killing=killing)
            durations.setdefault((workers, killing), []).append(seconds)
            strikes += killed
            print(workers, killing, round(seconds, 1), killed, flush=True)
    alone = statistics.median(durations[(1, False)])
    lines = []
    for (workers, killing), times in durations.items():
        middle = statistics.median(times)
        name = f"{workers}, one killed every {_KILL_SECONDS:.0f} s ({strikes} in all)" if killing else str(workers)
        lines.append(f"| {name} | {middle:.1f} | {min(times):.1f} to {max(times):.1f} | **{alone / middle:.2f}** |")
    return "\n".join(lines)


_PAGE = """
## More workers

`make bench-workers` writes this table. It measures the copy of one table of {rows:,} rows from MariaDB by several worker processes of one stream each, medians of {rounds}
interleaved rounds. Each connection to a database has a delay of {delay} ms per direction and a window of {window} kB. The network therefore limits
a stream, not the two cores of this machine. After each run, every row was verified and equal.

| workers | seconds | all rounds | times as fast as one |
|---|---|---|---|
{lines}
"""

if __name__ == "__main__":
    main()
