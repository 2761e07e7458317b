"""`make bench`: the same migration by us and by the peers, on the same servers in the same run; medians and ratios to docs/benchmarks.md.

Each round runs every mover once, one after the other, so that a drift of the machine falls on all of them.
A trial: `LANDFALL_BENCH_PAGE=/tmp/page.md python -m tests.bench --rounds 1 --rows 100000`.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.bench import sources
from tests.bench.movers import Peer, Result, pgcopydb, pgloader, run_landfall, run_peer
from tests.bench.page import put
from tests.support import manifest
from tests.support.mysql import MySql
from tests.support.servers import _PG15, MariaDb, PostgreSql

_REPOSITORY = Path(__file__).parent.parent.parent
_POOL = "--innodb-buffer-pool-size=1G"


@dataclass
class Bench:
    """The target's server and the folder of one benchmark run."""

    pg: PostgreSql
    folder: Path
    rounds: int

    def scenario(self, title: str, source: list[manifest.Document], peers: Sequence[Peer], rows: int) -> list[str]:
        """All movers in turn, each into an empty database; a line of the table for each peer."""
        ours, theirs = Result("landfall"), [Result(peer.name) for peer in peers]
        target = manifest.postgresql("target", self.pg, "bench_target")
        move = manifest.migration("bench", batchSize=50_000, parallelism=4)
        path = manifest.write_documents(self.folder / "bench.yaml", [*source, *target, move])
        for _ in range(self.rounds):
            self._turn(ours, lambda: run_landfall(ours, path), rows)
            self._unfence(path)
            for result, peer in zip(theirs, peers, strict=True):
                self._turn(result, lambda result=result, peer=peer: run_peer(result, peer), rows)
        lines = [row(title, ours, result) for result in theirs]
        print("\n".join(lines), flush=True)
        return lines

    def _turn(self, result: Result, move: Callable[[], None], rows: int) -> None:
        self.pg.database("bench_target")
        with self.pg.connect() as connection:
            connection.execute(b"CHECKPOINT")
        move()
        there = self._rows()
        if not result.failure and there != rows:
            result.failed(f"{there:,} of {rows:,} rows are in the target")

    def _rows(self) -> int:
        """Rows of all tables of the target but our own."""
        with self.pg.connect("bench_target") as connection:
            names = connection.execute(
                b"SELECT format('%I.%I',schemaname,tablename) FROM pg_tables"
                b" WHERE schemaname NOT IN ('pg_catalog','information_schema') AND schemaname NOT LIKE 'landfall%'"
            ).fetchall()
            return sum(connection.execute(f"SELECT count(*) FROM {name}".encode()).fetchone()[0] for (name,) in names)

    def _unfence(self, path: Path) -> None:
        """Let the source be as it was: a fence would be copied by a peer."""
        subprocess.run(
            [sys.executable, "-m", "landfall", "rollback", "--discard-writes", str(path)],
            check=True,
            stdout=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": str(_REPOSITORY / "operator")},
        )


def row(title: str, ours: Result, theirs: Result) -> str:
    """A line: medians, and the ratios of the medians. A mover that failed has its cause there."""
    if ours.failure or theirs.failure:
        cause = f"landfall failed: {ours.failure}" if ours.failure else f"failed: {theirs.failure}"
        return f"| {title} | {theirs.name} | {cause} | {_spread(ours.wall)} | | {_median(ours.moved):.1f} | | | {_median(ours.cpu):.1f} | |"
    other, mine, moved = (_median(values) for values in (theirs.wall, ours.wall, ours.moved))
    return (
        f"| {title} | {theirs.name} | {_spread(theirs.wall)} | {_spread(ours.wall)} | **{other / mine:.2f}** | {moved:.1f} | **{other / moved:.2f}** |"
        f" {_median(theirs.cpu):.1f} | {_median(ours.cpu):.1f} | {_median(ours.cpu) / _median(theirs.cpu):.2f} |"
    )


def _median(values: list[float]) -> float:
    return statistics.median(values)


def _spread(values: list[float]) -> str:
    return f"{_median(values):.1f} ({min(values):.1f} to {max(values):.1f})"


def _measured(bench: Bench, servers: dict[str, MariaDb], rows: int) -> list[str]:
    url = f"postgresql://postgres@127.0.0.1:{bench.pg.port}"
    target, lines, kept = f"{url}/bench_target", list[str](), sources.PostgresqlSource(bench.pg, bench.folder)
    copies = pgcopydb(f"{url}/bench_source", target, bench.folder)
    for tables, each in ((1, rows), (20, rows // 15)):
        size = f"{'one table' if tables == 1 else f'{tables} tables'} of {each:,} rows"
        for name, server in servers.items():
            source = sources.tables_of_mysql(server, tables, each)
            load = pgloader(f"mysql://{sources.USER}:{sources.USER}@127.0.0.1:{server.port}/bench", target)
            lines += bench.scenario(f"{name}, {size}", source, [load], tables * each)
        kept.keep(source)
        lines += bench.scenario(f"PostgreSQL, {size}", kept.fresh(), copies, tables * each)
    source = sources.table_of_sqlite(bench.folder / "bench.db", rows)
    lines += bench.scenario(
        f"SQLite, one table of {rows:,} rows", source, [pgloader(f"sqlite://{bench.folder}/bench.db", target)], rows
    )
    return lines


def main() -> None:
    """Run all scenarios and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rows", type=int, default=3_000_000)
    told = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="landfall-bench-"))
    maria = MariaDb(settings=(_POOL,)).start()
    mysql = MySql(settings=(_POOL, "--cte-max-recursion-depth=100000000")).start()
    pg = PostgreSql(_PG15, settings=sources.SETTINGS).start()
    try:
        lines = _measured(Bench(pg, folder, told.rounds), {"MariaDB": maria, "MySQL": mysql}, told.rows)
    finally:
        for server in (maria, mysql, pg):
            server.stop()
        shutil.rmtree(folder, ignore_errors=True)
    put(_PAGE.format(rounds=told.rounds, cores=os.cpu_count(), lines="\n".join(lines)))


_PAGE = """# Benchmarks

`make bench` writes this table: medians of {rounds} interleaved rounds, in seconds, with the fastest and the slowest round. Source, target and tools share one
machine with {cores} cores. Compare the ratios, not the seconds. Each table has 12 mixed columns, a primary key and two indexes (SQLite: 8 columns, one index).
"Ours" includes the plan with its profiling, the indexes, the verification of every row on both sides, and the cutover. "Ours, rows and indexes" is the
time until all rows and indexes are in the target, before the verification starts. The peers verify nothing. CPU is the CPU time of the tool itself; the last
column is ours divided by the peer's. pgloader runs with `prefetch rows = 10000`: with its default it exhausts its heap on 20 tables.

| migration | peer | peer | ours | times as fast | ours, rows and indexes | times as fast | peer's CPU | our CPU | CPU, ours / peer's |
|---|---|---|---|---|---|---|---|---|---|
{lines}
"""

if __name__ == "__main__":
    main()
