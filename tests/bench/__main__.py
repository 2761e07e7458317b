"""`make bench`: the same move by us and by the peers, on the same servers in the same run; medians and ratios to docs/benchmarks.md.

Each round runs every mover once, one after the other, so that a drift of the machine falls on all of them.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.bench.page import put
from tests.support import manifest
from tests.support.servers import _PG15, MariaDb, PostgreSql

REPOSITORY = Path(__file__).parent.parent.parent
_SETTINGS = ("shared_buffers=1GB", "max_wal_size=8GB", "maintenance_work_mem=256MB", "max_connections=200")
_LIMIT = 600
_COLUMNS = (
    "id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY, customer INT NOT NULL, sku VARCHAR(40) NOT NULL, name VARCHAR(120), qty SMALLINT NOT NULL,"
    " price DECIMAL(12,2) NOT NULL, weight DOUBLE, active TINYINT(1) NOT NULL, created DATETIME NOT NULL, updated TIMESTAMP NULL, note TEXT, day DATE"
)
_ROW = (
    "floor(rand(seq)*1000000),concat('SKU-',lpad(seq%99991,8,'0')),concat('Product name ',md5(seq)),seq%1000,(seq%1000000)/100,seq*1.37e-3,seq%2,"
    "'2020-01-01'+interval seq second,if(seq%5=0,null,'2021-01-01'+interval seq second),"
    "if(seq%3=0,null,concat('note ',repeat('lorem ',seq%12),char(10),seq)),'2015-01-01'+interval (seq%3000) day"
)


@dataclass
class Result:
    """What one mover took, round by round: seconds on the clock, seconds of its own CPU, and seconds without the comparison."""

    name: str
    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    moved: list[float] = field(default_factory=list)
    failure: str = ""


def timed(command: list[str], env: dict[str, str] | None = None) -> tuple[float, float, str]:
    """Seconds, seconds of CPU, and what it printed. Raises CalledProcessError when the mover fails or hangs."""
    began, before = time.monotonic(), os.times()
    done = subprocess.run(
        command,
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, **(env or {})},
        timeout=_LIMIT,
        stdin=subprocess.DEVNULL,
    )
    after = os.times()
    if done.returncode:
        raise subprocess.CalledProcessError(done.returncode, command, done.stdout[-2000:], done.stderr[-2000:])
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return time.monotonic() - began, cpu, done.stdout


def landfall(result: Result, path: Path) -> None:
    """One run of ours, with everything: plan, census, copy, indexes, comparison, cutover."""
    began = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", "landfall", "run", "--yes", "-o", "json", str(path)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY / "operator")},
    )
    before, compared = os.times(), 0.0
    assert process.stdout
    for line in process.stdout:
        if '"text": "comparing"' in line:
            compared = time.monotonic() - began
    if process.wait():
        raise subprocess.CalledProcessError(process.returncode, "landfall run")
    after = os.times()
    result.wall.append(time.monotonic() - began)
    result.moved.append(compared)
    result.cpu.append(after.children_user + after.children_system - before.children_user - before.children_system)


def peer(result: Result, command: list[str]) -> None:
    """One run of a peer. One that fails is reported as such and not tried again."""
    if result.failure:
        return
    try:
        wall, cpu, _ = timed(command)
    except subprocess.CalledProcessError as error:
        lines = [
            line
            for line in f"{error.stdout}\n{error.stderr}".splitlines()
            if "ERROR" in line or "exhaust" in line or "FATAL" in line
        ]
        result.failure = lines[0].split("ERROR", 1)[-1].strip()[:120] if lines else f"exit status {error.returncode}"
        return
    except subprocess.TimeoutExpired:
        result.failure = f"no end after {_LIMIT} s"
        return
    result.wall.append(wall)
    result.cpu.append(cpu)
    result.moved.append(wall)


@dataclass
class Bench:
    """The servers and the folder of one benchmark run."""

    maria: MariaDb
    pg: PostgreSql
    folder: Path
    rounds: int
    scale: float

    def scenario(self, title: str, source: list[manifest.Document], peer_name: str, peer_command: list[str]) -> str:
        """Both movers in turn; a line of the table."""
        ours, theirs = Result("landfall"), Result(peer_name)
        move = manifest.migration("bench", batchSize=50_000, parallelism=4)
        path = manifest.written(
            self.folder / "bench.yaml", [*source, *manifest.postgresql("target", self.pg, "bench_target"), move]
        )
        turns: list[Callable[[], None]] = [lambda: landfall(ours, path), lambda: peer(theirs, peer_command)]
        for _ in range(self.rounds):
            for turn in turns:
                self.pg.database("bench_target")
                with self.pg.connect() as connection:
                    connection.execute(b"CHECKPOINT")
                shutil.rmtree("/tmp/pgcopydb", ignore_errors=True)  # noqa: S108  where that peer keeps its state
                turn()
        return row(title, ours, theirs)

    def mariadb(self, tables: int, rows: int) -> list[manifest.Document]:
        """Tables of 12 mixed columns with a primary key and two indexes."""
        name = self.maria.database("bench")
        for n in range(tables):
            self.maria.sql(
                f"CREATE TABLE t{n} ({_COLUMNS}) DEFAULT CHARSET=utf8mb4; INSERT INTO t{n} (customer,sku,name,qty,price,weight,active,created,"
                f"updated,note,day) SELECT {_ROW} FROM seq_1_to_{rows}; ALTER TABLE t{n} ADD KEY c{n} (customer), ADD KEY d{n} (created); ANALYZE TABLE t{n}",
                name,
            )
        self.maria.sql("CREATE OR REPLACE USER b@'127.0.0.1' IDENTIFIED BY 'b'; GRANT ALL ON *.* TO b@'127.0.0.1'")
        return manifest.mariadb("source", self.maria, name)

    def sqlite(self, rows: int) -> list[manifest.Document]:
        """One plain table, with what every tool can carry."""
        path = self.folder / "bench.db"
        path.unlink(missing_ok=True)
        connection = sqlite3.connect(path, isolation_level=None)
        connection.execute(
            "CREATE TABLE t (id INTEGER PRIMARY KEY, customer INTEGER, sku TEXT, name TEXT, qty INTEGER, weight REAL, note TEXT, created TEXT)"
        )
        connection.execute("BEGIN")
        connection.executemany(
            "INSERT INTO t VALUES (?,?,?,?,?,?,?,?)",
            (
                (
                    n,
                    n * 7 % 1000003,
                    f"SKU-{n % 99991:08d}",
                    f"Product name {n * 2654435761 % 2**32:08x}",
                    n % 1000,
                    n * 1.37e-3,
                    None if n % 3 == 0 else "lorem " * (n % 12),
                    "2020-01-01 00:00:00",
                )
                for n in range(1, rows + 1)
            ),
        )
        connection.execute("COMMIT")
        connection.execute("CREATE INDEX t_customer ON t (customer)")
        connection.close()
        return manifest.sqlite("source", path)

    def postgresql(self) -> list[manifest.Document]:
        """What the last move from MariaDB left in the target, as a source."""
        with self.pg.connect() as connection:
            connection.execute(b"DROP DATABASE IF EXISTS bench_source WITH (FORCE)")
            connection.execute(b"CREATE DATABASE bench_source TEMPLATE bench_template")
        return manifest.postgresql("source", self.pg, "bench_source")

    def keep(self, source: list[manifest.Document]) -> None:
        """Move a source once and keep the result as the template of `postgresql`."""
        move = manifest.migration("bench", batchSize=50_000)
        path = manifest.written(
            self.folder / "keep.yaml", [*source, *manifest.postgresql("target", self.pg, self.pg.database("bench_target")), move]
        )
        landfall(Result("landfall"), path)
        with self.pg.connect("bench_target") as connection:
            connection.execute(b"DROP SCHEMA landfall CASCADE")
            connection.execute(b"VACUUM ANALYZE")
        with self.pg.connect() as connection:
            connection.execute(b"DROP DATABASE IF EXISTS bench_template WITH (FORCE)")
            connection.execute(b"ALTER DATABASE bench_target RENAME TO bench_template")


def row(title: str, ours: Result, theirs: Result) -> str:
    """A line: medians, and the ratios of the medians."""
    if theirs.failure:
        mine, cpu = statistics.median(ours.wall), statistics.median(ours.cpu)
        line = f"| {title} | {theirs.name} | failed: {theirs.failure} | {mine:.1f} | | {statistics.median(ours.moved):.1f} | | | {cpu:.1f} | |"
        print(line, flush=True)
        return line
    mine, moved, cpu = (statistics.median(v) for v in (ours.wall, ours.moved, ours.cpu))
    other, other_cpu = statistics.median(theirs.wall), statistics.median(theirs.cpu)
    spread = f"{min(ours.wall):.1f} to {max(ours.wall):.1f}"
    line = (
        f"| {title} | {theirs.name} | {other:.1f} | {mine:.1f} ({spread}) | **{other / mine:.2f}** | {moved:.1f} | **{other / moved:.2f}** |"
        f" {other_cpu:.1f} | {cpu:.1f} | 1/{other_cpu / cpu:.0f} |"
    )
    print(line, flush=True)
    return line


def main() -> None:
    """Run all scenarios and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--scale", type=float, default=1.0, help="1: 3 million rows")
    told = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="landfall-bench-"))
    maria = MariaDb(settings=("--innodb-buffer-pool-size=1G",)).start()
    pg = PostgreSql(_PG15, settings=_SETTINGS).start()
    bench = Bench(maria, pg, folder, told.rounds, told.scale)
    url = f"postgresql://postgres@127.0.0.1:{pg.port}"
    load = f"mysql://b:b@127.0.0.1:{maria.port}/bench"
    copy = [
        "pgcopydb",
        "clone",
        "--source",
        f"{url}/bench_source",
        "--target",
        f"{url}/bench_target",
        "--table-jobs",
        "4",
        "--index-jobs",
        "4",
    ]
    rows = int(3_000_000 * told.scale)
    lines = []
    try:
        pgloader = ["pgloader", "--with", "prefetch rows = 10000", load, f"{url}/bench_target"]
        for title, tables, each in (("one table", 1, rows), ("20 tables", 20, rows // 15)):
            source = bench.mariadb(tables, each)
            lines.append(bench.scenario(f"MariaDB, {title} of {each:,} rows", source, "pgloader 3.6.9", pgloader))
            bench.keep(source)
            lines.append(bench.scenario(f"PostgreSQL, {title} of {each:,} rows", bench.postgresql(), "pgcopydb 0.10", copy))
        source = bench.sqlite(rows)
        command = ["pgloader", f"sqlite://{folder}/bench.db", f"{url}/bench_target"]
        lines.append(bench.scenario(f"SQLite, one table of {rows:,} rows", source, "pgloader 3.6.9", command))
    finally:
        maria.stop()
        pg.stop()
        shutil.rmtree(folder, ignore_errors=True)
    put(_PAGE.format(rounds=told.rounds, cores=os.cpu_count(), lines="\n".join(lines)))
    print("written to docs/benchmarks.md")


_PAGE = """# Benchmarks

`make bench` writes this table: medians of {rounds} interleaved rounds, in seconds. Source, target and tools share one machine with {cores} cores.
Compare the ratios, not the seconds. Each table has 12 mixed columns, a primary key and two indexes (SQLite: 8 columns, one index). "Ours" includes the
plan with its profiling, the indexes, the verification of every row on both sides, and the cutover. "Ours, copied" is the time until all rows and
indexes are in the target, before the verification starts. The peers verify nothing. CPU is the CPU time of the tool itself.
pgloader runs with `prefetch rows = 10000`: with its default it exhausts its heap on 20 tables.

| migration | peer | peer | ours | times as fast | ours, copied | times as fast | peer's CPU | our CPU | |
|---|---|---|---|---|---|---|---|---|---|
{lines}
"""

if __name__ == "__main__":
    main()
