"""`make bench-control`: how soon a run of millions of rows pauses, that nothing is copied twice after it goes on, and how well its end is foreseen.

Each engine moves the same rows twice: once paused five times on its way, once undisturbed while its forecast is written down.
"""

from __future__ import annotations

import os
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from landfall.engine.errors import InterruptedRunError
from landfall.engine.model.events import Event, EventKind
from landfall.engine.model.options import Endpoint, Options
from landfall.engine.model.plan import Plan
from landfall.engine.prepare.make_plan import make_plan
from landfall.engine.run.progress import ProgressCounter
from landfall.engine.run.runner import MigrationRun
from tests.bench import sources
from tests.bench.page import put
from tests.support import engine
from tests.support.servers import _PG15, MariaDb, PostgreSql

_ROWS = int(os.environ.get("LANDFALL_BENCH_ROWS", "3000000"))
_PAUSES = (0.1, 0.25, 0.4, 0.6, 0.8)
_LOOK_SECONDS = 0.25


@dataclass
class _Paused:
    """A run that is stopped on its way: how long each stop took, and how often each chunk was moved."""

    plan: Plan
    stops: list[float] = field(default_factory=list)
    chunks: Counter[tuple[str, str]] = field(default_factory=Counter)
    rows: int = 0
    asked: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self, event: Event) -> None:
        """A chunk that is committed."""
        if event.kind == EventKind.CHUNK:
            with self.lock:
                self.chunks[event.table, event.text] += 1
                self.rows += event.rows

    def attempt(self, source: Endpoint, target: Endpoint, options: Options, share: float | None) -> None:
        """Work until so much is moved, stop, and measure how long stopping takes; without a share, to the end."""
        run = MigrationRun(source, target, options, self.count)
        over = threading.Event()

        def watch() -> None:
            while share is not None and not over.wait(0.01):
                if self.rows >= share * _ROWS:
                    self.asked = time.monotonic()
                    run.stop.request()
                    return

        watching = threading.Thread(target=watch, daemon=True)
        watching.start()
        try:
            run.run("bench", None if run.existing() else self.plan)
        except InterruptedRunError:
            self.stops.append(time.monotonic() - self.asked)
        finally:
            over.set()
            watching.join()
            run.close()


def _fresh(pg: PostgreSql) -> None:
    with pg.connect() as connection:
        connection.execute(b"DROP DATABASE IF EXISTS bench_target WITH (FORCE)")
        connection.execute(b"CREATE DATABASE bench_target")
        connection.execute(b"CHECKPOINT")


def _paused(source: Endpoint, target: Endpoint) -> _Paused:
    options = Options()
    measurement = _Paused(make_plan(source, target, options))
    for share in (*_PAUSES, None):
        measurement.attempt(source, target, options, share)
    return measurement


def _foreseen(source: Endpoint, target: Endpoint, options: Options) -> tuple[float, float, float]:
    """How long it took, and by how much of that the forecast was off in its second half: at most, and on average."""
    plan = make_plan(source, target, options)
    tally = ProgressCounter(plan)
    run = MigrationRun(source, target, options, tally.count)
    forecasts: list[tuple[float, float]] = []
    over = threading.Event()
    began = time.monotonic()

    def look() -> None:
        while not over.wait(_LOOK_SECONDS):
            remaining = tally.numbers().remaining_seconds
            if remaining is not None:
                forecasts.append((time.monotonic() - began, remaining))

    looking = threading.Thread(target=look, daemon=True)
    looking.start()
    run.run("bench", plan)
    whole = time.monotonic() - began
    over.set()
    looking.join()
    run.close()
    off = [abs(at + remaining - whole) / whole for at, remaining in forecasts if at > whole / 2]
    return whole, max(off), sum(off) / len(off)


def main() -> None:
    """All engines, one after the other."""
    folder = Path(tempfile.mkdtemp(prefix="landfall-bench-"))
    maria = MariaDb(settings=("--innodb-buffer-pool-size=1G",)).start()
    pg = PostgreSql(_PG15, settings=sources.SETTINGS).start()
    try:
        postgresql_source = sources.PostgresqlSource(pg, folder)
        postgresql_source.keep(sources.tables_of_mysql(maria, 1, _ROWS))
        postgresql_source.fresh()
        sources.table_of_sqlite(folder / "bench.db", _ROWS)
        ends = {
            "MariaDB": engine.mariadb(maria, "bench"),
            "PostgreSQL": engine.postgresql(pg, "bench_source"),
            "SQLite": Endpoint("SQLite", path=str(folder / "bench.db")),
        }
        lines = [_line(name, source, pg) for name, source in ends.items()]
    finally:
        maria.stop()
        pg.stop()
    head = (
        f"## Control\n\n{_ROWS:,} rows, default options (chunks of 10,000 rows, 4 streams). The run is paused five times. A pause lasts from the request\nuntil"
        " the run has stopped. Two more runs have no pause, and one of them is limited to half its speed by `limits`. Their forecast of the end is"
        " compared\nwith the actual end, four times a second.\n\n"
        "| source | pauses: median, most | chunks copied twice | run: seconds, forecast off in its second half: most, mean | the same at half speed |\n|---|---|---|---|---|\n"
    )
    text = head + "\n".join(lines) + "\n"
    print(text)
    put(text)


def _line(name: str, source: Endpoint, pg: PostgreSql) -> str:
    target = engine.postgresql(pg, "bench_target")
    _fresh(pg)
    stopped = _paused(source, target)
    assert stopped.rows == _ROWS, f"{stopped.rows} rows were copied in all"
    twice = sum(count - 1 for count in stopped.chunks.values())
    runs = []
    speed = 0
    for _ in range(2):
        _fresh(pg)
        whole, most, mean = _foreseen(source, target, Options(rows_per_second=speed))
        runs.append(f"{whole:.1f} s: {most:.0%}, {mean:.0%}")
        speed = speed or int(_ROWS / whole)
    stops = sorted(stopped.stops)
    return (
        f"| {name} | {stops[len(stops) // 2]:.2f} s, {stops[-1]:.2f} s ({len(stops)} pauses) | {twice} of {len(stopped.chunks)} |"
        f" {runs[0]} | {runs[1]} |"
    )


if __name__ == "__main__":
    main()
