"""Revises a plan after its dry run: without the statements that the target rejects, and with a risk for each object that is lost. Pure.

A table is never omitted, and each object is reported once: what is lost only because of another object is not reported as its own loss.
"""

from __future__ import annotations

import re
from collections.abc import Mapping as Counts
from collections.abc import Sequence
from dataclasses import replace

from landfall.engine.model.plan import Plan, Risk, Severity, Stage, Statement, TablePlan
from landfall.engine.planning import schema_objects
from landfall.engine.targets.engine import DryRun, TargetEngine, Unworkable

_MISSING_RELATION = re.compile(r'relation "([^"]+)" does not exist')
_VIEWS = frozenset({"view", "materialized view"})
_CAUSES = {
    "validation": frozenset({"foreign key"}),
    "constraint": frozenset({"primary key", "unique index"}),
    "index partition": frozenset({"primary key", "unique index", "index"}),
    "trigger": frozenset({"function"}),
    "comment": _VIEWS,
}


def settle(plan: Plan, tried: DryRun, target: TargetEngine) -> Plan:
    """Return the plan without rejected statements, in the order and stages that worked, with a risk for each rejected one.

    If the target rejects a table because of generated columns, those columns become ordinary ones.

    Args:
        plan: The plan.
        tried: What the target says to its statements.
        target: The engine of the target.
    """
    by_number, refused = {s.number: s for s in plan.statements}, dict(tried.refused)
    risks: list[Risk] = [_unworkable(u) for u in tried.unworkable if not blocked(plan, u.table)]
    tables = list(plan.tables)
    statements = [replace(by_number[n], stage=stage) for n, stage in tried.order if n not in refused]
    if any(by_number[n].kind == "table" for n in refused):
        # Other statements may have failed only because their table was missing; they are tried again after it exists.
        statements += [by_number[n] for n in refused if by_number[n].kind != "table"]
        refused = {n: p for n, p in refused.items() if by_number[n].kind == "table"}
    filled = {name for name, _ in plan.filled}
    for number in [n for n in sorted(refused) if by_number[n].kind == "table"]:
        rejected_expressions = {} if by_number[number].table in filled else tried.plain.get(number, {})
        at = next(
            n for n, t in enumerate(tables) if (plan.within(t), t.target) == (by_number[number].schema, by_number[number].table)
        )
        statements.insert(
            0, _without_expressions(tables, at, by_number[number], (refused[number], rejected_expressions), risks, target)
        )
    lost_statements = [by_number[n] for n in sorted(refused) if by_number[n].kind != "table"]
    risks += _losses(plan, lost_statements, refused)
    stages = list(Stage)
    ordered = sorted(statements, key=lambda s: stages.index(s.stage))
    settled_plan = replace(plan, tables=tuple(tables), statements=tuple(replace(s, number=n) for n, s in enumerate(ordered)))
    return _without_translated(settled_plan, lost_statements).with_risks(tuple(risks))


def blocked(plan: Plan, table: str) -> bool:
    """Whether a table, or a column of it, has a blocker already: what else fails follows from it."""
    return any(r.affected == table or r.affected.startswith(f"{table}.") for r in plan.blockers)


def _unworkable(work: Unworkable) -> Risk:
    text = f"the run would fail: the target rejects {work.purpose} ({work.problem})"
    advice = (
        "Exclude the column or the table that the message names, or correct it in the source. Report it as a defect of Landfall."
    )
    return Risk(Severity.BLOCKER, "DryRun", work.table, text, advice)


def _losses(plan: Plan, lost_statements: Sequence[Statement], refused: Counts[int, str]) -> list[Risk]:
    """One risk for each lost object: a constraint whose index or foreign key is lost, or the comment of a lost view, is part of it."""
    risks = []
    views = {s.name.casefold(): s.describes or s.name for s in lost_statements if s.kind in _VIEWS}
    views |= {r.affected.casefold(): r.affected for r in plan.risks if r.kind == "View"}
    views |= {
        r.affected.casefold(): r.affected for r in plan.risks if r.kind == "NotCarried" and r.description.startswith("the view ")
    }
    for statement in lost_statements:
        if _follows(statement, lost_statements):
            continue
        label, problem = statement.describes or statement.name, refused[statement.number]
        if statement.essential:
            text = f"the target rejects the {statement.kind}: {problem}"
            risks.append(Risk(Severity.BLOCKER, "Refused", label, text, "Correct it in the source, or exclude the table."))
            continue
        severity, description, advice = schema_objects.rejected(statement.kind, label, problem)
        under = _MISSING_RELATION.search(problem) if statement.kind in _VIEWS else None
        if under and under.group(1).casefold() in views:
            other = views[under.group(1).casefold()]
            description = f"the {statement.kind} {label} is not carried: it reads the view {other}, which is not carried"
            advice = f"Create the view {other} manually first, then this one."
        risks.append(Risk(severity, "NotCarried", label, description, advice))
    return risks


def _follows(statement: Statement, lost_statements: Sequence[Statement]) -> bool:
    """Whether a statement is rejected only because what it works on was rejected."""
    causes = _CAUSES.get(statement.kind, frozenset())
    identity = (statement.schema, statement.table, statement.name)
    return any((o.schema, o.table, o.name) == identity and o.kind in causes for o in lost_statements)


def _without_translated(plan: Plan, lost_statements: Sequence[Statement]) -> Plan:
    """The plan without what it says about the translation of views that are lost."""
    views = {s.describes for s in lost_statements if s.kind in _VIEWS}
    return replace(plan, risks=tuple(r for r in plan.risks if not (r.kind == "ViewTranslated" and r.affected in views)))


def _without_expressions(
    tables: list[TablePlan],
    at: int,
    statement: Statement,
    rejection: tuple[str, Counts[str, str]],
    risks: list[Risk],
    target: TargetEngine,
) -> Statement:
    """The statement of a rejected table with ordinary columns in place of those whose expressions are rejected."""
    problem, rejected_expressions = rejection
    table = tables[at]
    if not rejected_expressions:
        text = f"the target rejects the table: {problem}"
        risks.append(Risk(Severity.BLOCKER, "Refused", table.label, text, "Exclude it, or correct it in the source."))
        return statement
    columns = tuple(replace(c, generated="") if c.target in rejected_expressions else c for c in table.columns)
    tables[at] = replace(table, columns=columns)
    for column in table.columns:
        if column.target in rejected_expressions:
            text = (
                f"the target rejects its expression ({rejected_expressions[column.target]}); its values are copied, but it becomes an ordinary column,"
                " and new rows have no value in it"
            )
            label = f"{table.label}.{column.source}"
            risks.append(Risk(Severity.HIGH, "GeneratedColumn", label, text, "Compute it in the application or in a trigger."))
    _, _, tail = statement.sql.rpartition("\n)")
    return replace(statement, sql=target.ddl.create_table(tables[at]) + tail)
