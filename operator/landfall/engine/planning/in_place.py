"""Types, functions and other objects without a table that the target schema has already.

One with the same definition is used as it is; another one would stop the cutover, so it stops the plan.
"""

from __future__ import annotations

from landfall.engine.model.catalog import SourceObject
from landfall.engine.model.plan import Severity
from landfall.engine.planning.tables import Draft

_TYPES = frozenset({"enum", "domain", "composite", "range"})


def in_place(draft: Draft) -> frozenset[tuple[str, str]]:
    """The objects that are not created, because the target has them, as (`within`, label). Adds risks for those that would stop the cutover."""
    if draft.facts is None or not draft.native or draft.existing is not None:
        return frozenset()
    used: set[tuple[str, str]] = set()
    for thing in draft.catalog.objects:
        if not thing.definition or thing.of or thing.table:
            continue
        definition = draft.facts.of(thing.within).objects.get(thing.label)
        same = thing.kind != "sequence" and definition == thing.definition
        if same and (thing.within, thing.name) in draft.catalog.qualified:
            text = f"the target has a {thing.kind} {draft.label_of(thing)}, and other schemas of the source have one of this name, too"
            advice = "Rename or drop it on the target, or migrate its schema in a Migration of its own."
            draft.add_risk(Severity.BLOCKER, "TargetInTheWay", draft.label_of(thing), text, advice)
        elif same:
            used.add((thing.within, thing.label))
            text = f"the target has the {thing.kind} with this name and definition, which is used"
            draft.add_risk(Severity.INFO, "ObjectKept", draft.label_of(thing), text, "No action is required.")
        elif _in_the_way(draft, thing):
            text = f"the target already has another {'type' if thing.kind in _TYPES else thing.kind} {draft.label_of(thing)}"
            draft.add_risk(Severity.BLOCKER, "TargetInTheWay", draft.label_of(thing), text, "Rename or drop it on the target.")
    for thing in draft.catalog.objects:
        if thing.kind == "revoke" and (thing.within, thing.of) in used:
            text = "PUBLIC may not use it on the source; the rights on the target's own object are not changed"
            draft.add_risk(
                Severity.MEDIUM, "ObjectKept", thing.name, text, f"Run on the target if it is so there: {thing.definition}."
            )
    return frozenset(used)


def _in_the_way(draft: Draft, thing: SourceObject) -> bool:
    if draft.facts is None:
        return False
    facts = draft.facts.of(thing.within)
    replaced = {r.name for r in facts.in_the_way}
    if thing.kind == "sequence":
        owners = (o for o in draft.catalog.objects if o.kind == "ownership" and (o.within, o.name) == (thing.within, thing.name))
        owner = next((o.table for o in owners), "")
        return thing.label in facts.objects and owner not in replaced
    return thing.label in facts.objects or (thing.kind in _TYPES and thing.name in facts.types - replaced)
