"""The queries over a table of MySQL or MariaDB."""

from __future__ import annotations

from collections.abc import Iterable

from landfall.engine.model.table_shape import Shape
from landfall.engine.sources.mysql import canonical
from landfall.engine.sources.mysql import dialect as mysql
from landfall.engine.sources.queries import QueryParts, TableQueries, columns_of


class MySqlQueries(TableQueries):
    """SQL for MySQL and MariaDB."""

    def __init__(self, shape: Shape) -> None:
        copied, compared, keys = columns_of(shape)
        self._line = mysql.check_line(compared)
        parts = QueryParts(
            table=f"{mysql.name(shape.schema)}.{mysql.name(shape.name)}",
            copy=mysql.copy_line(copied),
            number=canonical.number(self._line, 15),
            key_line=mysql.check_line(keys) if keys else "''",
        )
        super().__init__(shape, parts)

    def digest(self, where: str) -> str:
        """One row: count, and SHA2-256 of all lines in the order of the key."""
        # A range is read along the primary key, so no order is requested: sorting would cost more than all the rest. Where a
        # server reads in another order the digests differ, and the rows are compared by sums instead.
        lines = f"GROUP_CONCAT({self._line} SEPARATOR X'0A')"
        return self._select(f"COUNT(*),{canonical.sha256(lines)}", where)

    def octets(self, column: str) -> str:
        """The size of a value in octets."""
        return f"COALESCE(OCTET_LENGTH({mysql.name(column)}),0)"

    def raw(self, where: str, long: Iterable[str]) -> tuple[str, tuple[str, ...]]:
        """The columns one by one, long ones bare, and how to render each."""
        return self._raw(where, long, {source: mysql.name(source) for source, _, _ in self._shape.copied})
