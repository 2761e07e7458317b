"""The queries a source must offer: copy, digest, sums, rows."""

from __future__ import annotations

from collections.abc import Iterable

from landfall.engine.model.identifiers import quoted
from landfall.engine.model.options import Engine
from landfall.engine.model.table_shape import Shape
from landfall.engine.sources import digests
from landfall.engine.sources.mysql import dialect as mysql
from landfall.engine.sources.postgresql import dialect as postgresql
from landfall.engine.sources.sqlite import dialect as sqlite


class SourceQueries:
    """SQL for the source."""

    def __init__(self, shape: Shape) -> None:
        self._shape = shape
        engine = shape.engine
        self._native = engine is Engine.POSTGRESQL
        copied = [(source, m) for source, _, m in shape.copied]
        compared = [(source, m) for source, _, m in shape.compared]
        keys = [(source, m) for source, _, m in shape._keys]  # noqa: SLF001
        if self._native:
            self._from = f"ONLY {quoted(shape.schema)}.{quoted(shape.name)}"
            self._copy = ",".join(m.copy for _, m in copied) or "NULL"
            self._number = postgresql.native_number([(m.check_source, m) for _, m in compared], hashed=shape.hashed)
            self._key_line = f"ROW({','.join(m.check_source for _, m in keys)})::text"
        elif engine is Engine.SQLITE:
            self._from = sqlite.name(shape.name)
            self._copy = sqlite.copy_line(copied)
            self._line = sqlite.check_line(compared)
            self._number = f"lf_number(CAST({self._line} AS BLOB))"
            self._key_line = sqlite.check_line(keys) if keys else "''"
        else:
            self._from = f"{mysql.name(shape.schema)}.{mysql.name(shape.name)}"
            self._copy = mysql.copy_line(copied)
            self._line = mysql.check_line(compared)
            self._number = digests.mysql_number(self._line, 15)
            self._key_line = mysql.check_line(keys) if keys else "''"

    def copy(self, where: str) -> str:
        """The rows of a range as the target's COPY reads them."""
        return f"SELECT {self._copy} FROM {self._from}{_filter(where)}"

    def copy_page(self, where: str) -> str:
        """SQLite: one page of a range of the key as one value. Parameters: the least key, the largest key, how many rows."""
        return self._page(self._copy, "", where)

    def _page(self, line: str, between: str, where: str = "") -> str:
        key = self._shape.key if self._shape.key == "_rowid_" else sqlite.name(self._shape.key)
        ranged = f"{key} BETWEEN ?1 AND ?2" + (f" AND ({where})" if where else "")
        return sqlite.page(f"FROM {self._from}{_filter(ranged)}", key, line, between)

    def digest(self, where: str) -> str:
        """One row: count, and SHA2-256 of all lines in the order of the key; from SQLite a page of them, as `copy_page`."""
        if self._shape.engine is Engine.SQLITE:
            return self._page(self._line, "\n")
        # A range is read along the primary key, so no order is asked for: sorting would cost more than all the rest. Where a
        # server reads in another order the digests differ, and the rows are compared by sums instead.
        lines = f"GROUP_CONCAT({self._line} SEPARATOR X'0A')"
        return f"SELECT COUNT(*),{digests.in_mysql(lines)} FROM {self._from}{_filter(where)}"

    def octets(self, column: str) -> str:
        """The size of a value."""
        if self._shape.engine is Engine.SQLITE:
            return f"coalesce(length(CAST({sqlite.name(column)} AS BLOB)),0)"
        return f"COALESCE(OCTET_LENGTH({mysql.name(column)}),0)"

    def raw(self, where: str, long: Iterable[str]) -> tuple[str, tuple[str, ...]]:
        """The columns of rows that the server cannot render as one value, long ones bare, and how to render each."""
        bare = set(long)
        told, kinds = [], []
        for source, _, mapped in self._shape.copied:
            if source not in bare:
                told.append(mapped.copy)
            elif self._shape.engine is Engine.SQLITE:
                told.append(f"CAST({sqlite.name(source)} AS BLOB)")
            else:
                told.append(mysql.name(source))
            as_text = "text" if mapped.quoted else "plain"
            kinds.append("bytes" if source in bare and not mapped.quoted else as_text)
        return f"SELECT {','.join(told)} FROM {self._from}{_filter(where)}", tuple(kinds)

    def sums(self, where: str) -> str:
        """One row: count and sum of row numbers; from SQLite the lines themselves, for we are its checksum function.

        A row without a number (too large a value) shows as a difference.
        """
        if self._shape.engine is Engine.SQLITE:
            return f"SELECT {self._line} FROM {self._from}{_filter(where)}"
        return f"SELECT COUNT(*),COALESCE(SUM({self._number}),0) FROM {self._from}{_filter(where)}"

    def rows(self, where: str) -> str:
        """Rows of (key line, number)."""
        return f"SELECT {self._key_line},{self._number} FROM {self._from}{_filter(where)}"


def _filter(where: str) -> str:
    return f" WHERE ({where})" if where else ""
