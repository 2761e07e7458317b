"""Memory stays bounded: ordinary rows with four streams, and rows of up to 64 MB within the stated budget."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import manifest
from tests.support.faults import REPOSITORY
from tests.support.servers import MariaDb, PostgreSql

_MEGABYTE = 1024 * 1024
# Runs the command as a child and prints the largest resident set that any child of it had, in kB.
_MEASURED = (
    "import resource,subprocess,sys; done=subprocess.run(sys.argv[1:],capture_output=True,text=True);"
    "print(done.stdout.splitlines()[-1] if done.stdout else done.stderr);"
    "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss); sys.exit(done.returncode)"
)


def resident(path: Path) -> int:
    """Bytes of the largest resident set of `landfall run`."""
    command = [sys.executable, "-c", _MEASURED, sys.executable, "-m", "landfall", "run", "--yes", "-o", "json", str(path)]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY / "operator")}
    process = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd=REPOSITORY, timeout=300)
    assert process.returncode == 0, process.stdout + process.stderr
    result, size = process.stdout.splitlines()[-2:]
    assert json.loads(result)["type"] == "result"
    return int(size) * 1024


@pytest.fixture(scope="module")
def roomy() -> Iterator[MariaDb]:
    """A MariaDB that takes rows of 64 MB."""
    server = MariaDb(settings=("--max-allowed-packet=256M", "--innodb-log-file-size=1G")).start()
    yield server
    server.stop()


def test_ordinary_rows_take_less_than_150_mb(
    maria: MariaDb, pg15: PostgreSql, fresh: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    maria.sql(
        "CREATE TABLE t (id INT PRIMARY KEY, a VARCHAR(60), b DECIMAL(12,2), c DATETIME, d TEXT);"
        "INSERT INTO t SELECT seq,md5(seq),seq/3,'2020-01-01',repeat('text ',seq%20) FROM seq_1_to_400000",
        maria.database(fresh),
    )
    ends = [*manifest.mariadb("source", maria, fresh), *manifest.postgresql("target", pg15, pg15.database(fresh))]
    path = manifest.write_documents(tmp_path / "m.yaml", [*ends, manifest.migration("m", parallelism=4)])
    size = resident(path)
    with capsys.disabled():
        print(f"\nordinary rows, 4 streams: {size // _MEGABYTE} MB")
    assert size < 150 * _MEGABYTE


@pytest.mark.parametrize("source", ["mariadb", "sqlite", "postgresql"])
def test_rows_of_64_mb_stay_within_the_budget(
    source: str, roomy: MariaDb, pg15: PostgreSql, fresh: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    size = 60 * _MEGABYTE
    if source == "mariadb":
        text = f"CREATE TABLE t (id INT PRIMARY KEY, b LONGBLOB); INSERT INTO t SELECT seq,repeat('b',{size}) FROM seq_1_to_5"
        roomy.sql(text, roomy.database(fresh))
        source_documents = manifest.mariadb("source", roomy, fresh)
    elif source == "sqlite":
        connection = sqlite3.connect(tmp_path / "s.db")
        connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, b BLOB)")
        connection.executemany("INSERT INTO t VALUES (?,zeroblob(?))", [(n, size) for n in range(1, 6)])
        connection.commit()
        connection.close()
        source_documents = manifest.sqlite("source", tmp_path / "s.db")
    else:
        with pg15.connect(pg15.database(f"{fresh}s")) as target:
            target.execute(b"CREATE TABLE t (id int PRIMARY KEY, b bytea)")
            target.execute(f"INSERT INTO t SELECT g,convert_to(repeat('b',{size}),'UTF8') FROM generate_series(1,5) g".encode())
        source_documents = manifest.postgresql("source", pg15, f"{fresh}s")
    budget = 640 * _MEGABYTE
    move = manifest.migration("m", parallelism=4, batchSize=100, limits={"memoryBytes": budget})
    path = manifest.write_documents(
        tmp_path / "m.yaml", [*source_documents, *manifest.postgresql("target", pg15, pg15.database(fresh)), move]
    )
    used = resident(path)
    with capsys.disabled():
        print(f"\n{source}, rows of 60 MB: {used // _MEGABYTE} MB of {budget // _MEGABYTE} MB")
    assert used < budget
    with pg15.connect(fresh) as target:
        assert target.execute(b"SELECT count(*),min(length(b)) FROM t").fetchone() == (5, size)
