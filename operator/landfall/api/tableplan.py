"""TablePlan: a person's decisions about the columns of one source table."""

from __future__ import annotations

import hashlib
import re
from typing import Literal

from pydantic import Field, model_validator

from landfall.api.fields import API_VERSION, ATOMIC, Integer, LocalReference, Metadata, Model, Status, list_map, rules
from landfall.api.migration import Risk

_MIGRATION, _TABLE = 100, 100


class Decision(Model):
    """A person's word on one column."""

    model_config = rules(
        ("(self.decision == 'Override') == has(self.expression)", "Override takes an expression, and nothing else does")
    )

    column: str = Field(min_length=1, description="Column, as the source spells it.")
    decision: Literal["Approve", "Reject", "Override", "Exclude"] = Field(description="What is decided.")
    expression: str | None = Field(
        default=None,
        min_length=1,
        max_length=4000,
        description="With Override: an expression in the source's SQL to store instead.",
    )
    target_column: str | None = Field(
        default=None,
        min_length=1,
        description="Another name in the target; with onExisting: Fill, the existing column that is meant.",
    )
    policy: str | None = Field(
        default=None, description="What becomes of values that the target cannot hold, as in data.policies."
    )
    comment: str | None = Field(default=None, description="Why.")
    digest: str | None = Field(
        default=None, description="With Approve: digest of the mapping that is meant; another one asks again."
    )

    @model_validator(mode="after")
    def _expressed(self) -> Decision:
        if (self.decision == "Override") != (self.expression is not None):
            message = "Override takes an expression, and nothing else does"
            raise ValueError(message)
        return self


class SourceTable(Model):
    """A table of the source."""

    schema_: str | None = Field(default=None, alias="schema", description="Schema. Default: any.")
    table: str = Field(min_length=1, description="Table, as the source spells it.")

    def is_of(self, schema: str, table: str) -> bool:
        """Whether it means this table."""
        return self.table == table and self.schema_ in {None, "", schema}


class TablePlanSpec(Model):
    """A person's decisions."""

    migration_ref: LocalReference = Field(description="The Migration that it belongs to.")
    source: SourceTable = Field(description="The source table.")
    target_table: str | None = Field(
        default=None, min_length=1, description="With onExisting: Fill, the existing table that it is loaded into."
    )
    decisions: tuple[Decision, ...] = Field(default=(), description="One entry per column.", json_schema_extra=list_map("column"))


class ColumnProposal(Model):
    """What is proposed for one column."""

    source: str = Field(description="Column, as the source spells it.")
    target: str = Field(default="", description="Column in the target.")
    source_type: str = Field(default="", description="Type in the source.")
    target_type: str = Field(default="", description="Type in the target.")
    transformation: str = Field(default="", description="What is done to its values.")
    confidence: Integer = Field(default=0, ge=0, le=100, description="How sure the proposal is, in percent.")
    reasons: tuple[str, ...] = Field(default=(), description="Why.", json_schema_extra=ATOMIC)
    digest: str = Field(default="", description="Digest of this mapping, for a decision that means just this one.")
    decision: str = Field(default="", description="AutoApproved, NeedsReview, Approved, Rejected or Excluded.")


class TableSummary(Model):
    """A table of the plan in numbers, and its risks."""

    columns: Integer = Field(default=0, ge=0, description="Its columns.")
    relationships: Integer = Field(default=0, ge=0, description="Its foreign keys.")
    transformations: Integer = Field(default=0, ge=0, description="Columns whose values are changed on the way.")
    bytes: Integer = Field(default=0, ge=0, description="Its size in the source.")
    estimated_copy_seconds: Integer = Field(default=0, ge=0, description="How long its rows are estimated to take alone.")
    estimated_index_seconds: Integer = Field(default=0, ge=0, description="How long its indexes are.")
    estimated_validation_seconds: Integer = Field(default=0, ge=0, description="How long its comparison is.")
    risks: tuple[Risk, ...] = Field(default=(), max_length=20, description="Its gravest risks.", json_schema_extra=ATOMIC)


class TableProposal(Model):
    """What is proposed for one table, as a worker reports it."""

    source: SourceTable = Field(description="The source table.")
    target: str = Field(default="", description="Table of the target.")
    summary: TableSummary = Field(default_factory=TableSummary, description="The table in numbers.")
    rows: Integer = Field(default=0, ge=0, description="Rows of the table.")
    columns: tuple[ColumnProposal, ...] = Field(default=(), max_length=500, description="Column by column.")
    decisions: str = Field(default="", description="Digest of the decisions that it was made with; empty for none.")


class TablePlanStatus(Status):
    """The proposal."""

    plan_digest: str = Field(default="", description="Digest of the plan that this is a part of.")
    target_table: str = Field(default="", description="Table of the target that it goes to.")
    summary: TableSummary | None = Field(default=None, description="The table in numbers, and its risks.")
    rows: Integer = Field(default=0, ge=0, description="Rows of the table.")
    columns: tuple[ColumnProposal, ...] = Field(
        default=(),
        max_length=500,
        description="What is proposed, column by column. Of a table with more than 500, those that need a decision come first.",
        json_schema_extra=ATOMIC,
    )


def decided(spec: TablePlanSpec) -> str:
    """A name for the decisions of a TablePlan; empty where there are none."""
    told = [d.model_dump_json(exclude_none=True, exclude={"comment"}) for d in sorted(spec.decisions, key=lambda d: d.column)]
    told += [spec.target_table] if spec.target_table else []
    return hashlib.sha256("\n".join(told).encode()).hexdigest()[:16] if told else ""


def table_plan_name(migration: str, source: SourceTable) -> str:
    """A pure function of names, so that a person can commit decisions before there is a plan."""
    slug = re.sub(r"[^a-z0-9]+", "-", source.table.lower()).strip("-")[:_TABLE].strip("-") or "table"
    name = f"{source.schema_ or ''}.{source.table}"
    return f"{migration[:_MIGRATION].rstrip('-.')}-{slug}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


class TablePlan(Model):
    """A source table whose mapping a person decides on."""

    api_version: Literal["landfall.dev/v1alpha1"] = Field(default=API_VERSION, description="API version.")
    kind: Literal["TablePlan"] = Field(default="TablePlan", description="Kind.")
    metadata: Metadata = Field(description="Standard object metadata.")
    spec: TablePlanSpec = Field(description="A person's decisions.")
    status: TablePlanStatus | None = Field(default=None, description="The proposal.")
