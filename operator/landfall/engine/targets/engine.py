"""What a target engine is: a name and its parts. The definition of a supported target.

Everything above asks the engine of the registry by these protocols; nothing outside an engine's own folder knows its SQL.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from collections.abc import Mapping as FormsByType
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from landfall.engine.model.catalog import Catalog, Column, ForeignKey, Identity, Table
from landfall.engine.model.default_value import DefaultValue
from landfall.engine.model.mapping import Mapping, SourceMapping
from landfall.engine.model.options import Endpoint, Options
from landfall.engine.model.plan import ColumnPlan, CopyForm, Counter, Plan, Stage, TablePlan
from landfall.engine.model.rows import Moved, Row
from landfall.engine.model.run_state import Chunk, RunRecord
from landfall.engine.model.table_shape import Shape
from landfall.engine.model.target_facts import TargetFacts
from landfall.engine.sources.base import RowSink
from landfall.engine.sources.engine import Dialect, SourceEngine
from landfall.engine.sources.translate import ColumnTraits
from landfall.engine.sources.view_relations import Relations, Rename, WrittenView
from landfall.engine.targets.ledger import Lease, Ledger


class UnfitError(Exception):
    """Values of this type cannot become values of that type unchanged. Its text says which."""


@dataclass(frozen=True, slots=True)
class Fit:
    """The mapping into an existing column. `raw`: the type in which it is staged beside a column that is computed from it."""

    mapping: Mapping
    confidence: int = 100
    reasons: tuple[str, ...] = ()
    raw: str = ""


class TargetTypes(Protocol):
    """How values of a source are stored, and how they are read back for the comparison. Pure.

    Attributes:
        MAX_COLUMNS: How many columns a table may have.
        OUTSIDE: How many octets a value takes in its row at most if its size varies; a longer one is stored elsewhere.
    """

    MAX_COLUMNS: int
    OUTSIDE: int

    def row_octets(self, columns: int) -> int:
        """How many octets the values of a row may take."""

    def field_octets(self, target_type: str) -> int | None:
        """How many octets a value of a type takes in its row; None if its size varies."""

    def padded_octets(self, fields: Sequence[tuple[str, int]]) -> int:
        """How many octets a row takes with the gaps between its values, from type and octets of each value."""

    def mapping(self, column: SourceMapping) -> Mapping:
        """The column in a new table. In its `target_type`, `{type}` stands for the name of a type that `type_statement` creates."""

    def fitted(self, mapped: Mapping, column: Column, existing: Column, source: SourceEngine) -> Fit:
        """The mapping of a new table, changed for an existing column. Raises UnfitError where values would not survive it."""

    def of_view(self, column: SourceMapping) -> Mapping:
        """The column of a view, whose type in the target is another one of the same family."""

    def renewed(self, mapping: Mapping, dialect: Dialect) -> Mapping:
        """The mapping of a stored plan as it is compared now; see `Dialect.renewed_check`."""


@dataclass(frozen=True, slots=True)
class Translated:
    """An expression in the target's SQL, or why there is none."""

    sql: str = ""
    problem: str = ""


class TargetDdl(Protocol):
    """The statements of a plan, as text. No statement names a schema. Pure.

    Attributes:
        max_index_octets: The most octets that an entry of an ordinary index takes.
        other_forms: Types whose values drivers return in another form than the sources that have no such type, each with what changes.
    """

    max_index_octets: int
    other_forms: FormsByType[str, str]

    def translated(self, engine: str, text: str, rename: Rename, traits: ColumnTraits = ...) -> Translated:
        """Translate one scalar expression of another engine."""

    def translated_query(self, engine: str, text: str, rename: Rename, relations: Relations) -> WrittenView:
        """Translate the query of a view, which may read these relations. Raises UntranslatableError."""

    def create_table(self, table: TablePlan, source: Table | None = None) -> str:
        """CREATE TABLE with columns only; checks, defaults and keys are statements of their own. `source`: whose partitioning it gets."""

    def default_of(self, engine: str, text: str, column: ColumnPlan, rename: Rename) -> Translated:
        """The default of a column of another engine, as the target's type wants it."""

    def create_extension(self, name: str, schema: str) -> tuple[str, ...]:
        """What creates an extension in a schema, and the schema if it does not exist."""

    def moved_path(self, path: str, schemas: Sequence[str], target: str) -> str:
        """A search path of a function with the target schema in place of those that are migrated into it."""

    def default_value(self, value: DefaultValue, column: ColumnPlan) -> Translated:
        """A default that computes the time or a random value, as the type of the column wants it."""

    def now(self, column: ColumnPlan) -> str:
        """The current time as the type of a column."""

    def comment(self, kind: str, name: str, text: str, column: str = "") -> str:
        """COMMENT ON a table, view or column."""

    def touch_function(self, name: str, column: str, now: str) -> str:
        """The trigger function behind ON UPDATE CURRENT_TIMESTAMP: set unless the statement set it."""

    def touch_trigger(self, name: str, table: str, function: str) -> str:
        """The trigger itself."""

    def attach_partition(self, parent: str, table: str, bound: str, schema: str = "") -> str:
        """Make a table a partition of another one, which is in `schema` if that is another schema."""

    def inherit(self, table: str, parent: str, schema: str = "") -> str:
        """Make a table inherit from another one, which is in `schema` if that is another schema."""

    def create_schema(self, name: str) -> str:
        """CREATE SCHEMA, unless there is one of that name."""

    def with_create(self, statement: str, schema: str, role: str) -> str:
        """A statement for which a role has CREATE on a schema as long as it takes."""

    def set_default(self, table: str, column: str, expression: str) -> str:
        """Set the default of a column."""

    def check_clause(self, expression: str) -> str:
        """What makes a check constraint of an expression."""

    def of_column(self, rule: str, column: str) -> str:
        """A rule of a mapping for a column."""

    def of_type(self, text: str, name: str) -> str:
        """A type or a statement of a mapping with the name of the type that the column gets."""

    def add_constraint(self, table: str, name: str, clause: str, *, only: bool = False, unvalidated: bool = False) -> str:
        """Add a constraint. `only`: not to partitions; `unvalidated`: without looking at the rows that are there."""

    def validate_constraint(self, table: str, name: str) -> str:
        """Validate a constraint for the rows that are there."""

    def constraint_by_index(self, table: str, name: str, word: str, tail: str = "") -> str:
        """Make a key of the index of the same name. `word`: PRIMARY KEY or UNIQUE."""

    def create_index(self, name: str, table: str, parts: str, *, unique: bool, condition: str = "", method: str = "") -> str:
        """CREATE INDEX. `parts`: as `index_parts` yields them; `method`: the default one, or `hash`, which takes values of every length."""

    def index_octets(self, column: ColumnPlan, length: int | None) -> int:
        """The most octets that a value takes in an index. `length`: characters of a text, octets of a bytea, as the source declares them."""

    def index_column(self, column: ColumnPlan, prefix: int | None) -> str:
        """A column as an element of an index, or so many of its first characters or octets."""

    def index_expression(self, expression: str) -> str:
        """An expression as an element of an index."""

    def index_folded(self, element: str) -> str:
        """An element of an index without regard to the case of ASCII letters, and of no others."""

    def index_part(self, expression: str, *, descending: bool) -> str:
        """An element of an index with its direction."""

    def index_parts(self, parts: Sequence[str]) -> str:
        """The elements of an index."""

    def attach_index(self, parent: str, name: str, schema: str = "") -> str:
        """Make an index a partition of another one, which is in `schema` if that is another schema."""

    def foreign_key_clause(self, key: ForeignKey, columns: Sequence[str], table: str, referenced: Sequence[str]) -> str:
        """What makes a foreign key to a table. `columns`, `referenced`: names in the target."""

    def create_view(self, name: str, query: str, *, materialized: bool, options: str = "") -> str:
        """CREATE VIEW."""

    def identity_clause(self, identity: Identity, target_type: str) -> str:
        """How a column is filled by a counter; empty for a type that cannot be."""

    def advance_sequence(self, sequence: str, table: str, column: str) -> str:
        """Set a sequence to the largest value of a column, unless it is past it already."""

    def converted(self, column: str, kind: str) -> str:
        """A column as a value of another type."""

    def settle_converted(self, table: str, column: str, staged: str, default: str) -> tuple[str, ...]:
        """What makes a column that was computed from a staged one an ordinary one, and drops the staged one."""


class TargetQueries(Protocol):
    """SQL over one planned table, wherever it is at that time. Row numbers are those of `SourceQueries`.

    Rows are distinguished by the range of their key (`low` up to before `high`, None: open), or by the transactions that wrote them.
    """

    def copy_in(self, form: CopyForm) -> str:
        """The statement that fills the table. `form`: as `Dialect.copy_format`."""

    def indexed(self) -> str:
        """Whether an index gives the order of the key: 0 if not."""

    def digest(self, low: int | None, high: int | None) -> str:
        """One row: count, and SHA2-256 of all lines in the order of the key."""

    def range_sums(self, low: int | None, high: int | None) -> str:
        """One row: count and sum of row numbers."""

    def range_rows(self, low: int | None, high: int | None) -> str:
        """Rows of (line of the row key, row number)."""

    def range_delete(self, low: int | None, high: int | None) -> str:
        """Remove the rows of a range."""

    def blocks(self) -> str:
        """How many physical blocks the table has."""

    def groups(self, blocks: tuple[int, int | None] | None = None, only: Sequence[str] | None = None) -> str:
        """Rows of (writing transaction, count, sum), of all blocks or some, of all transactions or some."""

    def count(self) -> str:
        """How many rows the table has."""

    def count_up_to(self, most: int) -> str:
        """How many rows the table has, but not more than `most`: it reads only so many."""

    def counts(self) -> str:
        """Rows of (writing transaction, count)."""

    def rows(self, xids: Sequence[str]) -> str:
        """Rows of (line of the row key, row number) among the rows that these transactions wrote."""

    def delete(self, xids: Sequence[str]) -> str:
        """Remove the rows that these transactions wrote."""


class TargetSession(Protocol):
    """A control connection, in autocommit but for `transaction`."""

    @property
    def backend(self) -> str:
        """The server's name for this session."""

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        """Run a query of `TargetQueries`; all of its rows."""

    def value(self, statement: str) -> Any:  # noqa: ANN401  whatever the query yields
        """The first value of a query's first row; None where there is no row."""

    def transaction(self) -> AbstractContextManager[None]:
        """A transaction, or a savepoint inside one."""

    def trial(self, seconds: int) -> AbstractContextManager[None]:
        """A transaction that only reads, or a savepoint inside one, with a limit in seconds for each statement; it is rolled back."""

    def cancel(self) -> None:
        """End the statement that runs, from any thread."""

    def close(self) -> None:
        """Close."""


class StagingSchema(Protocol):
    """Where the tables of a run, or those of one of its target schemas, are filled before the cutover."""

    def create(self) -> None:
        """Create it if it does not exist, and those of the other target schemas."""

    def execute(self, sql: str, record: Callable[[], None]) -> None:
        """Execute a statement of the plan, and `record` it in the same transaction."""

    def share(self, sessions: int) -> None:
        """Prepare this session for work that so many sessions do side by side."""

    def analyze(self, table: str) -> None:
        """Collect the planner's statistics of a table."""

    def drop_foreign_key(self, table: str, name: str) -> None:
        """Drop a foreign key of a table."""

    def set_sequence(self, name: str, value: int, *, is_called: bool) -> None:
        """Set a sequence to a value, which was given out already if it is `is_called`."""

    def follow_sequence(self, name: str, value: int, *, is_called: bool) -> None:
        """Set a sequence of the target schema to a value, unless it is past it already."""

    def set_counter(self, table: str, counter: Counter, following: int) -> None:
        """Set the sequence of a column past its largest value, or to `following` if that is further (0: unknown)."""


class Loader(RowSink, Protocol):
    """A session that moves or compares rows. Not shared between threads, but for `abort`."""

    @property
    def backend(self) -> str:
        """The server's name for this session."""

    def rows(self, sql: str) -> list[Row]:
        """Run a statement of `TargetQueries`; its rows as text."""

    def claim(self, lease: Lease) -> Chunk | None:
        """Claim the next chunk in a new transaction, the largest table first; None, without one, if none is left. Raises SupersededError."""

    def complete(self, lease: Lease, chunk: Chunk, amount: Moved) -> None:
        """Record a claimed chunk and commit."""

    def begin_repair(self, lease: Lease) -> None:
        """Open a transaction for a repair. Raises SupersededError: another process took the run over."""

    def record_removal(self, lease: Lease, chunks: Sequence[Chunk]) -> None:
        """Record chunks whose rows this transaction removed; they are copied again later."""

    def complete_repair(self, lease: Lease, chunk: Chunk) -> None:
        """Record a chunk that was copied again and commit."""

    def commit(self) -> None:
        """Commit."""

    def abort(self) -> None:
        """End the session at once, from any thread."""

    def close(self) -> None:
        """Close."""


@dataclass(frozen=True, slots=True)
class CutoverChecks:
    """What must still be true in the transaction of the cutover; each raises an error if it is not, and nothing is committed.

    `same` is called while the existing tables are locked: their rows are the source's. `locked` is called last: the source is locked.
    """

    same: Callable[[], None]
    locked: Callable[[], None]


class SchemaSwap(Protocol):
    """The cutover and its rollback: objects change their schema, and no row is copied."""

    def cut_over(
        self,
        lease: Lease,
        record: RunRecord,
        plan: Plan,
        result: dict[str, object],
        *,
        checks: CutoverChecks,
        retain_seconds: int,
    ) -> None:
        """Make the staged objects the target's in one transaction, which marks the ledger.

        Args:
            lease: The right to work on the run.
            record: The run.
            plan: Its plan.
            result: What the ledger keeps of the outcome.
            checks: What must still be true in its transaction.
            retain_seconds: How long the retained tables are kept.
        """

    def validate_dependants(self, plan: Plan) -> list[str]:
        """After the cutover: validate the foreign keys from outside. Those that fail, by name."""

    def retained(self, record: RunRecord, plan: Plan) -> bool:
        """Whether all that the cutover replaced is still there."""

    def roll_back(self, record: RunRecord, plan: Plan, check: Callable[[], None]) -> None:
        """Undo the cutover in one transaction. `check` is called while the tables are locked; an error from it ends the rollback.

        Raises RunConflictError: something was made over the new tables since.
        """

    def exists(self, schema: str) -> bool:
        """Whether there is a schema of that name."""

    def drop(self, *schemas: str, seconds: int = 0) -> int:
        """Drop schemas of ours; how many objects they had. `seconds`: how long to wait for a lock. Raises DependantError."""


class TargetCatalog(Protocol):
    """What is in the target already."""

    def facts(self, options: Options, relations: frozenset[tuple[str, str]], schemas: tuple[str, ...] = ()) -> TargetFacts:
        """What planning needs to know. `relations`: new relations, as (schema, name); `schemas`: of the source, if they keep their names."""

    def existing(self, schema: str) -> Catalog:
        """The catalog of a schema, as that of a source. Raises ObjectMissingError."""

    def readable(self, schema: str) -> frozenset[str]:
        """The tables of a schema whose rows the credential may read, all of them."""

    def has_rows(self, table: Table) -> bool:
        """Whether a table has rows."""

    def listed_values(self, table: Table, existing: Catalog, readable: frozenset[str]) -> dict[str, frozenset[str]]:
        """The values that columns take, where they are listed: by a type, a check, or the rows of a table that they refer to."""


@dataclass(frozen=True, slots=True)
class Unworkable:
    """Work of the run that a side rejects: for which table, what it is for, and the rejection.

    `purpose` completes a sentence: `the statement that copies the rows`.
    """

    table: str
    purpose: str
    problem: str


@dataclass(frozen=True, slots=True)
class DryRun:
    """What a target says to the statements of a plan.

    Attributes:
        refused: Why it rejects some statements, by their numbers.
        order: The numbers of the others in the order that works, each with the stage in which it works.
        unworkable: What the run would do later with tables that are complete, and cannot.
        plain: Columns of a rejected table, by the number of its statement, whose expressions are rejected, and why.
    """

    refused: dict[int, str]
    order: list[tuple[int, Stage]]
    unworkable: tuple[Unworkable, ...] = ()
    plain: dict[int, dict[str, str]] = field(default_factory=dict)


class TargetDatabase(Protocol):
    """A target that is connected to: one control connection, and what it can do."""

    @property
    def session(self) -> TargetSession:
        """The control connection."""

    @property
    def ledger(self) -> Ledger:
        """The record of runs."""

    @property
    def swap(self) -> SchemaSwap:
        """The cutover and its rollback."""

    @property
    def catalog(self) -> TargetCatalog:
        """What is there already."""

    def clock(self) -> str:
        """The server's time."""

    def stage(self, plan: Plan, schema: str, target_schema: str = "") -> StagingSchema:
        """A staging schema of a run: `Plan.place(schema, within)`."""

    def loader(self, plan: Plan, schema: str) -> Loader:
        """A new session that moves or compares rows of a staging schema."""

    def dry_run(self, plan: Plan) -> DryRun:
        """Execute every statement of a plan, and roll all of them back."""

    def close(self) -> None:
        """Close the control connection."""


@runtime_checkable
class TargetEngine(Protocol):
    """A database product that data is written to.

    Attributes:
        name: As `Connection.spec.type` has it.
        max_name_bytes: The longest identifier, in octets of UTF-8.
        types: How it stores values.
        ddl: How it writes definitions.
    """

    name: str
    max_name_bytes: int
    types: TargetTypes
    ddl: TargetDdl

    def queries(self, shape: Shape, schema: str) -> TargetQueries:
        """The queries over one planned table in a schema."""

    def connect(self, endpoint: Endpoint, ledger_schema: str) -> TargetDatabase:
        """Connect to a target. Raises an EngineError."""
