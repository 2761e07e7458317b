"""SQLite as a source engine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sqlglot import exp

from landfall.engine.matching.type_families import Kind, kind_of
from landfall.engine.model.catalog import Catalog, Column, ColumnType, Table
from landfall.engine.model.default_value import DefaultValue
from landfall.engine.model.mapping import ColumnFacts, Probe, SourceMapping, Violation
from landfall.engine.model.options import Endpoint, Options
from landfall.engine.model.plan import TablePlan
from landfall.engine.model.table_shape import Shape
from landfall.engine.sources.base import Reader, Source
from landfall.engine.sources.engine import ChunkKey, SourceCapabilities, SourceEngine
from landfall.engine.sources.keyed_dialect import KeyedDialect
from landfall.engine.sources.sqlite import canonical
from landfall.engine.sources.sqlite import catalog as sqlite_catalog
from landfall.engine.sources.sqlite import dialect as sqlite
from landfall.engine.sources.sqlite.defaults import default_value
from landfall.engine.sources.sqlite.functions import FUNCTIONS
from landfall.engine.sources.sqlite.object_classes import OBJECT_CLASSES
from landfall.engine.sources.sqlite.queries import SqliteQueries
from landfall.engine.sources.sqlite.restated import restated
from landfall.engine.sources.sqlite.schema_version import schema_version
from landfall.engine.sources.sqlite.session import SqliteSession
from landfall.engine.sources.sqlite.source import _SqliteSource

_ROWID = "_rowid_"
_UUID = "-".join("[0-9a-f]" * n for n in (8, 4, 4, 4, 12))
_DECLARED = {
    Kind.BOOLEAN: "boolean",
    Kind.INTEGER: "integer",
    Kind.FLOAT: "real",
    Kind.DATE: "date",
    Kind.MOMENT: "timestamp",
    Kind.JSON: "json",
    Kind.BYTES: "blob",
    Kind.TEXT: "text",
    Kind.UUID: "text",
}


class _Dialect(KeyedDialect):
    functions = FUNCTIONS
    grammar = "sqlite"
    opaque = frozenset({"blob"})

    def name(self, identifier: str) -> str:
        return sqlite.name(identifier)

    def key_name(self, column: str) -> str:
        return column if column == _ROWID else sqlite.name(column)

    def table_name(self, table: Table | TablePlan) -> str:
        return sqlite.table_name(table)

    def text(self, value: str, kind: ColumnType) -> str:
        del kind
        return self.cast_text(value)

    def cast_text(self, value: str) -> str:
        return f"CAST({value} AS TEXT)"

    def char_length(self, value: str) -> str:
        return f"length({value})"

    def is_null(self, value: str) -> str:
        """Its IS NULL is false for every column that is declared NOT NULL, whatever the column holds."""
        return f"typeof({value})='null'"

    def as_bytes(self, value: str) -> str:
        return f"CAST({value} AS BLOB)"

    def kind(self, column: Column) -> Kind:
        return kind_of(column.type.name) if column.type.name else Kind.OTHER

    def integer_bits(self, column: Column) -> int:
        del column
        return 63

    def chunk_key(self, table: Table, version: int) -> ChunkKey:
        """The rowid, which is an integer. A table without one is cut by its primary key, whose integers may be among other values."""
        del version
        if table.rowid:
            return ((_ROWID,), "integer")
        return (tuple(p.column for p in table.primary.parts), "keyset") if table.primary else ((), "none")

    def mapping(self, column: Column, facts: ColumnFacts) -> SourceMapping:
        return sqlite.mapping(column, facts)

    def renewed_check(self, check: str) -> str:
        return canonical.renewed(check)

    def default_value(self, text: str) -> DefaultValue | None:
        return default_value(text)

    def restated(self, tree: exp.Expr) -> exp.Expr:
        return restated(tree)

    def misfit_kind(self, column: Column, facts: ColumnFacts) -> Violation | None:
        return sqlite.fact(column, facts)

    def recast(self, column: Column, existing: Column, kind: Kind) -> Column:
        """Its values have types of their own, so the existing column says what they are taken for."""
        if kind is Kind.DECIMAL:
            return replace(column, type=ColumnType("numeric", "numeric"))
        word = "text" if existing.type.labels else _DECLARED.get(kind)
        return replace(column, type=ColumnType(word, column.type.text)) if word else column

    def probes(self, column: Column) -> tuple[Probe, ...]:
        return sqlite.probes(column)

    def long_octets(self, table: Table) -> str:
        return sqlite.long_octets(table)

    def long_columns(self, table: TablePlan) -> tuple[str, ...]:
        direct = [c for c in table.copied if not c.mapping.operand]
        return tuple(c.source for c in direct if c.mapping.quoted or c.target_type == "bytea")

    def count_key(self, table: Table) -> str:
        return _ROWID if table.rowid else ""

    def unlisted(self, value: str, labels: Sequence[str]) -> str:
        listed = ",".join("'" + label.replace("'", "''") + "'" for label in labels)
        return f"{self.cast_text(value)} NOT IN ({listed})"

    def unfit_number(self, value: str, precision: int, scale: int) -> str:
        return sqlite.unfit(precision, scale).replace("{c}", value)

    def misspelled(self, column: Column, source_kind: Kind, existing: str, existing_kind: Kind) -> Probe | None:
        del existing
        if existing_kind is Kind.UUID and source_kind is Kind.TEXT:
            return Probe(Violation.NOT_SO_WRITTEN, f"lower({self.operand(column)}) NOT GLOB '{_UUID}'")
        return None

    def chunk_literal(self, table: TablePlan, column: str) -> str:
        del table
        return f"quote({self.key_name(column)})"

    def misfit(self, column: Column) -> str | None:
        """See `ScreeningDialect`."""
        return sqlite.misfit(column)

    def screened(self, columns: Sequence[Column]) -> str:
        """See `ScreeningDialect`."""
        return sqlite.screened(columns)

    def page(self, rows: str, key: str, line: str, between: str) -> str:
        """See `ScreeningDialect`."""
        return sqlite.page(rows, key, line, between)


class _Engine(SourceEngine):
    name = "SQLite"
    aliases = ()
    default_port = None
    capabilities = SourceCapabilities(
        typed_values=False, pages=True, digest=True, screening=True, transactional_reader=False, most_fenced_tables=100_000
    )
    dialect = _Dialect()
    client = None
    write_lock_grants = "write access to the file and its folder"
    object_classes = OBJECT_CLASSES
    fence_grants = "write access to the file and its folder"

    def identity(self, endpoint: Endpoint) -> str:
        return f"sqlite:{endpoint.path}"

    def probe(self, endpoint: Endpoint) -> tuple[str, tuple[str, ...]]:
        file = SqliteSession(endpoint, "connection")
        try:
            return f"SQLite {file.rows('SELECT sqlite_version()')[0][0]}", ("source",)
        finally:
            file.close()

    def default_schemas(self, endpoint: Endpoint) -> tuple[str, ...]:
        del endpoint
        return (sqlite_catalog.SCHEMA,)

    def catalog(self, endpoint: Endpoint, options: Options) -> Catalog:
        del options
        file = SqliteSession(endpoint)
        try:
            return sqlite_catalog.catalog(file, endpoint)
        finally:
            file.close()

    def schema_version(self, endpoint: Endpoint, options: Options) -> str:
        del options
        file = SqliteSession(endpoint)
        try:
            return schema_version(file)
        finally:
            file.close()

    def connect(self, endpoint: Endpoint) -> Source:
        return _SqliteSource(endpoint)

    def queries(self, shape: Shape) -> SqliteQueries:
        return SqliteQueries(shape)

    def type_of(self, endpoint: Endpoint, value: str, table: str) -> ColumnType:
        """SQLite's values have types, its expressions none: the count of values says what they hold."""
        del endpoint, value, table
        return ColumnType("", "")

    def next_value(self, reader: Reader, table: TablePlan, column: str) -> int:
        del column
        if not reader.rows("SELECT 1 FROM sqlite_master WHERE name='sqlite_sequence'"):
            return 0
        name = "'" + table.name.replace("'", "''") + "'"
        rows = reader.rows(f"SELECT seq FROM sqlite_sequence WHERE name={name}")
        return int(rows[0][0] or 0) + 1 if rows else 0


SQLITE = _Engine()
