"""Pull the plug at any moment: seeded faults over all phases, each run resumed to the end with equal data.

`LANDFALL_FAULTS` sets how many seeds each source gets: 15 for each commit, 300 in `make campaign`.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support import checker, faults, kinds, manifest
from tests.support.servers import _PG15, MariaDb, PostgreSql

SEEDS = int(os.environ.get("LANDFALL_FAULTS", "15"))
_BATCH = 250
_STREAMS = 3


@pytest.fixture(scope="module")
def target() -> Iterator[PostgreSql]:
    """A target of its own, for it is restarted."""
    server = PostgreSql(_PG15, settings=("fsync=off", "shared_buffers=128MB", "max_connections=150")).start()
    yield server
    server.stop()


@dataclass
class Case:
    """A source, and how to compare it with the target."""

    documents: list[dict[str, object]]
    kill_source: Callable[[], None] | None
    differences: Callable[[str], list[str]]


@pytest.fixture(scope="module")
def mariadb_case(maria: MariaDb, target: PostgreSql) -> Case:
    """MariaDB with tables over every type."""
    name = maria.database("faults")
    kinds.fill_mariadb(maria, name, 11, rows=1500)

    def kill() -> None:
        rows = maria.sql("SELECT ID FROM information_schema.PROCESSLIST WHERE DB='faults' OR STATE<>''").stdout.split()
        maria.sql("".join(f"KILL {int(row)};" for row in rows), check=False)

    def differences(database: str) -> list[str]:
        with target.connect(database) as moved_database:
            table_differences = []
            for table, (left, right) in kinds.MARIADB.items():
                rows = checker.postgresql(moved_database, kinds.target_name(table), right)
                table_differences.append(checker.difference(checker.mariadb(maria.socket, name, table, left), rows))
        return [f for f in table_differences if f]

    return Case(manifest.mariadb("source", maria, name), kill, differences)


@pytest.fixture(scope="module")
def postgresql_case(pg15: PostgreSql, target: PostgreSql) -> Case:
    """PostgreSQL with tables over every type."""
    name = pg15.database("faults")
    kinds.fill_postgresql(pg15, name, 12, rows=1500)

    def kill() -> None:
        with pg15.connect() as connection:
            connection.execute(b"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname='faults'")

    def differences(database: str) -> list[str]:
        with pg15.connect(name) as source_database, target.connect(database) as moved_database:
            table_differences = []
            for table in kinds.POSTGRESQL:
                query = f"SELECT t::text FROM {table} t".encode()
                left, right = (Counter(c.execute(query).fetchall()) for c in (source_database, moved_database))
                table_differences.append(checker.difference(left, right))
        return [f for f in table_differences if f]

    return Case(manifest.postgresql("source", pg15, name), kill, differences)


@pytest.fixture(scope="module")
def sqlite_case(target: PostgreSql, tmp_path_factory: pytest.TempPathFactory) -> Case:
    """SQLite with tables over every family of types."""
    path = tmp_path_factory.mktemp("faults") / "s.db"
    kinds.fill_sqlite(path, 13, rows=1500)

    def differences(database: str) -> list[str]:
        with target.connect(database) as moved_database:
            table_differences = []
            for table, (left, right) in kinds.SQLITE.items():
                rows = checker.postgresql(moved_database, table, right)
                table_differences.append(checker.difference(checker.sqlite(str(path), table, left), rows))
        return [f for f in table_differences if f]

    return Case(manifest.sqlite("source", path), None, differences)


@pytest.mark.parametrize("source", ["mariadb", "postgresql", "sqlite"])
def test_every_fault_is_survived(
    source: str,
    target: PostgreSql,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    capsys: pytest.CaptureFixture[str],
) -> None:
    case: Case = request.getfixturevalue(f"{source}_case")

    def kill_target() -> None:
        with target.connect() as connection:
            connection.execute(
                b"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname='lf' AND pid<>pg_backend_pid()"
            )

    def restart() -> None:
        target.down("immediate")
        target.up()

    harm = faults.Faults(kill_target, case.kill_source, restart)
    documents = [*case.documents, *manifest.postgresql("target", target, "lf")]
    documents.append(manifest.migration("faulty", batchSize=_BATCH, parallelism=_STREAMS))
    path = manifest.write_documents(tmp_path / "m.yaml", documents)

    target.database("lf")
    clean = faults.watched(faults.start(path), 0, faults.nothing)
    assert clean.status == 0, clean.errors
    events, largest = len(clean.events), max(rows for _, _, rows in clean.chunks("chunk"))
    total = sum(rows for _, _, rows in clean.chunks("chunk"))

    survived: Counter[str] = Counter()
    redone = 0
    for seed in range(SEEDS):
        rng = random.Random(seed)
        name, strike = harm.draw(rng)
        at = 1 + (seed * events // SEEDS + rng.randrange(3)) % events
        target.database("lf")
        attempts = faults.until_complete(path, at, name, strike, harm.wake)
        attempts += harm.wake()
        fault_text = f"{name} at event {at} of {events}"
        assert case.differences("lf") == [], fault_text
        again = faults.redone(attempts)
        assert again <= _STREAMS * largest * len(attempts), f"{fault_text}: {again} rows redone"
        redone += again
        survived[name] += 1
    with capsys.disabled():
        print(f"\n{source}: {sum(survived.values())} faults survived, {redone} of {total * SEEDS} rows redone; {dict(survived)}")
