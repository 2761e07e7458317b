"""Progress of a Migration in its status: steps, measurements, and the app part."""

from __future__ import annotations

from typing import Literal, get_args

from pydantic import Field

from landfall.api.fields import ATOMIC, Integer, Model, Moment
from landfall.lifecycle import StepName


class Step(Model):
    """One step of the run."""

    name: StepName = Field(description="Name of the step.")
    status: Literal["Pending", "Running", "Done", "Failed"] = Field(description="Status of the step.")
    percent: Integer = Field(default=0, ge=0, le=100, description="Progress of the step, in percent.")
    started_at: Moment | None = Field(default=None, description="Time at which the step started.")
    finished_at: Moment | None = Field(default=None, description="Time at which the step finished.")


class TableProgress(Model):
    """Progress of one table."""

    table: str = Field(description="Name of the table, as in the plan.")
    state: Literal["Pending", "Copying", "Copied", "Equal"] = Field(
        description="State of the table. Equal: verified, and equal to the source."
    )
    rows: Integer = Field(default=0, ge=0, description="Number of copied rows.")
    total_rows: Integer = Field(default=0, ge=0, description="Planned number of rows.")
    bytes: Integer = Field(default=0, ge=0, description="Number of copied bytes.")
    compared_rows: Integer = Field(default=0, ge=0, description="Number of rows compared with the source.")
    corrected_rows: Integer = Field(
        default=0, ge=0, description="Number of rows that changed in the source after they were copied, and were repaired."
    )


class Progress(Model):
    """Progress of a run. Updated at least every 5 s while the run works."""

    percent: Integer = Field(
        default=0, ge=0, le=100, description="Progress of the whole run, in percent of the estimated duration."
    )
    step_percent: Integer = Field(default=0, ge=0, le=100, description="Progress of the current step, in percent.")
    rows: Integer = Field(default=0, ge=0, description="Number of copied rows.")
    total_rows: Integer = Field(default=0, ge=0, description="Planned number of rows.")
    bytes: Integer = Field(default=0, ge=0, description="Number of copied bytes.")
    rows_per_second: Integer = Field(default=0, ge=0, description="Current throughput, in rows per second.")
    bytes_per_second: Integer = Field(default=0, ge=0, description="Current throughput, in bytes per second.")
    remaining_seconds: Integer | None = Field(
        default=None, ge=0, description="Estimated time to completion, in seconds. Absent until it can be estimated."
    )
    checkpoint: str = Field(
        default="",
        description="Last checkpoint, as TABLE/CHUNK. Everything committed up to it survives any failure.",
    )
    checkpoint_seconds: Integer | None = Field(
        default=None, ge=0, description="Estimated time until a checkpoint at which the run can pause, in seconds."
    )
    tables_done: Integer = Field(default=0, ge=0, description="Number of tables that are copied and verified.")
    compared_rows: Integer = Field(
        default=0, ge=0, description="Number of row comparisons with the source. A row that is compared twice counts twice."
    )
    corrected_rows: Integer = Field(
        default=0, ge=0, description="Number of rows that changed in the source after they were copied, and were repaired."
    )
    cpu_seconds: Integer = Field(
        default=0, ge=0, description="CPU time of the worker, in seconds. With several workers: of the leading worker."
    )
    memory_bytes: Integer = Field(default=0, ge=0, description="Peak memory of the worker, in bytes.")
    recovered_errors: Integer = Field(default=0, ge=0, description="Number of failures that the run recovered from.")
    escalated_errors: Integer = Field(default=0, ge=0, description="Number of failures that ended a worker.")
    tables: tuple[TableProgress, ...] = Field(
        default=(),
        max_length=50,
        description="Progress per table, at most 50: tables in progress first, then the largest ones.",
        json_schema_extra=ATOMIC,
    )


class Rehearsed(Model):
    """Measurements of a rehearsal."""

    request: str = Field(description="ID of the request for the rehearsal.")
    rows: Integer = Field(default=0, ge=0, description="Number of rows that were copied and verified.")
    redone_rows: Integer = Field(
        default=0, ge=0, description="Number of rows that changed in the source meanwhile, and were repaired."
    )
    schema_seconds: float = Field(default=0, ge=0, description="Duration of the schema migration, in seconds.")
    copy_seconds: float = Field(default=0, ge=0, description="Duration of the copy, in seconds.")
    index_seconds: float = Field(default=0, ge=0, description="Duration of the index builds, in seconds.")
    validation_seconds: float = Field(
        default=0,
        ge=0,
        description="Duration of the verification and of the foreign keys, in seconds. With `quiesce: Engine`, about the"
        " duration of the write lock.",
    )
    finished_at: Moment | None = Field(default=None, description="Time at which the rehearsal finished.")


AppState = Literal["Building", "Built", "Starting", "Live", "Failed", "RollingBack", "RolledBack"]


def app_state(text: object) -> AppState | Literal[""]:
    """`status.app.state` of a Migration; empty if it is absent or unknown to this version."""
    known: tuple[AppState, ...] = get_args(AppState)
    return next((state for state in known if state == text), "")


class AppMove(Model):
    """State of the app part of a migration."""

    deployment: str = Field(description="Name of the Deployment.")
    state: AppState = Field(
        description="State of the app part. Built: the release waits for the data. Starting: the data is cut over. Failed:"
        " the app did not become healthy, and the data is rolled back. RollingBack: a rollback was requested, and no"
        " release goes live any more. RolledBack: the data is rolled back."
    )
    release: str = Field(default="", description="Name of the live release.")
    url: str = Field(default="", description="URL of the app.")
    message: str = Field(default="", description="What the app waits for, or why it failed.")
    drained_at: Moment | None = Field(
        default=None,
        description="Time at which the last pod of the old release had stopped. The write lock on the source is kept until then.",
    )
