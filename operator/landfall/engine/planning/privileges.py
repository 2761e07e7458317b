"""Owners and grants of the source: which the target can have, and a risk for each cause why it cannot have others."""

from __future__ import annotations

from collections.abc import Sequence

from landfall.engine.model.catalog import SourceObject
from landfall.engine.model.identifiers import quoted
from landfall.engine.model.plan import Risk, Severity
from landfall.engine.model.target_facts import TargetFacts
from landfall.engine.planning.tables import Draft
from landfall.lib.text import counted, enumerated

OF_SCHEMAS = frozenset({"schema owner", "schema privilege", "comment on schema"})
_SHOWN = 3


def settled(draft: Draft, thing: SourceObject, *, before: bool) -> bool:
    """Whether nothing is left to do for an object: it is an owner or a grant that the target has already or cannot have.

    What it cannot have is collected and reported by `risks`. `before`: as for `schema_objects.objects`, which looks at each object twice.
    """
    if draft.facts is None or not thing.role:
        return False
    facts = draft.facts.of(thing.within)
    made = thing.within in draft.made_schemas
    if thing.kind in {"owner", "schema owner"}:
        if thing.role == facts.user or (thing.kind == "schema owner" and not made):
            return True
        possible = thing.role in facts.owners
    elif thing.kind == "schema privilege":
        if not made and (thing.role, thing.detail) in facts.schema_rights:
            return True
        possible = made and thing.role in {*facts.roles, "PUBLIC"}
    else:
        possible = thing.role in facts.roles
    if not possible and before:
        draft.impossible.append(thing)
    return not possible


def in_order(things: Sequence[SourceObject]) -> list[SourceObject]:
    """What belongs to a schema first: the owner of an object in it may have CREATE on it only then."""
    return sorted(things, key=lambda thing: thing.kind not in OF_SCHEMAS)


def owner_statement(draft: Draft, thing: SourceObject) -> str:
    """The statement of an owner. One without CREATE on a schema that the cutover creates has it for as long as the statement takes."""
    facts = draft.facts.of(thing.within) if draft.facts else None
    if facts is None or facts.superuser or thing.within not in draft.made_schemas or _creates(draft, thing.role, thing.within):
        return thing.definition
    return draft.target.ddl.with_create(thing.definition, thing.within, thing.role)


def _creates(draft: Draft, role: str, schema: str) -> bool:
    """Whether a role will have CREATE on a schema of the target that the cutover creates."""
    rights = [thing for thing in draft.catalog.objects if thing.name == schema]
    return any(
        (thing.kind == "schema owner" and thing.role == role)
        or (thing.kind == "schema privilege" and thing.detail == "CREATE" and thing.role in {role, "PUBLIC"})
        for thing in rights
    )


def risks(draft: Draft) -> tuple[Risk, ...]:
    """One risk for each role and cause."""
    causes: dict[tuple[str, str, str], list[SourceObject]] = {}
    for thing in draft.impossible:
        definer = thing.kind == "owner" and bool(thing.detail)
        schema = thing.name if thing.kind == "schema privilege" else thing.within
        causes.setdefault((f"definer {thing.role}" if definer else thing.kind, thing.role, schema), []).append(thing)
    return tuple(_risk(draft, kind, role, things) for (kind, role, _), things in sorted(causes.items()))


def _risk(draft: Draft, kind: str, role: str, things: list[SourceObject]) -> Risk:
    facts = draft.facts.of(things[0].within) if draft.facts else None
    schema = things[0].within or draft.options.target_schema
    listed = enumerated([f"{t.name}{t.signature if t.kind == 'grant' else ''}" for t in things], _SHOWN)
    there = facts is not None and role in facts.roles
    missing = f"CREATE ROLE {quoted(role)} on the target and plan again, or change it after the migration."
    if kind == "schema owner":
        return _schema_owner(things[0], facts, missing="" if there else missing)
    if kind == "schema privilege":
        rights = ", ".join(t.detail for t in things)
        grantee = role if role == "PUBLIC" else quoted(role)
        kept = (
            f"the target has no role {role}"
            if things[0].within in draft.made_schemas
            else "rights on the target schema are not changed"
        )
        text = f"role {role} has {rights} on schema {things[0].name} of the source; {kept}"
        advice = f"GRANT {rights} ON SCHEMA {quoted(schema)} TO {grantee} if the role uses the migrated objects."
        return Risk(Severity.MEDIUM, "SchemaPrivilege", role, text, advice)
    if kind == "grant":
        text = f"the target has no role {role}: {counted(len(things), 'grant', 'are')} not migrated: {listed}"
        return Risk(Severity.MEDIUM, "Grant", role, text, missing)
    user = facts.user if facts else ""
    made = things[0].within in draft.made_schemas
    why, advice = _no_owner(role, facts, "" if made else schema) if there else (f"the target has no role {role}", missing)
    text = f"{counted(len(things), 'object', 'belong')} to {role} on the source and to {user} on the target, as {why}: {listed}"
    if kind == "owner":
        return Risk(Severity.MEDIUM, "Owner", role, text, advice)
    return Risk(
        Severity.HIGH, "SecurityDefiner", role, f"{text}; the functions are executed with the privileges of {user}", advice
    )


def _schema_owner(thing: SourceObject, facts: TargetFacts | None, *, missing: str) -> Risk:
    text = f"schema {thing.name} belongs to {thing.role} on the source and to {facts.user if facts else ''} on the target"
    advice = (
        missing
        or f"{_membership(thing.role, facts)}; and plan again. Or run on the target after the migration: {thing.definition}."
    )
    return Risk(Severity.MEDIUM, "Owner", thing.role, text, advice)


def _no_owner(role: str, facts: TargetFacts | None, schema: str) -> tuple[str, str]:
    """Why a role of the target cannot own an object, and what to do. `schema`: empty if the cutover creates it."""
    why, advice = f"the target's user is no member of {role}", _membership(role, facts)
    if schema:
        why += f", or {role} lacks CREATE on schema {schema}"
        advice += f"; GRANT CREATE ON SCHEMA {quoted(schema)} TO {quoted(role)}"
    return why, f"{advice}; and plan again."


def _membership(role: str, facts: TargetFacts | None) -> str:
    return f"GRANT {quoted(role)} TO {quoted(facts.user)}{facts.membership}" if facts else ""
