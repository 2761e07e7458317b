"""What a chunk is: the rows of a table within a range.

The ledger keeps a range as text, which is a predicate in the source's SQL, as every version has written it. Text becomes a value, and a
value text, here alone.
"""

from __future__ import annotations

import itertools
import re
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
        if found := form.fullmatch(text):
            return KeyRange(found["key"], *_edges(found))
    for form in _BLOCKS:
        if found := form.fullmatch(text):
            return BlockRange(*_edges(found))
    return KeysetRange(text)


def _edges(found: re.Match[str]) -> tuple[int | None, int | None]:
    told = found.groupdict()
    low, high = told.get("low"), told.get("high")
    return (None if low is None else int(low), None if high is None else int(high))


def text_of(given: ChunkRange) -> str:
    """The text of a range for the ledger.

    Returns:
        Nothing for all rows; `key>=5 AND key<9`, `ctid >= '(5,0)'::tid AND ctid < '(9,0)'::tid` or one side of these; or the
        predicate of a keyset.
    """
    match given:
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


def bounds(given: ChunkRange) -> tuple[int | None, int | None]:
    """The least integer of a range of an integer key and the first one beyond it; None where it is open.

    Raises ValueError for a range of another kind: taken for an open one it would mean all rows.
    """
    match given:
        case KeyRange(_, low, high):
            return low, high
        case Whole():
            return None, None
        case _:
            message = f"not a range of an integer key: {text_of(given)}"
            raise ValueError(message)


def pieces(given: ChunkRange, count: int) -> tuple[ChunkRange, ...]:
    """A range of an integer key or of blocks in `count` parts of one width; itself alone where it is open or of another kind."""
    if not isinstance(given, KeyRange | BlockRange) or given.low is None or given.high is None:
        return (given,)
    step = max(1, -(-(given.high - given.low) // count))
    edges = [given.low, *range(given.low + step, given.high, step), given.high]
    return tuple(replace(given, low=low, high=high) for low, high in itertools.pairwise(edges))


def between(key: str, cuts: list[int]) -> list[ChunkRange]:
    """The ranges of an integer key that these inner boundaries make: the first is open below and the last above."""
    if not cuts:
        return [Whole()]
    edges = [None, *cuts, None]
    return [KeyRange(key, low, high) for low, high in itertools.pairwise(edges)]
