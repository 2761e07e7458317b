"""Checks before planning: memory, extensions, objects in the way, columns that carry a risk."""

from __future__ import annotations

from collections.abc import Sequence

from landfall.engine.model.identifiers import quoted
from landfall.engine.model.options import OnExisting
from landfall.engine.model.plan import Decision, Severity, TablePlan
from landfall.engine.model.target_facts import XML_MISSING, TargetFacts
from landfall.engine.planning.tables import Draft

_MEMORY_FLOOR = 90 * 1024 * 1024


_COPIES_OF_A_ROW = 4


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
