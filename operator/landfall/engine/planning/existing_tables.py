"""Filling existing tables: their definition stays, and the rows of the source are copied into the matching columns.

A filled table is staged as a copy of the existing definition, and replaces the existing table at the cutover. So no client sees a
partially filled table, and a rollback restores the empty table.
"""

from __future__ import annotations

import collections
from collections.abc import Mapping as Counts
from dataclasses import dataclass, replace

from landfall.engine.matching.name_similarity import same_name
from landfall.engine.matching.type_families import Kind, kind_of
from landfall.engine.model.catalog import Catalog, Column, ForeignKey, SourceObject, Table
from landfall.engine.model.fingerprint import digest, selected
from landfall.engine.model.mapping import Mapping, Violation
from landfall.engine.model.options import ColumnDecision, Mode
from landfall.engine.model.plan import ColumnPlan, Counter, Decision, Severity, Stage, TablePlan
from landfall.engine.planning import schema_objects
from landfall.engine.planning import tables as build
from landfall.engine.planning.certain_fits import CERTAIN, FilledColumn, assumes_utc, certain, certainty
from landfall.engine.planning.conversions import DESCRIBED, OVERRIDE, base_type, raw_name, recast
from landfall.engine.planning.free_sequences import followed_sequences, plan_free_sequences
from landfall.engine.planning.partitions import partitions_in_order
from landfall.engine.planning.tables import DROPPED, NO_ROLLBACK, OCCUPIED, RETAIN, Counterpart, Draft, SourceProfile
from landfall.engine.sources.registry import engine_of
from landfall.engine.targets.engine import Fit, UnfitError
from landfall.lib.text import counted, enumerated

Counterparts = Counts[tuple[str, str], Counterpart]
_DISPLACED = 70  # maximum confidence in percent if a column is matched although another one has its name
_NAMED = 5  # names in a risk of many columns
_CARRIED = frozenset({"sequence", "ownership", "statistics"})
_OF_THE_DEFINITION = frozenset(
    {
        *("ownership", "comment", "statistics", "row security", "revoke", "grant", "owner", "column setting", "table setting"),
        *("view default", "typed table", "constraint name"),
    }
)


def as_read(catalog: Catalog, counterparts: Counterparts) -> Catalog:
    """Return the source catalog with the types that the existing columns need and the foreign keys of the existing tables."""
    return replace(catalog, tables=tuple(_as_read(t, catalog, counterparts) for t in catalog.tables))


def _as_read(table: Table, catalog: Catalog, counterparts: Counterparts) -> Table:
    counterpart = counterparts.get((table.schema, table.name))
    if counterpart is None:
        return table
    columns = []
    for column in table.columns:
        pair = counterpart.pairs.get(column.name)
        columns.append(
            recast(column, counterpart.table.column(pair.target), engine_of(catalog.engine).dialect) if pair else column
        )
    if engine_of(catalog.engine).capabilities.speaks_target_sql:
        return replace(table, columns=tuple(columns))
    keys = tuple(_key_in_source(k, counterpart, counterparts) for k in counterpart.table.foreign_keys)
    return replace(table, columns=tuple(columns), foreign_keys=keys)


def _key_in_source(key: ForeignKey, counterpart: Counterpart, counterparts: Counterparts) -> ForeignKey:
    """A foreign key of the existing table with the names of the source; without columns if the source has no counterpart."""
    parent = next(((source_name, c) for source_name, c in counterparts.items() if c.table.name == key.ref_table), None)
    if parent is None or key.ref_schema not in {"", counterpart.table.schema}:
        return ForeignKey(key.name, (), "", "", ())
    (schema, name), other = parent
    columns = tuple(_stands_for(counterpart, c) for c in key.columns)
    parent_columns = tuple(_stands_for(other, c) for c in key.ref_columns)
    if not all(columns) or not all(parent_columns):
        return ForeignKey(key.name, (), "", "", ())
    return ForeignKey(key.name, columns, schema, name, parent_columns)


def _stands_for(counterpart: Counterpart, target: str) -> str:
    return next((source for source, pair in counterpart.pairs.items() if pair.target == target), "")


def reduced(draft: Draft) -> None:
    """Remove from the draft what the target already has, or with DataOnly everything except the tables to fill."""
    if draft.existing is None:
        return
    catalog, mode = draft.catalog, draft.options.mode
    draft.followed = followed_sequences(catalog, draft.existing)
    existing_names = {t.name for t in draft.existing.tables} | {v.name for v in draft.existing.views}
    views = []
    for view in catalog.views:
        if mode is Mode.DATA_ONLY or draft.spelled(view.name) in existing_names:
            text = (
                "the target has a view with this name, which is not changed" if mode is Mode.FULL else "DataOnly creates no views"
            )
            draft.add_risk(Severity.INFO, "ViewKept", view.name, text, "No action is required.")
        else:
            views.append(view)
    objects = _remaining_objects(draft, catalog, draft.existing) if mode is Mode.FULL else _none(draft, catalog)
    draft.catalog = replace(catalog, views=tuple(views), objects=objects)


def _remaining_objects(draft: Draft, catalog: Catalog, existing: Catalog) -> tuple[SourceObject, ...]:
    """The source's objects that the target does not have; each omitted one is a risk of the plan."""
    filled = {name for _, name in draft.counterparts}
    owned = {o.name for o in catalog.objects if o.kind == "ownership" and o.table in filled}
    existing_objects = {(o.kind, o.name) for o in existing.objects}
    remaining = []
    for thing in catalog.objects:
        label = f"{thing.table}.{thing.name}" if thing.table else f"{thing.name}{thing.signature}"
        if thing.kind in schema_objects.NAMES_IN_BODIES and thing.table in filled:
            continue  # the existing table has its own indexes and checks
        if not thing.definition:
            remaining.append(thing)  # an object that cannot be migrated is reported as in any other plan
        elif thing.table in filled and thing.kind not in _OF_THE_DEFINITION:
            text = f"the source's {thing.kind} is not migrated: the existing table keeps its own"
            draft.add_risk(
                Severity.LOW, "NotCarried", label, text, "Create it manually if the new application does not replace it."
            )
        elif thing.kind == "sequence" and thing.name in {name for _, name in draft.followed}:
            continue  # it has a risk of its own
        elif not thing.table and (thing.kind, thing.name) in existing_objects and thing.name not in owned:
            draft.add_risk(
                Severity.INFO,
                "ObjectKept",
                label,
                f"the target has a {thing.kind} with this name, which is not changed",
                "No action is required.",
            )
        elif thing.table not in filled and thing.name not in owned:
            remaining.append(thing)
    labels = {o.label for o in remaining if not o.of}
    return tuple(o for o in remaining if not o.of or o.of in labels or o.table)


def _none(draft: Draft, catalog: Catalog) -> tuple[SourceObject, ...]:
    """With DataOnly only rows are migrated; the plan lists what is not."""
    counts = collections.Counter(o.kind for o in catalog.objects if o.kind not in _OF_THE_DEFINITION)
    if counts:
        listed = ", ".join(f"{count} of kind {kind}" for kind, count in sorted(counts.items()))
        draft.add_risk(
            Severity.INFO,
            "NotCarried",
            "schema",
            f"DataOnly migrates only rows; not migrated: {listed}",
            "No action is required.",
        )
    return ()


def plan_tables(draft: Draft) -> tuple[TablePlan, ...]:
    """Plan every table, into the matching existing one or into a new one. Adds statements and risks to the draft."""
    tables = selected(draft.catalog, draft.options)
    existing = {t.name for t in draft.existing.tables} if draft.existing else set()
    for table in sorted(tables, key=lambda t: draft.spelled(t.name) != t.name):  # a name first goes to the table that has it
        counterpart = draft.counterparts.get((table.schema, table.name))
        if counterpart is None and draft.existing:
            _without_counterpart(draft, table, existing)
        draft.names[table.schema, table.name] = (
            counterpart.table.name if counterpart else draft.relation(draft.spelled(table.name), table.schema)
        )
    table_plans = []
    for number, table in enumerate(tables):
        counterpart = draft.counterparts.get((table.schema, table.name))
        draft.enter(table.schema)
        if counterpart is None:
            table_plan = build.new_table(draft, number, table)
            schema_objects.surround(draft, replace(table, unlogged=False), table_plan)
        else:
            table_plan = _Filling(draft, number, table, counterpart).planned_table()
        table_plans.append(table_plan)
    draft.enter("")
    _ask_for_the_time_zone(draft)
    plan_free_sequences(draft)
    partitions_in_order(draft)
    return tuple(table_plans)


def _ask_for_the_time_zone(draft: Draft) -> None:
    """One risk for all columns whose values get or lose a time zone, unless a TablePlan decides on the column."""
    if not draft.zoneless:
        return
    columns = enumerated(draft.zoneless, _NAMED)
    text = f"date and time values without a time zone are taken for UTC, and existing columns without one get the time in UTC: {columns}"
    advice = (
        "Approve the plan if the application writes UTC. Otherwise set decision: Override for these columns in a TablePlan, with an expression"
        " that converts the local time to UTC."
    )
    draft.add_risk(Severity.HIGH, "ZonelessTimes", counted(len(draft.zoneless), "column"), text, advice)


def _without_counterpart(draft: Draft, table: Table, existing: set[str]) -> None:
    label = f"{table.schema}.{table.name}" if table.schema else table.name
    advice = "Name the existing table (targetTable in a TablePlan), or exclude the table (spec.data.source.excludeTables)."
    if draft.options.mode is Mode.DATA_ONLY:
        draft.add_risk(Severity.BLOCKER, "NoCounterpart", label, "no existing table matches it", advice)
    elif draft.spelled(table.name) in existing:
        text = f"the target has a table {draft.spelled(table.name)}, which does not match it"
        draft.add_risk(Severity.BLOCKER, "TargetInTheWay", label, text, advice)
    else:
        text = "no existing table stands for it, so a new one is made"
        draft.add_risk(Severity.HIGH, "NewTable", label, text, f"Approve the plan if that is what you want. {advice}")


@dataclass(slots=True)
class _Filling:
    """Plans one table that fills an existing one."""

    draft: Draft
    number: int
    table: Table
    counterpart: Counterpart
    raws: tuple[tuple[str, str], ...] = ()

    def planned_table(self) -> TablePlan:
        """Return the planned table, and add the statements that create its staged copy."""
        draft, table, target = self.draft, self.table, self.counterpart.table
        columns = tuple(self._column(c) for c in table.columns)
        noted = replace(table, notes=()) if table.unlogged else table  # the existing table says whether it is unlogged
        table_plan = build.planned_table(draft, self.number, noted, target.name, columns)
        form = "text" if draft.native and any(c.target_type != c.source_type for c in columns if c.moved) else table_plan.form
        self._structure()
        self._about(table_plan.label)
        return replace(table_plan, form=form, counters=self._counters(columns))

    def _add_risk(self, severity: Severity, kind: str, affected: str, description: str, mitigation: str) -> None:
        self.draft.add_risk(severity, kind, affected, description, mitigation)

    # -- columns ------------------------------------------------------------------------------------------------------

    def _column(self, column: Column) -> ColumnPlan:
        draft, table = self.draft, self.table
        label = ".".join(word for word in (table.schema, table.name, column.name) if word)
        decided = draft.options.decided(table.schema, table.name, column.name)
        counts = draft.profile.violations.get((table.schema, table.name, column.name), {})
        pair = self.counterpart.pairs.get(column.name)
        if (decided and decided.decision == "Exclude") or pair is None:
            return self._left_out(column, label, decided)
        existing_column = self.counterpart.table.column(pair.target)
        mapped, converted = build.mapped_column(draft, table, column, counts, decided)
        mapped = build.overridden_mapping(draft, table, column, mapped)
        fit = self._fit(mapped, column, existing_column, label)
        for kind, count in sorted(counts.items()):
            if count and kind in DESCRIBED and (kind is not Violation.NOT_BOOLEAN or _counts_truths(draft, existing_column)):
                text = DESCRIBED[kind].format(n=counted(count, "row", "hold"), w=base_type(existing_column))
                self._add_risk(Severity.BLOCKER, kind.value[0].upper() + kind.value[1:], label, text, OVERRIDE)
        utc = assumes_utc(mapped.target_type, existing_column) and fit.confidence > 0
        if utc and decided is None:
            self.draft.zoneless.append(label)
        sure = CERTAIN if utc else fit.confidence  # one risk of the plan asks for the time zone of all columns
        filled = FilledColumn((table, self.counterpart.table), column, existing_column, sum(counts.values()) + len(converted))
        certainty = self._certainty(filled)
        confidence = certain(mapped.confidence, sure, certainty) or min(
            pair.confidence, sure, mapped.confidence, 75 if converted else 100
        )
        displaced = () if decided and decided.target_column else self._displaced(column.name, existing_column.name)
        if fit.raw:
            self.raws = (*self.raws, (existing_column.name, fit.raw))
        return ColumnPlan(
            source=column.name,
            target=raw_name(existing_column.name) if fit.raw else existing_column.name,
            source_type=column.type.text or "(none)",
            target_type=fit.raw or existing_column.type.text,
            mapping=replace(fit.mapping, nullable=column.nullable or any(c.rule == "Null" for c in converted)),
            nullable=existing_column.nullable,
            decision=Decision.NEEDS_REVIEW if displaced and decided is None else build.decision_for(draft, confidence, decided),
            confidence=min(confidence, _DISPLACED) if displaced else confidence,
            reasons=(*pair.reasons, *displaced, *fit.reasons, *([certainty] if certainty else _rivals(pair.rivals))),
            transformation=column.expression or mapped.transformation or ("::jsonb" if fit.raw else ""),
            generated=existing_column.generated or "",
            stored=existing_column.stored,
            converted=converted,
            final=existing_column.name if fit.raw else "",
            final_type=existing_column.type.text if fit.raw else "",
        )

    def _certainty(self, filled: FilledColumn) -> str:
        existing, rows = self.draft.existing, self.draft.profile.rows.get((self.table.schema, self.table.name), 0)
        return certainty(filled, rows, existing, self.draft.engine) if existing else ""

    def _displaced(self, source: str, target: str) -> tuple[str, ...]:
        """Why a matched pair needs review: the other side has another column with one of the two names."""
        if same_name(source, target):
            return ()
        reasons = (
            [f"the target also has a column {source}"] if any(same_name(source, c.name) for c in self._existing_columns) else []
        )
        reasons += (
            [f"the source also has a column {target}"] if any(same_name(target, c.name) for c in self.table.columns) else []
        )
        return tuple(reasons)

    @property
    def _existing_columns(self) -> tuple[Column, ...]:
        return self.counterpart.table.columns

    def _left_out(self, column: Column, label: str, decided: ColumnDecision | None) -> ColumnPlan:
        excluded = decided is not None and decided.decision == "Exclude"
        if not excluded and not (decided and decided.target_column):  # `unknown_names` reports an invalid name
            unused = ", ".join(c.name for c in self.counterpart.table.columns if c.name not in self._matched_names())
            text = f"no column of {self.counterpart.table.name} matches it" + (f"; unused columns: {unused}" if unused else "")
            advice = "Name one (targetColumn in a TablePlan), or exclude the column."
            self._add_risk(Severity.BLOCKER, "NoCounterpart", label, text, advice)
        kind = column.type.text
        return ColumnPlan(
            source=column.name,
            target="",
            source_type=kind or "(none)",
            target_type="",
            mapping=Mapping("", "", quoted=False, check_source="", check_target=""),
            nullable=True,
            decision=Decision.EXCLUDED if excluded else Decision.NEEDS_REVIEW,
            confidence=100 if excluded else 0,
            reasons=() if excluded else ("no column of the existing table is similar",),
        )

    def _matched_names(self) -> set[str]:
        return {pair.target for pair in self.counterpart.pairs.values()}

    def _fit(self, mapped: Mapping, column: Column, existing_column: Column, label: str) -> Fit:
        try:
            return self.draft.target.types.fitted(mapped, column, existing_column, self.draft.engine)
        except UnfitError as error:
            self._add_risk(Severity.BLOCKER, "Type", label, f"{error}", OVERRIDE)
            return Fit(mapped, 0)

    # -- the existing table -------------------------------------------------------------------------------------------

    def _structure(self) -> None:
        """Add the statements that create the staged table with the definition of the existing one."""
        draft, target, existing = self.draft, self.counterpart.table, self.draft.existing
        if existing is None:
            return
        orphans = {
            (target.schema, target.name, at): draft.profile.orphans.get((self.table.schema, self.table.name, at), 0)
            for at in range(len(target.foreign_keys))
        }
        native = Draft(existing, replace(draft.options, decisions=()), SourceProfile(orphans=orphans), draft.target)
        native.statements, native.risks = draft.statements, []
        native.names = {(t.schema, t.name): t.name for t in existing.tables}
        native.names |= {(k.ref_schema, k.ref_table): k.ref_table for k in target.foreign_keys}
        self._objects(existing, before=True)
        native_table = build.new_table(native, self.number, target)
        first = len(draft.statements)
        schema_objects.surround(native, target, self._with_raws(native_table))
        for at in range(first, len(draft.statements)):
            statement = draft.statements[at]
            if statement.kind == "default":
                draft.statements[at] = replace(statement, stage=Stage.TABLES)
        self._objects(existing, before=False)
        draft.risks += [r for r in native.risks if r.kind == "Orphans"]
        for note in () if target.unlogged else target.notes:
            text = note.replace(" on the source", "")
            self._add_risk(
                Severity(target.note_severity), "TableFeature", target.name, text, "Approve the plan if that is what you want."
            )

    def _with_raws(self, native_table: TablePlan) -> TablePlan:
        """`jsonb` columns are computed from a staged text column, which is dropped at the cutover."""
        columns = list(native_table.columns)
        ddl = self.draft.target.ddl
        for name, kind in self.raws:
            at = next(n for n, c in enumerate(columns) if c.target == name)
            raw = raw_name(name)
            columns.append(replace(columns[at], source=raw, target=raw, target_type=kind, nullable=True, comment="", collate=""))
            columns[at] = replace(columns[at], generated=ddl.converted(raw, columns[at].target_type), stored=True)
            default = self.counterpart.table.column(name).default or ""
            for sql in ddl.settle_converted(native_table.target, name, raw, default):
                self.draft.add_statement(Stage.SWAP, "staged text", name, native_table.target, sql, essential=True)
        return replace(native_table, columns=tuple(columns))

    def _objects(self, existing: Catalog, *, before: bool) -> None:
        """Sequences that the table owns, and its extended statistics."""
        name = self.counterpart.table.name
        owned = self._owned(existing)
        for thing in existing.objects:
            belongs = thing.name in owned if thing.kind == "sequence" else thing.table == name
            stage = schema_objects.STAGES.get(thing.kind, Stage.LAST)
            if thing.kind in _CARRIED and belongs and (stage is Stage.PREPARE) is before:
                self.draft.add_statement(
                    stage, thing.kind, thing.name, name, thing.definition, essential=thing.kind != "statistics"
                )

    def _owned(self, existing: Catalog) -> set[str]:
        """The sequences that the table owns."""
        return {o.name for o in existing.objects if o.kind == "ownership" and o.table == self.counterpart.table.name}

    def _counters(self, columns: tuple[ColumnPlan, ...]) -> tuple[Counter, ...]:
        """Sequences of the columns that are filled, whether or not the source has a counter."""
        counters = []
        for column_plan in columns:
            if not column_plan.moved or column_plan.final:
                continue
            existing_column = self.counterpart.table.column(column_plan.target)
            counted = self.table.column(column_plan.source).identity
            if existing_column.identity or (existing_column.default or "").startswith("nextval("):
                step = existing_column.identity.increment if existing_column.identity else 1
                counters.append(
                    Counter(self.counterpart.table.name, column_plan.target, column_plan.source if counted else "", step)
                )
        return tuple(counters)

    def _about(self, label: str) -> None:
        """Add the risks of the existing table."""
        target, sure = self.counterpart.table, self.counterpart.confidence
        if sure < CERTAIN:
            text = (
                f"no table of the target has its name; taken for {target.name} at {sure} %: {', '.join(self.counterpart.reasons)}"
            )
            advice = "If it is another one, name it (targetTable in a TablePlan), or exclude the table (spec.data.source.excludeTables)."
            low = sure < self.draft.options.auto_approve_percent
            self._add_risk(Severity.HIGH if low else Severity.LOW, "Counterpart", label, text, advice)
        noun = "table" if self.counterpart.occupied else "empty table"
        text = f"the {noun} is filled from {label}; it keeps its definition, indexes, keys and triggers, and those of the source are not migrated"
        restored = f"A rollback restores the {noun}."
        self._add_risk(
            Severity.INFO, "Filled", target.name, text, restored if self.draft.options.retention_seconds else NO_ROLLBACK
        )
        if self.counterpart.occupied:
            self._about_rows(label)
        if target.kind == "partitioned" or target.partition_of or target.inherits:
            advice = "Use onExisting: Replace for it, or exclude the source table."
            self._add_risk(
                Severity.BLOCKER, "Partitioned", target.name, "a partitioned or inherited table cannot be filled", advice
            )
        for column in target.columns:
            if column.name not in self._matched_names() and column.generated is None:
                self._about_rest(column)

    def _about_rows(self, label: str) -> None:
        name = self.counterpart.table.name
        if self.draft.options.rows_of_existing(self.table.schema, self.table.name) == "SetAside":
            text = f"its rows are set aside, and it is filled from {label}"
            if self.draft.options.retention_seconds:
                self._add_risk(Severity.MEDIUM, "RowsSetAside", name, text, "A rollback restores them.")
            else:
                self._add_risk(Severity.HIGH, "RowsSetAside", name, f"{text}; the former rows are lost: {DROPPED}", RETAIN)
            return
        advice = "Set existingRows: SetAside in a TablePlan or spec.data.policies.existingRows for all tables, empty it, or exclude the source table."
        self._add_risk(Severity.BLOCKER, OCCUPIED, name, f"{label} would fill it, but it has rows", advice)

    def _about_rest(self, column: Column) -> None:
        label = f"{self.counterpart.table.name}.{column.name}"
        if column.nullable or column.default is not None or column.identity:
            value = "a value of its own" if column.identity else column.default or "NULL"
            text = f"no column of the source matches it; every row gets {value}"
            self._add_risk(Severity.INFO, "Unfilled", label, text, "No action is required.")
            return
        text = "no column of the source matches it, it does not allow NULL, and it has no default"
        advice = "Name one (targetColumn in a TablePlan), or give it a default."
        self._add_risk(Severity.BLOCKER, "Unfilled", label, text, advice)


def _counts_truths(draft: Draft, existing_column: Column) -> bool:
    """Whether values other than 0 and 1 must be counted. In an untyped source, the type of a new column implies it already."""
    return kind_of(base_type(existing_column)) is Kind.BOOLEAN and draft.engine.capabilities.typed_values


def _rivals(names: tuple[str, ...]) -> tuple[str, ...]:
    return (f"other candidates: {', '.join(names)}",) if names else ()


def digests(existing: Catalog, counterparts: Counterparts) -> tuple[tuple[str, str], ...]:
    """Return the existing tables that are filled, each with the digest of its definition."""
    return tuple(sorted((c.table.name, digest(existing, c.table.name)) for c in counterparts.values()))
