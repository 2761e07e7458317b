"""The whole plan from its parts, and its revision after the target has said which statements it takes."""

from __future__ import annotations

import json
from collections.abc import Mapping as Counts
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from landfall.engine.options import Endpoint, Engine, Mode, OnExisting, Options, Quiesce
from landfall.engine.planning import ddl, fill, structure
from landfall.engine.planning.build import Census, Counterpart, Draft, excluded, fingerprint, selected
from landfall.engine.planning.model import Decision, Plan, Replaced, Risk, Severity, Stage, Statement, TablePlan
from landfall.engine.schema.model import Catalog
from landfall.engine.schema.names import NameSpace, quoted

_ROWS_PER_SECOND = {"csv": 250_000, "text": 200_000, "binary": 350_000}
_BYTES_PER_SECOND = 80_000_000
_CHECK_BYTES_PER_SECOND = 150_000_000
_CHECK_ROWS_PER_SECOND = {"csv": 600_000, "text": 1_200_000, "binary": 1_200_000}
_INDEXED_ROWS_PER_SECOND = 2_500_000  # of each index
XML_MISSING = "the target was built without support for xml values"
_MEMORY_FLOOR = 90 * 1024 * 1024
_COPIES_OF_A_ROW = 4


@dataclass(frozen=True, slots=True)
class TargetFacts:
    """What planning needs to know of the target."""

    version: str
    version_number: int
    relations: frozenset[str]
    types: frozenset[str]
    routines: frozenset[str]
    in_the_way: tuple[Replaced, ...]
    extensions: frozenset[str]
    available_extensions: frozenset[str]
    problems: tuple[str, ...] = ()
    lock_slots: int = 0
    shadows: tuple[tuple[str, str], ...] = ()
    creators: tuple[str, ...] = ()
    powers: str = ""


@dataclass(frozen=True, slots=True)
class Looked:
    """What planning knows besides: the source's catalog as it was read, the target's, and which tables stand for which."""

    plain: Catalog
    existing: Catalog | None = None
    counterparts: Counts[tuple[str, str], Counterpart] = field(default_factory=dict)


def draft_plan(
    catalog: Catalog,
    census: Census,
    options: Options,
    target: TargetFacts,
    ends: tuple[Endpoint, Endpoint],
    looked: Looked,
) -> Plan:
    """The plan before it was proven on the target."""
    draft = Draft(catalog, options, census, existing=looked.existing, counterparts=looked.counterparts)
    fill.reduced(draft)
    catalog = draft.catalog
    replacing = {r.name for r in target.in_the_way}
    draft.relations = NameSpace(() if draft.native else target.relations - replacing)
    draft.types = NameSpace(target.types)
    draft.routines = NameSpace(target.routines)
    structure.objects(draft, before=True)
    tables = fill.plan_tables(draft)
    if looked.existing:
        draft.risks += fill.unknown_words(options, catalog, looked.existing, looked.counterparts)
    structure.objects(draft, before=False)
    structure.views(draft)
    _preflight(draft, target, tables)
    _column_risks(draft, tables)
    statements = tuple(replace(s, number=n) for n, s in enumerate(draft.statements))
    plan = Plan(
        engine=catalog.engine,
        source=ends[0].identity,
        target=ends[1].identity,
        source_version=catalog.version,
        target_version=target.version,
        target_version_number=target.version_number,
        target_schema=options.target_schema,
        on_existing=options.on_existing.value,
        mode=options.mode.value,
        quiesce="",
        tables=tables,
        statements=statements,
        risks=(),
        replaced=target.in_the_way,
        sequences=tuple((o.detail, o.name) for o in catalog.objects if o.kind == "sequence" and o.detail),
        filled=fill.digests(looked.existing, looked.counterparts) if looked.existing else (),
        fingerprint=_fingerprint_digest(looked.plain, options),
        packet_bytes=catalog.packet_bytes,
    )
    plan = _with_estimates(plan, options)
    plan, risks = _with_quiesce(plan, options, catalog)
    return plan.with_risks((*draft.risks, *risks))


def heeded(plan: Plan, options: Options) -> Plan:
    """The plan with approvals that named a mapping by its digest taken back where the mapping is another one now."""
    tables = []
    for table in plan.tables:
        columns = []
        for column in table.columns:
            said = options.decided(table.schema, table.name, column.source)
            if said and said.digest and said.decision == "Approve" and said.digest != column.digest():
                reason = f"it was approved as {said.digest} and has changed since"
                columns.append(replace(column, decision=Decision.NEEDS_REVIEW, reasons=(*column.reasons, reason)))
            else:
                columns.append(column)
        tables.append(replace(table, columns=tuple(columns)))
    return replace(plan, tables=tuple(tables))


def wanted_names(catalog: Catalog, options: Options) -> frozenset[str]:
    """The names of tables and views that the migration brings into the target schema."""
    draft = Draft(catalog, options, Census())
    tables = {draft.spelled(t.name) for t in selected(catalog, options)}
    return frozenset(tables | {draft.spelled(v.name) for v in catalog.views if not excluded(v.name, options.exclude_tables)})


def _fingerprint_digest(catalog: Catalog, options: Options) -> str:
    return json.dumps(fingerprint(catalog, options), sort_keys=True)


def changed_objects(plan: Plan, catalog: Catalog, options: Options) -> tuple[str, ...]:
    """The objects of the source that are no longer as they were planned, by name."""
    before: dict[str, str] = json.loads(plan.fingerprint)
    now = fingerprint(catalog, options)
    return tuple(sorted(name for name in before.keys() | now.keys() if before.get(name) != now.get(name)))


def _preflight(draft: Draft, target: TargetFacts, tables: Sequence[TablePlan]) -> None:
    for table in tables if XML_MISSING in target.problems else ():
        for column in table.columns:
            if column.target_type == "xml" and column.moved:
                advice = "Use a target with libxml, or exclude the column in a TablePlan."
                draft.warn(Severity.BLOCKER, "Feature", f"{table.label}.{column.source}", XML_MISSING, advice)
    for problem in (*draft.catalog.problems, *(p for p in target.problems if p != XML_MISSING)):
        draft.warn(Severity.BLOCKER, "Privilege", "credential", problem, "Grant it to the credential of the Connection.")
    _trust(draft, target)
    _extensions(draft, target)
    _in_the_way(draft, target)
    objects = 2 * (len(tables) + sum(len(t.counters) for t in tables) + len(draft.catalog.views) + len(target.in_the_way))
    if target.lock_slots and objects > target.lock_slots // 2:
        draft.warn(
            Severity.BLOCKER,
            "Locks",
            "cutover",
            f"the cutover needs about {objects} locks at once; the target has room for {target.lock_slots}, shared with everybody",
            "Raise max_locks_per_transaction on the target, or move fewer tables at a time.",
        )
    largest = max((t.largest_row for t in tables), default=0)
    if _MEMORY_FLOOR + largest * _COPIES_OF_A_ROW > draft.options.memory_bytes:
        draft.warn(
            Severity.BLOCKER,
            "Memory",
            "largest row",
            f"the largest row has {largest} octets, which does not fit the memory budget of {draft.options.memory_bytes}",
            "Raise spec.data.limits.memoryBytes.",
        )


def _trust(draft: Draft, target: TargetFacts) -> None:
    """Who else could have code of theirs run by this credential in the target."""
    schema = draft.options.target_schema
    for name, owner in target.shadows if draft.native or draft.options.on_existing is OnExisting.FILL else ():
        text = f"it belongs to {owner} and could be run in place of the system's own function or operator, with the credential's rights"
        advice = f"Drop it or move it to another schema, and REVOKE CREATE ON SCHEMA {quoted(schema)} FROM {owner}."
        draft.warn(Severity.BLOCKER, "Shadowed", name, text, advice)
    if target.creators:
        text = f"{', '.join(target.creators)} may create in it: functions created there can come to be called by what is moved"
        advice = f"REVOKE CREATE ON SCHEMA {quoted(schema)} FROM them, or move into a schema of its own."
        draft.warn(Severity.MEDIUM, "OpenSchema", schema, text, advice)
    if target.powers:
        text = f"the target's credential is {target.powers}: whatever of the source is run there could reach the server's files"
        advice = "Use a role that owns the target schema and has CREATE on the database, and no more."
        draft.warn(Severity.LOW, "Superuser", "credential", text, advice)


def _extensions(draft: Draft, target: TargetFacts) -> None:
    for extension in draft.catalog.extensions:
        if extension in target.extensions:
            continue
        if extension in target.available_extensions:
            advice = f'Run CREATE EXTENSION "{extension}" on the target.'
        else:
            advice = f"Install the packages of {extension} on the target's server, then CREATE EXTENSION."
        draft.warn(Severity.BLOCKER, "Extension", extension, f"the target lacks the extension {extension}", advice)


def _in_the_way(draft: Draft, target: TargetFacts) -> None:
    for replaced in target.in_the_way:
        if draft.options.on_existing is OnExisting.FAIL:
            draft.warn(
                Severity.BLOCKER,
                "TargetInTheWay",
                replaced.name,
                f"the target has a {replaced.kind} {replaced.name} already",
                "Move it away, or set spec.data.target.onExisting: Replace to keep it aside.",
            )
            continue
        if draft.options.on_existing is OnExisting.REPLACE:
            draft.warn(
                Severity.MEDIUM,
                "Replaced",
                replaced.name,
                f"the {replaced.kind} {replaced.name} of the target is moved aside, with {len(replaced.dependants)} dependants put on the new one",
                "It is kept until the retention ends; rollback brings it back.",
            )
        for dependant in replaced.dependants:
            if not dependant.supported:
                draft.warn(
                    Severity.BLOCKER,
                    "Dependant",
                    dependant.name,
                    f"the {dependant.kind} {dependant.name} depends on {replaced.name} and cannot be put on the new one",
                    "Drop it before the migration and create it again afterwards.",
                )


def _column_risks(draft: Draft, tables: Sequence[TablePlan]) -> None:
    for table in tables:
        for column in table.columns:
            label = f"{table.label}.{column.source}"
            if column.decision is Decision.REJECTED:
                draft.warn(
                    Severity.BLOCKER, "Rejected", label, "its mapping was rejected", "Override or exclude it in the TablePlan."
                )
            elif column.decision is Decision.EXCLUDED:
                draft.warn(Severity.INFO, "Excluded", label, "the column is left out by decision", "Nothing to do.")
    known = {(t.name, c.source) for t in tables for c in t.columns}
    for decided in draft.options.decisions:
        if (decided.table, decided.column) not in known:
            draft.warn(
                Severity.BLOCKER,
                "UnknownColumn",
                f"{decided.table}.{decided.column}",
                "a TablePlan decides about a column that the source does not have",
                "Correct the TablePlan.",
            )


# -- estimates --------------------------------------------------------------------------------------------------------


def _with_estimates(plan: Plan, options: Options) -> Plan:
    tables = tuple(replace(t, estimates=_of_table(plan, t)) for t in plan.tables)
    moved = [t for t in tables if t.moved]
    rows = sum(t.rows for t in moved)
    size = sum(t.bytes for t in moved)
    copy, check = _seconds(moved)
    if options.rows_per_second:
        copy = max(copy, rows / options.rows_per_second)
    if options.bytes_per_second:
        copy = max(copy, size / options.bytes_per_second)
    freeze = 1 + check * 1.5
    estimates = {
        "tables": len(moved),
        **{part: sum(t.estimates[part] for t in moved) for part in ("columns", "relationships", "transformations")},
        "rows": rows,
        "bytes": size,
        "schemaSeconds": 1 + len(plan.statements) // 200,
        "copySeconds": round(copy + 0.5),
        "indexSeconds": round(sum(_indexing(plan, t) for t in moved) + 0.5),
        "validationSeconds": round(check + 0.5),
        "cutoverSeconds": 1,
    }
    return replace(plan, tables=tables, estimates=estimates, freeze_seconds=round(freeze + 0.5))


def _seconds(tables: Sequence[TablePlan]) -> tuple[float, float]:
    """How long the copy and the comparison of tables take."""
    size = sum(t.bytes for t in tables)
    copy = max(sum(t.rows / _ROWS_PER_SECOND[t.form] for t in tables), size / _BYTES_PER_SECOND)
    return copy, max(sum(t.rows / _CHECK_ROWS_PER_SECOND[t.form] for t in tables), size / _CHECK_BYTES_PER_SECOND)


def _indexing(plan: Plan, table: TablePlan) -> float:
    """How long the indexes of a table take."""
    built = sum(1 for s in plan.of_stage(Stage.INDEXES) if s.table == table.target)
    return table.rows * built / _INDEXED_ROWS_PER_SECOND


def _of_table(plan: Plan, table: TablePlan) -> dict[str, int]:
    copy, check = _seconds([table]) if table.moved else (0.0, 0.0)
    return {
        "columns": len(table.columns),
        "relationships": sum(1 for s in plan.statements if s.kind == "foreign key" and s.table == table.target),
        "transformations": sum(1 for c in table.columns if c.transformation),
        "copySeconds": round(copy + 0.5),
        "indexSeconds": round(_indexing(plan, table) + 0.5),
        "validationSeconds": round(check + 0.5),
    }


def _with_quiesce(plan: Plan, options: Options, catalog: Catalog) -> tuple[Plan, tuple[Risk, ...]]:
    risks: list[Risk] = []
    chosen = options.quiesce
    seconds, limit = plan.freeze_seconds, options.freeze_limit_seconds
    if chosen is None:
        chosen = Quiesce.ENGINE
        if seconds > limit:
            text = f"writers would be locked out for about {seconds} s, which is over {limit} s"
            advice = "Approve it, or set spec.data.source.quiesce to Engine, Confirm or None."
            risks.append(Risk(Severity.HIGH, "Freeze", "source", text, advice))
    if chosen is Quiesce.ENGINE and "freeze" not in catalog.features and options.mode is not Mode.SCHEMA_ONLY:
        advice = "Grant what is named, or set spec.data.source.quiesce to Confirm or None."
        what = {
            Engine.POSTGRESQL: "UPDATE, DELETE or TRUNCATE on the tables",
            Engine.SQLITE: "write access to the file and its folder",
        }.get(Engine(catalog.engine), "LOCK TABLES")
        risks.append(Risk(Severity.BLOCKER, "Privilege", "freeze", f"quiesce: Engine needs {what} on the source", advice))
    if chosen is Quiesce.NONE:
        text = "nothing keeps writers away: rows written after the last snapshot stay behind"
        risks.append(Risk(Severity.HIGH, "NotQuiesced", "source", text, "Approve it, or use quiesce: Engine."))
    return replace(plan, quiesce=chosen.value), tuple(risks)


# -- after the proof --------------------------------------------------------------------------------------------------


def settle(plan: Plan, refused: Counts[int, str], order: Sequence[tuple[int, Stage]]) -> Plan:
    """The plan without what the target refused, in the order and at the stage that worked, with a risk for each loss.

    A table is never given up: one that was refused because of a generated column gets an ordinary one instead.
    """
    by_number = {s.number: s for s in plan.statements}
    risks: list[Risk] = []
    tables = list(plan.tables)
    kept = [replace(by_number[n], stage=stage) for n, stage in order if n not in refused]
    if any(by_number[n].kind == "table" for n in refused):
        # What failed besides may only have missed its table; it gets another try once the table stands.
        kept += [by_number[n] for n in refused if by_number[n].kind != "table"]
        refused = {n: p for n, p in refused.items() if by_number[n].kind == "table"}
    for number, problem in sorted(refused.items()):
        statement = by_number[number]
        if statement.kind == "table":
            revised = _plain_table(tables, statement, problem, risks, {name for name, _ in plan.filled})
            kept.insert(0, revised)
            continue
        label = statement.describes or statement.name
        if statement.essential:
            risks.append(
                Risk(
                    Severity.BLOCKER,
                    "Refused",
                    label,
                    f"the target refuses the {statement.kind}: {problem}",
                    "Mend it on the source or exclude the table.",
                )
            )
            continue
        severity, description, advice = structure.unproven(statement.kind, label, problem)
        risks.append(Risk(severity, "NotCarried", label, description, advice))
    stages = list(Stage)
    ordered = sorted(kept, key=lambda s: stages.index(s.stage))
    made = replace(plan, tables=tuple(tables), statements=tuple(replace(s, number=n) for n, s in enumerate(ordered)))
    return made.with_risks(tuple(risks))


def _plain_table(tables: list[TablePlan], statement: Statement, problem: str, risks: list[Risk], filled: set[str]) -> Statement:
    at = next(n for n, t in enumerate(tables) if t.target == statement.table)
    table = tables[at]
    generated = [] if table.target in filled else [c for c in table.columns if c.generated]
    if not generated:
        risks.append(
            Risk(
                Severity.BLOCKER,
                "Refused",
                table.label,
                f"the target refuses the table: {problem}",
                "Exclude it, or mend it on the source.",
            )
        )
        return statement
    columns = tuple(replace(c, generated="") for c in table.columns)
    tables[at] = replace(table, columns=columns)
    for column in generated:
        text = f"the target refuses its expression ({problem}); its values are copied, but it is an ordinary column"
        risks.append(
            Risk(Severity.MEDIUM, "GeneratedColumn", f"{table.label}.{column.source}", text, "Re-create the rule by hand.")
        )
    return replace(statement, sql=ddl.create_table(tables[at]))
