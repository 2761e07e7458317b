"""Owners and grants of the source: which the target can have, and a risk for each cause why it cannot have others."""

from __future__ import annotations

from landfall.engine.model.catalog import SourceObject
from landfall.engine.model.identifiers import quoted
from landfall.engine.model.plan import Risk, Severity
from landfall.engine.planning.tables import Draft
from landfall.lib.text import counted

_SHOWN = 3


def settled(draft: Draft, thing: SourceObject, *, before: bool) -> bool:
    """Whether nothing is left to do for an object: it is an owner or a grant that the target has already or cannot have.

    What it cannot have is collected and reported by `risks`. `before`: as for `schema_objects.objects`, which looks at each object twice.
    """
    facts = draft.facts
    if facts is None or not thing.role:
        return False
    if thing.kind == "owner":
        if thing.role == facts.user:
            return True
        possible = thing.role in facts.owners
    elif thing.kind == "schema privilege":
        if (thing.role, thing.detail) in facts.schema_rights:
            return True
        possible = False
    else:
        possible = thing.role in facts.roles
    if not possible and before:
        draft.impossible.append(thing)
    return not possible


def risks(draft: Draft) -> tuple[Risk, ...]:
    """One risk for each role and cause."""
    causes: dict[tuple[str, str], list[SourceObject]] = {}
    for thing in draft.impossible:
        definer = thing.kind == "owner" and bool(thing.detail)
        causes.setdefault((f"definer {thing.role}" if definer else thing.kind, thing.role), []).append(thing)
    return tuple(_risk(draft, kind, role, things) for (kind, role), things in sorted(causes.items()))


def _risk(draft: Draft, kind: str, role: str, things: list[SourceObject]) -> Risk:
    facts, schema = draft.facts, draft.options.target_schema
    listed = ", ".join(f"{t.name}{t.signature if t.kind == 'grant' else ''}" for t in things[:_SHOWN])
    more = f" and {len(things) - _SHOWN} more" if len(things) > _SHOWN else ""
    there = facts is not None and role in facts.roles
    missing = f"CREATE ROLE {quoted(role)} on the target and plan again, or change it after the migration."
    if kind == "schema privilege":
        rights = ", ".join(t.detail for t in things)
        text = f"role {role} has {rights} on schema {things[0].name} of the source; rights on the target schema are not changed"
        advice = f"GRANT {rights} ON SCHEMA {quoted(schema)} TO {quoted(role)} if the role uses the migrated objects."
        return Risk(Severity.MEDIUM, "SchemaPrivilege", role, text, advice)
    if kind == "grant":
        text = f"the target has no role {role}: {counted(len(things), 'grant', 'are')} not migrated: {listed}{more}"
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
    text = f"{counted(len(things), 'object', 'belong')} to {role} on the source and to {user} on the target, as {why}: {listed}{more}"
    if kind == "owner":
        return Risk(Severity.MEDIUM, "Owner", role, text, advice)
    return Risk(
        Severity.HIGH, "SecurityDefiner", role, f"{text}; the functions are executed with the privileges of {user}", advice
    )
