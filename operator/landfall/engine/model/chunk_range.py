"""What a chunk is: the rows of a table within a range.

The ledger keeps a range as text, which is a predicate in the source's SQL, as every version has written it. Text becomes a value, and a
value text, only here.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Whole:
    """All rows."""


@dataclass(frozen=True, slots=True)
class KeyRange:
    """The rows whose integer key is at least `low` and less than `high`; None is open. `key` is quoted as the source does."""

    key: str
    low: int | None = None
    high: int | None = None


@dataclass(frozen=True, slots=True)
class BlockRange:
    """The rows in the blocks of PostgreSQL from `low` to before `high`; None is open."""

    low: int | None = None
    high: int | None = None


@dataclass(frozen=True, slots=True)
class KeysetRange:
    """The rows between two values of a key of any type, or of several columns: a predicate in the source's SQL."""

    predicate: str


ChunkRange = Whole | KeyRange | BlockRange | KeysetRange

_LARGEST = 2**63 - 1  # greater limits are no integers for the databases
_KEY = r"(?P<key>`(?:[^`]|``)*`|\"(?:[^\"]|\"\")*\"|\w+)"
_AT_LEAST, _BELOW = r"(?P=key)>=(?P<low>-?\d+)", r"(?P=key)<(?P<high>-?\d+)"
_KEYS = tuple(re.compile(f"(?={_KEY}[<>]){form}", re.DOTALL) for form in (f"{_AT_LEAST} AND {_BELOW}", _AT_LEAST, _BELOW))
_BLOCK_LOW, _BLOCK_HIGH = r"ctid >= '\((?P<low>\d+),0\)'::tid", r"ctid < '\((?P<high>\d+),0\)'::tid"
_BLOCKS = tuple(re.compile(form) for form in (f"{_BLOCK_LOW} AND {_BLOCK_HIGH}", _BLOCK_LOW, _BLOCK_HIGH))


def range_of(text: str) -> ChunkRange:
    """The range behind a text of the ledger. A predicate that is of no other form is a `KeysetRange`."""
    if not text:
        return Whole()
    for form in _KEYS:
        if match := form.fullmatch(text):
            return KeyRange(match["key"], *_edges(match))
    for form in _BLOCKS:
        if match := form.fullmatch(text):
            return BlockRange(*_edges(match))
    return KeysetRange(text)


def _edges(match: re.Match[str]) -> tuple[int | None, int | None]:
    groups = match.groupdict()
    low, high = groups.get("low"), groups.get("high")
    return (None if low is None else int(low), None if high is None else int(high))


def text_of(chunk_range: ChunkRange) -> str:
    """The text of a range for the ledger.

    Returns:
        Nothing for all rows; `key>=5 AND key<9`, `ctid >= '(5,0)'::tid AND ctid < '(9,0)'::tid` or one side of these; or the
        predicate of a keyset.
    """
    match chunk_range:
        case Whole():
            return ""
        case KeyRange(key, low, high):
            sides = [f"{key}>={low}"] if low is not None else []
            return " AND ".join([*sides, *([f"{key}<{high}"] if high is not None else [])])
        case BlockRange(low, high):
            sides = [f"ctid >= '({low},0)'::tid"] if low is not None else []
            return " AND ".join([*sides, *([f"ctid < '({high},0)'::tid"] if high is not None else [])])
        case KeysetRange(predicate):
            return predicate


def bounds(chunk_range: ChunkRange) -> tuple[int | None, int | None]:
    """The least integer of a range of an integer key and the first one beyond it; None where it is open.

    Raises ValueError for a range of another kind: taken for an open one it would mean all rows.
    """
    match chunk_range:
        case KeyRange(_, low, high):
            return low, high
        case Whole():
            return None, None
        case BlockRange() | KeysetRange():
            message = f"not a range of an integer key: {text_of(chunk_range)}"
            raise ValueError(message)


def pieces(chunk_range: ChunkRange, count: int, present: tuple[int, int] | None = None) -> tuple[ChunkRange, ...]:
    """A range of an integer key or of blocks in `count` parts of one width; only itself if it is of another kind.

    Args:
        chunk_range: The range.
        count: The number of parts.
        present: Of an open range, the least and the largest key or block in it. The part beyond the largest one is added, for what is
            inserted later. Without it, an open range is not divided.
    """
    if not isinstance(chunk_range, KeyRange | BlockRange):
        return (chunk_range,)
    least, beyond = (present[0], present[1] + 1) if present else (None, None)
    low, high = least if chunk_range.low is None else chunk_range.low, beyond if chunk_range.high is None else chunk_range.high
    if low is None or high is None or not low < high <= _LARGEST:
        return (chunk_range,)
    step = max(1, -(-(high - low) // count))
    inner = [*range(low + step, high, step), *([high] if chunk_range.high is None else [])]
    return tuple(
        replace(chunk_range, low=above, high=below)
        for above, below in itertools.pairwise([chunk_range.low, *inner, chunk_range.high])
    )


def between(key: str, cuts: list[int]) -> list[ChunkRange]:
    """The ranges of an integer key that these inner boundaries make: the first is open below and the last above."""
    if not cuts:
        return [Whole()]
    edges = [None, *cuts, None]
    return [KeyRange(key, low, high) for low, high in itertools.pairwise(edges)]


def uncovered(ranges: Sequence[ChunkRange]) -> str:
    """Why these ranges are not all rows of a table, each in one range; nothing where they are.

    Predicates of a keyset are compared as texts only: their values have no order here. Some of them look like ranges of an
    integer key, where a key holds numbers of several types.
    """
    if len(ranges) == 1:
        return "" if isinstance(ranges[0], Whole) else "its only chunk is not the whole table"
    if not ranges:
        return "it has no chunk"
    if len(set(ranges)) < len(ranges):
        return "two of its chunks are the same range"
    edged = [r for r in ranges if isinstance(r, KeyRange | BlockRange)]
    kinds = {r.key if isinstance(r, KeyRange) else "" for r in edged}
    if len(kinds) > 1 or any(isinstance(r, Whole) for r in ranges):
        return "its chunks are ranges of different kinds, which overlap"
    return _unjoined([(r.low, r.high) for r in edged]) if len(edged) == len(ranges) else ""


def _unjoined(edged: list[tuple[int | None, int | None]]) -> str:
    """Where a range does not begin at the edge where the one before it ends."""
    edged.sort(key=lambda r: (r[0] is not None, r[0] or 0, r[1] is None, r[1] or 0))
    if edged[0][0] is not None:
        return "its first chunk is not open below"
    if edged[-1][1] is not None:
        return "its last chunk is not open above"
    for (_, high), (low, _) in itertools.pairwise(edged):
        if high is None or low is None or low < high:
            return "two of its chunks overlap"
        if low > high:
            return "there is a gap between two of its chunks"
    return ""
