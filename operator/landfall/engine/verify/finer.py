"""Chunks that differ, divided into smaller ones before they are copied again: a later write then makes fewer rows differ.

An open range is divided, too, by the rows that are in it now. Rows that an application inserts are all in the last range of their table:
undivided, it would grow by every row that is written during the copy, and one more row would have all of them copied again under the
write lock.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from landfall.engine.copy.run_context import Work
from landfall.engine.model import chunk_range
from landfall.engine.model.chunk_range import BlockRange, ChunkRange, KeyRange, Whole
from landfall.engine.model.plan import TablePlan
from landfall.engine.model.run_state import Chunk
from landfall.engine.sources.base import Reader
from landfall.engine.sources.engine import BlockDialect, Dialect
from landfall.engine.verify.compare import TableDifference

_ROWS = 500


def finer_chunks(work: Work, reader: Reader, differences: Sequence[TableDifference]) -> dict[int, list[Chunk]]:
    """Return chunks of about 500 rows that cover the same rows as those that differ, by the number of their table.

    The first part of a chunk keeps its number, the others get new ones. Until they are copied, their rows are estimates and their bytes
    are upper bounds.
    """
    known = work.ledger.chunks(work.lease.key)
    last = {d.table.number: max((c.number for c in known if c.table == d.table.number), default=-1) for d in differences}
    return {d.table.number: list(_divided(work, reader, d, itertools.count(last[d.table.number] + 1))) for d in differences}


def _divided(work: Work, reader: Reader, difference: TableDifference, numbers: Iterator[int]) -> Iterator[Chunk]:
    for chunk in difference.chunks:
        held = _held(work, reader, difference.table, chunk)
        first, *others = chunk_range.pieces(held.range, -(-held.rows // _ROWS) or 1, held.present)
        smaller = replace(chunk, rows=-(-held.rows // (1 + len(others))))
        yield replace(smaller, range=first)
        for condition in others:
            yield replace(smaller, number=next(numbers), range=condition)


@dataclass(frozen=True, slots=True)
class _Held:
    """A range and what is in it: the number of its rows, and its least and its largest key or block if it is to be divided by them."""

    range: ChunkRange
    rows: int
    present: tuple[int, int] | None = None


def _held(work: Work, reader: Reader, table: TablePlan, chunk: Chunk) -> _Held:
    """Read what an open range holds now. A range with two limits holds what was copied."""
    dialect, name = work.engine.dialect, work.engine.dialect.table_name(table)
    given = _limited(dialect, table, chunk.range)
    if not isinstance(given, KeyRange | BlockRange) or (given.low is not None and given.high is not None):
        return _Held(chunk.range, chunk.rows)
    condition = dialect.condition(chunk.range)
    where = f" WHERE {condition}" if condition else ""
    if isinstance(given, KeyRange):
        least, largest, rows = reader.rows(f"SELECT MIN({given.key}),MAX({given.key}),COUNT(*) FROM {name}{where}")[0]
    elif isinstance(dialect, BlockDialect):
        least, largest = str(given.low or 0), reader.rows(dialect.block_count(table))[0][0]
        rows = reader.rows(f"SELECT COUNT(*) FROM {name}{where}")[0][0]
    else:
        return _Held(chunk.range, chunk.rows)
    count = int(rows or 0)
    if least is None or largest is None or count <= _ROWS:
        return _Held(chunk.range, count)
    return _Held(given, count, (int(least), int(largest)))


def _limited(dialect: Dialect, table: TablePlan, given: ChunkRange) -> ChunkRange:
    """The range in the form that has limits: all rows of a table are those of any key."""
    if isinstance(given, Whole) and table.key_kind == "integer":
        return KeyRange(dialect.key_name(table.key[0]))
    return BlockRange() if isinstance(given, Whole) and table.key_kind == "ctid" else given
