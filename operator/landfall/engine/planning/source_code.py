"""Code of the source that a person does not want on the target: functions, triggers, rules and materialized views (`code: Leave`)."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from landfall.engine.model.options import SourceCode
from landfall.engine.model.plan import Severity
from landfall.engine.planning.tables import Draft
from landfall.lib.text import counted, enumerated

_KINDS = frozenset({"function", "aggregate", "trigger", "rule"})
_SHOWN = 5


def leave_code(draft: Draft) -> None:
    """Remove the code from the draft's catalog if the options say so, with what belongs to it, and add a risk that names it.

    Whatever depends on it, such as a view or a default that calls a function, is rejected by the dry run and reported as not migrated.
    """
    if draft.options.code is not SourceCode.LEAVE:
        return
    catalog = draft.catalog
    code = [o for o in catalog.objects if o.kind in _KINDS and o.definition]
    views = {(v.schema if catalog.apart else "", v.name) for v in catalog.views if v.materialized}
    if not code and not views:
        return
    labels = {(o.within, o.label) for o in code}
    kept_objects = (
        o
        for o in catalog.objects
        if not (o.kind in _KINDS and o.definition) and (o.within, o.of) not in labels and (o.within, o.table) not in views
    )
    draft.catalog = replace(catalog, objects=tuple(kept_objects), views=tuple(v for v in catalog.views if not v.materialized))
    distinct = {
        (o.kind, o.name, o.table, "" if o.table else o.signature): None for o in code
    }  # a trigger's state is another statement
    named_code = [(kind, name) for kind, name, _, _ in distinct] + [("materialized view", name) for _, name in sorted(views)]
    numbers = ", ".join(counted(n, kind) for kind, n in sorted(Counter(kind for kind, _ in named_code).items()))
    names = enumerated([name for _, name in named_code], _SHOWN)
    text = f"spec.data.source.code is Leave: {numbers} of the source are not migrated: {names}"
    draft.add_risk(Severity.MEDIUM, "CodeLeft", "code", text, "Create what the application needs manually, after a review.")
