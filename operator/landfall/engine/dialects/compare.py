"""Queries over one planned table: to copy it, to sum it up, to narrow a difference down and to name rows.

Every query comes in two hands, the source's and the target's, which must give the same numbers for the same rows.
A bucket is one of 4,096, by the hash of the row's key. Target rows are told apart by the transaction that wrote them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from landfall.engine.dialects import digests, mysql, postgresql, sqlite
from landfall.engine.dialects.mapping import Mapping
from landfall.engine.options import Engine
from landfall.engine.schema.names import literal, quoted


@dataclass(frozen=True, slots=True)
class Shape:
    """What the queries need of a table: names on both sides and the mappings of its columns.

    `key` is the source's unique integer, where the table has one, and `ordered_by` the column that holds it on both sides.
    """

    engine: Engine
    schema: str
    name: str
    target: str
    copied: tuple[tuple[str, str, Mapping], ...]
    compared: tuple[tuple[str, str, Mapping], ...]
    row_key: tuple[str, ...]
    hashed: bool = True
    key: str = ""
    ordered_by: tuple[str, str] = ("", "")

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
            self._copy = ",".join(m.copy for _, m in copied) or "NULL"
            self._number = postgresql.native_number([(m.check_source, m) for _, m in compared], hashed=shape.hashed)
            self._key_line = f"ROW({','.join(m.check_source for _, m in keys)})::text"
            key_number = _bucket(self._key_line)
        elif engine is Engine.SQLITE:
            self._from = sqlite.name(shape.name)
            self._copy = sqlite.copy_line(copied)
            self._line = sqlite.check_line(compared)
            self._number = f"lf_number(CAST({self._line} AS BLOB))"
            self._key_line = sqlite.check_line(keys) if keys else "''"
            key_number = f"lf_bucket(CAST({self._key_line} AS BLOB))"
        else:
            self._from = f"{mysql.name(shape.schema)}.{mysql.name(shape.name)}"
            self._copy = mysql.copy_line(copied)
            self._line = mysql.check_line(compared)
            self._number = digests.mysql_number(self._line, 15)
            self._key_line = mysql.check_line(keys) if keys else "''"
            key_number = digests.mysql_number(self._key_line, 3)
        self._bucket = key_number

    def copy(self, where: str, buckets: Iterable[int] | None = None) -> str:
        """The rows of a range as the target's COPY reads them."""
        return f"SELECT {self._copy} FROM {self._from}{self._filter(where, buckets)}"

    def copy_page(self, where: str, buckets: Iterable[int] | None = None) -> str:
        """SQLite: one page of a range of the key as one value. Parameters: the least key, the largest key, how many rows."""
        return self._page(self._copy, "", where, buckets)

    def _page(self, line: str, between: str, where: str = "", buckets: Iterable[int] | None = None) -> str:
        key = self._shape.key if self._shape.key == "_rowid_" else sqlite.name(self._shape.key)
        ranged = f"{key} BETWEEN ?1 AND ?2" + (f" AND ({where})" if where else "")
        return sqlite.page(f"FROM {self._from}{self._filter(ranged, buckets)}", key, line, between)

    def digest(self, where: str) -> str:
        """One row: count, and SHA2-256 of all lines in the order of the key; from SQLite a page of them, as `copy_page`."""
        if self._shape.engine is Engine.SQLITE:
            return self._page(self._line, "\n")
        # A range is read along the primary key, so no order is asked for: sorting would cost more than all the rest. Where a
        # server reads in another order the digests differ, and the rows are compared by sums instead.
        lines = f"GROUP_CONCAT({self._line} SEPARATOR X'0A')"
        return f"SELECT COUNT(*),{digests.in_mysql(lines)} FROM {self._from}{self._filter(where, None)}"

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
            return f"SELECT {self._bucket},count(*),lf_sum(CAST({self._line} AS BLOB)) FROM {self._from}{self._filter(where, None)} GROUP BY 1"
        return f"SELECT b,COUNT(*),SUM(n) FROM ({inner}) s GROUP BY b"

    def rows(self, where: str, buckets: Iterable[int]) -> str:
        """Rows of (key line, number) in some buckets."""
        return f"SELECT {self._key_line},{self._number} FROM {self._from}{self._filter(where, buckets)}"

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
            self._line = postgresql.check_line(compared)
            self._number = postgresql.line_number(self._line)
            self._key_line = postgresql.check_line(keys) if keys else "''"
        self._bucket = _bucket(self._key_line)

    def copy_in(self, form: str) -> str:
        """The COPY statement that fills the table."""
        return postgresql.copy_in(self.table, [target for _, target, _ in self._shape.copied], form)

    def digest(self, low: int | None, high: int | None) -> str:
        """One row: count, and SHA2-256 of all lines in the order of the key, from `low` to before `high`."""
        key = quoted(self._shape.ordered_by[1])
        bounds = [f"{key}{sign}{at}" for sign, at in ((">=", low), ("<", high)) if at is not None]
        where = f" WHERE {' AND '.join(bounds)}" if bounds else ""
        lines = f"SELECT {self._line} AS l FROM ONLY {self.table}{where} ORDER BY {key}"
        digest = digests.of_text("string_agg(l,E'\\n')")
        return f"SELECT count(*),{digest} FROM ({lines}) s"

    def indexed(self) -> str:
        """Whether an index gives the order of the key."""
        column, table = (literal(name) for name in (self._shape.ordered_by[1], self.table))
        return (
            "SELECT count(*) FROM pg_index i JOIN pg_attribute a ON a.attrelid=i.indrelid AND a.attnum=i.indkey[0]"
            f" WHERE i.indrelid={table}::regclass AND a.attname={column} AND i.indisvalid AND i.indpred IS NULL"
        )

    def groups(self, blocks: tuple[int, int | None] | None = None, without: Sequence[str] = ()) -> str:
        """Rows of (writing transaction, count, sum), of the whole table or of a range of its blocks, less some transactions."""
        parts = []
        if blocks:
            low, high = blocks
            parts.append(f"ctid >= '({low},0)'::tid" + (f" AND ctid < '({high},0)'::tid" if high is not None else ""))
        if without:
            parts.append(f"NOT {_written_by(without)}")
        where = f" WHERE {' AND '.join(parts)}" if parts else ""
        return f"SELECT xmin::text,count(*),coalesce(sum({self._number}),0) FROM ONLY {self.table}{where} GROUP BY xmin"

    def blocks(self) -> str:
        """How many blocks the table has."""
        return f"SELECT pg_relation_size({literal(self.table)})/current_setting('block_size')::int"

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


def _bucket(key_line: str) -> str:
    return digests.postgresql_number(digests.of_text(key_line), 3)


def _written_by(xids: Sequence[str]) -> str:
    listed = ",".join(f"'{x}'" for x in xids)
    return f"xmin = ANY (ARRAY[{listed}]::xid[])" if xids else "false"
