"""Owners and grants of the source: which the target can have, and a risk for each cause why it cannot have others."""

from __future__ import annotations

from landfall.engine.model.catalog import SourceObject
from landfall.engine.model.identifiers import quoted
from landfall.engine.model.plan import Risk, Severity
from landfall.engine.planning.tables import Draft
from landfall.lib.text import counted, enumerated

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
        text = f"schema {schema} belongs to {role} on the source and to {facts.user if facts else ''} on the target"
        return Risk(Severity.MEDIUM, "Owner", role, text, f"Run on the target after the migration: {things[0].definition}.")
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
    why = (
        f"the target's user is no member of {role}, or {role} lacks CREATE on schema {schema}"
        if there
        else f"the target has no role {role}"
    )
    advice = (
        f"GRANT {quoted(role)} TO {quoted(user)}; GRANT CREATE ON SCHEMA {quoted(schema)} TO {quoted(role)}."
        if there
        else missing
    )
    text = f"{counted(len(things), 'object', 'belong')} to {role} on the source and to {user} on the target, as {why}: {listed}"
    if kind == "owner":
        return Risk(Severity.MEDIUM, "Owner", role, text, advice)
    return Risk(
        Severity.HIGH, "SecurityDefiner", role, f"{text}; the functions are executed with the privileges of {user}", advice
    )
