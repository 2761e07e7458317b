"""What the queries over a planned table have in common, whatever the engine."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from landfall.engine.model.mapping import Mapping
from landfall.engine.model.table_shape import Shape

Columns = list[tuple[str, Mapping]]


@dataclass(frozen=True, slots=True)
class QueryParts:
    """SQL over one table: the table in FROM, a row as COPY reads it, a row's number, and the line of its key."""

    table: str
    copy: str
    number: str
    key_line: str


class TableQueries:
    """Queries that every engine builds in the same way from its own parts."""

    def __init__(self, shape: Shape, parts: QueryParts) -> None:
        self._shape = shape
        self._parts = parts

    def copy(self, where: str) -> str:
        """The rows of a range as the target's COPY reads them."""
        return self._select(self._parts.copy, where)

    def sums(self, where: str) -> str:
        """One row: count and sum of row numbers. A row without a number (too large a value) shows as a difference."""
        return self._select(f"COUNT(*),COALESCE(SUM({self._parts.number}),0)", where)

    def rows(self, where: str) -> str:
        """Rows of (key line, row number)."""
        return self._select(f"{self._parts.key_line},{self._parts.number}", where)

    def _select(self, columns: str, where: str) -> str:
        return f"SELECT {columns} {self._from(where)}"

    def _from(self, where: str) -> str:
        return f"FROM {self._parts.table}" + (f" WHERE ({where})" if where else "")

    def _raw(self, where: str, long: Iterable[str], expressions: dict[str, str]) -> tuple[str, tuple[str, ...]]:
        """`LargeRowQueries.raw`; `expressions` is how a column's value is read unrendered."""
        long_columns = set(long)
        selected, kinds = [], []
        for source, _, mapped in self._shape.copied:
            selected.append(expressions[source] if source in long_columns else mapped.copy)
            as_text = "text" if mapped.quoted else "plain"
            kinds.append("bytes" if source in long_columns and not mapped.quoted else as_text)
        return self._select(",".join(selected), where), tuple(kinds)


def columns_of(shape: Shape) -> tuple[Columns, Columns, Columns]:
    """The columns that are copied, those that are compared, and those of the row key, by their names in the source."""
    copied = [(source, m) for source, _, m in shape.copied]
    compared = [(source, m) for source, _, m in shape.compared]
    keys = [(source, m) for source, _, m in shape.keys]
    return copied, compared, keys
