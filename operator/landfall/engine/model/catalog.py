"""The source's catalog as values: what introspection returns and planning reads.

Everything is spelled as the source spells it. `definition` fields hold complete SQL of the source and are only
filled by PostgreSQL, whose SQL the target speaks.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ColumnType:
    """A column type: `name` is the bare word in lower case, `text` the whole of it as the source prints it.

    `underlying` is what a domain is made of.
    """

    name: str
    text: str
    length: int | None = None
    precision: int | None = None
    scale: int | None = None
    unsigned: bool = False
    charset: str = ""
    collation: str = ""
    labels: tuple[str, ...] = ()
    builtin: bool = True
    underlying: str = ""

    @property
    def without_domain(self) -> str:
        """The whole type, or that which a domain is made of."""
        return self.underlying or self.text


@dataclass(frozen=True, slots=True)
class Identity:
    """A counter that fills a column. `next_value` is what the source would give out next."""

    always: bool = False
    start: int = 1
    increment: int = 1
    minimum: int | None = None
    maximum: int | None = None
    cache: int = 1
    cycle: bool = False
    next_value: int | None = None
    sequence: str = ""


@dataclass(frozen=True, slots=True)
class Column:
    """One column. `default` and `generated` are expressions in the source's SQL, as is the `expression` that is read in its place.

    `folded`: its values are compared without regard to the case of ASCII letters, and of no others.
    """

    name: str
    type: ColumnType
    nullable: bool = True
    default: str | None = None
    generated: str | None = None
    stored: bool = True
    identity: Identity | None = None
    on_update_now: bool = False
    comment: str = ""
    collate: str = ""
    expression: str = ""
    folded: bool = False


@dataclass(frozen=True, slots=True)
class IndexPart:
    """One element of an index: a column or an expression, with an optional prefix length in characters.

    `folded`: it is compared without regard to the case of ASCII letters, and of no others.
    """

    column: str = ""
    expression: str = ""
    descending: bool = False
    prefix: int | None = None
    folded: bool = False


@dataclass(frozen=True, slots=True)
class Index:
    """An index or key. `method` is the source's word (BTREE, HASH, FULLTEXT, SPATIAL, gin, …)."""

    name: str
    parts: tuple[IndexPart, ...]
    unique: bool = False
    primary: bool = False
    method: str = "BTREE"
    where: str = ""
    definition: str = ""
    constraint: str = ""
    attach_to: str = ""
    comment: str = ""
    collations: tuple[str, ...] = ()
    attach_schema: str = ""


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """A reference to another table of the source.

    `operators`: with which operators the source compares the columns of the parent with its own; where there are none, with `=`. One
    that the credential may not use is empty.
    """

    name: str
    columns: tuple[str, ...]
    ref_schema: str
    ref_table: str
    ref_columns: tuple[str, ...]
    on_update: str = "NO ACTION"
    on_delete: str = "NO ACTION"
    definition: str = ""
    operators: tuple[str, ...] = ()

    def columns_in(self, parent: Table) -> tuple[str, ...]:
        """The columns of the referenced table; those of its primary key where the definition names none."""
        return self.ref_columns or tuple(p.column for p in (parent.primary.parts if parent.primary else ()))

    @property
    def validated(self) -> bool:
        """Whether the source says that all of its rows satisfy it."""
        return self.enforced and not self.definition.endswith(" NOT VALID")

    @property
    def enforced(self) -> bool:
        """Whether the source checks it at all."""
        return not self.definition.endswith(" NOT ENFORCED")


@dataclass(frozen=True, slots=True)
class Check:
    """A check constraint; `definition` is the whole clause where the source speaks PostgreSQL."""

    name: str
    expression: str
    definition: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """A table that holds rows, or a partitioned parent. `rows` and `bytes` are the catalog's estimates.

    `parent_schemas`: those of the tables that it is a partition of or inherits from, where one of them is not in its own schema.
    """

    schema: str
    name: str
    columns: tuple[Column, ...]
    indexes: tuple[Index, ...] = ()
    foreign_keys: tuple[ForeignKey, ...] = ()
    checks: tuple[Check, ...] = ()
    comment: str = ""
    rows: int = 0
    bytes: int = 0
    kind: str = "table"
    partition_by: str = ""
    partition_of: str = ""
    bound: str = ""
    inherits: tuple[str, ...] = ()
    options: str = ""
    rowid: bool = False
    notes: tuple[str, ...] = ()
    note_severity: str = "high"
    unlogged: bool = False
    parent_schemas: tuple[str, ...] = ()

    @property
    def parents(self) -> tuple[tuple[str, str], ...]:
        """The tables that it is a partition of or inherits from, as (schema, name)."""
        names = (self.partition_of,) if self.partition_of else self.inherits
        return tuple(zip(self.parent_schemas or (self.schema,) * len(names), names, strict=True))

    @property
    def primary(self) -> Index | None:
        """The primary key, where there is one."""
        return next((i for i in self.indexes if i.primary), None)

    @property
    def holds_rows(self) -> bool:
        """Whether rows live in this table itself (a partitioned parent has none of its own)."""
        return self.kind != "partitioned"

    def column(self, name: str) -> Column:
        """The column of that name. Raises KeyError."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)


OWN_SCHEMA = '"landfall:own schema".'
"""In a query of a view: the schema that the view is created in, where a name without a schema would mean something else."""


@dataclass(frozen=True, slots=True)
class View:
    """A view with its query in the source's SQL, which may have `OWN_SCHEMA` in it."""

    schema: str
    name: str
    query: str
    columns: tuple[str, ...] = ()
    materialized: bool = False
    comment: str = ""
    options: str = ""


@dataclass(frozen=True, slots=True)
class SourceObject:
    """Anything else: `kind` is a word such as enum, domain, composite, sequence, function, trigger, policy, rule.

    `definition` is the SQL that makes it in a target that speaks the same language; empty where it cannot be carried.

    Attributes:
        of: What it belongs to where that is no table: `kind name(signature)` of another object.
        role: A role that must exist in the target.
        within: Its schema, if the schemas of the source stay apart; otherwise empty.
        severity: Of the risk where it is not carried, a value of `plan.Severity`; empty: that of its kind.
        advice: What a person can do where it is not carried; empty: that of its kind.
        former: Its definition as an earlier version read it, where that differs.
    """

    kind: str
    name: str
    definition: str = ""
    table: str = ""
    signature: str = ""
    detail: str = ""
    counter: Identity | None = None
    of: str = ""
    role: str = ""
    severity: str = ""
    advice: str = ""
    within: str = ""
    former: str = ""

    @property
    def label(self) -> str:
        """What `of` of another object says where that one belongs to this one."""
        return f"{self.kind} {self.name}{self.signature}"


@dataclass(frozen=True, slots=True)
class SourceRemark:
    """Something that the plan has to say of the source, and that no object of the target expresses.

    `kind`, `affected`, `text` and `advice` are those of a risk, `severity` a word for it; with a `table`, the plan has it if that table moves.
    """

    severity: str
    kind: str
    affected: str
    text: str
    advice: str
    table: tuple[str, str] = ("", "")


@dataclass(frozen=True, slots=True)
class Catalog:
    """All that the credential may read of the schemas that the spec names.

    `problems` says what the credential may not see or do, by name; a plan refuses while it is not empty.
    `features` are capabilities of the server and the credential that planning asks for.
    `former` are tables as an earlier version read them, where that differs; plans that it stored know them so.
    `apart`: the definitions of each schema are written for a search path on which that schema is the first and the others follow.
    `qualified`: names that definitions write with their schema all the same, because several of the schemas have them, as (schema, name).
    `schema_version`: what `VersionedSchema.schema_version` returned at the moment of this catalog; empty if the engine has none.
    """

    engine: str
    version: str
    version_number: int
    database: str
    schemas: tuple[str, ...]
    tables: tuple[Table, ...] = ()
    views: tuple[View, ...] = ()
    objects: tuple[SourceObject, ...] = ()
    extensions: tuple[str, ...] = ()
    installed_extensions: tuple[tuple[str, str], ...] = ()
    called_extensions: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    features: frozenset[str] = frozenset()
    packet_bytes: int = 0
    remarks: tuple[SourceRemark, ...] = ()
    former: tuple[Table, ...] = ()
    apart: bool = False
    qualified: tuple[tuple[str, str], ...] = ()
    schema_version: str = ""

    def referenced(self, table: Table, key: ForeignKey) -> Table | None:
        """The table that a foreign key points at: the one of exactly that name, or the only one that differs in case."""
        schema = key.ref_schema or table.schema
        exact = next((t for t in self.tables if t.name == key.ref_table and t.schema == schema), None)
        if exact:
            return exact
        like = [t for t in self.tables if t.schema == schema and t.name.casefold() == key.ref_table.casefold()]
        return like[0] if len(like) == 1 else None
