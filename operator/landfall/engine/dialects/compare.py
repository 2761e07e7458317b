"""Queries over one planned table: to copy it, to sum it up, to narrow a difference down and to name rows.

Every query comes in two hands, the source's and the target's, which must give the same numbers for the same rows.
A bucket is one of 4,096, by the hash of the row's key. Target rows are told apart by the transaction that wrote them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from landfall.engine.dialects import mysql, postgresql, sqlite
from landfall.engine.dialects.mapping import Mapping
from landfall.engine.options import Engine
from landfall.engine.schema.names import quoted


@dataclass(frozen=True, slots=True)
class Shape:
    """What the queries need of a table: names on both sides and the mappings of its columns."""

    engine: Engine
    schema: str
    name: str
    target: str
    copied: tuple[tuple[str, str, Mapping], ...]
    compared: tuple[tuple[str, str, Mapping], ...]
    row_key: tuple[str, ...]
    hashed: bool = True

    @property
    def _keys(self) -> list[tuple[str, str, Mapping]]:
        return [entry for key in self.row_key for entry in self.compared if entry[0] == key]


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
            self._copy = ",".join(quoted(source) for source, _ in copied) or "NULL"
            self._number = postgresql.native_number([(m.check_source, m) for _, m in compared], hashed=shape.hashed)
            self._key_line = f"ROW({','.join(m.check_source for _, m in keys)})::text"
            key_number = f"('x'||left(md5({self._key_line}),3))::bit(12)::int"
        elif engine is Engine.SQLITE:
            self._from = sqlite.name(shape.name)
            self._copy = sqlite.copy_line(copied)
            self._number = f"lf_number({sqlite.check_line(compared)})"
            self._line = sqlite.check_line(compared)
            self._key_line = sqlite.check_line(keys) if keys else "''"
            key_number = f"lf_bucket({self._key_line})"
        else:
            self._from = f"{mysql.name(shape.schema)}.{mysql.name(shape.name)}"
            self._copy = mysql.copy_line(copied)
            self._number = f"CAST(CONV(LEFT(MD5({mysql.check_line(compared)}),15),16,10) AS UNSIGNED)"
            self._key_line = mysql.check_line(keys) if keys else "''"
            key_number = f"CAST(CONV(LEFT(MD5({self._key_line}),3),16,10) AS UNSIGNED)"
        self._bucket = key_number

    def copy(self, where: str, buckets: Iterable[int] | None = None) -> str:
        """The rows of a range as the target's COPY reads them."""
        return f"SELECT {self._copy} FROM {self._from}{self._filter(where, buckets)}"

    def octets(self, column: str) -> str:
        """The size of a value."""
        if self._shape.engine is Engine.SQLITE:
            return f"coalesce(length(CAST({sqlite.name(column)} AS BLOB)),0)"
        return f"COALESCE(OCTET_LENGTH({mysql.name(column)}),0)"

    def raw(self, where: str, long: Iterable[str], buckets: Iterable[int] | None = None) -> tuple[str, tuple[str, ...]]:
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
        return f"SELECT {','.join(told)} FROM {self._from}{self._filter(where, buckets)}", tuple(kinds)

    def sums(self, where: str) -> str:
        """One row: count and sum of row numbers; from SQLite the lines themselves, for we are its checksum function.

        A row without a number (too large a value) shows as a difference.
        """
        if self._shape.engine is Engine.SQLITE:
            return f"SELECT {self._line} FROM {self._from}{self._filter(where, None)}"
        return f"SELECT COUNT(*),COALESCE(SUM({self._number}),0) FROM {self._from}{self._filter(where, None)}"

    def buckets(self, where: str) -> str:
        """Rows of (bucket, count, sum)."""
        inner = f"SELECT {self._bucket} AS b,{self._number} AS n FROM {self._from}{self._filter(where, None)}"
        if self._shape.engine is Engine.SQLITE:
            return f"SELECT lf_bucket({self._key_line}),count(*),lf_sum({self._line}) FROM {self._from}{self._filter(where, None)} GROUP BY 1"
        return f"SELECT b,COUNT(*),SUM(n) FROM ({inner}) s GROUP BY b"

    def rows(self, where: str, buckets: Iterable[int]) -> str:
        """Rows of (key line, number) in some buckets."""
        key = self._key_line if self._shape.engine is not Engine.SQLITE else f"CAST({self._key_line} AS TEXT)"
        return f"SELECT {key},{self._number} FROM {self._from}{self._filter(where, buckets)}"

    def _filter(self, where: str, buckets: Iterable[int] | None) -> str:
        parts = [where] if where else []
        if buckets is not None:
            parts.append(f"{self._bucket} IN ({','.join(map(str, buckets))})")
        return f" WHERE {' AND '.join(f'({p})' for p in parts)}" if parts else ""


class TargetQueries:
    """SQL for the target; `schema` is where the table is at that time."""

    def __init__(self, shape: Shape, schema: str) -> None:
        self._shape = shape
        self.table = f"{quoted(schema)}.{quoted(shape.target)}"
        native = shape.engine is Engine.POSTGRESQL
        compared = [(target, m) for _, target, m in shape.compared]
        keys = [(target, m) for _, target, m in shape._keys]  # noqa: SLF001
        if native:
            told = [(m.check_target.replace("{c}", quoted(target)), m) for target, m in compared]
            named = [m.check_target.replace("{c}", quoted(target)) for target, m in keys]
            self._number = postgresql.native_number(told, hashed=shape.hashed)
            self._key_line = f"ROW({','.join(named)})::text"
        else:
            self._number = postgresql.line_number(postgresql.check_line(compared))
            self._key_line = postgresql.check_line(keys) if keys else "''"
        self._bucket = f"('x'||left(md5({self._key_line}),3))::bit(12)::int"

    def copy_in(self, form: str) -> str:
        """The COPY statement that fills the table."""
        return postgresql.copy_in(self.table, [target for _, target, _ in self._shape.copied], form)

    def groups(self, blocks: tuple[int, int | None] | None = None) -> str:
        """Rows of (writing transaction, count, sum), of the whole table or of a range of its blocks."""
        where = ""
        if blocks:
            low, high = blocks
            where = f" WHERE ctid >= '({low},0)'::tid" + (f" AND ctid < '({high},0)'::tid" if high is not None else "")
        return f"SELECT xmin::text,count(*),coalesce(sum({self._number}),0) FROM ONLY {self.table}{where} GROUP BY xmin"

    def blocks(self) -> str:
        """How many blocks the table has."""
        name = self.table.replace("'", "''")
        return f"SELECT pg_relation_size('{name}')/current_setting('block_size')::int"

    def counts(self) -> str:
        """Rows of (writing transaction, count)."""
        return f"SELECT xmin::text,count(*) FROM ONLY {self.table} GROUP BY xmin"

    def buckets(self, xids: Sequence[str]) -> str:
        """Rows of (bucket, count, sum) among the rows that these transactions wrote."""
        return f"SELECT {self._bucket},count(*),sum({self._number}) FROM ONLY {self.table} WHERE {_written_by(xids)} GROUP BY 1"

    def rows(self, xids: Sequence[str], buckets: Iterable[int]) -> str:
        """Rows of (key line, number) in some buckets."""
        return f"SELECT {self._key_line},{self._number} FROM ONLY {self.table} WHERE {self._in(xids, buckets)}"

    def delete(self, xids: Sequence[str], buckets: Iterable[int] | None) -> str:
        """Remove the rows that these transactions wrote, of some buckets or all."""
        where = _written_by(xids) if buckets is None else self._in(xids, buckets)
        return f"DELETE FROM ONLY {self.table} WHERE {where}"

    def _in(self, xids: Sequence[str], buckets: Iterable[int]) -> str:
        return f"{_written_by(xids)} AND {self._bucket} IN ({','.join(map(str, buckets))})"


def _written_by(xids: Sequence[str]) -> str:
    listed = ",".join(f"'{x}'" for x in xids)
    return f"xmin = ANY (ARRAY[{listed}]::xid[])" if xids else "false"
