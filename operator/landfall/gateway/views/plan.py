"""A plan in the form of the contract, read from the ConfigMaps in which the operator stores it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import BaseModel, Field

from landfall.gateway.views.migration import identifier
from landfall.gateway.views.stored_plan import StoredColumn, StoredPlan, StoredTable
from landfall.ledger_states import PHASE_ESTIMATES
from landfall.lib.plan_code import code_digest, is_code

_DECISIONS: dict[str, Literal["approved", "pending_review", "rejected", "excluded"]] = {
    "AutoApproved": "approved",
    "Approved": "approved",
    "NeedsReview": "pending_review",
    "Rejected": "rejected",
    "Excluded": "excluded",
}
Object = dict[str, Any]


class Place(BaseModel):
    """A column."""

    schema_: str = Field(alias="schema", serialization_alias="schema")
    table: str
    column: str


class MappingItem(BaseModel):
    """The mapping of one column."""

    id: str = Field(description="ID that an approval refers to.")
    source: Place
    target: Place
    source_type: str
    target_type: str
    transformation: str | None
    confidence: float = Field(description="Confidence of the mapping, from 0 to 1.")
    status: Literal["approved", "pending_review", "rejected", "excluded"]
    reasons: list[str]


class PlanPhase(BaseModel):
    """One phase of the run."""

    name: str
    order: int
    tables: list[str]
    parallel: bool
    estimated_duration_seconds: int


class RiskItem(BaseModel):
    """A risk."""

    severity: str
    type: str
    description: str
    affected: list[str]
    mitigation: str


class CodeItem(BaseModel):
    """A statement that creates code on the target, such as a function, trigger, rule, policy or view."""

    kind: str
    name: str
    table: str = Field(description="Table in the target. Empty if it belongs to none.")
    digest: str = Field(description="SHA-256 of the statement, first 16 hexadecimal digits.")
    sql: str = Field(description="The statement.")


class Summary(BaseModel):
    """The plan in numbers."""

    tables: int
    columns: int
    relationships: int
    transformations: int
    to_review: int
    estimated_duration_seconds: int
    estimated_records: int
    estimated_freeze_seconds: int = Field(description="Estimated duration of the write lock on the source, in seconds.")


class PlanAnswer(BaseModel):
    """The plan."""

    migration_id: str
    status: str
    digest: str = Field(description="Digest of the plan. Set it as spec.data.approval.planDigest to approve the whole plan.")
    generated_at: str | None
    summary: Summary
    mappings: list[MappingItem]
    phases: list[PlanPhase]
    risks: list[RiskItem]
    code: list[CodeItem] = Field(description="What the target executes later, apart from tables with their keys and indexes.")


def plan_of(raw: Object, plan: StoredPlan, status: str, words: Sequence[Object] = ()) -> PlanAnswer:
    """The plan of a Migration. `words`: its TablePlans, whose decisions apply immediately."""
    decided = _decided(words)
    brief = raw["status"]["plan"]
    return PlanAnswer(
        migration_id=identifier(raw),
        status=status,
        digest=brief["digest"],
        generated_at=next((s.get("finishedAt") for s in raw["status"].get("steps", []) if s["name"] == "planning"), None),
        summary=_summary(brief),
        mappings=[_mapping(plan, table, column, decided) for table, column in plan.columns()],
        phases=_phases(plan),
        risks=[
            RiskItem(severity=r.severity, type=r.kind, description=r.description, affected=[r.affected], mitigation=r.mitigation)
            for r in plan.risks
        ],
        code=[
            CodeItem(kind=s.kind, name=s.name, table=s.table, digest=code_digest(s.sql), sql=s.sql)
            for s in plan.statements
            if is_code(s.kind)
        ],
    )


def _summary(brief: Object) -> Summary:
    """The numbers of `status.plan`."""
    return Summary(
        tables=brief.get("tables", 0),
        columns=brief.get("columns", 0),
        relationships=brief.get("relationships", 0),
        transformations=brief.get("transformations", 0),
        to_review=brief.get("toReview", 0),
        estimated_duration_seconds=brief.get("estimatedSeconds", 0),
        estimated_records=brief.get("rows", 0),
        estimated_freeze_seconds=brief.get("estimatedFreezeSeconds", 0),
    )


def _phases(plan: StoredPlan) -> list[PlanPhase]:
    names = [table.target for table in plan.tables]
    return [
        PlanPhase(
            name=name,
            order=order,
            tables=names,
            parallel=name == "data_transfer",
            estimated_duration_seconds=round(plan.estimates.get(key, 0)),
        )
        for order, (name, key) in enumerate(PHASE_ESTIMATES.items(), 1)
    ]


_WORDS = {"Approve": "Approved", "Override": "Approved", "Reject": "Rejected", "Exclude": "Excluded"}


def _decided(words: Sequence[Object]) -> dict[tuple[str, str, str], str]:
    """The decision about each column, by schema, table and column; the schema is empty if it is not named."""
    decisions = {}
    for table_plan in words:
        source = table_plan["spec"]["source"]
        for word in table_plan["spec"].get("decisions") or ():
            decisions[source.get("schema") or "", source["table"], word["column"]] = _WORDS.get(word.get("decision", ""), "")
    return decisions


def _mapping(
    plan: StoredPlan, table: StoredTable, column: StoredColumn, decided: Mapping[tuple[str, str, str], str]
) -> MappingItem:
    places = ((schema, table.name, column.source) for schema in (table.schema_, ""))
    decision = next((decided[place] for place in places if decided.get(place)), column.decision)
    schema = table.schema_ if plan.schemas else plan.target_schema
    return MappingItem(
        id=table.mapping_id(column),
        source=Place(schema=table.schema_, table=table.name, column=column.source),
        target=Place(schema=schema, table=table.target, column=column.final or column.target),
        source_type=column.source_type,
        target_type=column.final_type or column.target_type,
        transformation=column.transformation or None,
        confidence=column.confidence / 100,
        status=_DECISIONS.get(decision, "pending_review"),
        reasons=list(column.reasons),
    )
