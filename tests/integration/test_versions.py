"""Every version of PostgreSQL that is supported: all sources arrive equal, and a rollback leaves the target as it was."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from landfall.engine.model.options import OnExisting, Options
from landfall.engine.run.rollback import roll_back
from landfall.engine.sources.run_key import run_key
from tests.integration.test_fill import matched_filled_and_put_back
from tests.support import checker, kinds
from tests.support import engine as run
from tests.support.servers import MariaDb, PostgreSql, embedded_bin, npm_bin

_MULTIRANGES_SINCE = 140000


@pytest.fixture(scope="module", params=[13, 14, 16, 17])
def other(request: pytest.FixtureRequest) -> Iterator[PostgreSql]:
    """PostgreSQL of another version, from npm."""
    server = PostgreSql(npm_bin(request.param), dumper=embedded_bin() / "pg_dump").start()
    yield server
    server.stop()


def test_every_type_of_mariadb_arrives_equal(maria: MariaDb, other: PostgreSql, fresh: str) -> None:
    kinds.fill_mariadb(maria, maria.database(fresh), 4)
    run.Move(run.mariadb(maria, fresh), run.postgresql(other, other.database(fresh))).run()
    with other.connect(fresh) as target:
        for table, (left, right) in kinds.MARIADB.items():
            source_rows = checker.mariadb(maria.socket, fresh, table, left)
            assert checker.difference(source_rows, checker.postgresql(target, kinds.target_name(table), right)) == "", table


def test_every_type_of_sqlite_arrives_equal(other: PostgreSql, fresh: str, tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    kinds.fill_sqlite(path, 4)
    run.Move(run.sqlite(path), run.postgresql(other, other.database(fresh))).run()
    with other.connect(fresh) as target:
        for table, (left, right) in kinds.SQLITE.items():
            source_rows, target_rows = checker.sqlite(str(path), table, left), checker.postgresql(target, table, right)
            assert checker.difference(source_rows, target_rows) == "", table


def _same(left: PostgreSql, source_name: str, right: PostgreSql, target_name: str) -> None:
    with left.connect(source_name) as source, right.connect(target_name) as target:
        for table in kinds.POSTGRESQL:
            query = f"SELECT t::text FROM {table} t ORDER BY 1".encode()
            assert source.execute(query).fetchall() == target.execute(query).fetchall(), table


def test_every_type_of_postgresql_arrives_equal_from_there(other: PostgreSql, pg15: PostgreSql, fresh: str) -> None:
    kinds.fill_postgresql(other, other.database(fresh), 4)
    run.Move(run.postgresql(other, fresh), run.postgresql(pg15, pg15.database(fresh))).run()
    _same(other, fresh, pg15, fresh)


def test_every_type_of_postgresql_arrives_equal_there(other: PostgreSql, pg15: PostgreSql, fresh: str) -> None:
    kinds.fill_postgresql(pg15, pg15.database(fresh), 4)
    move = run.Move(run.postgresql(pg15, fresh), run.postgresql(other, other.database(fresh)))
    blockers = [(r.affected, "int8multirange" in r.description) for r in move.plan().blockers]
    if blockers:
        with other.connect(fresh) as target, pg15.connect(fresh) as source:
            assert target.info.server_version < _MULTIRANGES_SINCE
            source.execute(b"ALTER TABLE kinds ALTER mr TYPE text USING mr::text")
        assert blockers == [("public.kinds", True)]
    move.run()
    _same(pg15, fresh, other, fresh)


def test_what_was_replaced_comes_back(maria: MariaDb, other: PostgreSql, fresh: str) -> None:
    maria.sql(
        "CREATE TABLE parent (id BIGINT PRIMARY KEY, code VARCHAR(20), title TEXT, extra INT);"
        "INSERT INTO parent SELECT seq,concat('c',seq),'new',seq FROM seq_1_to_900",
        maria.database(fresh),
    )
    before = kinds.fill_live(other, fresh)
    options = Options(on_existing=OnExisting.REPLACE)
    move = run.Move(run.mariadb(maria, fresh), run.postgresql(other, fresh), options)
    assert move.run().rows == 900
    with other.connect(fresh) as target:
        assert target.execute(b"SELECT count(*) FROM other.codes").fetchone() == (900,)
    roll_back(move.source, move.target, options, run_key(move.source, move.target, options))
    assert other.dump(fresh) == before


def test_existing_tables_are_filled_and_put_back(maria: MariaDb, other: PostgreSql, fresh: str) -> None:
    matched_filled_and_put_back(maria, other, fresh)
