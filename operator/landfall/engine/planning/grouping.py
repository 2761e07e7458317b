"""Risks and mappings of one cause as one group, so that a person reads each cause once. Pure.

The plan keeps every risk; groups are only how it is shown.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from landfall.engine.model.plan import ColumnPlan, Decision, Plan, Risk, Severity, TablePlan
from landfall.lib.text import counted, enumerated

_NUMBER = re.compile(r"\d[\d,.]*")
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")
_PLURAL = re.compile(r"\b(rows?|columns?|values?)( \w+?)s?\b")
_LEFT_OUT = re.compile(r"\bnot (migrated|carried)\b|\bbecomes an ordinary\b")
_KINDS = re.compile(r"^the (?:source's )?([a-z]+(?: [a-z]+)?)\b")
_NOUNS = {"View": "view", "Default": "default", "Check": "check", "Index": "index", "GeneratedColumn": "generated column"}
_OBJECTS = (
    *(
        "materialized view",
        "foreign key",
        "row security",
        "default privileges",
        "view",
        "trigger",
        "function",
        "procedure",
        "routine",
    ),
    *(
        "event",
        "library",
        "index",
        "check",
        "constraint",
        "policy",
        "rule",
        "sequence",
        "domain",
        "enum",
        "type",
        "aggregate",
        "table",
        "comment",
    ),
)
_NAMED = 3
_FILLED = "Filled"  # the existing table keeps a definition of its own: nothing is missing
_WORD = re.compile(r"[\w$.]+")


@dataclass(frozen=True, slots=True)
class RiskGroup:
    """Risks of one kind and severity whose texts only differ by names and numbers; `first` is the example."""

    risks: tuple[Risk, ...]

    @property
    def first(self) -> Risk:
        """The example."""
        return self.risks[0]


@dataclass(frozen=True, slots=True)
class MappingGroup:
    """Columns that are mapped in the same way for the same reasons, as (table, column)."""

    columns: tuple[tuple[TablePlan, ColumnPlan], ...]

    @property
    def waits(self) -> bool:
        """Whether a person has to decide on them."""
        return self.columns[0][1].decision in {Decision.NEEDS_REVIEW, Decision.REJECTED}


def risk_groups(plan: Plan) -> tuple[RiskGroup, ...]:
    """Return the risks by cause: the worst first, then in the order of the plan."""
    names = _names(plan)
    grouped: dict[tuple[str, ...], list[Risk]] = {}
    for risk in plan.risks:
        texts = (_template(risk.description, names), _template(risk.mitigation, names))
        grouped.setdefault((risk.severity.value, risk.kind, *texts), []).append(risk)
    order = list(Severity)
    groups = [RiskGroup(tuple(risks)) for risks in grouped.values()]
    return tuple(sorted(groups, key=lambda g: -order.index(g.first.severity)))


def mapping_groups(plan: Plan, *, every: bool = False) -> tuple[MappingGroup, ...]:
    """Return the mappings to read, those first that wait for a person. With `every` each column is a group of its own."""
    names = _names(plan)
    grouped: dict[tuple[str, ...], list[tuple[TablePlan, ColumnPlan]]] = {}
    for table in plan.tables:
        for column in table.columns:
            if not (every or _is_telling(column)):
                continue
            key = (table.label, column.source) if every or _is_renamed(column) else _cause(column, names)
            grouped.setdefault(key, []).append((table, column))
    groups = [MappingGroup(tuple(columns)) for columns in grouped.values()]
    return tuple(groups) if every else tuple(sorted(groups, key=lambda g: not g.waits))


def not_migrated(plan: Plan) -> tuple[str, ...]:
    """Return what a completed run leaves behind, a line for each kind of object with its number and some names."""
    grouped: dict[str, list[str]] = {}
    for risk in plan.risks:
        if risk.severity is not Severity.BLOCKER and risk.kind != _FILLED and _LEFT_OUT.search(risk.description):
            names = grouped.setdefault(_noun(risk), [])
            if risk.affected not in names:
                names.append(risk.affected)
    return tuple(f"{counted(len(names), noun)}: {enumerated(names, _NAMED)}" for noun, names in grouped.items())


def _noun(risk: Risk) -> str:
    if risk.kind in _NOUNS:
        return _NOUNS[risk.kind]
    match = _KINDS.match(risk.description)
    word = match.group(1) if match else ""
    nouns = [noun for noun in _OBJECTS if word == noun or word.startswith(f"{noun} ")]
    return nouns[0] if nouns else "object"


def _is_renamed(column: ColumnPlan) -> bool:
    return column.source.casefold() != column.arrives[0].casefold()


def _is_telling(column: ColumnPlan) -> bool:
    """Whether a person should read the mapping: it converts, renames or waits."""
    return bool(column.transformation or column.converted or _is_renamed(column) or column.decision is not Decision.AUTO)


def _cause(column: ColumnPlan, names: frozenset[str]) -> tuple[str, ...]:
    rules = tuple(f"{c.kind} {c.rule}" for c in column.converted)
    texts = (_template(column.transformation, names), *(_template(r, names) for r in column.reasons))
    return (column.decision.value, column.source_type, column.arrives[1], str(column.confidence), *rules, *texts)


def _names(plan: Plan) -> frozenset[str]:
    """Names that differ between risks of one cause: of tables, columns and statements."""
    names = set(plan.target_schemas)
    for table in plan.tables:
        names |= {table.name, table.target, table.schema, table.label}
        names |= {name for c in table.columns for name in (c.source, c.target)}
    names |= {s.name for s in plan.statements}
    names |= {part for risk in plan.risks for part in (risk.affected, *risk.affected.split("."))}
    return frozenset(names)


def _template(text: str, names: frozenset[str]) -> str:
    """The text without names, numbers, quotations and the difference between one row and several."""
    template = _WORD.sub(lambda m: "@" if _is_name(m.group(), names) else m.group(), _QUOTED.sub("@", text))
    return _PLURAL.sub(r"\1\2", _NUMBER.sub("#", template)).replace("rows", "row").replace("columns", "column")


def _is_name(word: str, names: frozenset[str]) -> bool:
    whole = word.rstrip(".")
    return whole in names or all(part in names for part in whole.split("."))
