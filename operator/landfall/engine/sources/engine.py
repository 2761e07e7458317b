"""What a source engine is: a name, its facts, its SQL and its way to connect. The definition of a supported source.

Everybody above asks an engine of the registry by these protocols. Nothing outside an engine's own folder knows its name: a
difference between engines is a capability, a method of its dialect or a query of its own. `tests/conformance` is the contract.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from collections.abc import Mapping as ByToken
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from sqlglot import TokenType, exp

from landfall.engine.matching.type_families import Kind
from landfall.engine.model.catalog import Catalog, Column, ColumnType, Table
from landfall.engine.model.chunk_range import ChunkRange
from landfall.engine.model.default_value import DefaultValue
from landfall.engine.model.mapping import ColumnFacts, Probe, SourceMapping, Violation
from landfall.engine.model.object_class import ObjectClass
from landfall.engine.model.options import Endpoint, Options
from landfall.engine.model.plan import CopyForm, KeyKind, TablePlan
from landfall.engine.model.table_shape import Shape
from landfall.engine.sources.base import Reader, Source
from landfall.engine.sources.database_url import UrlForm
from landfall.engine.sources.view_relations import RelationColumn, Relations, Rename, WrittenView

ChunkKey = tuple[tuple[str, ...], KeyKind]


@dataclass(frozen=True, slots=True)
class SourceCapabilities:
    """Facts of an engine by which the steps of a migration choose.

    Attributes:
        speaks_target_sql: Its definitions, types and row hashes are the target's: objects are carried over as they are written,
            values pass through unread, and every value of a type fits into the same type of the target.
        typed_values: Every value of a column has the column's declared type.
        pages: Readers read a range of an integer key in pages of bounded size (`PagedQueries`).
        digest: Readers compute one SHA2-256 over the rows of a range in the order of its key (`DigestQueries`).
        screening: Readers check the texts of a range faster than the database does (`ScreeningDialect`).
        transactional_reader: A reader holds a snapshot in a transaction that `ROLLBACK` ends.
        common_snapshot: Several readers can see the same moment.
        snapshot_locks: A snapshot keeps the definitions of the tables that it has read from being changed, until it ends.
        fence_passes: Statements that the fence does not refuse, and what can refuse them: (statements, advice); empty if there is none.
        fence_passes_cascades: The fence does not refuse what a foreign key does to rows when a row of its other table changes.
        most_fenced_tables: In how many tables at most it can refuse writers after a cutover (`FencingSource`); 0 if it cannot.
    """

    speaks_target_sql: bool = False
    typed_values: bool = True
    pages: bool = False
    digest: bool = False
    screening: bool = False
    transactional_reader: bool = True
    common_snapshot: bool = False
    snapshot_locks: bool = False
    most_fenced_tables: int = 0
    fence_passes: tuple[str, str] = ("", "")
    fence_passes_cascades: bool = False


@dataclass(frozen=True, slots=True)
class ClientEnvironment:
    """How an engine's own clients find a database.

    Attributes:
        scheme: The scheme of its addresses, as in `postgresql://…`.
        variables: The environment variables for `host`, `port`, `database`, `username` and `password`.
        tls_variable: The environment variable for the TLS mode; empty where clients read none.
        tls_modes: Its values by `Connection.spec.tls.mode`; a mode that is missing is what clients do by themselves.
        url: How its addresses are written; None if only their host, port, database and credential are read.
    """

    scheme: str
    variables: ByToken[str, str]
    tls_variable: str = ""
    tls_modes: ByToken[str, str] = field(default_factory=dict)
    url: UrlForm | None = None


class SourceQueries(Protocol):
    """Queries over one planned table. Conditions are predicates in the source's SQL; the empty one is every row."""

    def copy(self, where: str) -> str:
        """The rows of a range as the target's COPY reads them."""

    def sums(self, where: str) -> str:
        """What `Reader.sums` reads: the count and the sum of the row numbers of a range."""

    def rows(self, where: str) -> str:
        """Rows of (line of the row key, row number)."""


@runtime_checkable
class PagedQueries(SourceQueries, Protocol):
    """Queries of an engine with the capability `pages`."""

    def copy_page(self, where: str) -> str:
        """One page of a range as one row of (count, lines, largest key). Parameters: least key, largest key, rows of a page."""


@runtime_checkable
class DigestQueries(SourceQueries, Protocol):
    """Queries of an engine with the capability `digest`."""

    def digest(self, where: str) -> str:
        """What `Digesting.digest` reads: the count and the SHA2-256 of all lines in the order of the key, joined by newlines."""


@runtime_checkable
class LargeRowQueries(SourceQueries, Protocol):
    """Queries of an engine whose server cannot render rows of every size as one value."""

    def octets(self, column: str) -> str:
        """The size of a column's value in octets; 0 for NULL."""

    def raw(self, where: str, long: Iterable[str]) -> tuple[str, tuple[str, ...]]:
        """The columns of a range one by one, those in `long` unrendered; and per column `plain`, `text` or `bytes`."""


class Dialect(Protocol):
    """How an engine writes SQL. Pure: it builds text from values.

    Attributes:
        grammar: The name of its grammar in sqlglot.
        opaque: Types (`ColumnType.name`) whose values say nothing when they are read as text.
        small_integers: Integer types that its expressions compute in a wider type than their own.
        functions: What an expression may call besides `functions.EVERYWHERE`, in capitals: functions whose result depends on their
            arguments only and that reach nothing outside.
        ambiguous_tokens: Tokens of sqlglot that mean different things in different sessions, and what to write instead.
    """

    grammar: str
    opaque: frozenset[str]
    small_integers: frozenset[str]
    functions: frozenset[str]
    ambiguous_tokens: ByToken[TokenType, str]

    def name(self, identifier: str) -> str:
        """The identifier, quoted."""

    def key_name(self, column: str) -> str:
        """A column of `chunk_key`, quoted unless it is a row identifier that only exists bare."""

    def table_name(self, table: Table | TablePlan) -> str:
        """The table with all that its name needs, quoted."""

    def scanned(self, table: Table) -> str:
        """The table in a FROM that reads its own rows and not those of tables that inherit from it."""

    def operand(self, column: Column) -> str:
        """What is read for a column: itself, or the expression in parentheses that a person put in its place."""

    def text(self, value: str, kind: ColumnType) -> str:
        """An expression of a type as text, for a person or the matcher to look at."""

    def cast_text(self, value: str) -> str:
        """An expression as text."""

    def char_length(self, value: str) -> str:
        """The number of characters of a text."""

    def as_bytes(self, value: str) -> str:
        """An expression as octets, so that `<>` compares it exactly."""

    def is_null(self, value: str) -> str:
        """A predicate: an expression is NULL, also where it is declared never to be."""

    def count_if(self, predicate: str) -> str:
        """An aggregate: in how many rows the predicate is true; NULL where there are none."""

    def ambiguous(self, sql: str) -> str:
        """Why the text of an expression would mean different things in different sessions; empty where it would not."""

    def kind(self, column: Column) -> Kind:
        """The family of the column's values, as far as its declaration says."""

    def is_integer(self, column: Column) -> bool:
        """Whether all values of the column are integers that MIN, MAX and comparisons order by number."""

    def integer_bits(self, column: Column) -> int:
        """How many bits, without the sign, the values of an integer column may take."""

    def chunk_key(self, table: Table, version: int) -> ChunkKey:
        """The columns that a table is cut into chunks by, and how.

        Args:
            table: The table.
            version: The server's version as in `Catalog.version_number`.

        Returns:
            The columns, and `integer` (ranges of the first one), `keyset` (ranges of all), `ctid` (blocks) or `none`.
        """

    def condition(self, chunk: ChunkRange) -> str:
        """A predicate: the row is in the range; empty for all rows."""

    def copy_format(self, table: Table) -> CopyForm:
        r"""The format that its `copy` queries yield: `csv`, `text` or `binary` of PostgreSQL's COPY.

        `csv`: fields are separated by `\x02`, quoted and escaped by `\x01`; an empty field without quotes is NULL.
        """

    def mapping(self, column: Column, facts: ColumnFacts) -> SourceMapping:
        """What the column's values are, and how they are copied and checked. Raises KeyError for a type without a counterpart."""

    def renewed_check(self, check: str) -> str:
        """The `check_source` of a stored plan as it is computed now; version 0.1 wrote MD5 where SHA2-256 is now."""

    def misfit_kind(self, column: Column, facts: ColumnFacts) -> Violation | None:
        """What a value outside the column's declared type is counted as; None where values are typed, or all are read in another way."""

    def recast(self, column: Column, existing: Column, kind: Kind) -> Column:
        """The column as it has to be read for an existing one of this kind, where its type means several things."""

    def restated(self, tree: exp.Expr) -> exp.Expr:
        """An expression or query in which functions and operators mean what they mean elsewhere.

        Raises ValueError for a part that has no counterpart; its text says which.
        """

    def written_view(self, sql: str, relations: Relations, rename: Rename) -> WrittenView | None:
        """A view's query in the target's SQL; None where the common translation of `restated` queries does.

        Args:
            sql: The query as `View.query` has it.
            relations: What it may read.
            rename: Names of the source as the target spells them.

        Raises ValueError for a part that has no counterpart; its text says which and why.
        """

    def view_column(self, column: RelationColumn) -> SourceMapping | None:
        """How a column of `written_view` is compared; None where the values of views have no common form."""

    def default_value(self, text: str) -> DefaultValue | None:
        """What a default computes that this engine writes in a way of its own; None for any other default."""

    def probes(self, column: Column) -> tuple[Probe, ...]:
        """What has to be counted before the column can be mapped."""

    def long_octets(self, table: Table) -> str:
        """The octets of a row's long values; empty where rows of every size are rendered."""

    def long_columns(self, table: TablePlan) -> tuple[str, ...]:
        """The copied columns that may hold values too large to be rendered with their row."""

    def count_key(self, table: Table) -> str:
        """An integer key, quoted, by which several sessions share the counting of a table; empty where there is none."""

    def unlisted(self, value: str, labels: Sequence[str]) -> str:
        """A predicate: the value as text is none of the labels, octet by octet."""

    def unfit_number(self, value: str, precision: int, scale: int) -> str:
        """A predicate: the number does not fit into numeric(precision, scale) exactly. Asked where values are not typed."""

    def misspelled(self, column: Column, source_kind: Kind, existing: str, existing_kind: Kind) -> Probe | None:
        """What has to be counted of values whose form decides whether an existing type takes them.

        Args:
            column: The source's column.
            source_kind: The family of its values.
            existing: The existing column's type, as PostgreSQL prints it.
            existing_kind: The family of that type.
        """

    def binary_uuid(self, column: Column) -> str | None:
        """UUIDs in 16 octets as 32 lower-case hexadecimal digits; None where the engine does not keep them so."""

    def chunk_literal(self, table: TablePlan, column: str) -> str:
        """An expression that yields a key column's value as a literal of the source, for the bounds of keyset chunks."""


@runtime_checkable
class ScreeningDialect(Dialect, Protocol):
    """A dialect of an engine with the capability `screening`."""

    def misfit(self, column: Column) -> str | None:
        """A predicate: the value is not of the column's declared type; None where the type itself is in question."""

    def screened(self, columns: Sequence[Column]) -> str:
        """All texts of a row as one; empty where no column holds texts."""

    def page(self, rows: str, key: str, line: str, between: str) -> str:
        """One row of (count, lines, largest key) for a page of a range; `rows` is FROM and WHERE with the range as ?1 and ?2."""


@runtime_checkable
class BlockDialect(Dialect, Protocol):
    """A dialect of an engine whose tables are read in ranges of physical blocks."""

    def block_count(self, table: TablePlan) -> str:
        """How many blocks a table has."""


@runtime_checkable
class SchemaSource(Protocol):
    """A source engine whose schemas a spec may name."""

    def default_schemas(self, endpoint: Endpoint) -> tuple[str, ...]:
        """The schemas that are read if the spec names none. A name is empty if the endpoint does not say it."""


@runtime_checkable
class VersionedSchema(Protocol):
    """A source engine that can say, in less time than `catalog` takes, that the schema has not changed."""

    def schema_version(self, endpoint: Endpoint, options: Options) -> str:
        """A text that differs from `Catalog.schema_version` after any change of what a fingerprint of that catalog holds.

        It may differ without such a change. Raises an EngineError.
        """


@runtime_checkable
class SequenceSource(Protocol):
    """A source engine with sequences that are carried over."""

    def sequence_position(self, reader: Reader, name: str) -> tuple[int, bool]:
        """The value of a sequence (`SourceObject.detail`), and whether it was given out."""


@runtime_checkable
class SourceEngine(Protocol):
    """A database product that data is read from.

    Attributes:
        name: As `Connection.spec.type` and stored plans have it.
        aliases: Other values of `Connection.spec.type` that mean it.
        default_port: TCP port; None for an engine without a server.
        capabilities: What it can do.
        dialect: How it writes SQL.
        client: How an app finds a database; None for an engine without a server.
        write_lock_grants: What a credential needs for the write lock, to be read after "quiesce: Engine needs".
        fence_grants: What it needs besides for the fence, to be read after "they would be refused with"; empty without a fence.
        object_classes: What becomes of each class of its objects, for the documentation and the tests.
    """

    name: str
    aliases: tuple[str, ...]
    default_port: int | None
    capabilities: SourceCapabilities
    dialect: Dialect
    client: ClientEnvironment | None
    write_lock_grants: str
    fence_grants: str
    object_classes: tuple[ObjectClass, ...] = ()

    def identity(self, endpoint: Endpoint) -> str:
        """Where the data lives, without the credential: the part of a run key that names this side."""

    def probe(self, endpoint: Endpoint) -> tuple[str, tuple[str, ...]]:
        """Product and version, and what server and credential can do (`source`, `target`). Raises an EngineError."""

    def catalog(self, endpoint: Endpoint, options: Options) -> Catalog:
        """The catalog of the schemas that the options name. Raises an EngineError."""

    def connect(self, endpoint: Endpoint) -> Source:
        """The source; sessions are opened by its readers."""

    def queries(self, shape: Shape) -> SourceQueries:
        """The queries over one planned table."""

    def type_of(self, endpoint: Endpoint, value: str, table: str) -> ColumnType:
        """The type of an expression over a table, in a session of its own. Raises an EngineError where it is refused."""

    def next_value(self, reader: Reader, table: TablePlan, column: str) -> int:
        """What the source's own counter of a column would give next; 0 where it keeps none."""
