"""Checks before planning: memory, extensions, existing objects of the target, columns with a risk."""

from __future__ import annotations

from collections.abc import Sequence

from landfall.engine.model.identifiers import quoted
from landfall.engine.model.options import OnExisting
from landfall.engine.model.plan import Decision, Replaced, Severity, TablePlan
from landfall.engine.model.target_facts import XML_MISSING, TargetFacts
from landfall.engine.planning.fence_gaps import FENCE_PASSED
from landfall.engine.planning.schemas import report_merged
from landfall.engine.planning.tables import DROPPED, NO_ROLLBACK, RETAIN, Draft
from landfall.lib.text import counted, enumerated

_MEMORY_FLOOR = 90 * 1024 * 1024


_COPIES_OF_A_ROW = 4
_SHOWN = 5


def _preflight(draft: Draft, target: TargetFacts, tables: Sequence[TablePlan]) -> None:
    for table in tables if XML_MISSING in target.problems else ():
        for column in table.columns:
            if column.target_type == "xml" and column.moved:
                advice = "Use a target with libxml, or exclude the column in a TablePlan."
                draft.add_risk(Severity.BLOCKER, "Feature", f"{table.label}.{column.source}", XML_MISSING, advice)
    for problem in (*draft.catalog.problems, *(p for p in target.problems if p != XML_MISSING)):
        draft.add_risk(Severity.BLOCKER, "Privilege", "credential", problem, "Grant it to the user of the Connection.")
    moved_tables = {(t.schema, t.name) for t in tables}
    for remark in draft.catalog.remarks:
        if remark.kind != FENCE_PASSED and (remark.table in moved_tables or not any(remark.table)):
            draft.add_risk(Severity(remark.severity), remark.kind, remark.affected, remark.text, remark.advice)
    report_merged(draft)
    for facts in target.each or (target,):
        _trust(draft, facts)
    _powers(draft, target)
    _in_the_way(draft, target)
    objects = 2 * (len(tables) + sum(len(t.counters) for t in tables) + len(draft.catalog.views) + len(target.in_the_way))
    if target.lock_slots and objects > target.lock_slots // 2:
        draft.add_risk(
            Severity.BLOCKER,
            "Locks",
            "cutover",
            f"the cutover needs about {objects} locks at once; the target has {target.lock_slots}, shared by all sessions",
            "Raise max_locks_per_transaction on the target, or migrate fewer tables at a time.",
        )
    largest = max((t.largest_row for t in tables), default=0)
    if _MEMORY_FLOOR + largest * _COPIES_OF_A_ROW > draft.options.memory_bytes:
        draft.add_risk(
            Severity.BLOCKER,
            "Memory",
            "largest row",
            f"the largest row has {largest} bytes, which exceeds the memory limit of {draft.options.memory_bytes} bytes",
            "Raise spec.data.limits.memoryBytes.",
        )


def _trust(draft: Draft, target: TargetFacts) -> None:
    """Risks that code of other roles is executed in the target with the privileges of this user."""
    schema = target.schema or draft.options.target_schema
    for name, owner in target.shadows if draft.native or draft.options.on_existing is OnExisting.FILL else ():
        text = f"it belongs to {owner} and could be executed instead of the built-in function or operator, with the privileges of the target's user"
        advice = f"Drop it or move it to another schema, and REVOKE CREATE ON SCHEMA {quoted(schema)} FROM {owner}."
        draft.add_risk(Severity.BLOCKER, "Shadowed", name, text, advice)
    if target.creators:
        text = f"{', '.join(target.creators)} can create objects in it, and migrated objects could call them"
        advice = f"REVOKE CREATE ON SCHEMA {quoted(schema)} FROM these roles, or use a separate target schema."
        draft.add_risk(Severity.MEDIUM, "OpenSchema", schema, text, advice)


def _powers(draft: Draft, target: TargetFacts) -> None:
    if target.powers:
        existing_schemas = [f.schema for f in target.each if f.schema not in target.missing_schemas]
        owned = existing_schemas if target.each else [draft.options.target_schema]
        text = f"the target's user is {target.powers}: code of the source that is executed there could access files of the server"
        advice = (
            "Use a role that only owns the target schema and has CREATE on the database: CREATE ROLE migrator LOGIN;"
            " GRANT CREATE ON DATABASE … TO migrator"
            + "".join(f"; ALTER SCHEMA {quoted(schema)} OWNER TO migrator" for schema in owned)
            + "."
        )
        draft.add_risk(Severity.LOW, "Superuser", "credential", text, advice)


def _in_the_way(draft: Draft, target: TargetFacts) -> None:
    for replaced in target.in_the_way:
        if draft.options.on_existing is OnExisting.FAIL:
            draft.add_risk(
                Severity.BLOCKER,
                "TargetInTheWay",
                replaced.label,
                f"the target already has a {replaced.kind} {replaced.label}",
                "Rename or drop it, or set spec.data.target.onExisting: Replace, which retains it until the retention period ends.",
            )
            continue
        if draft.options.on_existing is OnExisting.REPLACE:
            _replaced(draft, replaced)
        for dependant in replaced.dependants:
            if not dependant.supported:
                draft.add_risk(
                    Severity.BLOCKER,
                    "Dependant",
                    dependant.name,
                    f"the {dependant.kind} {dependant.name} depends on {replaced.label} and cannot be attached to the new one",
                    "Drop it before the migration, and create it again afterwards.",
                )


def _replaced(draft: Draft, replaced: Replaced) -> None:
    """A cutover that drops a table with its rows soon afterwards needs approval."""
    text = (
        f"the {replaced.kind} {replaced.label} of the target is replaced, and {len(replaced.dependants)} dependent objects are attached"
        " to the new one"
    )
    if draft.options.retention_seconds:
        advice = "It is retained until the retention period ends; a rollback restores it."
        draft.add_risk(Severity.MEDIUM, "Replaced", replaced.label, text, advice)
    elif "table" in replaced.kind:
        draft.add_risk(Severity.HIGH, "Replaced", replaced.label, f"{text}; its rows are lost: {DROPPED}", RETAIN)
    else:
        draft.add_risk(Severity.MEDIUM, "Replaced", replaced.label, text, NO_ROLLBACK)


def _other_forms(draft: Draft, tables: Sequence[TablePlan]) -> None:
    """One risk for each type whose values an application reads in another form than in the source, although none is lost."""
    if draft.native or not draft.engine.capabilities.typed_values:
        return
    for kind, form in draft.target.ddl.other_forms.items():
        columns = [
            f"{t.label}.{c.source}"
            for t in tables
            for c in t.columns
            if c.target_type == kind and (t.schema, t.name) not in draft.counterparts and c.moved
        ]
        if columns:
            text = f"{counted(len(columns), 'column', 'become')} {kind}: {enumerated(columns, _SHOWN)}; {form}"
            advice = "Check the SQL of the application for these columns, or keep their form with an Override in a TablePlan."
            draft.add_risk(Severity.LOW, "OtherForm", kind, text, advice)


def _column_risks(draft: Draft, tables: Sequence[TablePlan]) -> None:
    _other_forms(draft, tables)
    for table in tables:
        for column in table.columns:
            label = f"{table.label}.{column.source}"
            if column.decision is Decision.REJECTED:
                draft.add_risk(
                    Severity.BLOCKER, "Rejected", label, "its mapping was rejected", "Override or exclude it in the TablePlan."
                )
            elif column.decision is Decision.EXCLUDED:
                draft.add_risk(Severity.INFO, "Excluded", label, "the column is excluded by a decision", "No action is required.")
    planned_columns = {(t.name, c.source) for t in tables for c in t.columns}
    for decided in draft.options.decisions:
        if (decided.table, decided.column) not in planned_columns:
            draft.add_risk(
                Severity.BLOCKER,
                "UnknownColumn",
                f"{decided.table}.{decided.column}",
                "a TablePlan has a decision for a column that the source does not have",
                "Correct the TablePlan.",
            )
