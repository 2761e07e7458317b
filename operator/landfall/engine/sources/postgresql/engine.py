"""PostgreSQL as a source engine: the target's own SQL, so definitions and values pass through as they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from landfall.engine.clients.postgresql import PgSession
from landfall.engine.matching.type_families import Kind
from landfall.engine.model.catalog import Catalog, Column, ColumnType, Table
from landfall.engine.model.identifiers import literal, quoted
from landfall.engine.model.mapping import ColumnFacts, Probe, SourceMapping, Violation
from landfall.engine.model.options import Endpoint, Options
from landfall.engine.model.plan import CopyForm, TablePlan
from landfall.engine.model.table_shape import Shape
from landfall.engine.sources.base import TRIAL_SECONDS, Reader, Source
from landfall.engine.sources.engine import ChunkKey, ClientEnvironment, SourceCapabilities, SourceEngine
from landfall.engine.sources.keyed_dialect import KeyedDialect
from landfall.engine.sources.postgresql import catalog as postgresql_catalog
from landfall.engine.sources.postgresql import dialect as postgresql
from landfall.engine.sources.postgresql.functions import FUNCTIONS
from landfall.engine.sources.postgresql.object_classes import OBJECT_CLASSES
from landfall.engine.sources.postgresql.queries import PostgresqlSourceQueries
from landfall.engine.sources.postgresql.schema_version import schema_version
from landfall.engine.sources.postgresql.source import _PostgresqlSource
from landfall.engine.sources.postgresql.url_parameters import FORM
from landfall.engine.sources.type_text import second_digits, zone

_UUID = "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"
_BLOCK_OCTETS = 8192
_SCANS_BLOCKS = 140000  # since version 14 a range of ctid is read without reading the whole table


_RELATION = (  # views and indexes are created after the copy
    "pg_table_is_visible({c}) AND (SELECT relkind IN ('r','p','S') OR relnamespace='pg_catalog'::regnamespace FROM pg_class"
    " WHERE oid={c})"
)
_VISIBLE = {
    "regclass": _RELATION,
    "regproc": "pg_function_is_visible({c})",
    "regprocedure": "pg_function_is_visible({c})",
    "regoper": "pg_operator_is_visible({c}) AND {c}<16384",
    "regoperator": "pg_operator_is_visible({c}) AND {c}<16384",
    "regtype": "pg_type_is_visible({c}) AND (SELECT typtype<>'c' OR typrelid<16384 OR (SELECT relkind IN ('c','r','p') FROM pg_class"
    " WHERE oid=typrelid) FROM pg_type WHERE oid={c})",
    "regconfig": "pg_ts_config_is_visible({c}) AND {c}<16384",
    "regdictionary": "pg_ts_dict_is_visible({c}) AND {c}<16384",
    "regcollation": "pg_collation_is_visible({c})",
    "regrole": "false",
    "regnamespace": "(SELECT nspname IN ('pg_catalog','information_schema','public') FROM pg_namespace WHERE oid={c})",
}
"""Whether an object `{c}` has a name without a schema that a target resolves, by type; objects below 16384 are the system's."""


class _Dialect(KeyedDialect):
    functions = FUNCTIONS
    grammar = "postgres"
    opaque = frozenset({"bytea"})

    def name(self, identifier: str) -> str:
        return quoted(identifier)

    def table_name(self, table: Table | TablePlan) -> str:
        return f"{quoted(table.schema)}.{quoted(table.name)}"

    def scanned(self, table: Table) -> str:
        return f"ONLY {self.table_name(table)}"

    def text(self, value: str, kind: ColumnType) -> str:
        del kind
        return f"({value})::text"

    def cast_text(self, value: str) -> str:
        return f"CAST({value} AS TEXT)"

    def char_length(self, value: str) -> str:
        return f"length({value})"

    def as_bytes(self, value: str) -> str:
        return f"convert_to(({value})::text,'UTF8')"

    def count_if(self, predicate: str) -> str:
        return f"SUM(({predicate})::int)"

    def chunk_key(self, table: Table, version: int) -> ChunkKey:
        del table
        return ((), "ctid" if version >= _SCANS_BLOCKS else "none")

    def copy_format(self, table: Table) -> CopyForm:
        return "binary" if all(c.type.builtin for c in table.columns) else "text"

    def mapping(self, column: Column, facts: ColumnFacts) -> SourceMapping:
        del facts
        return postgresql.mapping(column)

    def probes(self, column: Column) -> tuple[Probe, ...]:
        """Values that are the name of an object, which a target must have when the row is copied; every other value fits."""
        visible = _VISIBLE.get(column.type.text)
        if visible is None or column.generated is not None:
            return ()
        c = quoted(column.name)
        return (Probe(Violation.UNRESOLVED, f"{c} IS NOT NULL AND {c}<>0 AND NOT coalesce({visible.replace('{c}', c)},false)"),)

    def long_octets(self, table: Table) -> str:
        """None: rows pass through in blocks, however large they are."""
        del table
        return ""

    def long_columns(self, table: TablePlan) -> tuple[str, ...]:
        del table
        return ()

    def count_key(self, table: Table) -> str:
        del table
        return ""

    def unlisted(self, value: str, labels: Sequence[str]) -> str:
        return f"{value}::text NOT IN ({','.join(literal(label) for label in labels)})"

    def unfit_number(self, value: str, precision: int, scale: int) -> str:
        return f"ABS({value})>={10 ** (precision - scale)} OR {value}<>ROUND({value},{scale})"

    def misspelled(self, column: Column, source_kind: Kind, existing: str, existing_kind: Kind) -> Probe | None:
        c, text = self.operand(column), column.type.text
        if existing_kind is Kind.UUID and source_kind is Kind.TEXT:
            return Probe(Violation.NOT_SO_WRITTEN, f"{c}::text !~* '{_UUID}'")
        most = second_digits(existing)
        if existing_kind is source_kind is Kind.MOMENT and most < second_digits(text):
            return Probe(Violation.OVERSIZED, f"{c}::timestamp({most}){zone(text)}<>{c}")
        return None

    def chunk_literal(self, table: TablePlan, column: str) -> str:
        del table
        return f"quote_literal({quoted(column)})"

    def block_count(self, table: TablePlan) -> str:
        return f"SELECT pg_relation_size({literal(self.table_name(table))})/{_BLOCK_OCTETS}"


class _Engine(SourceEngine):
    name = "PostgreSQL"
    aliases = ("Supabase",)
    default_port = 5432
    capabilities = SourceCapabilities(speaks_target_sql=True, common_snapshot=True, most_fenced_tables=100_000)
    dialect = _Dialect()
    client = ClientEnvironment(
        "postgresql",
        {"host": "PGHOST", "port": "PGPORT", "database": "PGDATABASE", "username": "PGUSER", "password": "PGPASSWORD"},
        "PGSSLMODE",
        {"Disable": "disable", "Require": "require", "VerifyFull": "verify-full"},  # each client does Prefer in its own way
        FORM,
    )
    write_lock_grants = "UPDATE, DELETE or TRUNCATE on the tables"
    object_classes = OBJECT_CLASSES
    fence_grants = "TRIGGER on the tables and CREATE on one of their schemas"

    def identity(self, endpoint: Endpoint) -> str:
        return f"postgresql:{endpoint.host.lower()}:{endpoint.port}/{endpoint.database}"

    def probe(self, endpoint: Endpoint) -> tuple[str, tuple[str, ...]]:
        control = PgSession(endpoint, "connection")
        try:
            can_create = control.value("SELECT has_database_privilege(current_database(),'CREATE')")
            version = str(control.value("SELECT current_setting('server_version')")).split(" ")[0]
            return f"PostgreSQL {version}", ("source", "target") if can_create else ("source",)
        finally:
            control.close()

    def default_schemas(self, endpoint: Endpoint) -> tuple[str, ...]:
        del endpoint
        return ("public",)

    def catalog(self, endpoint: Endpoint, options: Options) -> Catalog:
        with_schemas = replace(options, schemas=options.schemas or self.default_schemas(endpoint))
        control = PgSession(endpoint, "source")
        try:
            with control.transaction():
                control.run("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")  # the version and the catalog are of one moment
                version = schema_version(control)
                return replace(postgresql_catalog.catalog(control, with_schemas), schema_version=version)
        finally:
            control.close()

    def schema_version(self, endpoint: Endpoint, options: Options) -> str:
        del options
        control = PgSession(endpoint, "source")
        try:
            return schema_version(control)
        finally:
            control.close()

    def connect(self, endpoint: Endpoint) -> Source:
        return _PostgresqlSource(endpoint)

    def queries(self, shape: Shape) -> PostgresqlSourceQueries:
        return PostgresqlSourceQueries(shape)

    def type_of(self, endpoint: Endpoint, value: str, table: str) -> ColumnType:
        control = PgSession(endpoint, "source")
        try:
            with control.trial(TRIAL_SECONDS):
                return postgresql_catalog.type_of(control, f"SELECT {value} FROM {table} LIMIT 0")
        finally:
            control.close()

    def next_value(self, reader: Reader, table: TablePlan, column: str) -> int:
        table_name = literal(self.dialect.table_name(table))
        sequence = reader.rows(f"SELECT pg_get_serial_sequence({table_name},{literal(column)})")[0][0]
        if not sequence:
            return 0
        value, is_called = reader.rows(f"SELECT last_value,is_called FROM {sequence}")[0]
        step = int(reader.rows(f"SELECT seqincrement FROM pg_sequence WHERE seqrelid={literal(sequence)}::regclass")[0][0] or 1)
        return int(value or 0) + (step if is_called == "t" else 0)

    def sequence_position(self, reader: Reader, name: str) -> tuple[int, bool]:
        value, is_called = reader.rows(f"SELECT last_value,is_called FROM {name}")[0]
        return int(value or 1), is_called == "t"


POSTGRESQL = _Engine()
