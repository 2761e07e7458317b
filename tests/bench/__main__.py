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
        landfall, peer_results = Result("landfall"), [Result(peer.name) for peer in peers]
        target = manifest.postgresql("target", self.pg, "bench_target")
        move = manifest.migration("bench", batchSize=50_000, parallelism=4)
        path = manifest.write_documents(self.folder / "bench.yaml", [*source, *target, move])
        for _ in range(self.rounds):
            self._turn(landfall, lambda: run_landfall(landfall, path), rows)
            self._unfence(path)
            for result, peer in zip(peer_results, peers, strict=True):
                self._turn(result, lambda result=result, peer=peer: run_peer(result, peer), rows)
        lines = [row(title, landfall, result) for result in peer_results]
        print("\n".join(lines), flush=True)
        return lines

    def _turn(self, result: Result, move: Callable[[], None], rows: int) -> None:
        self.pg.database("bench_target")
        with self.pg.connect() as connection:
            connection.execute(b"CHECKPOINT")
        move()
        rows_in_target = self._rows()
        if not result.failure and rows_in_target != rows:
            result.failed(f"{rows_in_target:,} of {rows:,} rows are in the target")

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


def row(title: str, landfall: Result, peer_result: Result) -> str:
    """A line: medians, and the ratios of the medians. A mover that failed has its cause there."""
    if landfall.failure or peer_result.failure:
        cause = f"landfall failed: {landfall.failure}" if landfall.failure else f"failed: {peer_result.failure}"
        return f"| {title} | {peer_result.name} | {cause} | {_spread(landfall.wall)} | | {_median(landfall.moved):.1f} | | | {_median(landfall.cpu):.1f} | |"
    other, landfall_seconds, copy_seconds = (_median(values) for values in (peer_result.wall, landfall.wall, landfall.moved))
    return (
        f"| {title} | {peer_result.name} | {_spread(peer_result.wall)} | {_spread(landfall.wall)} | **{other / landfall_seconds:.2f}** | {copy_seconds:.1f} | **{other / copy_seconds:.2f}** |"
        f" {_median(peer_result.cpu):.1f} | {_median(landfall.cpu):.1f} | {_median(landfall.cpu) / _median(peer_result.cpu):.2f} |"
    )


def _median(values: list[float]) -> float:
    return statistics.median(values)


def _spread(values: list[float]) -> str:
    return f"{_median(values):.1f} ({min(values):.1f} to {max(values):.1f})"


def _measured(bench: Bench, servers: dict[str, MariaDb], rows: int) -> list[str]:
    url = f"postgresql://postgres@127.0.0.1:{bench.pg.port}"
    target, lines, postgresql_source = f"{url}/bench_target", list[str](), sources.PostgresqlSource(bench.pg, bench.folder)
    copies = pgcopydb(f"{url}/bench_source", target, bench.folder)
    for tables, each in ((1, rows), (20, rows // 15)):
        size = f"{'one table' if tables == 1 else f'{tables} tables'} of {each:,} rows"
        for name, server in servers.items():
            source = sources.tables_of_mysql(server, tables, each)
            load = pgloader(f"mysql://{sources.USER}:{sources.USER}@127.0.0.1:{server.port}/bench", target)
            lines += bench.scenario(f"{name}, {size}", source, [load], tables * each)
        postgresql_source.keep(source)
        lines += bench.scenario(f"PostgreSQL, {size}", postgresql_source.fresh(), copies, tables * each)
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
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="landfall-bench-"))
    maria = MariaDb(settings=(_POOL,)).start()
    mysql = MySql(settings=(_POOL, "--cte-max-recursion-depth=100000000")).start()
    pg = PostgreSql(_PG15, settings=sources.SETTINGS).start()
    try:
        lines = _measured(Bench(pg, folder, arguments.rounds), {"MariaDB": maria, "MySQL": mysql}, arguments.rows)
    finally:
        for server in (maria, mysql, pg):
            server.stop()
        shutil.rmtree(folder, ignore_errors=True)
    put(_PAGE.format(rounds=arguments.rounds, cores=os.cpu_count(), lines="\n".join(lines)))


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
