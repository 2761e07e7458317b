"""A rehearsal does everything but the cutover, and leaves nothing: neither rows nor tables nor a ledger."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from landfall.engine.errors import InterruptedRunError, PlanBlockedError
from landfall.engine.model.events import Event, EventKind
from landfall.engine.model.options import ColumnDecision, OnExisting, Options, Quiesce
from landfall.engine.prepare.make_plan import make_plan
from landfall.engine.run.rehearsal import Rehearsal
from landfall.engine.sources.run_key import run_keys
from tests.support import engine as run
from tests.support import kinds
from tests.support.servers import MariaDb, PostgreSql

_OPTIONS = Options(on_existing=OnExisting.REPLACE, batch_rows=200, parallelism=2)


def _source(maria: MariaDb, name: str) -> run.Endpoint:
    maria.sql(
        "CREATE TABLE parent (id BIGINT PRIMARY KEY, code VARCHAR(20), title TEXT);"
        "INSERT INTO parent SELECT seq,concat('c',seq),repeat('x',50) FROM seq_1_to_3000;"
        "CREATE TABLE child (id INT PRIMARY KEY, parent BIGINT, FOREIGN KEY (parent) REFERENCES parent (id));"
        "INSERT INTO child SELECT seq,seq FROM seq_1_to_500",
        maria.database(name),
    )
    return run.mariadb(maria, name)


def _everything(server: PostgreSql, name: str) -> tuple[str, list[tuple[str, ...]]]:
    with server.connect(name) as connection:
        relations = connection.execute(
            b"SELECT n.nspname,c.relname,c.relkind::text FROM pg_class c JOIN pg_namespace n ON n.oid=c.relnamespace"
            b" WHERE n.nspname !~ '^pg_' AND n.nspname<>'information_schema' ORDER BY 1,2"
        ).fetchall()
        schemas = connection.execute(b"SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_toast' ORDER BY 1").fetchall()
    return server.dump(name), [*relations, *schemas]


def test_it_moves_and_compares_everything_and_leaves_nothing(maria: MariaDb, pg15: PostgreSql, fresh: str) -> None:
    source, target = _source(maria, fresh), run.postgresql(pg15, fresh)
    kinds.fill_live(pg15, fresh)
    before = _everything(pg15, fresh)
    events: list[Event] = []

    def write(event: Event) -> None:  # nobody is locked out, and what is written meanwhile is brought up to date
        events.append(event)
        if event.kind == EventKind.STATE and event.text == "indexing":
            maria.sql("UPDATE parent SET title='new' WHERE id%100=0", fresh)

    plan = make_plan(source, target, _OPTIONS)
    result = Rehearsal(source, target, _OPTIONS, write).run("shop", plan)
    assert (result.rows, result.redone_rows >= 30) == (3500, True)
    assert list(result.seconds) == ["schema", "copying", "indexing", "comparing"]
    assert all(seconds > 0 for seconds in result.seconds.values())
    assert any(e.kind == EventKind.VERDICT and e.text == "equal" for e in events)
    assert not any("locked out" in e.text for e in events)
    assert _everything(pg15, fresh) == before
    move = run.Move(source, target, replace(_OPTIONS, fence=False))
    assert move.run().rows == 3500  # the run itself goes on from nothing
    again = _everything(pg15, fresh)
    assert Rehearsal(source, target, _OPTIONS, write).run("shop", plan).rows == 3500
    assert _everything(pg15, fresh) == again


@pytest.mark.parametrize("state", ["copying", "comparing"])
def test_one_that_is_stopped_leaves_nothing_either(maria: MariaDb, pg15: PostgreSql, fresh: str, state: str) -> None:
    source, target = _source(maria, fresh), run.postgresql(pg15, pg15.database(fresh))
    before = _everything(pg15, fresh)

    def stop(event: Event) -> None:
        if event.kind == EventKind.STATE and event.text == state:
            threading.Thread(target=rehearsal.migration.stop.abort).start()

    rehearsal = Rehearsal(source, target, _OPTIONS, stop)
    with pytest.raises(InterruptedRunError):
        rehearsal.run("shop", make_plan(source, target, _OPTIONS))
    assert _everything(pg15, fresh) == before


@pytest.mark.parametrize("version", [0, 1], ids=["this version", "one that kept the spelling of schemas"])
def test_what_a_killed_one_left_goes_with_the_next(maria: MariaDb, pg15: PostgreSql, fresh: str, version: int) -> None:
    source, target = _source(maria, fresh), run.postgresql(pg15, pg15.database(fresh))
    before = _everything(pg15, fresh)
    plan = make_plan(source, target, _OPTIONS)
    killed = Rehearsal(source, target, _OPTIONS, lambda _: None)
    killed.migration.ledger.create()
    key = run_keys(source, target, replace(_OPTIONS, rehearsal="rehearsal", quiesce=Quiesce.NONE))[version]
    assert (key == killed.key) is (version == 0)
    lease = killed.migration.ledger.begin(key, "killed", plan)
    with pg15.connect(fresh) as other:
        other.execute(f"CREATE SCHEMA landfall_stage_{key[:10]}".encode())
        other.execute(f"CREATE TABLE landfall_stage_{key[:10]}.parent (id int)".encode())
    killed.migration.close()
    assert lease.attempt == 1
    assert Rehearsal(source, target, _OPTIONS, lambda _: None).run("shop", plan).rows == 3500
    with pg15.connect(fresh) as other:
        other.execute(b"SELECT 1 FROM landfall.run")  # the ledger was there before the second one, and stays
    assert _everything(pg15, fresh)[0] == before[0]


def test_a_plan_with_a_blocker_is_refused(maria: MariaDb, pg15: PostgreSql, fresh: str) -> None:
    source, target = _source(maria, fresh), run.postgresql(pg15, pg15.database(fresh))
    before = _everything(pg15, fresh)
    options = Options(decisions=(ColumnDecision("", "parent", "code", "Override", "nosuch(code)"),))
    with pytest.raises(PlanBlockedError, match="NOSUCH"):
        Rehearsal(source, target, options, lambda _: None).run("shop", make_plan(source, target, options))
    assert _everything(pg15, fresh) == before
