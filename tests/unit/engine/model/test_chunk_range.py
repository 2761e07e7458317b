"""Dividing ranges: every part is covered once, and what is inserted later has a part of its own."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from landfall.engine.model.chunk_range import BlockRange, KeyRange, KeysetRange, Whole, pieces, uncovered

_LIMIT = st.none() | st.integers(-(2**63), 2**63 - 1)


@pytest.mark.parametrize(
    ("given_range", "count", "present", "parts"),
    [
        (KeyRange("id", 10, 20), 2, None, [(10, 15), (15, 20)]),
        (KeyRange("id", 10, None), 2, None, [(10, None)]),
        (KeyRange("id", 10, None), 2, (10, 19), [(10, 15), (15, 20), (20, None)]),
        (KeyRange("id", 10, None), 1, (12, 12), [(10, 13), (13, None)]),
        (KeyRange("id", None, 20), 2, (11, 19), [(None, 16), (16, 20)]),
        (KeyRange("id"), 2, (1, 4), [(None, 3), (3, 5), (5, None)]),
        (BlockRange(7, None), 2, (7, 10), [(7, 9), (9, 11), (11, None)]),
        (KeyRange("id", 10, None), 9, (10, 2**63 - 1), [(10, None)]),
    ],
)
def test_an_open_range_is_divided_by_what_is_in_it(
    given_range: KeyRange | BlockRange, count: int, present: tuple[int, int] | None, parts: list[tuple[int | None, int | None]]
) -> None:
    found = pieces(given_range, count, present)
    assert [(r.low, r.high) for r in found if isinstance(r, KeyRange | BlockRange)] == parts


@pytest.mark.parametrize("given_range", [Whole(), KeysetRange("a>1")])
def test_ranges_without_limits_are_not_divided(given_range: Whole | KeysetRange) -> None:
    assert pieces(given_range, 5, (1, 9)) == (given_range,)


@given(_LIMIT, _LIMIT, st.integers(1, 50), st.none() | st.tuples(st.integers(-(2**63), 2**63 - 1), st.integers(0, 2**40)))
def test_the_parts_cover_the_range_once(low: int | None, high: int | None, count: int, held: tuple[int, int] | None) -> None:
    if low is not None and high is not None and low >= high:
        low, high = high, low
    present = None if held is None else (held[0], held[0] + held[1])
    found = pieces(KeyRange("id", low, high), count, present)
    edges = [(r.low, r.high) for r in found if isinstance(r, KeyRange)]
    assert (edges[0][0], edges[-1][1]) == (low, high)
    assert all(above == below for (_, above), (below, _) in itertools.pairwise(edges))
    rest = [KeyRange("id", None, low)] if low is not None else []
    rest += [KeyRange("id", high, None)] if high is not None else []
    if low != high:
        assert uncovered([*found, *rest]) in {"", "its only chunk is not the whole table"}
