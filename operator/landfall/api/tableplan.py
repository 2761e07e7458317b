"""TablePlan: decisions on the mapping of one source table."""

from __future__ import annotations

import hashlib
import re
from typing import Literal

from pydantic import Field, model_validator

from landfall.api.fields import API_VERSION, ATOMIC, Integer, LocalReference, Metadata, Model, Status, list_map, rules
from landfall.api.migration import Risk

_MIGRATION, _TABLE = 100, 100


class MappingDecision(Model):
    """Decision on the mapping of one column."""

    model_config = rules(
        (
            "(self.decision == 'Override') == has(self.expression)",
            "expression is required with decision: Override, and allowed only there",
        )
    )

    column: str = Field(min_length=1, description="Name of the column in the source.")
    decision: Literal["Approve", "Reject", "Override", "Exclude"] = Field(
        description="Decision on the proposed mapping. Approve: accept it. Reject: block the plan. Override: store the"
        " result of `expression`. Exclude: do not migrate the column."
    )
    expression: str | None = Field(
        default=None,
        min_length=1,
        max_length=4000,
        description="SQL expression of the source whose result is stored instead. Only with decision: Override.",
    )
    target_column: str | None = Field(
        default=None,
        min_length=1,
        description="Name of the column in the target. With onExisting: Fill: name of the existing column.",
    )
    policy: str | None = Field(
        default=None,
        description="How values are handled that the target cannot store. Values as in spec.data.policies of the Migration.",
    )
    comment: str | None = Field(default=None, description="Comment on the decision, not used by Landfall.")
    digest: str | None = Field(
        default=None,
        description="Digest of the approved mapping. If the mapping changes, it needs approval again. Only with decision:"
        " Approve.",
    )

    @model_validator(mode="after")
    def _expressed(self) -> MappingDecision:
        if (self.decision == "Override") != (self.expression is not None):
            message = "expression is required with decision: Override, and allowed only there"
            raise ValueError(message)
        return self


class SourceTable(Model):
    """Table in the source."""

    schema_: str | None = Field(default=None, alias="schema", description="Schema of the table. Default: any schema.")
    table: str = Field(min_length=1, description="Name of the table in the source.")

    def is_of(self, schema: str, table: str) -> bool:
        """Whether the reference matches this table."""
        return self.table == table and self.schema_ in {None, "", schema}


class TablePlanSpec(Model):
    """Decisions on the mapping of one table."""

    migration_ref: LocalReference = Field(description="Migration that the decisions are for.")
    source: SourceTable = Field(description="Table in the source.")
    target_table: str | None = Field(
        default=None, min_length=1, description="Existing table that the rows are loaded into. Only with onExisting: Fill."
    )
    existing_rows: Literal["SetAside", "Keep"] | None = Field(
        default=None,
        description="What becomes of the rows of the existing table. Only with onExisting: Fill. SetAside: they are replaced with those of"
        " the source; a rollback restores them. Keep: they stay, which needs the same rows on both sides. Default:"
        " spec.data.policies.existingRows of the Migration.",
    )
    decisions: tuple[MappingDecision, ...] = Field(
        default=(), description="Decisions on columns, one entry per column.", json_schema_extra=list_map("column")
    )


class ColumnProposal(Model):
    """Proposed mapping of one column."""

    source: str = Field(description="Name of the column in the source.")
    target: str = Field(default="", description="Name of the column in the target.")
    source_type: str = Field(default="", description="Type of the column in the source.")
    target_type: str = Field(default="", description="Type of the column in the target.")
    transformation: str = Field(default="", description="Conversion of the values.")
    confidence: Integer = Field(default=0, ge=0, le=100, description="Confidence of the mapping, in percent.")
    reasons: tuple[str, ...] = Field(
        default=(), description="Reasons for the mapping and its confidence.", json_schema_extra=ATOMIC
    )
    digest: str = Field(default="", description="Digest of the mapping, for a decision that approves exactly this mapping.")
    decision: str = Field(
        default="", description="State of the mapping: AutoApproved, NeedsReview, Approved, Rejected or Excluded."
    )


class TableSummary(Model):
    """Summary and risks of one table of the plan."""

    columns: Integer = Field(default=0, ge=0, description="Number of columns.")
    relationships: Integer = Field(default=0, ge=0, description="Number of foreign keys.")
    transformations: Integer = Field(default=0, ge=0, description="Number of columns whose values are converted.")
    bytes: Integer = Field(default=0, ge=0, description="Size of the table in the source, in bytes.")
    estimated_copy_seconds: Integer = Field(
        default=0, ge=0, description="Estimated duration of the copy of this table, in seconds."
    )
    estimated_index_seconds: Integer = Field(
        default=0, ge=0, description="Estimated duration of the index builds of this table, in seconds."
    )
    estimated_validation_seconds: Integer = Field(
        default=0, ge=0, description="Estimated duration of the verification of this table, in seconds."
    )
    risks: tuple[Risk, ...] = Field(
        default=(), max_length=20, description="The most severe risks of the table, at most 20.", json_schema_extra=ATOMIC
    )


class TableProposal(Model):
    """Proposed mapping of one table, as reported by a worker."""

    source: SourceTable = Field(description="Table in the source.")
    target: str = Field(default="", description="Name of the table in the target.")
    summary: TableSummary = Field(default_factory=TableSummary, description="Summary and risks of the table.")
    rows: Integer = Field(default=0, ge=0, description="Number of rows of the table.")
    columns: tuple[ColumnProposal, ...] = Field(default=(), max_length=500, description="Proposed mappings of the columns.")
    decisions: str = Field(
        default="", description="Digest of the decisions that the proposal takes into account. Empty if there are none."
    )


class TablePlanStatus(Status):
    """Proposed mapping of the table."""

    plan_digest: str = Field(default="", description="Digest of the plan that contains this proposal.")
    target_table: str = Field(default="", description="Name of the table in the target.")
    summary: TableSummary | None = Field(default=None, description="Summary and risks of the table.")
    rows: Integer = Field(default=0, ge=0, description="Number of rows of the table.")
    columns: tuple[ColumnProposal, ...] = Field(
        default=(),
        max_length=500,
        description="Proposed mappings of the columns. With more than 500 columns, those that need a decision come first.",
        json_schema_extra=ATOMIC,
    )


def decided(spec: TablePlanSpec) -> str:
    """Digest of the decisions of a TablePlan, 16 hex digits; empty if there are none."""
    parts = [d.model_dump_json(exclude_none=True, exclude={"comment"}) for d in sorted(spec.decisions, key=lambda d: d.column)]
    parts += [spec.target_table] if spec.target_table else []
    parts += [f"existingRows {spec.existing_rows}"] if spec.existing_rows else []
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16] if parts else ""


def table_plan_name(migration: str, source: SourceTable) -> str:
    """Name of the TablePlan of a table. A pure function of names, so that decisions can be committed before the plan exists."""
    slug = re.sub(r"[^a-z0-9]+", "-", source.table.lower()).strip("-")[:_TABLE].strip("-") or "table"
    name = f"{source.schema_ or ''}.{source.table}"
    return f"{migration[:_MIGRATION].rstrip('-.')}-{slug}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


class TablePlan(Model):
    """Decisions on the mapping of one source table."""

    api_version: Literal["landfall.dev/v1alpha1"] = Field(default=API_VERSION, description="API version of the object.")
    kind: Literal["TablePlan"] = Field(default="TablePlan", description="Kind of the object.")
    metadata: Metadata = Field(description="Standard object metadata.")
    spec: TablePlanSpec = Field(description="Decisions on the mapping.")
    status: TablePlanStatus | None = Field(default=None, description="Proposed mapping of the table.")
