"""The queries over a table of SQLite."""

from __future__ import annotations

from collections.abc import Iterable

from landfall.engine.model.table_shape import Shape
from landfall.engine.sources.queries import QueryParts, TableQueries, columns_of
from landfall.engine.sources.sqlite import dialect as sqlite


class SqliteQueries(TableQueries):
    """SQL for SQLite, which sums and digests lines by functions of this process."""

    def __init__(self, shape: Shape) -> None:
        copied, compared, keys = columns_of(shape)
        self._line = sqlite.check_line(compared)
        parts = QueryParts(
            table=sqlite.name(shape.name),
            copy=sqlite.copy_line(copied),
            number=f"lf_number(CAST({self._line} AS BLOB))",
            key_line=sqlite.check_line(keys) if keys else "''",
        )
        super().__init__(shape, parts)

    def copy_page(self, where: str) -> str:
        """One page of a range of the key as one value. Parameters: the least key, the largest key, how many rows."""
        return self._page(self._parts.copy, "", where)

    def digest(self, where: str) -> str:
        """A page of lines, as `copy_page`: their digest is made in this process, and the range is that of the page."""
        del where
        return self._page(self._line, "\n", "")

    def octets(self, column: str) -> str:
        """The size of a value in octets."""
        return f"coalesce(length(CAST({sqlite.name(column)} AS BLOB)),0)"

    def raw(self, where: str, long: Iterable[str]) -> tuple[str, tuple[str, ...]]:
        """The columns one by one, long ones bare, and how to render each."""
        return self._raw(where, long, {source: f"CAST({sqlite.name(source)} AS BLOB)" for source, _, _ in self._shape.copied})

    def sums(self, where: str) -> str:
        """The lines themselves, for we are SQLite's checksum function."""
        return self._select(self._line, where)

    def _page(self, line: str, between: str, where: str) -> str:
        key = self._shape.key if self._shape.key == "_rowid_" else sqlite.name(self._shape.key)
        ranged = f"{key} BETWEEN ?1 AND ?2" + (f" AND ({where})" if where else "")
        return sqlite.page(self._from(ranged), key, line, between)
