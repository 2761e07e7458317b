"""One risk for one cause: what the target rejects because objects of a schema that is not migrated are missing there."""

from __future__ import annotations

import re
from dataclasses import replace

from landfall.engine.model.plan import Plan, Risk, Severity
from landfall.lib.text import counted

_REJECTED = frozenset({"Refused", "NotCarried"})


def by_cause(plan: Plan) -> Plan:
    """Return the plan with the rejections that a missing schema causes folded into the risk that names the schema."""
    risks = list(plan.risks)
    for other in [r for r in risks if r.kind == "OtherSchema"]:
        name = re.escape(other.affected)
        mentioned = re.compile(rf'(?<![\w.]){name}\.|schema "{name}"')
        rejections = [r for r in risks if r.kind in _REJECTED and mentioned.search(r.description)]
        if rejections:
            risks = [r for r in risks if r not in rejections and r is not other]
            risks.append(_cause(other, rejections))
    return replace(plan, risks=()).with_risks(tuple(risks))


def _cause(other: Risk, rejections: list[Risk]) -> Risk:
    order = list(Severity)
    severity = max((r.severity for r in rejections), key=order.index)
    text = f"{other.description}; the target rejects {counted(len(rejections), 'statement')}, for example of {rejections[0].affected}: {rejections[0].description}"
    return replace(other, severity=severity, description=text)
