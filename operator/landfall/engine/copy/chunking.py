"""Dividing a table into chunks: ranges that together cover every row exactly once.

The first range has no lower limit and the last one no upper limit, so that every row that is inserted later belongs to a chunk.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from landfall.engine.model.chunk_range import BlockRange, ChunkRange, KeysetRange, Whole, between
from landfall.engine.model.plan import TablePlan
from landfall.engine.sources.base import Reader
from landfall.engine.sources.engine import BlockDialect, Dialect

_DENSE = 1.5
_LEAST_BLOCKS = 16


def ranges(reader: Reader, dialect: Dialect, table: TablePlan, batch_rows: int) -> list[ChunkRange]:
    """Return the chunks of a table, of about `batch_rows` rows each."""
    if table.key_kind == "ctid" and isinstance(dialect, BlockDialect):
        return _blocks(reader, dialect, table, batch_rows)
    if table.key_kind == "none" or table.rows <= batch_rows:
        return [Whole()]
    if table.key_kind == "integer":
        return _integers(reader, dialect, table, batch_rows)
    return _keysets(reader, dialect, table, batch_rows)


def _blocks(reader: Reader, dialect: BlockDialect, table: TablePlan, batch_rows: int) -> list[ChunkRange]:
    blocks = int(reader.rows(dialect.block_count(table))[0][0] or 0)
    step = max(_LEAST_BLOCKS, blocks * batch_rows // max(table.rows, 1))
    cuts = list(range(step, blocks, step))
    return [BlockRange(low, high) for low, high in itertools.pairwise([None, *cuts, None])] if cuts else [Whole()]


def _names(dialect: Dialect, table: TablePlan) -> tuple[str, list[str]]:
    return dialect.table_name(table), [dialect.key_name(k) for k in table.key]


def _integers(reader: Reader, dialect: Dialect, table: TablePlan, batch_rows: int) -> list[ChunkRange]:
    name, (key, *_) = _names(dialect, table)
    low, high = reader.rows(f"SELECT MIN({key}),MAX({key}) FROM {name}")[0]
    if low is None or high is None:
        return [Whole()]
    first, last = int(low), int(high)
    if last - first + 1 <= table.rows * _DENSE:
        step = max(1, (last - first + 1) * batch_rows // max(table.rows, 1))
        cuts = list(range(first + step, last + 1, step))
    else:
        cuts = _walked(reader, name, key, first, batch_rows)
    return between(key, cuts)


def _walked(reader: Reader, name: str, key: str, first: int, batch_rows: int) -> list[int]:
    """Boundaries every `batch_rows` rows of a sparse key, read from its index."""
    cuts: list[int] = []
    at = first
    while True:
        rows = reader.rows(f"SELECT {key} FROM {name} WHERE {key}>={at} ORDER BY {key} LIMIT 1 OFFSET {batch_rows}")
        if not rows or rows[0][0] is None or int(rows[0][0]) == at:
            return cuts
        at = int(rows[0][0])
        cuts.append(at)


def _keysets(reader: Reader, dialect: Dialect, table: TablePlan, batch_rows: int) -> list[ChunkRange]:
    """Boundaries of a composite or textual key, in the sort order of the source, as literals of the source."""
    name, keys = _names(dialect, table)
    rendered = ",".join(dialect.chunk_literal(table, k) for k in table.key)
    order = ",".join(keys)
    cuts: list[list[str]] = []
    while True:
        condition = f" WHERE {_at_least(keys, cuts[-1])}" if cuts else ""
        rows = reader.rows(f"SELECT {rendered} FROM {name}{condition} ORDER BY {order} LIMIT 1 OFFSET {batch_rows}")
        if not rows:
            break
        cuts.append([cell or "NULL" for cell in rows[0]])
    if not cuts:
        return [Whole()]
    predicates = [_below(keys, cuts[0])]
    predicates += [f"{_at_least(keys, low)} AND {_below(keys, high)}" for low, high in itertools.pairwise(cuts)]
    predicates.append(_at_least(keys, cuts[-1]))
    return [KeysetRange(predicate) for predicate in predicates]


def _at_least(keys: Sequence[str], bound: Sequence[str]) -> str:
    return _compared(keys, bound, ">", ">=")


def _below(keys: Sequence[str], bound: Sequence[str]) -> str:
    return _compared(keys, bound, "<", "<")


def _compared(keys: Sequence[str], bound: Sequence[str], strictly: str, lastly: str) -> str:
    """The row comparison (a,b) >= (x,y) as AND and OR, with a separate condition on the first key so that its index is used."""
    if len(keys) == 1:
        return f"{keys[0]}{lastly}{bound[0]}"
    loose = ">=" if strictly == ">" else "<="
    arms = []
    for at, key in enumerate(keys):
        operator = lastly if at == len(keys) - 1 else strictly
        equal = [f"{k}={b}" for k, b in zip(keys[:at], bound[:at], strict=True)]
        arms.append(" AND ".join([*equal, f"{key}{operator}{bound[at]}"]))
    return f"{keys[0]}{loose}{bound[0]} AND (" + " OR ".join(f"({arm})" for arm in arms) + ")"
