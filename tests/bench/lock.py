"""`make bench-lock`: how long writers of a source wait at its cutover, and that no write that it acknowledged is lost.

Writers send random single-row updates from before the copy until seconds after the cutover, on every engine and at several rates.
Options: LANDFALL_BENCH_ROWS, LANDFALL_BENCH_RATES (updates a second, separated by commas), LANDFALL_BENCH_ROUNDS, LANDFALL_BENCH_ENGINES
(names, separated by commas), LANDFALL_BENCH_PAGE (see tests/bench/page.py). Fails where a write is missing in the target or is acknowledged after the cutover.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.bench import written_sources
from tests.bench.page import put
from tests.bench.writers import AFTER_SECONDS, THREADS, Writers, missing
from tests.bench.written_sources import WrittenSource
from tests.support import manifest
from tests.support.mysql import MySql
from tests.support.servers import _PG15, MariaDb, PostgreSql

_REPOSITORY = Path(__file__).parent.parent.parent
_ROWS = int(os.environ.get("LANDFALL_BENCH_ROWS", "3000000"))
_RATES = tuple(int(r) for r in os.environ.get("LANDFALL_BENCH_RATES", "0,50,500").split(","))
_ENGINES = os.environ.get("LANDFALL_BENCH_ENGINES", "PostgreSQL,MySQL,MariaDB,SQLite").split(",")
_ROUNDS = int(os.environ.get("LANDFALL_BENCH_ROUNDS", "3"))


@dataclass
class _Measured:
    """The runs of one source at one rate: a value for each round, and totals of all rounds."""

    rate: int
    seconds: list[float] = field(default_factory=list)
    locked: list[float] = field(default_factory=list)
    longest: list[float] = field(default_factory=list)
    reached: list[float] = field(default_factory=list)
    again: list[int] = field(default_factory=list)
    given_back: int = 0
    acknowledged: int = 0
    missing: int = 0
    late: int = 0
    refused: int = 0
    errors: list[str] = field(default_factory=list)

    def add(self, result: dict[str, object], writers: Writers, missing_writes: int) -> None:
        """One run: what it reported as JSON, its writers, and writes that are missing in the target."""
        self.seconds.append(float(str(result["seconds"])))
        self.locked.append(float(str(result["frozen_seconds"])))
        self.again.append(int(str(result["repaired_locked"])))
        self.given_back += int(str(result["locks_given_back"]))
        self.longest.append(writers.longest)
        self.reached.append(writers.acknowledged.total() / writers.seconds)
        self.acknowledged += writers.acknowledged.total()
        self.missing += missing_writes
        self.late += writers.late
        self.refused += writers.refused
        self.errors += writers.errors

    def line(self, label: str, idle: float) -> str:
        """The line of the table; `idle` are the seconds of the write lock without writers."""
        lock = statistics.median(self.locked)
        cells = [
            *(label, self.rate, f"{statistics.median(self.reached):.0f}", f"{statistics.median(self.seconds):.1f}"),
            f"{lock:.2f} ({min(self.locked):.2f} to {max(self.locked):.2f})",
            f"**{lock / idle:.2f}**" if self.rate and idle else "",
            f"{statistics.median(self.longest):.2f}" if self.rate else "",
            *(statistics.median_high(self.again), self.given_back),
            *((self.acknowledged, self.missing, self.late, self.refused) if self.rate else ("", "", "", "")),
        ]
        return f"| {' | '.join(map(str, cells))} |"


def _landfall(*arguments: str) -> list[dict[str, object]]:
    """The lines that a command prints as JSON. Raises RuntimeError if it fails."""
    result = subprocess.run(
        [sys.executable, "-m", "landfall", *arguments],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(_REPOSITORY / "operator")},
    )
    if result.returncode:
        message = f"{result.stdout[-1500:]}\n{result.stderr[-1500:]}"
        raise RuntimeError(message)
    return [json.loads(line) for line in result.stdout.splitlines() if line.startswith("{")]


def _measure(source: WrittenSource, pg: PostgreSql, path: Path, measurement: _Measured) -> None:
    """One run with its writers. The source is as before when it is over, but for the rows' values."""
    pg.database("target")
    with pg.connect() as connection:
        connection.execute(b"CHECKPOINT")
    before = source.added()
    writers = Writers(source.connect, _ROWS, measurement.rate)
    writers.start()
    try:
        (result,) = (line for line in _landfall("run", "--yes", "-o", "json", str(path)) if line.get("type") == "result")
        writers.finished()
    finally:
        writers.stop()
    measurement.add(result, writers, missing(writers.acknowledged, before, written_sources.added_in_target(pg, "target")))
    _landfall("rollback", "--discard-writes", str(path))


def _table(source: WrittenSource, pg: PostgreSql, folder: Path) -> tuple[list[str], list[_Measured]]:
    """All rates of a source in turn, round by round, and the lines of the table."""
    target = manifest.postgresql("target", pg, "target")
    path = manifest.write_documents(folder / "lock.yaml", [*source.documents, *target, manifest.migration("bench")])
    rates = [_Measured(rate) for rate in _RATES]
    for _ in range(_ROUNDS):
        for measurement in rates:
            _measure(source, pg, path, measurement)
    idle = next((statistics.median(measurement.locked) for measurement in rates if not measurement.rate), 0.0)
    lines = [measurement.line(source.label, idle) for measurement in rates]
    print("\n".join(lines), flush=True)
    return lines, rates


def _wrong(label: str, rates: Sequence[_Measured]) -> list[str]:
    return [
        f"{label}, {measurement.rate} a second: {measurement.missing} writes are missing, {measurement.late} were acknowledged after the cutover; {measurement.errors[:3]}"
        for measurement in rates
        if measurement.missing or measurement.late or measurement.errors or (measurement.rate and not measurement.refused)
    ]


def main() -> None:
    """Measure each source at each rate, and write the section."""
    folder, lines, wrong = Path(tempfile.mkdtemp(prefix="landfall-bench-")), list[str](), list[str]()
    pg, maria, mysql = PostgreSql(_PG15).start(), MariaDb().start(), MySql(settings=written_sources.MYSQL_SETTINGS).start()
    makers = {
        "PostgreSQL": lambda: written_sources.in_postgresql(pg, _ROWS),
        "MySQL": lambda: written_sources.in_mysql("MySQL", mysql, _ROWS),
        "MariaDB": lambda: written_sources.in_mysql("MariaDB", maria, _ROWS),
        "SQLite": lambda: written_sources.in_sqlite(folder / "lock.db", _ROWS),
    }
    try:
        for engine in _ENGINES:
            source = makers[engine]()
            more, rates = _table(source, pg, folder)
            lines += more
            wrong += _wrong(source.label, rates)
    finally:
        for server in (mysql, maria, pg):
            server.stop()
        shutil.rmtree(folder, ignore_errors=True)
    put(_PAGE.format(rows=_ROWS, threads=THREADS, after=AFTER_SECONDS, rounds=_ROUNDS, lines="\n".join(lines)))
    if wrong:
        raise SystemExit("\n".join(wrong))


_PAGE = """
## Write lock

`make bench-lock` writes this table: one table of {rows:,} rows with two indexes, default options. {threads} connections send random single-row updates
from before the copy until {after} s after the cutover. Seconds are medians of {rounds} rounds, in which the rates take turns: the whole run, the write lock
with its shortest and longest round, and the longest wait of one update. Then, under the lock, the number of chunks that were copied again,
and how often all rounds released the lock early because it would have outlasted `cutover.maxPause`. The last columns add up all rounds: updates that the
source acknowledged, those of them that the target does not have, those acknowledged after the run, and those that the fence refused.

| source | updates a second | reached | run | lock | of the idle lock | longest wait | chunks again | released early | acknowledged | missing | after the cutover | refused |
|---|---|---|---|---|---|---|---|---|---|---|---|---|
{lines}
"""

if __name__ == "__main__":
    main()
