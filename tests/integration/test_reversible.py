"""Going back: after any step the target is as before, proven by two dumps; after foreign writes only when told."""

from __future__ import annotations

import gzip
from dataclasses import replace

import pytest

from landfall.engine.errors import EngineError, PlanBlockedError, RunConflictError, RunEndedError, WrittenSinceError
from landfall.engine.model.options import OnExisting, Options
from landfall.engine.run.rollback import roll_back, tidy
from landfall.engine.sources.run_key import run_key
from landfall.ledger_states import State
from tests.support import engine as run
from tests.support import kinds
from tests.support.servers import MariaDb, PostgreSql


class _PlugError(Exception):
    """Pulled by the test."""


def _source(maria: MariaDb, name: str) -> None:
    maria.sql(
        "CREATE TABLE parent (id BIGINT PRIMARY KEY, code VARCHAR(20), title TEXT, extra INT);"
        "INSERT INTO parent SELECT seq,concat('c',seq),'new',seq FROM seq_1_to_900;"
        "CREATE TABLE child (id INT PRIMARY KEY, parent BIGINT, FOREIGN KEY (parent) REFERENCES parent (id));"
        "INSERT INTO child SELECT seq,seq FROM seq_1_to_500; CREATE VIEW shown AS SELECT id FROM child",
        maria.database(name),
    )


def _move(maria: MariaDb, server: PostgreSql, name: str, **options: object) -> run.Move:
    all_options = replace(Options(batch_rows=100, parallelism=2, takeover_seconds=0), **options)
    return run.Move(run.mariadb(maria, name), run.postgresql(server, name), all_options)


def _back(move: run.Move, *, discard: bool = False) -> State:
    key = run_key(move.source, move.target, move.options)
    return roll_back(move.source, move.target, move.options, key, discard_writes=discard).state


@pytest.mark.parametrize("step", ["copying", "indexing", "comparing", "cut_over"])
@pytest.mark.parametrize("mode", [OnExisting.FAIL, OnExisting.REPLACE])
def test_after_any_step_rollback_leaves_the_target_as_before(
    maria: MariaDb, pg15: PostgreSql, fresh: str, step: str, mode: OnExisting
) -> None:
    _source(maria, fresh)
    before = kinds.fill_live(pg15, fresh)
    if mode is OnExisting.FAIL:
        with pg15.connect(fresh) as connection:
            connection.execute(b"ALTER TABLE parent RENAME TO parents")
        before = pg15.dump(fresh)

    def plug() -> None:
        raise _PlugError

    move = _move(maria, pg15, fresh, on_existing=mode)
    if step != "cut_over":
        move.at = {step: plug}
        with pytest.raises(_PlugError):
            move.run()
    else:
        move.run()
        assert pg15.dump(fresh) != before
    state = _back(move)
    assert state is (State.ROLLED_BACK if step == "cut_over" else State.CANCELLED)
    assert pg15.dump(fresh) == before
    with pytest.raises(RunEndedError, match="rerunToken"):
        move.run()


@pytest.mark.parametrize("step", ["copying", "comparing"])
def test_a_forgotten_run_may_be_asked_for_again(maria: MariaDb, pg15: PostgreSql, fresh: str, step: str) -> None:
    _source(maria, fresh)
    before = pg15.dump(pg15.database(fresh))

    def plug() -> None:
        raise _PlugError

    move = _move(maria, pg15, fresh)
    move.at = {step: plug}
    with pytest.raises(_PlugError):
        move.run()
    assert _forgotten(move) is State.CANCELLED
    assert pg15.dump(fresh) == before
    with pg15.connect(fresh) as target:
        assert target.execute(b"SELECT count(*) FROM landfall.run").fetchone() == (0,)
    move.at = {}
    assert move.run().rows == 1400


def test_what_was_cut_over_is_not_forgotten(maria: MariaDb, pg15: PostgreSql, fresh: str) -> None:
    _source(maria, fresh)
    pg15.database(fresh)
    move = _move(maria, pg15, fresh)
    move.run()
    after = pg15.dump(fresh)
    assert _forgotten(move) is State.CUT_OVER
    assert pg15.dump(fresh) == after
    again = move.run()
    assert (again.already, again.rows) == (True, 1400)


def _forgotten(move: run.Move) -> State:
    return roll_back(move.source, move.target, move.options, run_key(move.source, move.target, move.options), forget=True).state


def test_replace_puts_what_hung_on_the_old_table_on_the_new_one(maria: MariaDb, pg15: PostgreSql, fresh: str) -> None:
    _source(maria, fresh)
    kinds.fill_live(pg15, fresh)
    _move(maria, pg15, fresh, on_existing=OnExisting.REPLACE).run()
    with pg15.connect(fresh) as target:
        assert target.execute(b"SELECT count(*) FROM other.codes").fetchone() == (900,)
        assert target.execute(b"SELECT count(*) FROM other.again").fetchone() == (900,)
        checks = target.execute(
            b"SELECT convalidated, confrelid::regclass::text FROM pg_constraint WHERE conrelid='other.orders'::regclass AND contype='f'"
        )
        assert checks.fetchall() == [(True, "parent")]
        new = b"'public.parent'::regclass"
        assert target.execute(b"SELECT tgname FROM pg_trigger WHERE NOT tgisinternal AND tgrelid=" + new).fetchall() == [
            ("logged",)
        ]
        assert target.execute(b"SELECT polname FROM pg_policy WHERE polrelid=" + new).fetchall() == [("mine",)]
        assert target.execute(b"SELECT relrowsecurity FROM pg_class WHERE oid=" + new).fetchone() == (True,)
        assert target.execute(f"SELECT has_table_privilege('role_{fresh}','parent','INSERT')".encode()).fetchone() == (True,)
        assert target.execute(f"SELECT has_table_privilege('role_{fresh}','child','SELECT')".encode()).fetchone() == (True,)
        assert target.execute(f"SELECT has_column_privilege('role_{fresh}','parent','title','UPDATE')".encode()).fetchone() == (
            True,
        )
        published = target.execute(b"SELECT schemaname||'.'||tablename FROM pg_publication_tables ORDER BY 1").fetchall()
        assert published == [("public.audit",), ("public.parent",)]


def test_a_dependant_that_cannot_follow_blocks_the_plan(maria: MariaDb, pg15: PostgreSql, fresh: str) -> None:
    _source(maria, fresh)
    kinds.fill_live(pg15, fresh)
    with pg15.connect(fresh) as target:
        target.execute(b"CREATE MATERIALIZED VIEW other.sums AS SELECT count(*) FROM parent")
    before = pg15.dump(fresh)
    with pytest.raises(PlanBlockedError, match=r"materialized view other\.sums"):
        _move(maria, pg15, fresh, on_existing=OnExisting.REPLACE).run()
    assert pg15.dump(fresh) == before


@pytest.mark.parametrize(
    ("statement", "counted"),
    [
        ("INSERT INTO parent VALUES (5000,'x','y',1)", "1 row was"),
        ("UPDATE parent SET title='edited' WHERE id<=3", "3 rows were"),
        ("DELETE FROM child WHERE id<=2", "2 rows were"),
    ],
    ids=["inserted", "updated", "deleted"],
)
def test_rollback_after_foreign_writes_refuses_until_told(
    maria: MariaDb, pg15: PostgreSql, fresh: str, statement: str, counted: str
) -> None:
    _source(maria, fresh)
    before = pg15.dump(pg15.database(fresh))
    move = _move(maria, pg15, fresh)
    move.run()
    with pg15.connect(fresh) as target:
        target.execute(statement.encode())
    after = pg15.dump(fresh)
    with pytest.raises(WrittenSinceError, match=f"^{counted} written"):
        _back(move)
    assert pg15.dump(fresh) == after
    assert _back(move, discard=True) is State.ROLLED_BACK
    assert pg15.dump(fresh) == before


def test_a_view_made_since_stands_in_the_way_of_the_rollback(maria: MariaDb, pg15: PostgreSql, fresh: str) -> None:
    _source(maria, fresh)
    pg15.database(fresh)
    move = _move(maria, pg15, fresh)
    move.run()
    with pg15.connect(fresh) as target:
        target.execute(b"CREATE VIEW later AS SELECT id FROM parent")
        with pytest.raises(RunConflictError, match="later"):
            _back(move)
        target.execute(b"DROP VIEW later")
    assert _back(move) is State.ROLLED_BACK


def test_gc_drops_what_is_kept_and_nothing_else(maria: MariaDb, pg15: PostgreSql, fresh: str) -> None:
    _source(maria, fresh)
    kinds.fill_live(pg15, fresh)
    move = _move(maria, pg15, fresh, on_existing=OnExisting.REPLACE)
    move.run()
    after = pg15.dump(fresh)
    assert tidy(move.target, "landfall").dropped == []
    with pg15.connect(fresh) as ledger:
        ledger.execute(b"CREATE TABLE saved AS SELECT plan FROM landfall.run")
        newer = gzip.compress(b'{"format":99}').hex()
        ledger.execute(f"UPDATE landfall.run SET plan='\\x{newer}'".encode())
        unreadable = tidy(move.target, "landfall", everything=True)
        assert (unreadable.dropped, len(unreadable.left)) == ([], 1)
        assert "format 99" in unreadable.left[0]
        ledger.execute(b"UPDATE landfall.run SET plan=saved.plan FROM saved")
        ledger.execute(b"DROP TABLE saved")
    assert len(tidy(move.target, "landfall", everything=True).dropped) == 1
    assert pg15.dump(fresh) == after
    with pytest.raises(EngineError, match="retention period has ended"):
        _back(move)
