"""What every registered target engine does, on a real database of its own: the contract behind `TargetEngine`.

An engine that passes is supported. The suite knows no engine: databases come from `TARGETS`. Rows come from a SQLite file.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pytest

from landfall.engine.errors import EngineError, RunConflictError, SupersededError
from landfall.engine.model.chunk_range import BlockRange, ChunkRange, KeyRange, Whole, pieces
from landfall.engine.model.options import Endpoint, OnExisting, Options
from landfall.engine.model.plan import Plan, Stage, TablePlan
from landfall.engine.model.rows import Moved
from landfall.engine.prepare.make_plan import make_plan
from landfall.engine.sources.run_key import run_key
from landfall.engine.targets import registry
from landfall.engine.targets.engine import CutoverChecks, Loader, TargetDatabase, TargetEngine, TargetQueries
from landfall.engine.targets.ledger import Lease, Ledger
from landfall.engine.targets.shapes import shape_of
from landfall.ledger_states import State
from tests.conformance.places import TARGETS, TargetPlace
from tests.support import engine as run
from tests.support.servers import PostgreSql

_OPTIONS = Options(takeover_seconds=0)
_ROWS = {1: "one", 2: "two", 3: "three", 4: "four"}
_FIRST, _SECOND = KeyRange('"id"', None, 3), KeyRange('"id"', 3, None)


class _StopError(Exception):
    """Raised inside a transaction by a test."""


@dataclass
class Run:
    """A run that has begun in a target: its tables are created and its rows are not copied."""

    engine: TargetEngine
    endpoint: Endpoint
    source: Endpoint
    plan: Plan
    key: str
    database: TargetDatabase
    lease: Lease

    @property
    def stage(self) -> str:
        """The staging schema."""
        record = self.database.ledger.find(self.key)
        assert record
        return record.stage_schema

    @property
    def table(self) -> TablePlan:
        """The table with rows."""
        return next(table for table in self.plan.tables if table.target == "items")

    def queries(self, schema: str) -> TargetQueries:
        """The queries over the table in a schema."""
        return self.engine.queries(shape_of(self.plan, self.table, self.engine), schema)

    @contextlib.contextmanager
    def loader(self) -> Iterator[Loader]:
        """A session that moves rows."""
        loader = self.database.loader(self.plan, self.stage)
        try:
            yield loader
        finally:
            loader.close()

    def fill(self, loader: Loader, *keys: int) -> int:
        """Send the rows with these keys, in the open transaction. Returns how many were written."""
        loader.copy_in(self.queries(self.stage).copy_in(self.table.form))
        for key in keys:
            loader.copy_data(f"{key}\x02{_ROWS[key]}\n".encode())
        return loader.copy_end()

    def chunk(self, *ranges: ChunkRange) -> None:
        """Record these chunks of the table."""
        self.database.ledger.add_chunks(self.lease, self.table.number, ranges, 1)

    def copied(self) -> None:
        """Copy every row, with the statements of the plan before and after."""
        self.database.ledger.advance(self.lease, State.COPYING)
        for table in self.plan.tables:
            self.database.ledger.add_chunks(self.lease, table.number, [Whole()] if table is self.table else [], 1)
        with self.loader() as loader:
            chunk = loader.claim(self.lease)
            assert chunk
            loader.complete(self.lease, chunk, Moved(self.fill(loader, *_ROWS), 10))
        self.database.ledger.advance(self.lease, State.INDEXING)
        self.execute(Stage.INDEXES, Stage.FINISH)
        self.database.ledger.advance(self.lease, State.COMPARING)
        for table in self.plan.tables:
            self.database.ledger.verified(self.lease, table.number)

    def execute(self, *stages: Stage) -> None:
        """Execute the statements of these stages."""
        for statement in (statement for stage in stages for statement in self.plan.of_stage(stage)):
            record = partial(self.database.ledger.mark_done, self.lease, statement.number)
            self.database.stage(self.plan, self.stage, statement.schema).execute(statement.sql, record)

    def cut_over(self, locked: Callable[[], None] = lambda: None) -> None:
        """Cut over; `locked` is the last check in the transaction."""
        record = self.database.ledger.find(self.key)
        assert record
        checks = CutoverChecks(lambda: None, locked)
        self.database.swap.cut_over(self.lease, record, self.plan, {"rows": 4}, checks=checks, retain_seconds=600)

    def find_state(self) -> State:
        """The state of the run in the ledger."""
        record = self.database.ledger.find(self.key)
        assert record
        return record.state


@pytest.fixture(scope="module", params=sorted(registry.engines()))
def engine(request: pytest.FixtureRequest) -> TargetEngine:
    """Each registered engine."""
    return registry.engines()[request.param]


@pytest.fixture
def place(engine: TargetEngine, target: PostgreSql) -> TargetPlace:
    """Where databases of the engine are made. An engine without one fails here: it is registered, and so it is tested."""
    return TARGETS[engine.name](target)


@pytest.fixture
def source(tmp_path: Path) -> Endpoint:
    """A table with four rows."""
    with sqlite3.connect(tmp_path / "shop.db") as database:
        database.execute("CREATE TABLE items (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE)")
        database.executemany("INSERT INTO items VALUES (?,?)", _ROWS.items())
    database.close()
    return run.sqlite(tmp_path / "shop.db")


@pytest.fixture
def move(engine: TargetEngine, place: TargetPlace, source: Endpoint, fresh: str) -> Iterator[Run]:
    """A run whose tables are created, in a target that has a table of that name already, which the cutover replaces."""
    endpoint = place.database(fresh, "items")
    options = replace(_OPTIONS, on_existing=OnExisting.REPLACE)
    plan = make_plan(source, endpoint, options)
    key = run_key(source, endpoint, options)
    with registry.opened(endpoint, options.ledger_schema) as database:
        database.ledger.create()
        lease = database.ledger.begin(key, "shop", plan)
        started = Run(engine, endpoint, source, plan, key, database, lease)
        database.stage(plan, started.stage).create()
        started.execute(Stage.PREPARE, Stage.TABLES)
        yield started


# -- connections and names --------------------------------------------------------------------------------------------


def test_it_is_registered_under_its_name_and_found_by_an_endpoint(engine: TargetEngine, place: TargetPlace, fresh: str) -> None:
    assert registry.target_of(place.database(fresh)) is engine


def test_who_may_not_connect_is_told_so_by_an_error_of_ours(engine: TargetEngine, place: TargetPlace, fresh: str) -> None:
    with pytest.raises(EngineError) as refused:
        engine.connect(place.refused(place.database(fresh)), "landfall")
    assert refused.value.advice


def test_a_table_may_have_the_longest_name(engine: TargetEngine, place: TargetPlace, fresh: str, tmp_path: Path) -> None:
    names = {"n" * engine.max_name_bytes, "m" + "é" * ((engine.max_name_bytes - 1) // 2)}
    with sqlite3.connect(tmp_path / "long.db") as database:
        for name in names:
            database.execute(f"CREATE TABLE {name} (id INTEGER PRIMARY KEY)")
    database.close()
    run.Move(run.sqlite(tmp_path / "long.db"), place.database(fresh), _OPTIONS).run()
    assert place.tables(fresh) == names


# -- dry run ----------------------------------------------------------------------------------------------------------


def test_a_dry_run_executes_every_statement_and_leaves_nothing(
    engine: TargetEngine, place: TargetPlace, source: Endpoint, fresh: str
) -> None:
    endpoint = place.database(fresh)
    plan = make_plan(source, endpoint, _OPTIONS)
    before = place.contents(fresh)
    with contextlib.closing(engine.connect(endpoint, "landfall")) as database:
        result = database.dry_run(plan)
        wrong = replace(plan, statements=tuple(replace(s, sql=s.sql + " nonsense") for s in plan.statements))
        refused = database.dry_run(wrong).refused
    assert (result.refused, result.unworkable) == ({}, ())
    assert [number for number, _ in result.order] == list(dict.fromkeys(number for number, _ in result.order))
    assert set(refused) >= {s.number for s in plan.of_stage(Stage.TABLES)}
    assert place.contents(fresh) == before


# -- ledger -----------------------------------------------------------------------------------------------------------


def test_a_ledger_is_there_from_its_creation_until_its_removal(engine: TargetEngine, place: TargetPlace, fresh: str) -> None:
    with contextlib.closing(engine.connect(place.database(fresh), "landfall")) as database:
        assert not database.ledger.exists()
        database.ledger.create()
        database.ledger.create()
        assert (database.ledger.exists(), database.ledger.every(), database.ledger.find("absent")) == (True, [], None)
        database.ledger.remove()
        assert not database.ledger.exists()


def test_a_run_is_recorded_with_its_plan_and_holds_its_target_schema(move: Run) -> None:
    ledger = move.database.ledger
    record = ledger.find(move.key)
    assert record
    assert (record.name, record.state, record.attempt, record.plan_digest) == ("shop", State.SCHEMA, 1, move.plan.digest())
    assert [every.key for every in ledger.every()] == [move.key]
    assert ledger.plan(move.key) == move.plan
    with pytest.raises(RunConflictError, match="shop"):
        ledger.begin("f" * 64, "other", move.plan)
    assert ledger.find("f" * 64) is None, "what was refused is not recorded"
    ledger.remove()
    assert ledger.exists(), "a ledger with a run stays"


def test_a_live_process_keeps_its_run_and_a_silent_one_loses_it(move: Run) -> None:
    ledger = move.database.ledger
    move.chunk(_FIRST, _SECOND)
    with contextlib.closing(move.engine.connect(move.endpoint, "landfall")) as other, move.loader() as loader:
        ledger.register_backend(move.lease, "target", loader.backend)
        ledger.heartbeat(move.lease)
        with pytest.raises(RunConflictError):
            other.ledger.take_over(move.key, 3600)
        ledger.heartbeat(move.lease)
        lease, backends = other.ledger.take_over(move.key, 0)
        assert (lease.attempt, backends) == (2, [])
        for superseded in (ledger.heartbeat, ledger.check):
            with pytest.raises(SupersededError):
                superseded(move.lease)
        with pytest.raises(EngineError):
            loader.claim(move.lease)
        other.ledger.check(lease)
    with move.loader() as loader, pytest.raises(SupersededError):
        loader.claim(move.lease)


def _at_once(
    engine: TargetEngine, endpoint: Endpoint, *actions: Callable[[Ledger], Lease | None]
) -> list[Lease | EngineError | None]:
    """What actions on the ledger return, or raise of our errors, each in a session of its own and all at the same moment."""
    together = threading.Barrier(len(actions))

    def acted(action: Callable[[Ledger], Lease | None]) -> Lease | EngineError | None:
        with contextlib.closing(engine.connect(endpoint, "landfall")) as database:
            together.wait(10)
            try:
                return action(database.ledger)
            except EngineError as error:
                return error

    with ThreadPoolExecutor(len(actions)) as pool:
        return list(pool.map(acted, actions))


def test_of_two_processes_that_take_a_run_over_at_once_one_has_it(move: Run) -> None:
    for _ in range(5):
        results = _at_once(move.engine, move.endpoint, *[lambda ledger: ledger.take_over(move.key, 0)[0]] * 2)
        attempts = [result.attempt for result in results if isinstance(result, Lease)]
        assert attempts, results
        assert len(set(attempts)) == len(attempts), "an attempt belongs to one process"
        assert all(isinstance(result, Lease | RunConflictError) for result in results), results
        move.database.ledger.check(Lease(move.key, max(attempts)))


@pytest.mark.parametrize("keys", ["aa", "ab"], ids=["the same run", "runs of one schema"])
def test_of_two_processes_that_begin_at_once_one_has_the_schema(
    engine: TargetEngine, place: TargetPlace, source: Endpoint, fresh: str, keys: str
) -> None:
    endpoint = place.database(fresh)
    plan = make_plan(source, endpoint, _OPTIONS)
    with contextlib.closing(engine.connect(endpoint, "landfall")) as database:
        for number in range(5):
            created = _at_once(engine, endpoint, *[_create] * 2)
            assert created == [None, None]
            results = _at_once(engine, endpoint, *(partial(_begin, key=f"{key}{number}" * 20, plan=plan) for key in keys))
            (lease,) = [result for result in results if isinstance(result, Lease)]
            (refused,) = [result for result in results if not isinstance(result, Lease)]
            assert isinstance(refused, RunConflictError), refused
            with database.session.transaction():
                database.ledger.forget(lease.key)
            database.ledger.remove()


def _begin(ledger: Ledger, key: str, plan: Plan) -> Lease:
    return ledger.begin(key, "shop", plan)


def _create(ledger: Ledger) -> None:
    ledger.create()


def test_states_follow_each_other_in_their_order_only(move: Run) -> None:
    with pytest.raises(RunConflictError):
        move.database.ledger.advance(move.lease, State.COMPARING)
    move.database.ledger.advance(move.lease, State.COPYING)
    move.database.ledger.advance(move.lease, State.COPYING)
    assert move.find_state() is State.COPYING


def test_a_statement_is_recorded_with_what_it_does(move: Run, place: TargetPlace, fresh: str) -> None:
    executed = move.database.ledger.done(move.key)
    assert executed == {s.number for stage in (Stage.PREPARE, Stage.TABLES) for s in move.plan.of_stage(stage)}
    before = place.contents(fresh)
    statement = move.plan.of_stage(Stage.INDEXES)[0]

    def failing() -> None:
        move.database.ledger.mark_done(move.lease, statement.number)
        raise _StopError

    with pytest.raises(_StopError):
        move.database.stage(move.plan, move.stage, statement.schema).execute(statement.sql, failing)
    assert move.database.ledger.done(move.key) == executed
    assert place.contents(fresh) == before


# -- chunks and rows --------------------------------------------------------------------------------------------------


def test_a_chunk_is_claimed_by_one_session_and_recorded_with_its_rows(move: Run) -> None:
    ledger, session = move.database.ledger, move.database.session
    ledger.advance(move.lease, State.COPYING)
    move.chunk(_FIRST, _SECOND)
    assert move.table.number in ledger.split_tables(move.key)
    with move.loader() as loader, move.loader() as another, move.loader() as third:
        first, second = loader.claim(move.lease), another.claim(move.lease)
        assert first
        assert second
        assert {first.range, second.range} == {_FIRST, _SECOND}
        assert third.claim(move.lease) is None, "no chunk is claimed twice"
        keys = {_FIRST: (1, 2), _SECOND: (3, 4)}
        assert move.fill(loader, *keys[first.range]) == 2
        loader.complete(move.lease, first, Moved(2, 20))
        move.fill(another, *keys[second.range])
        another.abort()
        assert ledger.left(move.key) == 1, "what an ended session claimed is free again"
        assert session.value(move.queries(move.stage).count()) == 2, "and its rows are not there"
        again = third.claim(move.lease)
        assert again
        assert again.range == second.range
        third.complete(move.lease, again, Moved(move.fill(third, *keys[again.range]), 20))
    assert (ledger.left(move.key), ledger.copied_rows(move.key)) == (0, {move.table.number: 4})
    assert not ledger.claimable(move.lease)


def test_chunks_that_no_session_has_claimed_can_be_cut_smaller(move: Run) -> None:
    move.chunk(KeyRange('"id"', 0, 3), KeyRange('"id"', 3, 9))
    move.database.ledger.cut_again(move.lease, lambda whole: pieces(whole, 3))
    ranges = [chunk.range for chunk in move.database.ledger.chunks(move.key)]
    covered = sorted(key for r in ranges if isinstance(r, KeyRange) for key in range(r.low or 0, r.high or 0))
    assert covered == list(range(9))
    assert len(ranges) > 2


@pytest.mark.parametrize("chunk_range", [Whole(), _FIRST, KeyRange('"id"', 3, 9), BlockRange(0, 8)], ids=repr)
def test_a_range_is_read_as_it_was_recorded(move: Run, chunk_range: ChunkRange) -> None:
    move.chunk(chunk_range)
    (chunk,) = move.database.ledger.chunks(move.key)
    assert chunk.range == chunk_range


def test_rows_that_cannot_be_stored_are_an_error_of_ours_and_leave_none(move: Run) -> None:
    move.database.ledger.advance(move.lease, State.COPYING)
    move.chunk(Whole())
    with move.loader() as loader:
        assert loader.claim(move.lease)
        loader.copy_in(move.queries(move.stage).copy_in(move.table.form))
        loader.copy_data(b"one\x02no number\n")
        with pytest.raises(EngineError):
            loader.copy_end()
    assert move.database.session.value(move.queries(move.stage).count()) == 0
    assert move.database.ledger.left(move.key) == 1


def test_queries_agree_on_the_rows_of_a_table(move: Run) -> None:
    move.copied()
    queries, session = move.queries(move.stage), move.database.session
    rows = dict(session.rows(queries.range_rows(None, None)))
    ((count, total),) = session.rows(queries.range_sums(None, None))
    assert (count, total) == (4, sum(rows.values())) == (session.value(queries.count()), total)
    halves = [session.rows(queries.range_sums(low, high))[0] for low, high in ((None, 3), (3, None))]
    assert (sum(h[0] for h in halves), sum(h[1] for h in halves)) == (count, total)
    assert [session.value(queries.count_up_to(most)) for most in (1, 3, 9)] == [1, 3, 4]
    ((xid, xids_count, xids_sum),) = session.rows(queries.groups())
    assert (xids_count, xids_sum) == (count, total)
    assert dict(session.rows(queries.rows([str(xid)]))) == rows


def test_a_repair_is_committed_as_a_whole_or_not_at_all(move: Run) -> None:
    move.copied()
    queries, ledger, session = move.queries(move.stage), move.database.ledger, move.database.session
    before = session.rows(queries.range_sums(None, None))
    (chunk,) = ledger.chunks(move.key)
    with move.loader() as aborted, move.loader() as loader:
        aborted.begin_repair(move.lease)
        aborted.rows(queries.range_delete(None, 3))
        assert int(aborted.rows(queries.count())[0][0] or "") == 2
        aborted.abort()
        assert session.rows(queries.range_sums(None, None)) == before
        loader.begin_repair(move.lease)
        loader.rows(queries.range_delete(None, None))
        move.fill(loader, *_ROWS)
        loader.complete_repair(move.lease, chunk)
    assert session.rows(queries.range_sums(None, None)) == before
    ledger.unverify(move.lease)
    assert ledger.unverified(move.lease) == 1
    with move.loader() as late:
        late.begin_repair(move.lease)
        late.commit()
        with contextlib.closing(move.engine.connect(move.endpoint, "landfall")) as other:
            other.ledger.take_over(move.key, 0)
        with pytest.raises(SupersededError):
            late.begin_repair(move.lease)


# -- cutover and rollback ---------------------------------------------------------------------------------------------


def test_a_cutover_whose_last_check_fails_changes_nothing(move: Run, place: TargetPlace, fresh: str) -> None:
    move.copied()
    before = place.contents(fresh)

    def unlocked() -> None:
        raise _StopError

    with pytest.raises(_StopError):
        move.cut_over(unlocked)
    assert (move.find_state(), place.contents(fresh)) == (State.COMPARING, before)


def test_a_process_that_lost_its_run_cannot_cut_over(move: Run, place: TargetPlace, fresh: str) -> None:
    move.copied()
    with contextlib.closing(move.engine.connect(move.endpoint, "landfall")) as other:
        other.ledger.take_over(move.key, 0)
    with contextlib.closing(move.engine.connect(move.endpoint, "landfall")) as second_session:
        move.database = second_session
        before = place.contents(fresh)
        with pytest.raises(EngineError):
            move.cut_over()
        assert (move.find_state(), place.contents(fresh)) == (State.COMPARING, before)


def test_a_cutover_keeps_what_it_replaces_and_a_rollback_restores_it(move: Run, place: TargetPlace, fresh: str) -> None:
    old = place.rows(fresh, "items")
    move.copied()
    move.cut_over()
    record = move.database.ledger.find(move.key)
    assert record
    assert (record.state, record.result["rows"]) == (State.CUT_OVER, 4)
    assert place.rows(fresh, "items") == list(_ROWS.items())
    swap = move.database.swap
    assert (swap.validate_dependants(move.plan), swap.retained(record, move.plan)) == ([], True)
    assert swap.exists(record.kept_schema)
    assert not move.database.ledger.retention_ended(move.key)

    def refused() -> None:
        raise _StopError

    after = place.contents(fresh)
    with pytest.raises(_StopError):
        swap.roll_back(record, move.plan, refused)
    assert place.contents(fresh) == after
    swap.roll_back(record, move.plan, lambda: None)
    assert (place.rows(fresh, "items"), move.find_state()) == (old, State.ROLLED_BACK)


def test_schemas_of_ours_are_dropped_and_counted(move: Run) -> None:
    assert move.database.swap.exists(move.stage)
    assert move.database.swap.drop(move.stage) > 0
    assert not move.database.swap.exists(move.stage)
    assert move.database.swap.drop(move.stage) == 0
