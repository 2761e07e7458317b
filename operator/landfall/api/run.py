"""Run: the immutable record of one execution of a data migration, over pauses and retries."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from landfall.api.fields import API_VERSION, Boolean, Integer, LocalReference, Metadata, Model, Moment, Status, rules
from landfall.api.migration import DataSpec, PlanSummary
from landfall.api.progress import Progress, Rehearsed

# Where source and target of a Run are, as declared when it was begun: `mysql:db.example:3306/shop`.
DECLARED_SOURCE = "landfall.dev/declared-source"
DECLARED_TARGET = "landfall.dev/declared-target"


class RunSpec(Model):
    """What is executed. Written once, by the operator."""

    model_config = rules(("self == oldSelf", "a Run is a record: its spec never changes"))

    migration_ref: LocalReference = Field(description="The Migration that it executes.")
    key: str = Field(
        pattern=r"^[0-9a-f]{64}$",
        description="Digest of what the Migration and its Connections declare. The key in the target's ledger is status.ledgerKey.",
    )
    image: str = Field(min_length=1, description="Image of its workers, pinned for the whole run.")
    data: DataSpec = Field(description="The data half of the Migration, as it was when the run began.")
    retain_seconds: Integer = Field(default=604_800, ge=0, description="How long what was replaced is kept.")


class RunFailure(Model):
    """What a worker failed of."""

    job: str = Field(description="The worker's Job.")
    reason: str = Field(description="Stable word for conditions.")
    message: str = Field(description="What happened, and what to do next.")
    transient: Boolean = Field(default=False, description="Whether trying again may help with nothing changed.")


class RunStatus(Status):
    """How far the execution is."""

    state: Literal["", "schema", "copying", "indexing", "comparing", "cut_over", "cancelled", "rolled_back"] = Field(
        default="", description="State in the target's ledger; empty before the first step."
    )
    ledger_key: str = Field(
        default="", description="What the run is known by in the target's ledger, as a worker reported it; empty until then."
    )
    plan: PlanSummary | None = Field(default=None, description="The plan in numbers.")
    progress: Progress | None = Field(default=None, description="How far the copy is.")
    adopted: Boolean = Field(default=False, description="Whether the ledger knew the run as completed before this Run was made.")
    attempts: Integer = Field(default=0, ge=0, description="Worker pods that were started for it.")
    failure: RunFailure | None = Field(default=None, description="What the last worker failed of, with the way out.")
    reported_by: str = Field(default="", description="Job whose report was taken last.")
    reported_by_pod: str = Field(default="", description="Uid of the pod that sent it: each pod counts its reports from 0.")
    pod_created: Moment | None = Field(default=None, description="When that pod was created.")
    sequence: Integer = Field(default=-1, description="Number of that report, counted by its pod.")
    finished: str = Field(default="", description="The last Job whose worker said that it had reached its end.")
    verdict: str = Field(default="", description="What the comparison found.")
    rows: Integer = Field(default=0, ge=0, description="Rows in the target, as compared.")
    consistent_as_of: str = Field(default="", description="The moment of the source that was compared.")
    frozen_seconds: float = Field(default=0, ge=0, description="How long writers of the source were locked out.")
    locks_given_back: Integer = Field(
        default=0, ge=0, description="How often the write lock on the source reached its limit and was given back."
    )
    kept: Boolean = Field(default=False, description="Whether the cutover replaced something, which is kept.")
    expired: Boolean = Field(default=False, description="Whether what was kept has been dropped.")
    rehearsal: Rehearsed | None = Field(default=None, description="What the last rehearsal measured.")
    reported_at: Moment | None = Field(default=None, description="When a worker last reported.")
    source_released: Boolean = Field(
        default=False,
        description="Whether the worker that locked the writers of the source out for the cutover has ended, so that they may write again.",
    )


class Run(Model):
    """The record of one execution of a data migration."""

    api_version: Literal["landfall.dev/v1alpha1"] = Field(default=API_VERSION, description="API version.")
    kind: Literal["Run"] = Field(default="Run", description="Kind.")
    metadata: Metadata = Field(description="Standard object metadata.")
    spec: RunSpec = Field(description="What is executed.")
    status: RunStatus | None = Field(default=None, description="How far the execution is.")
