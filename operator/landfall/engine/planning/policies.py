"""The rule for values that the target cannot store: from the column's decision, the spec, or the default.

A default never loses a value silently: it is a proposal that needs approval, or `Fail` if no proposal is safe.
"""

from __future__ import annotations

from collections.abc import Mapping as Counts
from dataclasses import replace

from landfall.engine.errors import SpecError
from landfall.engine.model.catalog import Column
from landfall.engine.model.mapping import Rule, Violation, rule_from
from landfall.engine.model.options import ColumnDecision, Policies

ALLOWED: dict[Violation, tuple[str, frozenset[str]]] = {
    Violation.ZERO_DATE: ("zeroDates", frozenset({"Fail", "Null", "Map"})),
    Violation.NUL_BYTE: ("nulBytes", frozenset({"Fail", "Strip", "Replace"})),
    Violation.INVALID_ENCODING: ("invalidEncoding", frozenset({"Fail", "Replace", "Latin1"})),
    Violation.TYPE_MISMATCH: ("typeMismatch", frozenset({"Fail", "Text", "Null", "Map"})),
    Violation.OUT_OF_RANGE: ("outOfRange", frozenset({"Fail", "Widen"})),
}


def rules_for(
    column: Column, counts: Counts[Violation, int], policies: Policies, decision: ColumnDecision | None
) -> dict[Violation, Rule]:
    """Return a rule for each kind of violation. Raises SpecError for a policy that does not exist."""
    configured = {
        Violation.ZERO_DATE: policies.zero_dates,
        Violation.NUL_BYTE: policies.nul_bytes,
        Violation.INVALID_ENCODING: policies.invalid_encoding,
        Violation.TYPE_MISMATCH: policies.type_mismatch,
        Violation.OUT_OF_RANGE: policies.out_of_range,
    }
    rules: dict[Violation, Rule] = {}
    for kind, (name, allowed) in ALLOWED.items():
        decided_policy = decision.policy if decision and decision.policy and counts.get(kind) else None
        configured_action = decided_policy or configured[kind]
        text = configured_action or _default(kind, column, counts)
        rule = replace(rule_from(text), chosen=bool(configured_action))
        if rule.action not in allowed:
            words = ", ".join(sorted(allowed))
            message = f"policy {text!r} for {name} does not exist"
            raise SpecError(message, advice=f"Choose one of {words} (Map takes a value: `Map:2000-01-01`).")
        rules[kind] = rule
    return rules


_EXAMPLES = {
    Violation.ZERO_DATE: "Map:1970-01-01",
    Violation.NUL_BYTE: "Strip",
    Violation.INVALID_ENCODING: "Replace",
    Violation.TYPE_MISMATCH: "Text",
    Violation.OUT_OF_RANGE: "Widen",
}


def settled_by(kind: Violation) -> str:
    """Return the setting that decides on values of a kind, with an example and the other choices."""
    kind = MISFITS.get(kind, kind)
    name, allowed = ALLOWED[kind]
    other_actions = sorted(allowed - {_EXAMPLES[kind].partition(":")[0]})
    return f"`spec.data.policies.{name}: {_EXAMPLES[kind]}` (or {', '.join(other_actions)}), or `policy` of the column in a TablePlan"


def _default(kind: Violation, column: Column, counts: Counts[Violation, int]) -> str:
    loses_nothing = kind is Violation.ZERO_DATE or (kind is Violation.TYPE_MISMATCH and bool(counts.get(kind)))
    if loses_nothing and column.type.name in {"enum", "date", "datetime", "timestamp"}:
        return "Null" if column.nullable else "Fail"
    return {
        Violation.ZERO_DATE: "Fail",
        Violation.NUL_BYTE: "Strip",
        Violation.INVALID_ENCODING: "Replace",
        Violation.TYPE_MISMATCH: "Text",
        Violation.OUT_OF_RANGE: "Widen",
    }[kind]


# Values of SQLite that do not match the declared type: one policy applies to all of them.
MISFITS: dict[Violation, Violation] = dict.fromkeys(
    (
        *(Violation.NOT_BOOLEAN, Violation.NOT_DATE, Violation.NOT_TIMESTAMP, Violation.NOT_INTEGER, Violation.NOT_NUMBER),
        *(Violation.NOT_JSON, Violation.NOT_BLOB),
    ),
    Violation.TYPE_MISMATCH,
)

DESCRIBED: dict[Violation, str] = {
    Violation.NOT_BOOLEAN: "values that are neither 0 nor 1",
    Violation.NOT_DATE: "values that are no ISO date",
    Violation.NOT_TIMESTAMP: "values that are no ISO date and time",
    Violation.NOT_INTEGER: "values that are no integer",
    Violation.NOT_NUMBER: "values that are no number",
    Violation.NOT_JSON: "values that are no valid JSON",
    Violation.NOT_BLOB: "values that are not binary",
    Violation.ZERO_DATE: "zero, partial or impossible dates, which no date of PostgreSQL can hold",
    Violation.NUL_BYTE: "texts with a NUL byte, which no text of PostgreSQL can hold",
    Violation.INVALID_ENCODING: "texts that are not valid in their encoding",
    Violation.TYPE_MISMATCH: "the error value of an enumeration",
}
