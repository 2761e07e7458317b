"""Run: the immutable record of one execution of a data migration, over pauses and retries."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from landfall.api.fields import API_VERSION, Boolean, Integer, LocalReference, Metadata, Model, Moment, RunState, Status, rules
from landfall.api.migration import DataSpec, PlanSummary
from landfall.api.progress import Progress, Rehearsed

# Declared address of the source and the target when the Run was created: `mysql:db.example:3306/shop`.
DECLARED_SOURCE = "landfall.dev/declared-source"
DECLARED_TARGET = "landfall.dev/declared-target"


class RunSpec(Model):
    """What the run executes. Written once, by the operator."""

    model_config = rules(("self == oldSelf", "a Run is a record: its spec never changes"))

    migration_ref: LocalReference = Field(description="Migration that the run executes.")
    key: str = Field(
        pattern=r"^[0-9a-f]{64}$",
        description="Digest of what the Migration and its Connections declare. The key of the run in the target's ledger is"
        " status.ledgerKey.",
    )
    image: str = Field(min_length=1, description="Image of the workers, fixed for the whole run.")
    data: DataSpec = Field(description="Data part of the Migration at the start of the run.")
    retain_seconds: Integer = Field(
        default=604_800, ge=0, description="How long replaced tables are retained after the cutover, in seconds."
    )


class RunFailure(Model):
    """Failure of a worker."""

    job: str = Field(description="Name of the worker's Job.")
    reason: str = Field(description="Machine-readable reason, in CamelCase.")
    message: str = Field(description="What failed, and what to do.")
    transient: Boolean = Field(default=False, description="Whether a retry can succeed without a change.")


class RunStatus(Status):
    """Observed state of the run."""

    state: RunState = Field(default="", description="State of the run in the target's ledger. Empty before the first step.")
    ledger_key: str = Field(
        default="",
        description="Key of the run in the target's ledger, as reported by a worker. Empty until a worker has reported it.",
    )
    plan: PlanSummary | None = Field(default=None, description="Summary of the plan.")
    progress: Progress | None = Field(default=None, description="Progress of the run.")
    adopted: Boolean = Field(
        default=False, description="Whether the ledger recorded the run as completed before this Run object was created."
    )
    attempts: Integer = Field(default=0, ge=0, description="Number of worker pods that were started for the run.")
    failure: RunFailure | None = Field(default=None, description="Last worker failure, with the suggested fix.")
    reported_by: str = Field(default="", description="Name of the Job that sent the last accepted report.")
    reported_by_pod: str = Field(
        default="", description="UID of the pod that sent the last accepted report. Each pod numbers its reports from 0."
    )
    pod_created: Moment | None = Field(default=None, description="Time at which that pod was created.")
    sequence: Integer = Field(default=-1, description="Number of the last accepted report, counted per pod.")
    finished: str = Field(default="", description="Name of the last Job whose worker reported its end.")
    verdict: str = Field(default="", description="Result of the verification.")
    rows: Integer = Field(default=0, ge=0, description="Number of rows in the target, as verified.")
    consistent_as_of: str = Field(default="", description="Position or time of the source snapshot that was verified.")
    frozen_seconds: float = Field(default=0, ge=0, description="Duration of the write lock on the source, in seconds.")
    locks_given_back: Integer = Field(
        default=0, ge=0, description="How often the write lock on the source reached its maximum duration and was released."
    )
    kept: Boolean = Field(default=False, description="Whether the cutover replaced tables, which are retained.")
    expired: Boolean = Field(default=False, description="Whether the retained tables have been dropped.")
    rehearsal: Rehearsed | None = Field(default=None, description="Measurements of the last rehearsal.")
    reported_at: Moment | None = Field(default=None, description="Time of the last report of a worker.")
    source_released: Boolean = Field(
        default=False,
        description="Whether the worker that held the write lock for the cutover has exited, so that the source accepts"
        " writes again.",
    )


class Run(Model):
    """The record of one execution of a data migration."""

    api_version: Literal["landfall.dev/v1alpha1"] = Field(default=API_VERSION, description="API version of the object.")
    kind: Literal["Run"] = Field(default="Run", description="Kind of the object.")
    metadata: Metadata = Field(description="Standard object metadata.")
    spec: RunSpec = Field(description="What the run executes.")
    status: RunStatus | None = Field(default=None, description="Observed state of the run.")
