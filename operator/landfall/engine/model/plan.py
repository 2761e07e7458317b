"""The plan: what a person reads and approves, and everything that a run needs to carry it out.

A plan is a value. It is stored in the ledger as it was approved, so that a run never plans behind a person's back.
Its digest covers what changes the result and leaves out estimates, counts and confidences.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import Any, Literal

from landfall.engine.model.mapping import Mapping
from landfall.engine.model.options import Mode

# How a table is cut into chunks: by one integer column, by a key in its order, by blocks of the source's storage, or not at all.
KeyKind = Literal["integer", "keyset", "ctid", "none"]
# The format in which rows arrive from the source; empty for a view, whose rows are not copied.
CopyForm = Literal["csv", "text", "binary", ""]


class Decision(StrEnum):
    """What was decided about a column."""

    AUTO = "AutoApproved"
    NEEDS_REVIEW = "NeedsReview"
    APPROVED = "Approved"
    REJECTED = "Rejected"
    EXCLUDED = "Excluded"


class Severity(StrEnum):
    """How bad it is if a risk is overlooked. `BLOCKER` stops the run until it is decided or corrected."""

    INFO = "info"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    BLOCKER = "blocker"


class Stage(StrEnum):
    """When a statement runs. Statements of one stage run in plan order, INDEXES of different tables in parallel.

    SWAP is a part of the cutover itself, before the objects change their schema; MOVED comes after that.
    """

    PREPARE = "prepare"
    TABLES = "tables"
    INDEXES = "indexes"
    FINISH = "finish"
    KEYS = "keys"
    LAST = "last"
    SWAP = "swap"
    MOVED = "moved"


@dataclass(frozen=True, slots=True)
class Risk:
    """Something that a person should know before saying yes."""

    severity: Severity
    kind: str
    affected: str
    description: str
    mitigation: str


@dataclass(frozen=True, slots=True)
class Converted:
    """Values that a rule changes: how many rows, which rule."""

    kind: str
    rows: int
    rule: str


@dataclass(frozen=True, slots=True)
class ColumnPlan:
    """One column from source to target. One that is staged under another name arrives as `final` of `final_type`."""

    source: str
    target: str
    source_type: str
    target_type: str
    mapping: Mapping
    nullable: bool
    decision: Decision
    confidence: int
    reasons: tuple[str, ...]
    transformation: str = ""
    generated: str = ""
    stored: bool = True
    identity: str = ""
    converted: tuple[Converted, ...] = ()
    comment: str = ""
    collate: str = ""
    final: str = ""
    final_type: str = ""

    @property
    def arrives(self) -> tuple[str, str]:
        """Name and type after the cutover."""
        return self.final or self.target, self.final_type or self.target_type

    def digest(self) -> str:
        """What is decided on: all that changes the result, in few letters."""
        text = json.dumps(_binding_column(asdict(self)), sort_keys=True, separators=(",", ":"), default=str)
        return _short(text)

    @property
    def moved(self) -> bool:
        """Whether values are copied: not for generated and excluded columns, nor where an existing table has no place for them."""
        return self.compared and not self.generated

    @property
    def compared(self) -> bool:
        """Whether values are compared: generated ones as well, for their expression was translated."""
        return self.decision is not Decision.EXCLUDED and bool(self.target)


@dataclass(frozen=True, slots=True)
class Counter:
    """A sequence to set after the copy: to the source's next value or past the largest value, whichever is further.

    `source_column` is empty where the source keeps no counter.
    """

    table: str
    column: str
    source_column: str
    increment: int = 1
    sequence: str = ""


@dataclass(frozen=True, slots=True)
class TablePlan:
    """One table. `key` are the source columns that cut it into chunks; `row_key` those that name a row uniquely."""

    number: int
    schema: str
    name: str
    target: str
    columns: tuple[ColumnPlan, ...]
    key: tuple[str, ...]
    key_kind: KeyKind
    row_key: tuple[str, ...]
    form: CopyForm
    create: str
    rows: int = 0
    bytes: int = 0
    largest_row: int = 0
    counters: tuple[Counter, ...] = ()
    moved: bool = True
    estimates: dict[str, int] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """How the table is called in messages."""
        return f"{self.schema}.{self.name}" if self.schema else self.name

    @property
    def unique_key(self) -> bool:
        """Whether the ranges are of one integer that no two rows share."""
        return self.key_kind == "integer" and self.key in {("_rowid_",), self.row_key}

    @property
    def ordered_by(self) -> ColumnPlan | None:
        """The column that holds the integer of `unique_key`, and so puts the rows into one order on both sides."""
        if not self.unique_key or len(self.row_key) != 1:
            return None
        column = next(c for c in self.columns if c.source == self.row_key[0])
        return column if self.key == self.row_key or column.identity else None

    @property
    def compared(self) -> tuple[ColumnPlan, ...]:
        """The columns that the checksum covers."""
        return tuple(c for c in self.columns if c.compared)

    @property
    def copied(self) -> tuple[ColumnPlan, ...]:
        """The columns whose values are moved."""
        return tuple(c for c in self.columns if c.moved)


@dataclass(frozen=True, slots=True)
class ViewPlan:
    """A view whose rows are compared on both sides before the cutover.

    Attributes:
        table: The view as if it were a table: its names and the columns that are compared.
        unread: Columns that are not compared, each with the reason.
        reason: Why the view as a whole is not compared; empty if it is.
    """

    table: TablePlan
    unread: tuple[str, ...] = ()
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Statement:
    """DDL of the target that runs with the staging schema in front of the path, and so need not name it.

    `schema`: that of the target in which its object is at the end, if the plan has several; it names `Plan.qualified` with theirs.
    """

    number: int
    stage: Stage
    kind: str
    name: str
    table: str
    sql: str
    describes: str = ""
    essential: bool = False
    schema: str = ""


@dataclass(frozen=True, slots=True)
class Dependant:
    """Something that hangs on a table that `Replace` moves away: how to take it off and how to put it on again."""

    kind: str
    name: str
    table: str
    detach: str
    attach: str
    supported: bool = True


@dataclass(frozen=True, slots=True)
class Replaced:
    """An object of the target that makes way: its kind, its name, and what depends on it."""

    kind: str
    name: str
    dependants: tuple[Dependant, ...] = ()
    schema: str = ""

    @property
    def label(self) -> str:
        """How it is called in messages."""
        return f"{self.schema}.{self.name}" if self.schema else self.name


@dataclass(frozen=True, slots=True)
class Plan:
    """All of it. `filled` are existing tables that are loaded, each with a digest of what it was when the plan was made.

    Those in `aside` may have rows, which a rollback brings back; those in `kept` have the same rows as the source.
    `fence`: the source refuses writers after the cutover.
    `views` are translated views; their queries are statements, so the digest of the plan has them already.
    `followed` are sequences of the source, each with that of the target that no column owns and that is set as far.

    `schemas`: each schema of the source goes into that of the same name; if empty, everything goes into `target_schema`. The run creates
    those in `made_schemas`. `sequence_schemas` says where each of `sequences` is. `qualified` are the names that statements write with
    their schema, as (schema, name), because several schemas have them.
    """

    engine: str
    source: str
    target: str
    source_version: str
    target_version: str
    target_version_number: int
    target_schema: str
    on_existing: str
    mode: str
    quiesce: str
    tables: tuple[TablePlan, ...]
    statements: tuple[Statement, ...]
    risks: tuple[Risk, ...]
    replaced: tuple[Replaced, ...] = ()
    sequences: tuple[tuple[str, str], ...] = ()
    filled: tuple[tuple[str, str], ...] = ()
    aside: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    followed: tuple[tuple[str, str], ...] = ()
    fingerprint: str = ""
    packet_bytes: int = 0
    freeze_seconds: int = 0
    estimates: dict[str, int] = field(default_factory=dict)
    fence: bool = False
    views: tuple[ViewPlan, ...] = ()
    schemas: tuple[str, ...] = ()
    made_schemas: tuple[str, ...] = ()
    sequence_schemas: tuple[str, ...] = ()
    qualified: tuple[tuple[str, str], ...] = ()
    format: int = 1

    @property
    def target_schemas(self) -> tuple[str, ...]:
        """The schemas of the target that get objects."""
        return self.schemas or (self.target_schema,)

    @property
    def target_label(self) -> str:
        """How the target schemas are called in messages."""
        return ", ".join(self.target_schemas)

    @property
    def placed_sequences(self) -> tuple[tuple[str, str, str], ...]:
        """The sequences to set: full name in the source, name in the target, and schema as `Statement.schema`."""
        schemas = self.sequence_schemas or ("",) * len(self.sequences)
        return tuple((source, name, schema) for (source, name), schema in zip(self.sequences, schemas, strict=True))

    def within(self, table: TablePlan) -> str:
        """The schema of the statements of a table: empty if everything goes into one."""
        return table.schema if self.schemas else ""

    def target_of(self, table: TablePlan) -> str:
        """The schema of the target that gets a table."""
        return table.schema if self.schemas else self.target_schema

    def named(self, table: TablePlan) -> str:
        """How a table of the target is called in messages: with its schema only if there are several."""
        return f"{table.schema}.{table.target}" if len(self.schemas) > 1 else table.target

    def place(self, base: str, target_schema: str = "") -> str:
        """The schema of ours in which objects of a target schema are, for example while they are staged.

        Args:
            base: The name of the first one.
            target_schema: As `Statement.schema`.
        """
        number = self.schemas.index(target_schema) if target_schema in self.schemas else 0
        return f"{base}_{number}" if number else base

    def places(self, base: str) -> tuple[tuple[str, str], ...]:
        """The schemas of ours, each with its schema of the target: (ours, theirs)."""
        return tuple((self.place(base, schema), schema) for schema in self.target_schemas)

    def digest(self) -> str:
        """sha256 over what changes the result."""
        text = json.dumps(_binding(self), sort_keys=True, separators=(",", ":"), default=str)
        return "sha256:" + hashlib.sha256(text.encode()).hexdigest()

    @property
    def moves_rows(self) -> bool:
        """Whether rows are moved and compared, or only the schema."""
        return self.mode != Mode.SCHEMA_ONLY

    @property
    def blockers(self) -> tuple[Risk, ...]:
        """What stops the run."""
        return tuple(r for r in self.risks if r.severity is Severity.BLOCKER)

    @property
    def points(self) -> tuple[tuple[str, str], ...]:
        """What needs an approval, with a digest of what is approved: columns by name, and risks of high severity."""
        waiting = [(t, c) for t in self.tables for c in t.columns if c.decision is Decision.NEEDS_REVIEW]
        columns = [(f"{t.label}.{c.source}", _short(f"{t.label}>{t.target} {c.digest()}")) for t, c in waiting]
        grave = [r for r in self.risks if r.severity is Severity.HIGH]
        return (*columns, *((f"{r.kind}: {r.affected}", _short(f"{r.kind} {r.affected} {_uncounted(r)}")) for r in grave))

    @property
    def to_review(self) -> tuple[str, ...]:
        """The points, by name."""
        return tuple(name for name, _ in self.points)

    def of_stage(self, stage: Stage) -> tuple[Statement, ...]:
        """The statements of one stage, in order."""
        return tuple(s for s in self.statements if s.stage is stage)

    def with_risks(self, risks: tuple[Risk, ...]) -> Plan:
        """The plan with more risks, the worst first."""
        order = list(Severity)
        every = sorted({*self.risks, *risks}, key=lambda r: (-order.index(r.severity), r.kind, r.affected))
        return replace(self, risks=tuple(every))


_UNBOUND_TABLE = ("rows", "bytes", "largest_row", "estimates")
_UNBOUND_COLUMN = ("confidence", "reasons", "decision")
# Of later versions: digests of plans without them stay as they were.
_LATER = ("aside", "kept", "followed", "fence", "schemas", "made_schemas", "sequence_schemas", "qualified")


def _binding(plan: Plan) -> dict[str, Any]:
    whole = asdict(plan)
    for name in ("estimates", "freeze_seconds", "risks", "views", "source_version", "target_version", "target_version_number"):
        whole.pop(name)
    for name in _LATER:
        if not whole[name]:
            whole.pop(name)
    for part in (*whole["statements"], *whole["replaced"]):
        if not part["schema"]:
            part.pop("schema")
    for table in whole["tables"]:
        for name in _UNBOUND_TABLE:
            table.pop(name)
        table["columns"] = [_binding_column(column) for column in table["columns"]]
    whole["risks"] = sorted({(r.kind, r.affected) for r in plan.risks if r.severity is not Severity.INFO})
    return whole


def _binding_column(column: dict[str, Any]) -> dict[str, Any]:
    """A column's fields without what only says how sure it is."""
    bound = {name: value for name, value in column.items() if name not in _UNBOUND_COLUMN}
    bound["excluded"] = column["decision"] == Decision.EXCLUDED
    bound["mapping"] = {n: v for n, v in column["mapping"].items() if n not in {"confidence", "reasons"}}
    bound["converted"] = [(c["kind"], c["rule"]) for c in column["converted"]]
    return bound


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _uncounted(risk: Risk) -> str:
    """What a risk says, without numbers that change while nothing else does."""
    return re.sub(r"\d+(?= (rows|s)\b)", "#", risk.description)
