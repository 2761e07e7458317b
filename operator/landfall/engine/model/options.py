"""What a caller asks of the engine: endpoints, scope and limits, as immutable values.

Nothing here is read from the environment; the doors build these from manifests.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import NewType

EngineName = NewType("EngineName", str)
"""The name of a registered source engine, as the registry gives it out."""


class TlsMode(StrEnum):
    """How much of TLS is demanded. `Prefer` falls back to plain text, as libpq's `prefer` does."""

    DISABLE = "Disable"
    PREFER = "Prefer"
    REQUIRE = "Require"
    VERIFY_FULL = "VerifyFull"


class OnExisting(StrEnum):
    """What to do with target tables of the same name."""

    FAIL = "Fail"
    REPLACE = "Replace"
    FILL = "Fill"


class SourceCode(StrEnum):
    """What becomes of functions, triggers, rules and materialized views of a source that has the target's language."""

    CARRY = "Carry"
    LEAVE = "Leave"


class TargetSchemas(StrEnum):
    """Into which schemas of the target several schemas of a source go: those of the same names, or one."""

    PRESERVE = "Preserve"
    MERGE = "Merge"


class Mode(StrEnum):
    """How much is moved."""

    FULL = "Full"
    SCHEMA_ONLY = "SchemaOnly"
    DATA_ONLY = "DataOnly"


class Quiesce(StrEnum):
    """How writers are kept away from the final comparison to the cutover."""

    ENGINE = "Engine"
    CONFIRM = "Confirm"
    NONE = "None"


class Identifiers(StrEnum):
    """How names of a source that is not PostgreSQL are spelled in the target."""

    LOWER = "Lower"
    PRESERVE = "Preserve"


class AuthMethod(StrEnum):
    """How a server checks a password, in the words of libpq's `require_auth`."""

    NONE = "none"
    PASSWORD = "password"  # noqa: S105  the name of a method
    MD5 = "md5"
    SCRAM = "scram-sha-256"


@dataclass(frozen=True, slots=True)
class LoginDemands:
    """What an address demands of the login, besides the credential.

    `methods`: those that the server may use; empty if the address names none. `clear_text`: the password may be sent in clear text over
    a connection that is not encrypted. `channel_binding`: the login must be bound to the TLS connection.
    """

    methods: frozenset[AuthMethod] = frozenset()
    clear_text: bool = False
    channel_binding: bool = False


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One database and the credential that opens it.

    `host` that begins with a slash is a Unix socket: a directory for PostgreSQL, the socket itself for MySQL.
    `ca` is the PEM text of a private authority. `path` is the file of a SQLite database.
    `schemas`: where a session with a source finds what its own functions name without a schema.
    `parameters`: parameters of the engine's client that the address sets, as (name, value).
    """

    engine: EngineName
    host: str = ""
    port: int = 0
    database: str = ""
    username: str = ""
    password: str = field(default="", repr=False)
    tls: TlsMode = TlsMode.PREFER
    ca: str = field(default="", repr=False)
    path: str = ""
    schemas: tuple[str, ...] = ()
    login: LoginDemands = field(default_factory=LoginDemands)
    parameters: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Policies:
    """What becomes of values that the target cannot hold. None: the default of the kind (see `planning.policies`)."""

    zero_dates: str | None = None
    nul_bytes: str | None = None
    out_of_range: str | None = None
    invalid_encoding: str | None = None
    type_mismatch: str | None = None
    orphans: str | None = None
    existing_rows: str | None = None


@dataclass(frozen=True, slots=True)
class ColumnDecision:
    """A person's decision on one source column: table and column as the source spells them."""

    schema: str
    table: str
    column: str
    decision: str
    expression: str = ""
    target_column: str = ""
    policy: str = ""
    comment: str = ""
    digest: str = ""

    def is_of(self, schema: str, table: str, column: str) -> bool:
        """Whether it means this column."""
        return (self.table, self.column) == (table, column) and self.schema in {"", schema}


@dataclass(frozen=True, slots=True)
class TableDecision:
    """A person's decision on the existing table that a source table is loaded into.

    `target` is its name, if the person names it. `existing_rows` says what becomes of its rows: SetAside, Keep, or empty.
    """

    schema: str
    table: str
    target: str = ""
    existing_rows: str = ""

    def is_of(self, schema: str, table: str) -> bool:
        """Whether it means this table."""
        return self.table == table and self.schema in {"", schema}


@dataclass(frozen=True, slots=True)
class Options:
    """What to move and how. Sizes are rows, bytes and seconds, as the names say; zero is no limit.

    `rehearsal` names a run that ends before the cutover and leaves nothing. `target_schemas` None: Preserve for several schemas of a
    source that speaks the target's SQL, unless the target schema is `target_named`; otherwise Merge.
    """

    schemas: tuple[str, ...] = ()
    exclude_tables: tuple[str, ...] = ()
    target_schema: str = "public"
    target_schemas: TargetSchemas | None = None
    target_named: bool = False
    on_existing: OnExisting = OnExisting.FAIL
    mode: Mode = Mode.FULL
    quiesce: Quiesce | None = None
    identifiers: Identifiers = Identifiers.LOWER
    parallelism: int = 4
    workers: int = 1
    batch_rows: int = 10_000
    rows_per_second: int = 0
    bytes_per_second: int = 0
    memory_bytes: int = 512 * 1024 * 1024
    auto_approve_percent: int = 95
    policies: Policies = Policies()
    decisions: tuple[ColumnDecision, ...] = ()
    tables: tuple[TableDecision, ...] = ()
    rerun_token: str = "1"  # noqa: S105  a counter that a person changes, not a secret
    generate_rollback: bool = True
    retain_seconds: int = 604_800
    ledger_schema: str = "landfall"
    takeover_seconds: int = 30
    freeze_limit_seconds: int = 60
    max_pause_seconds: int = 0
    fence: bool = True
    quiesced: bool = False
    code: SourceCode = SourceCode.CARRY
    rehearsal: str = ""

    @property
    def retention_seconds(self) -> int:
        """How long a rollback can restore what a cutover replaced, in seconds; 0: the next clean-up drops it."""
        return self.retain_seconds if self.generate_rollback else 0

    @property
    def several_apart(self) -> bool:
        """Whether each schema of a source that speaks the target's SQL keeps its name."""
        if self.target_schemas is None:
            return len(set(self.schemas)) > 1 and not self.target_named
        return self.target_schemas is TargetSchemas.PRESERVE

    def rows_of_existing(self, schema: str, table: str) -> str:
        """What becomes of the rows of the existing table that a source table fills: Fail, SetAside or Keep."""
        decision = next((d.existing_rows for d in self.tables if d.existing_rows and d.is_of(schema, table)), "")
        return decision or self.policies.existing_rows or "Fail"

    def decided(self, schema: str, table: str, column: str) -> ColumnDecision | None:
        """A person's decision on a column of the source."""
        return next((d for d in self.decisions if d.is_of(schema, table, column)), None)
