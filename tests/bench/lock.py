"""`make bench-lock`: how long writers of the source wait, with random single-row updates from before the copy until after the cutover.

Options: LANDFALL_BENCH_ROWS, LANDFALL_BENCH_RATES (updates a second, separated by commas).
"""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import MySQLdb
import psycopg

from landfall.engine.model.options import Endpoint, Options
from landfall.engine.prepare.make_plan import make_plan
from landfall.engine.run.runner import MigrationRun, Outcome
from tests.bench.page import put
from tests.support.engine import mariadb, postgresql
from tests.support.servers import _PG15, MariaDb, PostgreSql

_ROWS = int(os.environ.get("LANDFALL_BENCH_ROWS", "1000000"))
_RATES = tuple(int(r) for r in os.environ.get("LANDFALL_BENCH_RATES", "0,50,500").split(","))
_THREADS = 4
_COLUMNS = "id,customer,sku,name,qty,price,weight,active,created,updated,note,day"


@dataclass
class _Bench:
    """One source with its table, and how to write to it."""

    label: str
    source: Endpoint
    target: Endpoint
    connect: Callable[[], object]
    empty: Callable[[], object]


@dataclass
class _Writers:
    """Random single-row updates at a rate, by four connections."""

    connect: Callable[[], object]
    rate: int
    longest: list[float] = field(default_factory=lambda: [0.0] * _THREADS)
    done: int = 0
    stop: threading.Event = field(default_factory=threading.Event)

    def run(self, number: int) -> None:
        """Write until stopped; what a write waits counts, acknowledged or not."""
        choose, cursor = random.Random(number), self.connect().cursor()
        while not self.stop.is_set():
            began = time.monotonic()
            cursor.execute("UPDATE t SET qty=qty+1 WHERE id=%s", (choose.randrange(1, _ROWS),))
            took = time.monotonic() - began
            self.longest[number] = max(self.longest[number], took)
            self.done += 1
            self.stop.wait(max(0.0, _THREADS / self.rate - took))


def _sum(connection: object) -> int:
    cursor = connection.cursor()
    cursor.execute("SELECT sum(qty) FROM t")
    return int(cursor.fetchone()[0])


def _measured(bench: _Bench, rate: int) -> tuple[float, float, Outcome, int]:
    """Seconds of the run, the longest wait of a write, how the run ended, and rows by which both sides differ at the cutover."""
    bench.empty()
    options = Options()
    writers = _Writers(bench.connect, rate)
    threads = [threading.Thread(target=writers.run, args=(n,), daemon=True) for n in range(_THREADS if rate else 0)]
    for thread in threads:
        thread.start()
    seen: list[int] = []
    migration = MigrationRun(bench.source, bench.target, options, lambda _: None)
    migration.handed_over = lambda _outcome, _still: seen.append(_sum(bench.connect()))
    began = time.monotonic()
    try:
        outcome = migration.run("bench", make_plan(bench.source, bench.target, options))
    finally:
        migration.close()
        spent = time.monotonic() - began
        writers.stop.set()
        for thread in threads:
            thread.join(60)
    with psycopg.connect(host=bench.target.host, port=bench.target.port, dbname="target", user="postgres") as target:
        lost = seen[0] - _sum(target)
    return spent, max(writers.longest), outcome, lost


def _postgresql(pg: PostgreSql) -> _Bench:
    pg.database("source")
    with pg.connect("source") as source:
        source.execute(
            b"CREATE TABLE t (id bigint PRIMARY KEY, customer int NOT NULL, sku varchar(40) NOT NULL, name varchar(120), qty int NOT NULL,"
            b"price numeric(12,2) NOT NULL, weight double precision, active boolean NOT NULL, created timestamp NOT NULL,"
            b"updated timestamptz, note text, day date)"
        )
        source.execute(
            f"INSERT INTO t ({_COLUMNS}) SELECT i,i*7919%1000000,'SKU-'||lpad((i%99991)::text,8,'0'),'Product '||md5(i::text),i%1000,"
            "(i%1000000)/100.0,i*1.37e-3,i%2=1,timestamp '2020-01-01'+i*interval '1 s',CASE WHEN i%5>0 THEN now() END,"
            f"repeat('lorem ',(i%12)::int)||i,date '2015-01-01'+(i%3000)::int FROM generate_series(1::bigint,{_ROWS}) i".encode()
        )
        for statement in (b"CREATE INDEX ON t (customer)", b"CREATE INDEX ON t (sku)", b"VACUUM ANALYZE t"):
            source.execute(statement)
    ends = postgresql(pg, "source"), postgresql(pg, "target")
    return _Bench("PostgreSQL", *ends, lambda: pg.connect("source"), lambda: pg.database("target"))


def _mariadb(maria: MariaDb, pg: PostgreSql) -> _Bench:
    maria.sql(
        "CREATE TABLE t (id bigint PRIMARY KEY, customer int NOT NULL, sku varchar(40) NOT NULL, name varchar(120), qty int NOT NULL,"
        "price decimal(12,2) NOT NULL, weight double, active tinyint(1) NOT NULL, created datetime NOT NULL, updated timestamp NULL,"
        "note text, day date, KEY a (customer), KEY s (sku));"
        f"INSERT INTO t ({_COLUMNS}) SELECT seq,seq*7919%1000000,concat('SKU-',lpad(seq%99991,8,'0')),concat('Product ',md5(seq)),seq%1000,"
        "(seq%1000000)/100,seq*1.37e-3,seq%2,'2020-01-01'+INTERVAL seq SECOND,if(seq%5=0,NULL,now()),concat(repeat('lorem ',seq%12),seq),"
        f"'2015-01-01'+INTERVAL (seq%3000) DAY FROM seq_1_to_{_ROWS}",
        maria.database("source"),
    )

    def connect() -> object:
        return MySQLdb.connect(unix_socket=maria.socket, user="root", db="source", autocommit=True)

    return _Bench("MariaDB", mariadb(maria, "source"), postgresql(pg, "target"), connect, lambda: pg.database("target"))


def main() -> None:
    """Measure each source at each rate, and write the section."""
    pg, maria, lines = PostgreSql(_PG15).start(), MariaDb().start(), []
    try:
        for make in (lambda: _postgresql(pg), lambda: _mariadb(maria, pg)):
            bench = make()
            for rate in _RATES:
                spent, longest, outcome, lost = _measured(bench, rate)
                again = getattr(outcome, "repaired_locked", "")
                cells = (bench.label, rate, f"{spent:.1f}", f"{outcome.frozen_seconds:.1f}", f"{longest:.1f}", again, lost)
                lines.append(f"| {' | '.join(map(str, cells))} |")
                print(lines[-1], flush=True)
    finally:
        maria.stop()
        pg.stop()
    put(_PAGE.format(rows=_ROWS, lines="\n".join(lines)))


_PAGE = """
## Write lock

`make bench-lock` writes this table: one table of {rows:,} rows with two indexes. Four connections send random single-row updates from before the copy until
after the cutover. Seconds: the whole run, the write lock, and the longest wait of one update. Then the number of chunks that were copied again
under the lock, and the difference of both sides at the cutover.

| source | updates a second | run | lock | longest wait | chunks again | difference |
|---|---|---|---|---|---|---|
{lines}
"""

if __name__ == "__main__":
    main()
