"""A plan as a worker reports it: summary, risks, review items, table plans."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from hashlib import sha256
from typing import Literal, cast

from landfall.api.migration import PlanSummary, Risk
from landfall.api.tableplan import ColumnProposal, SourceTable, TablePlan, TableProposal, TableSummary, decided
from landfall.api.worker_protocol import ReportFields
from landfall.engine.model.plan import ColumnPlan, Decision, Plan, Severity
from landfall.engine.model.plan import Risk as PlannedRisk
from landfall.engine.model.plan import TablePlan as PlannedTable
from landfall.engine.model.plan_codec import packed
from landfall.ledger_states import Estimate
from landfall.lib.redact import redacted
from landfall.lib.text import counted

_SHOWN_RISKS = 50


_RISKS_OF_TABLE = 20


_SHOWN_POINTS = 500


_SHOWN_COLUMNS = 500


def _risk(risk: PlannedRisk) -> Risk:
    return Risk(
        severity=risk.severity.value.capitalize(),
        type=risk.kind,
        affected=risk.affected,
        description=redacted(risk.description),
        mitigation=risk.mitigation,
    )


def _summary(plan: Plan, table: PlannedTable) -> TableSummary:
    """Numbers and risks of a table; risks are found by its name in the source or in the target."""
    of_table = [r for r in plan.risks if {r.affected, r.affected.rpartition(".")[0]} & {table.label, table.name, table.target}]
    return TableSummary(
        columns=len(table.columns),
        relationships=table.estimates.get("relationships", 0),
        transformations=table.estimates.get("transformations", 0),
        bytes=max(table.bytes, 0),
        estimated_copy_seconds=table.estimates.get("copySeconds", 0),
        estimated_index_seconds=table.estimates.get("indexSeconds", 0),
        estimated_validation_seconds=table.estimates.get("validationSeconds", 0),
        risks=tuple(_risk(r) for r in of_table[:_RISKS_OF_TABLE]),
    )


def _points(plan: Plan) -> tuple[str, ...]:
    """Digests of the review items that an approval covers; one combined digest if there are more than 500."""
    points = tuple(digest for _, digest in plan.points)
    return points if len(points) <= _SHOWN_POINTS else (sha256("".join(points).encode()).hexdigest()[:16],)


def _plan_fields(plan: Plan, decided_on: Sequence[TablePlan]) -> ReportFields:
    """The fields of the report about a plan, new or from the ledger."""
    moved_tables = [t for t in plan.tables if t.moved]
    summary = PlanSummary(
        digest=plan.digest(),
        tables=len(moved_tables),
        quiesce=cast("Literal['Engine', 'Confirm', 'None']", plan.quiesce),
        columns=sum(len(t.columns) for t in moved_tables),
        transformations=sum(1 for t in moved_tables for c in t.columns if c.transformation),
        to_review=len(plan.to_review),
        points=_points(plan),
        blockers=len(plan.blockers),
        rows=sum(t.rows for t in moved_tables),
        estimated_seconds=sum(plan.estimates.get(part, 0) for part in Estimate),
        estimated_freeze_seconds=int(plan.freeze_seconds),
        relationships=plan.estimates.get("relationships", 0),
        estimated_schema_seconds=plan.estimates.get("schemaSeconds", 0),
        estimated_copy_seconds=plan.estimates.get("copySeconds", 0),
        estimated_index_seconds=plan.estimates.get("indexSeconds", 0),
        estimated_validation_seconds=plan.estimates.get("validationSeconds", 0),
        estimated_cutover_seconds=plan.estimates.get("cutoverSeconds", 0),
        risks=tuple(_risk(r) for r in plan.risks[:_SHOWN_RISKS]),
    )
    return {
        "plan": summary,
        "plan_bytes": base64.b64encode(packed(plan)).decode(),
        "tables": _proposals(plan, decided_on),
    }


def _proposals(plan: Plan, decided_on: Sequence[TablePlan]) -> tuple[TableProposal, ...]:
    """The tables that need decisions, and those that have decisions."""
    grave = {r.affected for r in plan.risks if r.severity in {Severity.HIGH, Severity.BLOCKER}}
    proposals = []
    for table in plan.tables:
        columns = [_proposal(table, column, grave) for column in table.columns]
        word = next((decided(p.spec) for p in decided_on if p.spec.source.is_of(table.schema, table.name)), None)
        waiting = [c for c in columns if c.decision in {Decision.NEEDS_REVIEW, Decision.REJECTED}]
        if waiting or word is not None:
            column_proposals = (
                columns if len(columns) <= _SHOWN_COLUMNS else sorted(columns, key=lambda c: c not in waiting)[:_SHOWN_COLUMNS]
            )
            source = SourceTable(schema=table.schema or None, table=table.name)
            proposals.append(
                TableProposal(
                    source=source,
                    target=table.target,
                    summary=_summary(plan, table),
                    rows=table.rows,
                    columns=tuple(column_proposals),
                    decisions=word or "",
                )
            )
    return tuple(proposals)


def _proposal(table: PlannedTable, column: ColumnPlan, grave: AbstractSet[str]) -> ColumnProposal:
    risky = column.decision is Decision.AUTO and f"{table.label}.{column.source}" in grave
    return ColumnProposal(
        source=column.source,
        target=column.arrives[0],
        source_type=column.source_type,
        target_type=column.arrives[1],
        transformation=column.transformation,
        confidence=column.confidence,
        digest=column.digest(),
        reasons=(
            *column.reasons,
            *(f"{counted(c.rows, 'row', 'are')} changed by the rule {c.rule} ({c.kind})" for c in column.converted),
        ),
        decision=(Decision.NEEDS_REVIEW if risky else column.decision).value,
    )
