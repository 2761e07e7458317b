"""How far a run is, when it will end, and what may change meanwhile: pure, with a clock of its own."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from landfall.api.migration import Migration
from landfall.controllers.migration.run_settings import live_settings
from landfall.engine.copy.throttle import Throttle
from landfall.engine.model.chunk_range import (
    BlockRange,
    ChunkRange,
    KeyRange,
    KeysetRange,
    Whole,
    between,
    bounds,
    pieces,
    range_of,
    text_of,
    uncovered,
)
from landfall.engine.model.events import Event, EventKind
from landfall.engine.model.options import Options
from landfall.engine.model.plan import Plan, TablePlan
from landfall.engine.model.run_settings import Dials
from landfall.engine.run.progress import ProgressCounter, ProgressSnapshot


class Clock:
    """A clock that stands still until it is told."""

    def __init__(self) -> None:
        self.at = 100.0

    def __call__(self) -> float:
        """What it shows."""
        return self.at


def _plan(rows: int = 1000, **estimates: int) -> Plan:
    tables = tuple(
        TablePlan(n, "s", name, name, (), ("id",), "integer", ("id",), "binary", "", rows=count)
        for n, (name, count) in enumerate((("big", rows * 9 // 10), ("small", rows // 10)))
    )
    all_estimates = {
        "schemaSeconds": 1,
        "copySeconds": 10,
        "indexSeconds": 2,
        "validationSeconds": 6,
        "cutoverSeconds": 1,
        **estimates,
    }
    return Plan(
        "SQLite", "a", "b", "3", "15", 150000, "public", "Fail", "Full", "Engine", tables, (), (), estimates=all_estimates
    )


def _chunk(
    tally: ProgressCounter, clock: Clock, number: int, rows: int, seconds: float, table: str = "s.big"
) -> ProgressSnapshot:
    tally.count(Event(EventKind.BEGUN, table, text=str(number)))
    clock.at += seconds
    tally.count(Event(EventKind.CHUNK, table, rows, rows * 10, text=str(number)))
    return tally.numbers()


def test_a_copy_is_told_with_its_end() -> None:
    clock = Clock()
    tally = ProgressCounter(_plan(), clock=clock)
    tally.count(Event(EventKind.STATE, text="copying"))
    assert tally.numbers().remaining_seconds is None
    snapshot = _chunk(tally, clock, 7, 450, 9.0)  # twice as slow as estimated, so all that follows is expected to be, too
    assert (snapshot.rows, snapshot.total, snapshot.bytes, snapshot.step_percent, snapshot.checkpoint) == (
        450,
        1000,
        4500,
        45,
        "s.big/7",
    )
    assert snapshot.remaining_seconds == pytest.approx(11.0 + 9 * 2.0)
    assert snapshot.percent == int(100 * (1 + 4.5) / 20)
    assert snapshot.rows_per_second == pytest.approx(50)


def test_what_is_over_in_no_time_is_not_told_as_a_million_a_second() -> None:
    clock = Clock()
    tally = ProgressCounter(_plan(), clock=clock)
    tally.count(Event(EventKind.STATE, text="copying"))
    assert _chunk(tally, clock, 7, 450, 0.01).rows_per_second == pytest.approx(450)
    tally.count(Event(EventKind.STATE, text="comparing"))
    assert tally.numbers().rows_per_second == 0, "of this step"
    tally.count(Event(EventKind.COMPARED, "s.big", 450))
    tally.count(Event(EventKind.STATE, text="cut_over"))
    assert tally.numbers().rows_per_second == 0, "nothing moves any more"


def test_what_an_earlier_attempt_moved_counts_as_done_and_not_as_speed() -> None:
    clock = Clock()
    tally = ProgressCounter(_plan(), {"s.big": (800, 8000)}, clock)
    tally.count(Event(EventKind.STATE, text="copying"))
    snapshot = _chunk(tally, clock, 1, 100, 2.0)
    assert (snapshot.rows, snapshot.step_percent) == (900, 90)
    assert snapshot.remaining_seconds == pytest.approx(2.0 + 9 * 2.0)


def test_a_checkpoint_is_as_far_as_the_slowest_of_the_last_chunks() -> None:
    clock = Clock()
    tally = ProgressCounter(_plan(), clock=clock)
    tally.count(Event(EventKind.STATE, text="copying"))
    _chunk(tally, clock, 1, 10, 3.0)
    tally.count(Event(EventKind.BEGUN, "s.big", text="2"))
    clock.at += 1
    assert tally.numbers().checkpoint_seconds == pytest.approx(2.0)
    clock.at += 9
    assert tally.numbers().checkpoint_seconds == 0.0
    tally.count(Event(EventKind.RECOVERED, text="the connection was lost"))
    assert tally.numbers().checkpoint_seconds is None
    assert tally.numbers().recovered == 1


def test_tables_under_way_come_first_and_are_told_by_state() -> None:
    clock = Clock()
    tally = ProgressCounter(_plan(), clock=clock)
    tally.count(Event(EventKind.STATE, text="copying"))
    tally.count(Event(EventKind.BEGUN, "s.small", text="0"))
    assert [(name, t.state) for name, t in tally.tables(9)] == [("s.small", "Copying"), ("s.big", "Pending")]
    _chunk(tally, clock, 1, 900, 1.0)
    tally.count(Event(EventKind.CHUNK, "s.small", 100, 1, text="0"))
    assert {t.state for _, t in tally.tables(9)} == {"Copied"}
    tally.count(Event(EventKind.TABLE, "s.big", 900, text="equal"))
    assert {name: t.state for name, t in tally.tables(9)}["s.big"] == "Equal"
    assert [name for name, _ in tally.tables(1)] == ["s.big"]


@given(st.lists(st.floats(0.75, 1.3), min_size=20, max_size=20), st.floats(0.2, 5.0))
def test_in_the_second_half_the_end_is_known_within_a_quarter(jitter: list[float], off: float) -> None:
    """Every step takes `off` times its estimate, with chunks of uneven speed: what is told lies within 25 % of the whole."""
    clock = Clock()
    tally = ProgressCounter(_plan(2000, copySeconds=40, validationSeconds=24), clock=clock)
    began, estimates = clock.at, []
    whole = sum(jitter)
    for state, seconds, event in (("copying", 40, "chunk"), ("comparing", 25, "compared")):
        tally.count(Event(EventKind.STATE, text=state))
        for number, part in enumerate(jitter):
            clock.at += seconds * off * part / whole
            tally.count(Event(event, "s.big", 100, 0, text=str(number)))
            estimates.append((clock.at, tally.numbers().remaining_seconds))
        if state == "copying":
            tally.count(Event(EventKind.STATE, text="indexing"))
            clock.at += 2 * off
    end = clock.at
    for at, remaining in estimates:
        if at - began > (end - began) / 2:
            assert remaining is not None
            assert abs(at + remaining - end) <= 0.25 * (end - began)


def test_a_comparison_that_begins_slowly_is_not_taken_for_a_slow_one() -> None:
    clock = Clock()
    tally = ProgressCounter(_plan(), clock=clock)
    tally.count(Event(EventKind.STATE, text="copying"))
    _chunk(tally, clock, 1, 1000, 10.0)
    for state in ("indexing", "comparing"):
        tally.count(Event(EventKind.STATE, text=state))
        clock.at += 2.0
    tally.count(Event(EventKind.COMPARED, "s.big", 100))
    remaining = tally.numbers().remaining_seconds
    assert remaining is not None
    assert remaining < 7.0  # at its own speed so far it would be 20


def test_percent_never_goes_back_and_ends_at_a_hundred() -> None:
    clock = Clock()
    tally = ProgressCounter(_plan(), clock=clock)
    percents = [tally.numbers().percent]
    for state in ("schema", "copying", "indexing", "comparing", "cut_over"):
        tally.count(Event(EventKind.STATE, text=state))
        percents.append(tally.numbers().percent)
        if state == "copying":
            percents += [_chunk(tally, clock, n, 300, 1.0).percent for n in range(3)]
    assert percents == sorted(percents)
    assert (percents[-1], tally.numbers().remaining_seconds) == (100, 0.0)


# -- what may change --------------------------------------------------------------------------------------------------


def test_a_limit_that_is_lifted_ends_the_wait() -> None:
    clock, turned = Clock(), Dials(Options(rows_per_second=10))
    throttle = Throttle(turned, clock)
    ticket = throttle.take(1000, 5)
    assert throttle.left(ticket) == pytest.approx(100)
    clock.at += 50
    assert throttle.left(ticket) == pytest.approx(50)
    turned.rows_per_second = 100
    assert throttle.left(ticket) == pytest.approx(5)
    turned.rows_per_second, turned.bytes_per_second = 0, 1
    assert throttle.left(ticket) == 0  # a new limit is for what is moved from now on
    assert throttle.left(throttle.take(1, 7)) == pytest.approx(7)


@given(st.lists(st.tuples(st.integers(1, 1000), st.floats(0, 30)), min_size=1, max_size=20))
def test_streams_together_stay_under_the_limit(requests: list[tuple[int, float]]) -> None:
    clock = Clock()
    throttle = Throttle(Dials(Options(rows_per_second=50)), clock)
    began = clock.at
    rows_moved = 0
    for rows, idle in requests:
        clock.at += idle
        clock.at += throttle.left(throttle.take(rows, 0))
        rows_moved += rows
        assert rows_moved <= 50 * (clock.at - began) + 1e-6


@given(st.integers(-1000, 1000), st.integers(1, 5000), st.integers(1, 9))
def test_pieces_of_a_range_cover_it_once(low: int, width: int, count: int) -> None:
    parts = pieces(KeyRange("`id`", low, low + width), count)
    assert len(parts) <= count
    edges = [bounds(piece) for piece in parts]
    assert (edges[0][0], edges[-1][1]) == (low, low + width)
    assert all(lower[1] == right[0] for lower, right in itertools.pairwise(edges))


@pytest.mark.parametrize(
    "condition", ["", "`id`<5", "`id`>=5", "`a`>=1 AND (`a`>1 OR `a`=1 AND `b`>=2) AND `a`<3", "`a`>=1 AND `b`<3"]
)
def test_a_range_that_is_open_or_of_many_columns_stays_whole(condition: str) -> None:
    assert [text_of(piece) for piece in pieces(range_of(condition), 4)] == [condition]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", Whole()),
        ("`id`>=-5 AND `id`<9", KeyRange("`id`", -5, 9)),
        ("`a``b`<9", KeyRange("`a``b`", None, 9)),
        ('"a"">=1 AND b">=5', KeyRange('"a"">=1 AND b"', 5, None)),
        ("_rowid_>=1 AND _rowid_<2", KeyRange("_rowid_", 1, 2)),
        ("ctid >= '(10,0)'::tid", BlockRange(10, None)),
        ("ctid < '(10,0)'::tid", BlockRange(None, 10)),
        ("ctid >= '(10,0)'::tid AND ctid < '(13,0)'::tid", BlockRange(10, 13)),
        ("`a`>=1 AND `b`<3", KeysetRange("`a`>=1 AND `b`<3")),
        ('"k">=\'a\' AND "k"<5', KeysetRange('"k">=\'a\' AND "k"<5')),
        ("`k`<_utf8mb4 X'61'", KeysetRange("`k`<_utf8mb4 X'61'")),
    ],
)
def test_ranges_of_every_version_are_read_and_written_alike(text: str, value: ChunkRange) -> None:
    assert range_of(text) == value
    assert text_of(value) == text


@pytest.mark.parametrize("chunk_range", [BlockRange(1, 2), KeysetRange("`a`>=1 AND (`a`>1 OR `b`>=2)")])
def test_a_range_of_no_integer_key_is_never_taken_for_all_rows(chunk_range: ChunkRange) -> None:
    with pytest.raises(ValueError, match="not a range of an integer key"):
        bounds(chunk_range)


@given(
    st.lists(st.integers(-500, 500), min_size=1, unique=True).map(sorted), st.integers(1, 9), st.randoms(use_true_random=False)
)
def test_ranges_cover_a_table_until_one_is_lost_or_there_twice(cuts: list[int], count: int, random: Random) -> None:
    ranges = [piece for whole in between("`id`", cuts) for piece in pieces(whole, count)]
    random.shuffle(ranges)
    assert uncovered(ranges) == ""
    missing = random.choice(ranges)
    assert uncovered([r for r in ranges if r != missing])
    assert uncovered([*ranges, missing])


@pytest.mark.parametrize(
    ("ranges", "words"),
    [
        ([Whole()], ""),
        ([KeysetRange("`k`<'a'"), KeysetRange("`k`>='a'")], ""),
        ([range_of(text) for text in ("k<5", "k>=5 AND k<7.5", "k>=7.5 AND k<'a'", "k>='a'")], ""),
        ([BlockRange(None, 4), BlockRange(4, 9), BlockRange(9, None)], ""),
        ([], "no chunk"),
        ([KeyRange("`id`", None, 5)], "only chunk"),
        ([Whole(), KeyRange("`id`", 5, 7)], "different kinds"),
        ([KeyRange("`id`", None, 5), KeyRange("`other`", 5, None)], "different kinds"),
        ([KeyRange("`id`", None, 5), KeyRange("`id`", 6, None)], "gap"),
        ([KeyRange("`id`", None, 5), KeyRange("`id`", 5, 9), KeyRange("`id`", 5, 7), KeyRange("`id`", 9, None)], "overlap"),
        ([KeyRange("`id`", 1, 5), KeyRange("`id`", 5, None)], "not open below"),
        ([BlockRange(None, 4), BlockRange(4, 9)], "not open above"),
        ([KeysetRange("`k`<'a'"), KeysetRange("`k`<'a'"), KeysetRange("`k`>='a'")], "the same range"),
    ],
)
def test_why_ranges_do_not_cover_a_table(ranges: list[ChunkRange], words: str) -> None:
    assert words in uncovered(ranges)
    assert bool(words) == bool(uncovered(ranges))


def test_blocks_are_cut_too() -> None:
    parts = pieces(range_of("ctid >= '(10,0)'::tid AND ctid < '(13,0)'::tid"), 2)
    assert [text_of(piece) for piece in parts] == [
        "ctid >= '(10,0)'::tid AND ctid < '(12,0)'::tid",
        "ctid >= '(12,0)'::tid AND ctid < '(13,0)'::tid",
    ]


@pytest.mark.parametrize(
    ("spec", "at_once"),
    [
        ({}, False),
        ({"desiredState": "Paused"}, False),
        ({"desiredState": "Paused", "pause": {"immediate": True}}, True),
        ({"desiredState": "Completed", "pause": {"immediate": True}}, False),
        ({"desiredState": "Cancelled"}, True),
    ],
)
def test_a_worker_is_told_to_stop_at_once_only_when_that_was_asked(spec: dict[str, object], at_once: bool) -> None:  # noqa: FBT001
    data = {"source": {"connectionRef": {"name": "a"}}, "target": {"connectionRef": {"name": "b"}}, "parallelism": 3}
    settings = live_settings(
        Migration.model_validate({"metadata": {"name": "m"}, "spec": {"data": data, **spec}}), datetime(2026, 1, 1, tzinfo=UTC)
    )
    assert settings is not None
    assert (settings.at_once, settings.parallelism, settings.batch_rows) == (at_once, 3, 10_000)


def test_each_worker_has_its_share_of_the_limits() -> None:
    data = {"source": {"connectionRef": {"name": "a"}}, "target": {"connectionRef": {"name": "b"}}, "workers": 3}
    migration = Migration.model_validate(
        {"metadata": {"name": "m"}, "spec": {"data": {**data, "limits": {"rowsPerSecond": 1000}}}}
    )
    settings = live_settings(migration, datetime(2026, 1, 1, tzinfo=UTC))
    assert settings
    assert (settings.rows_per_second, settings.bytes_per_second) == (334, 0)


def test_a_worker_is_told_the_hours_of_its_cutover() -> None:
    data = {"source": {"connectionRef": {"name": "a"}}, "target": {"connectionRef": {"name": "b"}}}
    window = {"maintenanceWindow": {"start": "02:00", "end": "06:00", "appliesTo": "Cutover"}}
    migration = Migration.model_validate({"metadata": {"name": "m"}, "spec": {"data": data, "schedule": window}})
    noon, night = datetime(2026, 1, 1, 12, tzinfo=UTC), datetime(2026, 1, 2, 3, tzinfo=UTC)
    before, inside = live_settings(migration, noon), live_settings(migration, night)
    assert before
    assert inside
    assert (before.cutover_from, before.cutover_until) == (datetime(2026, 1, 2, 2, tzinfo=UTC), None)
    assert (inside.cutover_from, inside.cutover_until) == (None, datetime(2026, 1, 2, 6, tzinfo=UTC))


def test_what_was_compared_and_brought_up_to_date_is_told_by_table() -> None:
    tally = ProgressCounter(_plan(), clock=Clock())
    tally.count(Event(EventKind.STATE, text="comparing"))
    tally.count(Event(EventKind.COMPARED, "s.big", 900))
    tally.count(Event(EventKind.DELTA, "s.big", 7))
    tally.count(Event(EventKind.DELTA, "s.small", 1))
    by_table = dict(tally.tables(9))
    assert {name: (t.compared, t.corrected) for name, t in by_table.items()} == {"s.big": (900, 7), "s.small": (0, 1)}
    assert (tally.numbers().compared, tally.numbers().corrected) == (900, 8)


def test_a_run_that_an_earlier_worker_cut_over_has_all_its_numbers() -> None:
    plan = _plan()
    tally = ProgressCounter(plan, {"s.big": (900, 9000)}, Clock())
    tally.complete({0: 910, 1: 100}, plan)
    numbers = tally.numbers()
    assert (numbers.percent, numbers.step_percent, numbers.compared, numbers.remaining_seconds) == (100, 100, 1010, 0.0)
    assert {name: (t.state, t.rows, t.compared) for name, t in tally.tables(9)} == {
        "s.big": ("Equal", 900, 910),
        "s.small": ("Equal", 100, 100),
    }
