"""Queries over one planned table: to copy it, to sum it up and to name rows.

Every query comes in two hands, the source's and the target's, which must give the same numbers for the same rows.
Target rows are distinguished by the range of their key, or by the transaction that wrote them.
"""

from __future__ import annotations

from collections.abc import Sequence

from landfall.engine.model.identifiers import literal, quoted
from landfall.engine.model.plan import CopyForm
from landfall.engine.model.table_shape import Shape
from landfall.engine.sources.postgresql import dialect as postgresql
from landfall.engine.sources.postgresql import digests
from landfall.engine.sources.registry import engine_of


class PostgresqlQueries:
    """SQL for the target; `schema` is where the table is at that time."""

    def __init__(self, shape: Shape, schema: str) -> None:
        self._shape = shape
        self.table = f"{quoted(schema)}.{quoted(shape.target)}"
        native = engine_of(shape.engine).capabilities.speaks_target_sql
        compared = [(target, m) for _, target, m in shape.compared]
        keys = [(target, m) for _, target, m in shape.keys]
        if native:
            compared_texts = [(m.check_target.replace("{c}", quoted(target)), m) for target, m in compared]
            key_texts = [m.check_target.replace("{c}", quoted(target)) for target, m in keys]
            self._number = postgresql.native_number(compared_texts, hashed=shape.hashed)
            self._key_line = f"ROW({','.join(key_texts)})::text"
        else:
            self._line = postgresql.check_line(compared)
            self._number = postgresql.line_number(self._line)
            self._key_line = postgresql.check_line(keys) if keys else "''"

    def copy_in(self, form: CopyForm) -> str:
        """The COPY statement that fills the table."""
        return postgresql.copy_in(self.table, [target for _, target, _ in self._shape.copied], form)

    def digest(self, low: int | None, high: int | None) -> str:
        """One row: count, and SHA2-256 of all lines in the order of the key, from `low` to before `high`."""
        key, bounds = quoted(self._shape.ordered_by[1]), self._bounds(low, high)
        lines = f"SELECT {self._line} AS l FROM ONLY {self.table}{bounds} ORDER BY {key}"
        digest = digests.of_text("string_agg(l,E'\\n')")
        return f"SELECT count(*),{digest} FROM ({lines}) s"

    def _bounds(self, low: int | None, high: int | None) -> str:
        key = quoted(self._shape.ordered_by[1])
        bounds = [f"{key}{sign}{at}" for sign, at in ((">=", low), ("<", high)) if at is not None]
        return f" WHERE {' AND '.join(bounds)}" if bounds else ""

    def range_sums(self, low: int | None, high: int | None) -> str:
        """One row: count and sum of row numbers, of the keys from `low` to before `high`."""
        return f"SELECT count(*),coalesce(sum({self._number}),0) FROM ONLY {self.table}{self._bounds(low, high)}"

    def range_rows(self, low: int | None, high: int | None) -> str:
        """Rows of (key line, number), of the keys from `low` to before `high`."""
        return f"SELECT {self._key_line},{self._number} FROM ONLY {self.table}{self._bounds(low, high)}"

    def range_delete(self, low: int | None, high: int | None) -> str:
        """Remove the rows with the keys from `low` to before `high`."""
        return f"DELETE FROM ONLY {self.table}{self._bounds(low, high)}"

    def indexed(self) -> str:
        """Whether an index gives the order of the key."""
        column, table = (literal(name) for name in (self._shape.ordered_by[1], self.table))
        return (
            "SELECT count(*) FROM pg_index i JOIN pg_attribute a ON a.attrelid=i.indrelid AND a.attnum=i.indkey[0]"
            f" WHERE i.indrelid={table}::regclass AND a.attname={column} AND i.indisvalid AND i.indpred IS NULL"
        )

    def groups(self, blocks: tuple[int, int | None] | None = None, only: Sequence[str] | None = None) -> str:
        """Rows of (writing transaction, count, sum), of the whole table or of a range of its blocks, of all transactions or of some."""
        parts = []
        if blocks:
            low, high = blocks
            parts.append(f"ctid >= '({low},0)'::tid" + (f" AND ctid < '({high},0)'::tid" if high is not None else ""))
        if only is not None:
            parts.append(_written_by(only))
        condition = f" WHERE {' AND '.join(parts)}" if parts else ""
        return f"SELECT xmin::text,count(*),coalesce(sum({self._number}),0) FROM ONLY {self.table}{condition} GROUP BY xmin"

    def blocks(self) -> str:
        """How many blocks the table has."""
        return f"SELECT pg_relation_size({literal(self.table)})/current_setting('block_size')::int"

    def count(self) -> str:
        """How many rows the table has."""
        return f"SELECT count(*) FROM ONLY {self.table}"

    def count_up_to(self, most: int) -> str:
        """How many rows the table has, but not more than `most`: it reads only so many."""
        return f"SELECT count(*) FROM (SELECT 1 FROM ONLY {self.table} LIMIT {most}) s"

    def counts(self) -> str:
        """Rows of (writing transaction, count)."""
        return f"SELECT xmin::text,count(*) FROM ONLY {self.table} GROUP BY xmin"

    def rows(self, xids: Sequence[str]) -> str:
        """Rows of (key line, number) among the rows that these transactions wrote."""
        return f"SELECT {self._key_line},{self._number} FROM ONLY {self.table} WHERE {_written_by(xids)}"

    def delete(self, xids: Sequence[str]) -> str:
        """Remove the rows that these transactions wrote: one pass, however many they are."""
        return f"DELETE FROM ONLY {self.table} WHERE {_written_by(xids)}"


def _written_by(xids: Sequence[str]) -> str:
    """A condition; many transactions are looked up in a hash table, which `= ANY` makes only since PostgreSQL 14."""
    listed = ",".join(f"'{x}'" for x in xids)
    return f"xmin IN (SELECT unnest(ARRAY[{listed}]::xid[]))" if xids else "false"
