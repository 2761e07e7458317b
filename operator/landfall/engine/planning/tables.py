"""Plans tables from a catalog and the result of profiling: pure, deterministic and complete.

Every object of the source that is left out is a risk of the plan. The dry run checks every statement on the target before the plan is
shown.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping as Counts
from dataclasses import dataclass, field, replace

from landfall.engine.matching.matcher import FieldPair
from landfall.engine.model.catalog import Catalog, Column, ColumnType, SourceObject, Table
from landfall.engine.model.fingerprint import selected
from landfall.engine.model.identifiers import NameSpace, folded
from landfall.engine.model.mapping import ColumnFacts, Mapping, Violation
from landfall.engine.model.options import ColumnDecision, Identifiers, Options
from landfall.engine.model.plan import ColumnPlan, Converted, Counter, Decision, Risk, Severity, Stage, Statement, TablePlan
from landfall.engine.model.target_facts import TargetFacts
from landfall.engine.planning.key_families import KeyFamily, key_families
from landfall.engine.planning.names import differ_only_in_case
from landfall.engine.planning.overrides import Override, Place, override_reasons, uses
from landfall.engine.planning.policies import DESCRIBED, MISFITS, rules_for, settled_by
from landfall.engine.sources.engine import SourceEngine
from landfall.engine.sources.registry import engine_of
from landfall.engine.sources.translate import ColumnTraits
from landfall.engine.targets.engine import TargetEngine
from landfall.lib.text import counted

NULL_ADVICE = (
    "Approve the plan; or correct or delete these rows in the source and plan again; or set an expression without NULL"
    " (decision Override in a TablePlan); or exclude the table (excludeTables)."
)
NO_ROLLBACK = (
    "It is dropped at the next clean-up, and a rollback is impossible then (generateRollback: false, or retainSeconds: 0)."
)
DROPPED = "they are dropped at the next clean-up, because generateRollback is false or retainSeconds is 0"
RETAIN = (
    "Set spec.data.generateRollback: true and spec.rollback.retainSeconds to the time in which you may need them; or approve the plan"
    " if they may be lost."
)
ROW_COUNT = "rows"
OCCUPIED = "TargetNotEmpty"
LARGEST_ROW = "largest"


@dataclass(frozen=True, slots=True)
class SourceProfile:
    """The result of profiling: rows per table, largest row in bytes, violations per column, orphans per foreign key."""

    rows: Counts[tuple[str, str], int] = field(default_factory=dict)
    largest: Counts[tuple[str, str], int] = field(default_factory=dict)
    violations: Counts[tuple[str, str, str], Counts[Violation, int]] = field(default_factory=dict)
    orphans: Counts[tuple[str, str, int], int] = field(default_factory=dict)
    overrides: Counts[Place, Override] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Counterpart:
    """An existing table that a source table fills, and the matched columns by the source's name.

    `occupied`: it has rows. `confidence` is that the two tables are the same, in percent, and `reasons` say why.
    """

    table: Table
    pairs: Counts[str, FieldPair]
    occupied: bool = False
    confidence: int = 100
    reasons: tuple[str, ...] = ()


@dataclass(slots=True)
class Draft:
    """The plan while it is built: the only mutable value of planning."""

    catalog: Catalog
    options: Options
    profile: SourceProfile
    target: TargetEngine
    relations: NameSpace = field(init=False)
    types: NameSpace = field(init=False)
    routines: NameSpace = field(init=False)
    names: dict[tuple[str, str], str] = field(default_factory=dict)
    constraints: dict[str, NameSpace] = field(default_factory=dict)
    statements: list[Statement] = field(default_factory=list)
    risks: list[Risk] = field(default_factory=list)
    existing: Catalog | None = None
    counterparts: Counts[tuple[str, str], Counterpart] = field(default_factory=dict)
    families: Counts[Place, KeyFamily] = field(init=False)
    shared_types: dict[tuple[Place, str], str] = field(default_factory=dict)
    clashing: frozenset[str] = frozenset()
    facts: TargetFacts | None = None  # of all target schemas
    impossible: list[SourceObject] = field(default_factory=list)
    in_place: frozenset[tuple[str, str]] = frozenset()
    followed: list[tuple[str, str]] = field(default_factory=list)
    zoneless: list[str] = field(default_factory=list)
    within: str = ""
    made_schemas: tuple[str, ...] = ()
    _names_within: dict[str, NameSpace] = field(default_factory=dict)

    def __post_init__(self) -> None:
        tables = () if self.native else selected(self.catalog, self.options)
        self.families = key_families(tables, self.profile.violations)
        if self.lower:
            self.clashing = differ_only_in_case([*(t.name for t in tables), *(v.name for v in self.catalog.views)])
        self.relations, self.types, self.routines = self.name_space(), self.name_space(), self.name_space()

    def name_space(self, used_names: Iterable[str] = ()) -> NameSpace:
        """Names of the target that are free but for these."""
        return NameSpace(self.target.max_name_bytes, used_names)

    def add_statement(
        self, stage: Stage, kind: str, name: str, table: str, sql: str, *, describes: str = "", essential: bool = False
    ) -> None:
        """Add a statement to the plan."""
        number = len(self.statements)
        self.statements.append(Statement(number, stage, kind, name, table, sql, describes, essential, self.within))

    def add_risk(self, severity: Severity, kind: str, affected: str, description: str, mitigation: str) -> None:
        """Add a risk to the plan."""
        self.risks.append(Risk(severity, kind, affected, description, mitigation))

    def enter(self, schema: str) -> None:
        """What is added from now on is of this schema, if the schemas of the source stay apart."""
        self.within = schema if self.catalog.apart else ""

    def label_of(self, thing: SourceObject) -> str:
        """Return how an object is called in messages: with its schema only if there are several."""
        name = f"{thing.name}{thing.signature}"
        return f"{thing.within}.{name}" if thing.within and len(self.catalog.schemas) > 1 else name

    def relation(self, preferred: str, schema: str) -> str:
        """Return a free name for a table or view of a schema of the source."""
        if not self.catalog.apart:
            return self.relations.claim(preferred, schema)
        return self._names_within.setdefault(schema, self.name_space()).claim(preferred, schema)

    def constraint(self, table: str, preferred: str) -> str:
        """Return a name for a check or foreign key that is unique in its table."""
        return self.constraints.setdefault(table, self.name_space()).claim(preferred)

    @property
    def native(self) -> bool:
        """Whether the source speaks the target's SQL."""
        return self.engine.capabilities.speaks_target_sql

    @property
    def engine(self) -> SourceEngine:
        """The source's engine."""
        return engine_of(self.catalog.engine)

    @property
    def lower(self) -> bool:
        """Whether names are in lower case in the target."""
        return not self.native and self.options.identifiers is Identifiers.LOWER

    def spelled(self, name: str) -> str:
        """Return a name of the source in the spelling of the target. Tables that differ only in case keep theirs."""
        return folded(name, self.target.max_name_bytes, lower=self.lower and name not in self.clashing)


def new_table(draft: Draft, number: int, table: Table) -> TablePlan:
    """Plan a new table, with one column for each column of the source."""
    target = draft.names[(table.schema, table.name)]
    spelling = draft.name_space()
    columns = tuple(_column(draft, table, c, target, spelling) for c in table.columns)
    return planned_table(draft, number, table, target, columns)


def planned_table(draft: Draft, number: int, table: Table, target: str, columns: tuple[ColumnPlan, ...]) -> TablePlan:
    """Plan a table from its columns: its chunk key and row key, and the risks of these keys."""
    key, key_kind = draft.engine.dialect.chunk_key(table, draft.catalog.version_number)
    profile = draft.profile
    table_id = (table.schema, table.name)
    table_plan = TablePlan(
        number=number,
        schema=table.schema,
        name=table.name,
        target=target,
        columns=columns,
        key=key,
        key_kind=key_kind,
        row_key=_row_key(table, columns),
        form=draft.engine.dialect.copy_format(table),
        create="",
        rows=profile.rows.get(table_id, table.rows),
        bytes=table.bytes,
        largest_row=profile.largest.get(table_id, 0),
        counters=_counters(table, columns, target),
        moved=table.holds_rows,
    )
    for note in table.notes:
        draft.add_risk(
            Severity(table.note_severity), "TableFeature", table_plan.label, note, "Approve the plan if that is what you want."
        )
    if key_kind == "none" and table_plan.moved and table_plan.rows > draft.options.batch_rows:
        draft.add_risk(
            Severity.LOW,
            "SingleStream",
            table_plan.label,
            "no usable key: the table is copied by one stream, which restarts from zero after an interruption",
            # PostgreSQL tables are divided by blocks, whatever their keys, unless the server cannot scan a range of blocks.
            "Upgrade the source to PostgreSQL 14 or newer." if draft.native else "Add a primary key on the source.",
        )
    if not table_plan.row_key and table_plan.moved:
        draft.add_risk(
            Severity.LOW,
            "NoRowKey",
            table_plan.label,
            "no unique key without NULLs: rows that differ are counted but not named"
            + (", and if rows are written during the copy, the whole table is copied again" if key_kind == "none" else ""),
            "Add a primary key on the source.",
        )
    return table_plan


def _counters(table: Table, columns: tuple[ColumnPlan, ...], target: str) -> tuple[Counter, ...]:
    counters = []
    for column, column_plan in zip(table.columns, columns, strict=True):
        if column.identity and column_plan.moved:
            counters.append(Counter(target, column_plan.target, column.name, column.identity.increment))
    return tuple(counters)


def _row_key(table: Table, columns: tuple[ColumnPlan, ...]) -> tuple[str, ...]:
    usable = {c.source for c in columns if c.moved and not c.converted and not c.mapping.operand}
    for index in sorted(table.indexes, key=lambda i: not i.primary):
        names = tuple(p.column for p in index.parts)
        only_columns = all(names) and not index.where and not any(p.expression for p in index.parts)
        if not (index.unique or index.primary) or not only_columns or not set(names) <= usable:
            continue
        if index.primary or not any(table.column(n).nullable for n in names):
            return names
    return ()


# -- columns ----------------------------------------------------------------------------------------------------------


def _column(draft: Draft, table: Table, column: Column, target: str, spelling: NameSpace) -> ColumnPlan:
    place = (table.schema, table.name, column.name)
    decided, ddl = draft.options.decided(*place), draft.target.ddl
    preferred = decided.target_column if decided and decided.target_column else draft.spelled(column.name)
    name = spelling.claim(preferred)
    counts = draft.profile.violations.get(place, {})
    family = draft.families.get(place)
    mapped, converted = mapped_column(draft, table, column, counts, decided, family)
    mapped = overridden_mapping(draft, table, column, mapped)
    _too_large(draft, place, column, mapped, family)
    type_name = _type_name(draft, table, f"{target}_{name}", mapped, family)
    type_text = mapped.target_type.replace("{type}", type_name)
    target_type = ddl.of_type(mapped.target_type, type_name)
    for suffix, rule in mapped.checks:
        check = draft.constraint(target, f"{target}_{name}_{suffix}")
        sql = ddl.add_constraint(target, check, ddl.check_clause(ddl.of_column(rule, name)))
        draft.add_statement(Stage.TABLES, "check", check, target, sql)
    confidence = min(mapped.confidence, 75) if converted else mapped.confidence
    nullable = column.nullable or any(c.rule == "Null" for c in converted) or _holds_null(draft, place, column, counts)
    return ColumnPlan(
        source=column.name,
        target=name,
        source_type=column.type.text or "(none)",
        target_type=target_type,
        mapping=replace(mapped, nullable=nullable),
        nullable=nullable,
        decision=decision_for(draft, confidence, decided),
        confidence=confidence,
        reasons=(*mapped.reasons, *_spelling_reason(column.name, name)),
        transformation=column.expression or mapped.transformation,
        generated=_generated(draft, table, column, target),
        stored=column.stored or not draft.native,
        identity=ddl.identity_clause(column.identity, type_text) if column.identity else "",
        converted=converted,
        comment=column.comment,
        collate=column.collate,
    )


def _holds_null(draft: Draft, place: Place, column: Column, counts: Counts[Violation, int]) -> bool:
    """Whether a column that must not be NULL holds NULL in the source; NULL is allowed in the target then, which is a risk."""
    count = counts.get(Violation.NULL, 0)
    if count and not column.nullable:
        text = f"{counted(count, 'row', 'hold')} NULL, although the column is declared NOT NULL; the target allows NULL in it"
        draft.add_risk(Severity.HIGH, "NullInKey", ".".join(word for word in place if word), text, NULL_ADVICE)
    return bool(count)


def _type_name(draft: Draft, table: Table, preferred: str, mapped: Mapping, family: KeyFamily | None) -> str:
    """Return the name of the type that a column needs, and add the statement that creates it unless a related column shares it."""
    if not mapped.type_statement:
        return ""
    shared = (family.number, mapped.type_statement) if family else None
    if shared in draft.shared_types:
        return draft.shared_types[shared]
    type_name = draft.types.claim(preferred, table.schema)
    if shared:
        draft.shared_types[shared] = type_name
    sql = draft.target.ddl.of_type(mapped.type_statement, type_name)
    draft.add_statement(Stage.PREPARE, "type", type_name, draft.names[table.schema, table.name], sql, essential=True)
    return type_name


def _too_large(draft: Draft, place: Place, column: Column, mapped: Mapping, family: KeyFamily | None) -> None:
    """Keys that no integer type of the target stores: by policy all related columns are widened, or the plan is blocked."""
    count = draft.profile.violations.get(place, {}).get(Violation.OUT_OF_RANGE, 0)
    members = tuple(family.columns.values()) if family else (column,)
    counted_up = any(c.identity for c in members)
    if not count or not draft.engine.capabilities.typed_values or not (family or counted_up):
        return
    label, kind = ".".join(word for word in place if word), mapped.target_type
    description = f"{counted(count, 'row', 'hold')} integers of 2^63 or more, which no integer type of the target stores"
    if draft.options.policies.out_of_range == "Fail":
        advice = f"Give these rows smaller values in the source, or set spec.data.policies.outOfRange: Widen ({kind}, without a counter)."
        draft.add_risk(Severity.BLOCKER, "OutOfRange", label, description, advice)
        return
    connected = f", like {family.other_columns(place)}, which foreign keys connect with it" if family and len(members) > 1 else ""
    without_counter = "; that type has no counter, so every INSERT must give a value" if counted_up else ""
    draft.add_risk(
        Severity.HIGH if counted_up else Severity.MEDIUM,
        "OutOfRange",
        label,
        f"{description}: it becomes {kind}{connected}{without_counter}",
        "Give these rows smaller values in the source and plan again (bigint), or approve the plan.",
    )


def overridden_mapping(draft: Draft, table: Table, column: Column, mapped: Mapping) -> Mapping:
    """Return the mapping of an override; an override that the source rejects is a blocker."""
    place = (table.schema, table.name, column.name)
    override = draft.profile.overrides.get(place)
    if override is None:
        return mapped
    label = ".".join(word for word in place if word)
    if override.refused:
        advice = "Correct the expression in the TablePlan, or remove the decision."
        draft.add_risk(Severity.BLOCKER, "Override", label, f"the override is rejected: {override.refused}", advice)
        return mapped
    for other in table.columns:
        if other.generated is not None and uses(other.generated, draft.catalog.engine, (column.name,)):
            draft.add_risk(
                Severity.BLOCKER,
                "Override",
                f"{'.'.join(word for word in place[:2] if word)}.{other.name}",
                f"it is computed from {column.name}, which has other values in the target",
                "Exclude it in the TablePlan, or remove the override.",
            )
    return replace(
        mapped, operand=f"({column.expression})", reasons=(*mapped.reasons, *override_reasons(draft.profile.overrides, place))
    )


def _spelling_reason(source: str, target: str) -> tuple[str, ...]:
    return () if source == target else (f"spelled {target} in the target",)


def decision_for(draft: Draft, confidence: int, decided: ColumnDecision | None) -> Decision:
    """Return the decision about a column: from a TablePlan, or from the confidence of its mapping."""
    if decided:
        word = {"Approve": Decision.APPROVED, "Override": Decision.APPROVED, "Exclude": Decision.EXCLUDED}
        return word.get(decided.decision, Decision.REJECTED)
    return Decision.AUTO if confidence >= draft.options.auto_approve_percent else Decision.NEEDS_REVIEW


def mapped_column(
    draft: Draft,
    table: Table,
    column: Column,
    counts: Counts[Violation, int],
    decided: ColumnDecision | None,
    family: KeyFamily | None = None,
) -> tuple[Mapping, tuple[Converted, ...]]:
    """Return the mapping of a column into a new table, and the values that rules convert. `family`: whose type it shares."""
    label = f"{table.schema + '.' if table.schema else ''}{table.name}.{column.name}"
    dialect, mapping = draft.engine.dialect, draft.target.types.mapping
    if draft.native:
        if unresolved := counts.get(Violation.UNRESOLVED, 0):
            text = f"{counted(unresolved, 'row', 'name')} an object that does not exist on the target when the rows are copied"
            advice = "Change the column to text on the source, or exclude it with a TablePlan decision."
            draft.add_risk(Severity.BLOCKER, "Unresolved", label, text, advice)
        return mapping(dialect.mapping(column, ColumnFacts({}, {}))), ()
    rules = rules_for(column, counts, draft.options.policies, decided)
    relatives = (tuple(family.columns.values()), family.counts) if family else ((), {})
    facts = ColumnFacts(counts, rules, *relatives)
    try:
        mapped = mapping(dialect.mapping(column, facts))
    except KeyError:
        draft.add_risk(
            Severity.BLOCKER,
            "UnknownType",
            label,
            f"no target type is known that can store all values of type {column.type.text}",
            "Exclude the column with a TablePlan decision, or exclude the table.",
        )
        fallback = Column(column.name, ColumnType("text", "text"))
        mapped = mapping(dialect.mapping(fallback, facts))
    converted = []
    for kind, count in sorted(counts.items()):
        rule = rules.get(MISFITS.get(kind, kind))
        if (
            count
            and kind in DESCRIBED
            and rule
            and (kind not in MISFITS or (rule.action in {"Null", "Fail"} and kind is dialect.misfit_kind(column, facts)))
        ):
            converted.append(_conversion(draft, label, kind, count, rule.text, decided))
    return mapped, tuple(c for c in converted if c)


def _conversion(
    draft: Draft, label: str, kind: Violation, count: int, rule: str, decided: ColumnDecision | None
) -> Converted | None:
    if rule == "Fail":
        draft.add_risk(
            Severity.BLOCKER,
            kind.value[0].upper() + kind.value[1:],
            label,
            f"{counted(count, 'row', 'hold')} {DESCRIBED[kind]}",
            f"Set {settled_by(kind)}.",
        )
        return None
    draft.add_risk(
        Severity.MEDIUM if decided and decided.decision == "Approve" else Severity.HIGH,
        kind.value[0].upper() + kind.value[1:],
        label,
        f"{counted(count, 'row', 'hold')} {DESCRIBED[kind]}; the rule {rule} changes them",
        f"Approve the plan, or set another rule: {settled_by(kind)}.",
    )
    return Converted(kind.value, count, rule)


def ignores_case(column: Column) -> bool:
    """Whether the source compares the texts of a column without regard to case."""
    return column.type.collation.endswith("_ci")


def column_traits(draft: Draft, table: Table) -> ColumnTraits:
    """What the translation of an expression has to know of the columns of its table."""
    small = (c.name for c in table.columns if c.type.name in draft.engine.dialect.small_integers)
    return ColumnTraits(
        frozenset(small), frozenset(c.name for c in table.columns if (ignores_case(c) and not c.type.labels) or c.folded)
    )


def _generated(draft: Draft, table: Table, column: Column, target: str) -> str:
    if column.generated is None:
        return ""
    if draft.native:
        return column.generated
    translated = draft.target.ddl.translated(draft.catalog.engine, column.generated, draft.spelled, column_traits(draft, table))
    if translated.sql:
        return translated.sql
    draft.add_risk(
        Severity.HIGH,
        "GeneratedColumn",
        f"{target}.{column.name}",
        f"its expression cannot be translated ({translated.problem}); its values are copied, but it becomes an ordinary column,"
        " and new rows have no value in it",
        "Compute it in the application or in a trigger.",
    )
    return ""
