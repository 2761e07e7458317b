"""What every registered source engine does, on a real database of its own and a real PostgreSQL.

An engine that passes is supported. The suite knows no engine: what differs is asked of its capabilities.
"""

from __future__ import annotations

import contextlib
import itertools
import re
import threading
from importlib.metadata import entry_points

import pytest

from landfall.engine.copy import chunking
from landfall.engine.errors import EngineError, ObjectMissingError, PrivilegeMissingError
from landfall.engine.model.catalog import Table
from landfall.engine.model.key_span import Span
from landfall.engine.model.options import Endpoint, Identifiers, Options
from landfall.engine.model.plan import Plan
from landfall.engine.prepare.make_plan import make_plan
from landfall.engine.sources import registry
from landfall.engine.sources.base import Digesting
from landfall.engine.sources.engine import DigestQueries, SourceEngine
from landfall.engine.sources.registry import engine_of
from landfall.engine.targets.registry import engines as targets
from landfall.engine.targets.shapes import shape_of
from landfall.ledger_states import State
from tests.conformance.places import Place, Rows, Spec
from tests.support import engine as run
from tests.support.servers import PostgreSql

_TARGET = targets()["PostgreSQL"]
_ITEMS = Spec('Order "Items" of `it`\'s', (("id", "int"), ('no"te', "text"), ("paid", "bool"), ("raw", "bytes")), ("id",))
_PAIRS = Spec("pairs", (("a", "word"), ("b", "int"), ("value", "text")), ("a", "b"))
_TEXTS = (
    "",
    "plain",
    "~",
    "NULL",
    "\\N",
    "a|b\tc\nd\re",
    "quotes ' \" `",
    "back\\slash",
    "\x01\x02",
    "Ünïcödé 🚢",
    "x" * 70_000,
    None,
)
_OCTETS = (b"", b"\0\1\2\xff", b"\\x00", b"0" * 70_000, None)
_ITEM_ROWS = [
    (key, text, flag, octets)
    for key, (text, flag, octets) in enumerate(
        zip(
            itertools.cycle(_TEXTS),
            itertools.cycle((True, False, None)),
            (o for o in itertools.islice(itertools.cycle(_OCTETS), 60)),
            strict=False,
        ),
        start=-20,
    )
]
_PAIR_ROWS = [(word, number, f"{word}{number}") for word in ("", "a", "b'c", "ü", "zz") for number in range(9)]
_TABLES: list[tuple[Spec, Rows]] = [(_ITEMS, _ITEM_ROWS), (_PAIRS, _PAIR_ROWS)]
_OPTIONS = Options(identifiers=Identifiers.PRESERVE, batch_rows=7, parallelism=2)


@pytest.fixture
def source(place: Place, fresh: str) -> Endpoint:
    """A database of the engine."""
    return place.made(fresh, _TABLES)


@pytest.fixture
def engine(place: Place) -> SourceEngine:
    """The engine."""
    return engine_of(place.engine)


@pytest.fixture
def plan(source: Endpoint, target: PostgreSql, fresh: str) -> Plan:
    """The plan of the move."""
    return make_plan(source, run.postgresql(target, target.database(fresh)), _OPTIONS)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def test_it_answers_and_names_itself(engine: SourceEngine, source: Endpoint) -> None:
    version, able = engine.probe(source)
    assert version.split(" ")[0] == engine.name
    assert "source" in able


def test_names_come_as_they_are_written(engine: SourceEngine, source: Endpoint) -> None:
    catalog = engine.catalog(source, _OPTIONS)
    assert catalog.engine == engine.name
    assert {t.name for t in catalog.tables} == {_ITEMS.name, _PAIRS.name}
    for table in catalog.tables:
        spec = next(s for s, _ in _TABLES if s.name == table.name)
        assert [c.name for c in table.columns] == [name for name, _ in spec.columns]
        assert [p.column for p in table.primary.parts] == list(spec.key)


def test_a_database_is_moved_value_by_value(source: Endpoint, target: PostgreSql, fresh: str) -> None:
    move = run.Move(source, run.postgresql(target, target.database(fresh)), _OPTIONS)
    outcome = move.run()
    assert outcome.rows == len(_ITEM_ROWS) + len(_PAIR_ROWS)
    assert State.CUT_OVER.value in {e.text for e in move.events if e.kind == "state"}
    with target.connect(fresh) as there:
        for spec, rows in _TABLES:
            got = there.execute(f"SELECT * FROM {_quoted(spec.name)}".encode()).fetchall()
            assert sorted(map(repr, got)) == sorted(map(repr, map(tuple, rows)))


def test_chunks_cover_every_row_exactly_once(engine: SourceEngine, source: Endpoint, plan: Plan) -> None:
    reader = engine.connect(source).reader()
    for table in plan.tables:
        queries = engine.queries(shape_of(plan, table, _TARGET))
        ranges = [engine.dialect.condition(r) for r in chunking.ranges(reader, engine.dialect, table, _OPTIONS.batch_rows)]
        keys = [key for where in ranges for key, _ in reader.rows(queries.rows(where))]
        assert len(keys) == len(set(keys)) == table.rows
        assert sum(reader.sums(queries.sums(where))[1] for where in ranges) == reader.sums(queries.sums(""))[1]
        if table.key_kind in {"integer", "keyset"}:
            assert len(ranges) > 1
    reader.close()


def test_both_sides_compute_the_same_of_the_same_rows(
    engine: SourceEngine, source: Endpoint, target: PostgreSql, fresh: str, plan: Plan
) -> None:
    run.Move(source, run.postgresql(target, fresh), _OPTIONS).run()
    reader = engine.connect(source).reader()
    with target.connect(fresh) as there:
        for table in plan.tables:
            shape = shape_of(plan, table, _TARGET)
            here, those = engine.queries(shape), _TARGET.queries(shape, "public")
            assert set(reader.rows(here.rows(""))) == {
                (k, str(n)) for k, n in there.execute(those.range_rows(None, None).encode()).fetchall()
            }
            if engine.capabilities.digest and table.ordered_by and isinstance(reader, Digesting):
                assert isinstance(here, DigestQueries)
                digest = reader.digest(here.digest(""), Span.of(None, None, 7))
                assert digest == there.execute(those.digest(None, None).encode()).fetchone()
    reader.close()


def test_readers_of_a_snapshot_do_not_see_what_is_written_since(engine: SourceEngine, place: Place, source: Endpoint) -> None:
    made = engine.connect(source)
    readers = [made.reader(), made.reader()]
    common = made.snapshot(readers)
    count = f"SELECT COUNT(*) FROM {engine.dialect.table_name(_planned(engine, source))}"
    assert [r.rows(count) for r in readers] == [[(str(len(_PAIR_ROWS)),)]] * 2
    place.write(source, _PAIRS, ("new", 1, "x"))
    if common:
        assert engine.capabilities.common_snapshot
        assert [r.rows(count) for r in readers] == [[(str(len(_PAIR_ROWS)),)]] * 2
    for reader in readers:
        reader.close()


def _planned(engine: SourceEngine, source: Endpoint) -> Table:
    return next(t for t in engine.catalog(source, _OPTIONS).tables if t.name == _PAIRS.name)


def test_the_write_lock_keeps_writers_out_and_lets_them_go_on(engine: SourceEngine, place: Place, source: Endpoint) -> None:
    tables = [(t.schema, t.name) for t in engine.catalog(source, _OPTIONS).tables]
    held = engine.connect(source).freeze(tables)
    assert held.alive()
    with pytest.raises(Exception, match=r"(?i)lock|unavailable"):
        place.write(source, _PAIRS, ("new", 1, "x"))
    held.release()
    place.write(source, _PAIRS, ("new", 2, "x"))


def test_a_reader_that_is_aborted_ends_with_an_error_of_ours(engine: SourceEngine, source: Endpoint) -> None:
    reader = engine.connect(source).reader()
    name = engine.dialect.table_name(_planned(engine, source))
    ended = threading.Event()

    def abort() -> None:
        while not ended.wait(0.1):
            reader.abort()

    thread = threading.Thread(target=abort)
    thread.start()
    try:
        joined = ", ".join(f"{name} t{n}" for n in range(6))
        # 45 to the sixth power of rows, each of which has to be looked at: a bare COUNT(*) of them is multiplied by MySQL 9.
        each = " + ".join(f"t{n}.{engine.dialect.name('b')}" for n in range(6))
        with pytest.raises(EngineError):
            reader.rows(f"SELECT COUNT(*) FROM {joined} WHERE {each} <> -1")
    finally:
        ended.set()
        thread.join()
        with contextlib.suppress(EngineError):  # a server may have ended it already
            engine.connect(source).kill([reader.backend] if reader.backend else [])


def test_sessions_that_were_left_behind_are_ended(engine: SourceEngine, source: Endpoint) -> None:
    """Those of servers; without a server, sessions end with their process."""
    made = engine.connect(source)
    left = made.reader()
    assert left.rows("SELECT 1") == [("1",)]
    made.kill([left.backend] if left.backend else [])
    if left.backend:
        with pytest.raises(EngineError):
            left.rows("SELECT 1")


def test_who_may_not_read_is_told_so(engine: SourceEngine, place: Place, source: Endpoint) -> None:
    assert not engine.catalog(source, _OPTIONS).problems
    problems = _problems(engine, place.refused(source))
    assert problems
    assert all(re.search(r"(?i)lacks|privilege|may not|grant|no (folder|file|schema)|SELECT", p) for p in problems), problems


def _problems(engine: SourceEngine, endpoint: Endpoint) -> tuple[str, ...]:
    try:
        return engine.catalog(endpoint, _OPTIONS).problems
    except (PrivilegeMissingError, ObjectMissingError) as error:
        return (error.message,)


def test_an_engine_of_another_package_is_found_by_its_entry_point() -> None:
    (found,) = entry_points(group=registry.GROUP, name="JSONLines")
    assert registry.engine_of("JSONLines") is found.load()
    assert "JSONLines" not in registry.BUILT_IN
