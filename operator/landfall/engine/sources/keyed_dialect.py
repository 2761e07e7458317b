"""What dialects of engines with ordinary keys have in common: tables are cut along a key of theirs, and rows travel as CSV."""

from __future__ import annotations

from collections.abc import Mapping as ByToken
from types import MappingProxyType

from sqlglot import TokenType, exp

from landfall.engine.matching.type_families import Kind, kind_of
from landfall.engine.model.catalog import Column, Table
from landfall.engine.model.chunk_range import ChunkRange, text_of
from landfall.engine.model.default_value import DefaultValue
from landfall.engine.model.mapping import ColumnFacts, SourceMapping, Violation
from landfall.engine.model.plan import CopyForm
from landfall.engine.sources.engine import ChunkKey, Dialect
from landfall.engine.sources.view_relations import RelationColumn, Relations, Rename, WrittenView

_BITS = {"smallint": 15, "integer": 31, "bigint": 63}


class KeyedDialect(Dialect):
    """A dialect that needs no more than its own words for names, values and types."""

    small_integers: frozenset[str] = frozenset({"tinyint", "smallint", "mediumint", "int", "bigint"})
    ambiguous_tokens: ByToken[TokenType, str] = MappingProxyType({})

    def key_name(self, column: str) -> str:
        """The column, quoted."""
        return self.name(column)

    def scanned(self, table: Table) -> str:
        """The table."""
        return self.table_name(table)

    def operand(self, column: Column) -> str:
        """The column, or the expression in its place."""
        return f"({column.expression})" if column.expression else self.name(column.name)

    def is_null(self, value: str) -> str:
        """As the standard has it."""
        return f"{value} IS NULL"

    def count_if(self, predicate: str) -> str:
        """A sum of truths."""
        return f"SUM({predicate})"

    def ambiguous(self, sql: str) -> str:
        """Nothing is."""
        del sql
        return ""

    def kind(self, column: Column) -> Kind:
        """The family of the declared type."""
        return kind_of(column.type.text)

    def is_integer(self, column: Column) -> bool:
        """Whether the type is one of the words for integers."""
        return column.type.name in self.small_integers or "int" in column.type.name.split()

    def integer_bits(self, column: Column) -> int:
        """Those of the type, 63 where it is unknown."""
        return _BITS.get(column.type.text, 63)

    def condition(self, chunk: ChunkRange) -> str:
        """As the ledger has it, which is SQL."""
        return text_of(chunk)

    def copy_format(self, table: Table) -> CopyForm:
        """CSV."""
        del table
        return "csv"

    def misfit_kind(self, column: Column, facts: ColumnFacts) -> Violation | None:
        """None: values are typed."""
        del column, facts
        return None

    def recast(self, column: Column, existing: Column, kind: Kind) -> Column:
        """The column as it is."""
        del existing, kind
        return column

    def restated(self, tree: exp.Expr) -> exp.Expr:
        """The tree as it is."""
        return tree

    def written_view(self, sql: str, relations: Relations, rename: Rename) -> WrittenView | None:
        """None."""
        del sql, relations, rename
        return None

    def view_column(self, column: RelationColumn) -> SourceMapping | None:
        """None."""
        del column
        return None

    def default_value(self, text: str) -> DefaultValue | None:
        """None."""
        del text
        return None

    def binary_uuid(self, column: Column) -> str | None:
        """None."""
        del column
        return None

    def chunk_key(self, table: Table, version: int) -> ChunkKey:
        """A unique integer first, else the primary key."""
        del version
        candidates = [i for i in table.indexes if i.primary] + [i for i in table.indexes if i.unique and not i.primary]
        for index in candidates:
            names = tuple(p.column for p in index.parts)
            if not all(names) or any(p.prefix or p.expression for p in index.parts):
                continue
            if self.is_integer(table.column(names[0])) and not table.column(names[0]).nullable:
                return (names[:1], "integer")
        for index in candidates:
            names = tuple(p.column for p in index.parts)
            if all(names) and index.primary and not any(p.prefix for p in index.parts):
                return (names, "keyset")
        return ((), "none")

    def renewed_check(self, check: str) -> str:
        """The check as it is: version 0.1 wrote none of MD5 for this engine."""
        return check

    def count_key(self, table: Table) -> str:
        """The first column of the primary key where it is an integer of a known size."""
        name = table.primary.parts[0].column if table.primary else ""
        return self.name(name) if name and table.column(name).type.name in self.small_integers else ""
