"""How far a Migration is, in its status: steps, numbers, and the app that moves along."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from landfall.api.fields import ATOMIC, Integer, Model, Moment


class Step(Model):
    """One step of the run."""

    name: Literal["planning", "schema_migration", "data_transfer", "validation", "cutover"] = Field(description="Which step.")
    status: Literal["Pending", "Running", "Done", "Failed"] = Field(description="How far it is.")
    percent: Integer = Field(default=0, ge=0, le=100, description="How much of it is done.")
    started_at: Moment | None = Field(default=None, description="When it began.")
    finished_at: Moment | None = Field(default=None, description="When it ended.")


class TableProgress(Model):
    """One table of a run."""

    table: str = Field(description="Table, as the plan names it.")
    state: Literal["Pending", "Copying", "Copied", "Equal"] = Field(description="How far it is; Equal: compared with its source.")
    rows: Integer = Field(default=0, ge=0, description="Rows moved.")
    total_rows: Integer = Field(default=0, ge=0, description="Rows to move, as planned.")
    bytes: Integer = Field(default=0, ge=0, description="Bytes moved.")
    compared_rows: Integer = Field(default=0, ge=0, description="Rows compared with their source.")
    corrected_rows: Integer = Field(
        default=0, ge=0, description="Rows that had changed since they were copied, and were brought up to date."
    )


class Progress(Model):
    """Numbers of a run, at most five seconds old while it works."""

    percent: Integer = Field(default=0, ge=0, le=100, description="How much of the whole run is done, by the plan's estimates.")
    step_percent: Integer = Field(default=0, ge=0, le=100, description="How much of the present step is done.")
    rows: Integer = Field(default=0, ge=0, description="Rows moved.")
    total_rows: Integer = Field(default=0, ge=0, description="Rows to move, as planned.")
    bytes: Integer = Field(default=0, ge=0, description="Bytes moved.")
    rows_per_second: Integer = Field(default=0, ge=0, description="Rows a second, of late.")
    bytes_per_second: Integer = Field(default=0, ge=0, description="Bytes a second, of late.")
    remaining_seconds: Integer | None = Field(default=None, ge=0, description="Estimated time to the end of the run.")
    checkpoint: str = Field(
        default="",
        description="The last checkpoint, as TABLE/CHUNK: everything that was committed up to it is kept, whatever comes.",
    )
    checkpoint_seconds: Integer | None = Field(
        default=None, ge=0, description="Estimated time to a checkpoint at which the run could pause."
    )
    tables_done: Integer = Field(default=0, ge=0, description="Tables that are moved and compared.")
    compared_rows: Integer = Field(default=0, ge=0, description="Rows compared with their source, each as often as it was.")
    corrected_rows: Integer = Field(
        default=0, ge=0, description="Rows that had changed since they were copied, and were brought up to date."
    )
    cpu_seconds: Integer = Field(
        default=0, ge=0, description="Processor time of the worker, of the one that leads where there are several."
    )
    memory_bytes: Integer = Field(default=0, ge=0, description="Most memory that it held.")
    recovered_errors: Integer = Field(default=0, ge=0, description="Failures that the run got over by itself.")
    escalated_errors: Integer = Field(default=0, ge=0, description="Failures that ended a worker.")
    tables: tuple[TableProgress, ...] = Field(
        default=(), max_length=50, description="Tables: those under way first, then the largest ones.", json_schema_extra=ATOMIC
    )


class Rehearsed(Model):
    """What a rehearsal measured."""

    request: str = Field(description="The request that asked for it.")
    rows: Integer = Field(default=0, ge=0, description="Rows that were moved and found equal.")
    redone_rows: Integer = Field(default=0, ge=0, description="Rows that were written meanwhile and brought up to date.")
    schema_seconds: float = Field(default=0, ge=0, description="Time for the schema.")
    copy_seconds: float = Field(default=0, ge=0, description="Time for the rows.")
    index_seconds: float = Field(default=0, ge=0, description="Time for the indexes.")
    validation_seconds: float = Field(
        default=0,
        ge=0,
        description="Time for the comparison and the keys: with `quiesce: Engine`, about how long writers are locked out.",
    )
    finished_at: Moment | None = Field(default=None, description="When it was over.")


AppState = Literal["Building", "Built", "Starting", "Live", "Failed", "RollingBack", "RolledBack"]


class AppMove(Model):
    """How the app half of a move stands."""

    deployment: str = Field(description="Name of the Deployment.")
    state: AppState = Field(
        description="Built: its release waits for the data. Starting: the data is cut over. Failed: the app did not come up, and the data goes back."
        " RollingBack: a rollback was asked for, and no release goes live any more. RolledBack: the data has gone back."
    )
    release: str = Field(default="", description="The Release that serves.")
    url: str = Field(default="", description="Where it is reached.")
    message: str = Field(default="", description="What it waits for, or why it failed.")
    drained_at: Moment | None = Field(
        default=None,
        description="When no pod of the old release is left: until then the writers of the source stay locked out.",
    )
