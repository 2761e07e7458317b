"""MySQL and MariaDB as source engines: one folder, two products."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from types import MappingProxyType

from sqlglot import TokenType

from landfall.engine.matching.type_families import Kind
from landfall.engine.model.catalog import Catalog, Column, ColumnType, Table
from landfall.engine.model.default_value import DefaultValue
from landfall.engine.model.mapping import ColumnFacts, Probe, SourceMapping, Violation
from landfall.engine.model.options import Endpoint, Options
from landfall.engine.model.plan import TablePlan
from landfall.engine.model.table_shape import Shape
from landfall.engine.sources.base import TRIAL_SECONDS, Reader, Source
from landfall.engine.sources.engine import ClientEnvironment, SourceCapabilities, SourceEngine
from landfall.engine.sources.keyed_dialect import KeyedDialect
from landfall.engine.sources.mysql import canonical
from landfall.engine.sources.mysql import catalog as mysql_catalog
from landfall.engine.sources.mysql import dialect as mysql
from landfall.engine.sources.mysql.defaults import default_value
from landfall.engine.sources.mysql.fence import MOST_FENCED_TABLES
from landfall.engine.sources.mysql.functions import FUNCTIONS
from landfall.engine.sources.mysql.object_classes import OBJECT_CLASSES
from landfall.engine.sources.mysql.queries import MySqlQueries
from landfall.engine.sources.mysql.schema_version import schema_version
from landfall.engine.sources.mysql.session import MySqlSession
from landfall.engine.sources.mysql.source import _MySqlSource
from landfall.engine.sources.mysql.url_parameters import FORM
from landfall.engine.sources.mysql.views.compared import compared_column
from landfall.engine.sources.mysql.views.product import Product
from landfall.engine.sources.mysql.views.query import written
from landfall.engine.sources.type_text import second_digits
from landfall.engine.sources.view_relations import RelationColumn, Relations, Rename, WrittenView

_UUID = "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"
_WIDTHS = (15, 31, 63)


class _Dialect(KeyedDialect):
    def __init__(self, product: Product) -> None:
        self._product = product

    functions = FUNCTIONS
    grammar = "mysql"
    opaque = mysql.BLOBS | mysql.SPATIAL | {"vector"}
    small_integers = frozenset(mysql.INTEGERS)
    ambiguous_tokens = MappingProxyType(
        {TokenType.DPIPE: "write CONCAT(…) or OR for ||: which of them it is depends on the session"}
    )

    def name(self, identifier: str) -> str:
        return mysql.name(identifier)

    def table_name(self, table: Table | TablePlan) -> str:
        return mysql.table_name(table)

    def default_value(self, text: str) -> DefaultValue | None:
        return default_value(text)

    def text(self, value: str, kind: ColumnType) -> str:
        return f"HEX({value})" if kind.name in mysql.BLOBS else self.cast_text(value)

    def cast_text(self, value: str) -> str:
        return f"CAST({value} AS CHAR)"

    def char_length(self, value: str) -> str:
        return f"CHAR_LENGTH({value})"

    def as_bytes(self, value: str) -> str:
        return f"CAST({value} AS BINARY)"

    def ambiguous(self, sql: str) -> str:
        return "write CHAR(92) for a backslash: whether it escapes depends on the session" if "\\" in sql else ""

    def written_view(self, sql: str, relations: Relations, rename: Rename) -> WrittenView:
        return written(sql, relations, rename, self._product)

    def view_column(self, column: RelationColumn) -> SourceMapping | None:
        return compared_column(column)

    def integer_bits(self, column: Column) -> int:
        if column.type.name not in mysql.INTEGERS:
            return 63
        bits = mysql.INTEGERS[column.type.name] - (not column.type.unsigned)
        return next((width for width in _WIDTHS if width >= bits), 64)

    def mapping(self, column: Column, facts: ColumnFacts) -> SourceMapping:
        return mysql.mapping(column, facts)

    def renewed_check(self, check: str) -> str:
        return canonical.renewed(check)

    def recast(self, column: Column, existing: Column, kind: Kind) -> Column:
        del existing
        return mysql.recast(column, kind)

    def probes(self, column: Column) -> tuple[Probe, ...]:
        return mysql.probes(column)

    def long_octets(self, table: Table) -> str:
        return mysql.long_octets(table)

    def long_columns(self, table: TablePlan) -> tuple[str, ...]:
        direct = [c for c in table.copied if not c.mapping.operand]
        return tuple(c.source for c in direct if _word(c.source_type) in mysql.LONG | {"blob", "text"})

    def unlisted(self, value: str, labels: Sequence[str]) -> str:
        listed = ",".join(f"X'{label.encode().hex()}'" for label in labels)
        return f"CAST(CONVERT({value} USING utf8mb4) AS BINARY) NOT IN ({listed})"

    def unfit_number(self, value: str, precision: int, scale: int) -> str:
        return f"ABS({value})>={10 ** (precision - scale)} OR {value}<>ROUND({value},{scale})"

    def misspelled(self, column: Column, source_kind: Kind, existing: str, existing_kind: Kind) -> Probe | None:
        c = self.operand(column)
        if existing_kind is Kind.UUID and source_kind is Kind.TEXT:
            return Probe(Violation.NOT_SO_WRITTEN, f"LOWER({c}) NOT REGEXP '{_UUID}'")
        if existing_kind is Kind.UUID and source_kind is Kind.BYTES:
            return Probe(Violation.NOT_SO_WRITTEN, f"OCTET_LENGTH({c})<>16")
        if existing_kind is Kind.JSON and source_kind is Kind.TEXT:
            return Probe(Violation.NOT_SO_WRITTEN, f"NOT JSON_VALID({c})")
        if existing_kind is Kind.TIME and existing.startswith("time"):
            return Probe(Violation.OVERSIZED, f"{c}<'00:00:00' OR {c}>='24:00:00'")
        most = second_digits(existing)
        if existing_kind is source_kind is Kind.MOMENT and (column.type.precision or 0) > most:
            return Probe(Violation.OVERSIZED, f"MICROSECOND({c})%{10 ** (6 - most)}<>0")
        return None

    def binary_uuid(self, column: Column) -> str | None:
        return f"LOWER(HEX({self.operand(column)}))"

    def chunk_literal(self, table: TablePlan, column: str) -> str:
        return mysql.chunk_literal(self.name(column), next(c.source_type for c in table.columns if c.source == column))


def _word(source_type: str) -> str:
    return source_type.split("(", maxsplit=1)[0].split(maxsplit=1)[0].lower()


class _Engine(SourceEngine):
    aliases = ()
    default_port = 3306
    client = ClientEnvironment(
        "mysql",
        {
            "host": "MYSQL_HOST",
            "port": "MYSQL_TCP_PORT",
            "database": "MYSQL_DATABASE",
            "username": "MYSQL_USER",
            "password": "MYSQL_PWD",
        },
        url=FORM,
    )
    write_lock_grants = "LOCK TABLES"
    object_classes = OBJECT_CLASSES
    fence_grants = "TRIGGER and, where the server writes a binary log, log_bin_trust_function_creators=ON or SUPER, on a server that is not read-only"

    def __init__(self, product: Product, *, common_snapshot: bool) -> None:
        self.name = product.value
        self.dialect = _Dialect(product)
        self.capabilities = SourceCapabilities(
            digest=True,
            common_snapshot=common_snapshot,
            snapshot_locks=True,
            most_fenced_tables=MOST_FENCED_TABLES,
            fence_passes=(
                "TRUNCATE TABLE, DROP TABLE and ALTER TABLE",
                "Revoke DROP and ALTER from the application's user for the cutover.",
            ),
            fence_passes_cascades=True,
        )

    def identity(self, endpoint: Endpoint) -> str:
        return f"mysql:{endpoint.host.lower()}:{endpoint.port}/{endpoint.database}"

    def probe(self, endpoint: Endpoint) -> tuple[str, tuple[str, ...]]:
        session = MySqlSession(endpoint, "connection")
        try:
            return f"{'MariaDB' if session.is_mariadb else 'MySQL'} {session.version.split('-')[0]}", ("source",)
        finally:
            session.close()

    def default_schemas(self, endpoint: Endpoint) -> tuple[str, ...]:
        return (endpoint.database,)

    def catalog(self, endpoint: Endpoint, options: Options) -> Catalog:
        with_schemas = replace(options, schemas=options.schemas or self.default_schemas(endpoint))
        session = MySqlSession(endpoint)
        try:
            return mysql_catalog.catalog(session, endpoint.database, with_schemas)
        finally:
            session.close()

    def schema_version(self, endpoint: Endpoint, options: Options) -> str:
        session = MySqlSession(endpoint)
        try:
            return schema_version(session, options.schemas or self.default_schemas(endpoint))
        finally:
            session.close()

    def connect(self, endpoint: Endpoint) -> Source:
        return _MySqlSource(endpoint)

    def queries(self, shape: Shape) -> MySqlQueries:
        return MySqlQueries(shape)

    def type_of(self, endpoint: Endpoint, value: str, table: str) -> ColumnType:
        session = MySqlSession(endpoint)
        try:
            none = f"SELECT {value} FROM {table} LIMIT 0"
            with session.trial(TRIAL_SECONDS):
                charset = session.rows(f"SELECT CHARSET(({none}))")[0][0] or ""
                return mysql_catalog.result_type(session.described(none), charset)
        finally:
            session.close()

    def next_value(self, reader: Reader, table: TablePlan, column: str) -> int:
        del column
        rows = reader.rows(
            "SELECT AUTO_INCREMENT FROM information_schema.TABLES WHERE TABLE_SCHEMA="
            f"{mysql.hexed(table.schema)} AND TABLE_NAME={mysql.hexed(table.name)}"
        )
        return int(rows[0][0] or 0) if rows else 0


MYSQL = _Engine(Product.MYSQL, common_snapshot=False)
MARIADB = _Engine(Product.MARIADB, common_snapshot=True)  # it tells a snapshot's place in the binary log
