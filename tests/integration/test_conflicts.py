"""What happens when the world changes under a run: the source's schema, a second run, a full disk."""

from __future__ import annotations

import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from landfall.engine.errors import DiskFullError, RunConflictError, SourceChangedError, ValueRefusedError
from landfall.engine.model.events import Event, EventKind
from landfall.engine.model.options import Options
from landfall.engine.run.rollback import roll_back
from landfall.engine.sources.run_key import run_key
from tests.support import checker
from tests.support import engine as run
from tests.support.servers import MariaDb, PostgreSql


class _PlugError(Exception):
    """Pulled by the test."""


def _plug() -> None:
    raise _PlugError


def _source(maria: MariaDb, name: str, rows: int = 2000) -> None:
    maria.sql(
        "CREATE TABLE item (id INT PRIMARY KEY, name VARCHAR(200));"
        f"INSERT INTO item SELECT seq, repeat('x',150) FROM seq_1_to_{rows}",
        maria.database(name),
    )


def test_a_source_that_changes_its_schema_is_noticed(maria: MariaDb, pg15: PostgreSql, fresh: str) -> None:
    _source(maria, fresh)
    options = Options(batch_rows=200, takeover_seconds=0)
    move = run.Move(run.mariadb(maria, fresh), run.postgresql(pg15, pg15.database(fresh)), options, at={"copying": _plug})
    with pytest.raises(_PlugError):
        move.run()
    maria.sql("ALTER TABLE item ADD COLUMN extra INT", fresh)
    move.at = {}
    with pytest.raises(SourceChangedError, match=f"{fresh}.item"):
        move.run()


def test_a_source_that_changes_under_the_write_lock_is_noticed(maria: MariaDb, pg15: PostgreSql, fresh: str) -> None:
    """The lock keeps nobody from creating a table. The catalog is read again, because the version of the schema differs."""
    _source(maria, fresh)

    def created(event: Event) -> None:
        if event.kind == EventKind.NOTICE and event.text.endswith("is acquired"):
            maria.sql("CREATE TABLE late (id INT PRIMARY KEY)", fresh)

    move = run.Move(run.mariadb(maria, fresh), run.postgresql(pg15, pg15.database(fresh)), on=created)
    with pytest.raises(SourceChangedError, match=f"{fresh}.late"):
        move.run()


def test_a_second_run_at_the_same_schema_is_refused(maria: MariaDb, pg15: PostgreSql, fresh: str) -> None:
    _source(maria, fresh)
    _source(maria, f"{fresh}b")
    target = run.postgresql(pg15, pg15.database(fresh))
    refused: list[str] = []

    def second() -> None:
        other = run.Move(run.mariadb(maria, f"{fresh}b"), target)
        same = run.Move(run.mariadb(maria, fresh), target, replace(other.options, takeover_seconds=60))
        for move in (other, same):
            with pytest.raises(RunConflictError) as caught:
                move.run()
            refused.append(caught.value.message)

    run.Move(run.mariadb(maria, fresh), target, at={"copying": second}).run()
    assert "another migration" in refused[0]
    assert "is being run by" in refused[1]


def test_a_full_disk_is_named_and_the_run_goes_on_once_there_is_room(
    maria: MariaDb, pg15: PostgreSql, fresh: str, tmp_path: Path
) -> None:
    if os.getuid() != 0:
        pytest.skip("needs root, to mount a file system of 16 MB")
    folder = Path("/tmp") / f"landfall-full-{fresh}-{os.getpid()}"  # noqa: S108  a mount point that the server can reach
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m,mode=0777", "tmpfs", folder], check=True)
    space = folder / "space"
    try:
        space.mkdir(mode=0o700)
        subprocess.run(["chown", str(pg15.user), space], check=True)
        _source(maria, fresh, rows=150_000)
        pg15.database(fresh)
        with pg15.connect() as connection:
            connection.execute(f"CREATE TABLESPACE full_{fresh} LOCATION '{space}'".encode())
            connection.execute(f"ALTER DATABASE {fresh} SET default_tablespace = full_{fresh}".encode())
        move = run.Move(run.mariadb(maria, fresh), run.postgresql(pg15, fresh), Options(takeover_seconds=0))
        with pytest.raises(DiskFullError, match="No space left"):
            move.run()
        subprocess.run(["mount", "-o", "remount,size=256m", folder], check=True)
        move.run()
        with pg15.connect(fresh) as target:
            source_rows = checker.mariadb(maria.socket, fresh, "item", ["id", "name"])
            assert checker.difference(source_rows, checker.postgresql(target, "item", ["id", "name"])) == ""
    finally:
        with pg15.connect() as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {fresh} WITH (FORCE)".encode())
            connection.execute(f"DROP TABLESPACE IF EXISTS full_{fresh}".encode())
        subprocess.run(["umount", folder], check=True)
        folder.rmdir()
    del tmp_path


def test_a_kind_of_value_that_came_after_the_plan_asks_for_a_policy(maria: MariaDb, pg15: PostgreSql, fresh: str) -> None:
    maria.sql("CREATE TABLE t (id INT PRIMARY KEY, note TEXT) CHARACTER SET utf8mb4", maria.database(fresh))
    maria.sql("INSERT INTO t SELECT seq,'x' FROM seq_1_to_500", fresh)
    move = run.Move(run.mariadb(maria, fresh), run.postgresql(pg15, pg15.database(fresh)))
    assert not move.plan().to_review

    def write() -> None:
        maria.sql("UPDATE t SET note=CONCAT('a',CHAR(0),'b') WHERE id=77", fresh)

    move.at = {"copying": write}
    with pytest.raises(ValueRefusedError) as refused:
        move.run()
    assert "Plan again, and choose a policy" in refused.value.advice
    with pg15.connect(fresh) as target:
        assert target.execute(b"SELECT count(*) FROM pg_class WHERE relnamespace='public'::regnamespace").fetchone() == (0,)
    roll_back(move.source, move.target, move.options, run_key(move.source, move.target, move.options))
    again = move.again()
    again.at = {}
    assert f"NulByte: {fresh}.t.note" in again.plan().to_review
    assert again.run().rows == 500
