"""Messages between workers and the operator. A report is cumulative: the last one contains everything, and processing it twice changes nothing."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, TypedDict, get_args

from pydantic import Field

from landfall.api.connection import Connection
from landfall.api.fields import Boolean, Integer, Model, Moment, RunState
from landfall.api.migration import Migration, Notice, PlanSummary
from landfall.api.progress import Progress, Rehearsed
from landfall.api.release import BuildSummary, ReleaseSpec
from landfall.api.tableplan import TablePlan, TableProposal
from landfall.api.webhook import Webhook
from landfall.ledger_states import StateName

Verb = Literal["probe", "plan", "rehearse", "run", "help", "back", "tidy", "notify", "ping", "build"]


def verb_of(text: object) -> Verb | None:
    """The verb of a Job's label; None for one that this version does not know."""
    known: tuple[Verb, ...] = get_args(Verb)
    return next((verb for verb in known if verb == text), None)


EXIT_DONE, EXIT_FAILED, EXIT_AGAIN = 0, 1, 75
KNOWN_SECRET = "LANDFALL_KNOWN_SECRET_"  # noqa: S105  how the variables begin that tell a worker the Secrets of a build


class Failure(Model):
    """Why a worker exited without success."""

    reason: str = Field(description="Machine-readable reason, in CamelCase.")
    message: str = Field(description="What failed, and what to do.")
    transient: Boolean = Field(default=False, description="Whether a retry can succeed without a change.")


class ConnectionProbe(Model):
    """Result of a connection test."""

    version: str = Field(default="", description="Version that the server reported. For a webhook: its host.")
    capabilities: tuple[str, ...] = Field(default=(), description="Capabilities of this server with this credential.")
    latency_milliseconds: Integer = Field(default=0, ge=0, description="Duration of one round trip, in milliseconds.")


class Line(Model):
    """One line of a worker's log."""

    number: Integer = Field(ge=0, description="Number of the line, counted per worker.")
    at: Moment = Field(description="Time of the line, by the clock of the worker.")
    level: Literal["info", "warning", "error"] = Field(default="info", description="Severity of the line.")
    phase: str = Field(default="", max_length=20, description="Phase of the run in which the line was written.")
    message: str = Field(max_length=4000, description="Text of the line.")


class Report(Model):
    """Cumulative report of a worker. The last report contains everything; processing it twice changes nothing."""

    sequence: Integer = Field(ge=0, description="Number of the report, counted per worker.")
    final: Boolean = Field(default=False, description="Whether the worker has finished.")
    state: RunState = Field(default="", description="State of the run in the target's ledger.")
    key: str = Field(default="", description="Key of the run in the target's ledger.")
    already: Boolean = Field(default=False, description="Whether the ledger recorded the run as completed before.")
    plan: PlanSummary | None = Field(default=None, description="Summary of the plan.")
    plan_bytes: str = Field(default="", description="The plan, compressed, in base64.")
    progress: Progress | None = Field(default=None, description="Progress of the run.")
    verdict: str = Field(default="", description="Result of the verification.")
    rows: Integer = Field(default=0, ge=0, description="Number of rows in the target, as verified.")
    consistent_as_of: str = Field(default="", description="Position or time of the source snapshot that was verified.")
    frozen_seconds: float = Field(default=0, ge=0, description="Duration of the write lock on the source, in seconds.")
    locks_given_back: Integer = Field(
        default=0, ge=0, description="How often the write lock on the source reached its maximum duration and was released."
    )
    kept: Boolean = Field(default=False, description="Whether the cutover replaced tables, which are retained.")
    expired: Boolean = Field(default=False, description="Whether the retained tables have been dropped.")
    rehearsal: Rehearsed | None = Field(default=None, description="Measurements of a rehearsal.")
    probe: ConnectionProbe | None = Field(default=None, description="Result of a connection test.")
    failure: Failure | None = Field(default=None, description="Why the worker did not succeed.")
    tables: tuple[TableProposal, ...] = Field(default=(), description="Proposed mappings of the tables that allow decisions.")
    build: BuildSummary | None = Field(default=None, description="Result of detection and build.")
    image: str = Field(default="", description="Image with digest that a builder pushed.")
    at: Moment | None = Field(default=None, description="Time of the report, by the clock of the worker.")
    lines: tuple[Line, ...] = Field(default=(), max_length=1000, description="Log lines that the journal has not stored yet.")
    # Known only to the operator and never sent, so that an operator of version 0.1 accepts reports of a newer worker.
    pod: str = Field(default="", exclude=True, description="UID of the worker's pod, taken from its token by the intake.")
    pod_created: Moment | None = Field(default=None, exclude=True, description="Time at which that pod was created.")

    def follows(self, pod: str, pod_created: datetime | None, sequence: int) -> bool:
        """Whether this report is newer than one that is known, of the same Job or of an earlier one of the same run.

        Each pod counts its reports from 0, so the sequence orders the reports of one pod only. At most one pod of a
        run works at a time: a pod that was created later follows one that was created earlier.

        Args:
            pod: Uid of the pod that the known report is of; empty where version 0.1 recorded it.
            pod_created: When that pod was created.
            sequence: Number of the known report.
        """
        if self.pod == pod:
            return self.sequence > sequence
        if pod_created is None or self.pod_created is None:
            return True
        return self.pod_created >= pod_created


class ReportFields(TypedDict, total=False):
    """Fields of a report that a worker changes, by name. A test compares them with those of `Report`."""

    final: bool
    state: StateName
    key: str
    already: bool
    plan: PlanSummary | None
    plan_bytes: str
    progress: Progress | None
    verdict: str
    rows: int
    consistent_as_of: str
    frozen_seconds: float
    locks_given_back: int
    kept: bool
    expired: bool
    rehearsal: Rehearsed | None
    probe: ConnectionProbe | None
    failure: Failure | None
    tables: tuple[TableProposal, ...]
    build: BuildSummary | None
    image: str


class Dials(Model):
    """Live settings of a run: the settings that can change while it works."""

    parallelism: Integer = Field(ge=1, description="Number of concurrent copy streams.")
    workers: Integer = Field(default=1, ge=1, description="Number of processes that share the run.")
    batch_rows: Integer = Field(ge=1, description="Maximum number of rows between two checkpoints of a copy stream.")
    rows_per_second: Integer = Field(default=0, ge=0, description="Maximum throughput in rows per second. Zero means no limit.")
    bytes_per_second: Integer = Field(default=0, ge=0, description="Maximum throughput in bytes per second. Zero means no limit.")
    cutover_from: Moment | None = Field(default=None, description="Earliest time of the cutover.")
    cutover_until: Moment | None = Field(default=None, description="Latest time of the cutover.")
    cutover_held: Boolean = Field(default=False, description="Whether the cutover waits until the app is built.")
    hold: Boolean = Field(
        default=False, description="Whether the write lock on the source is kept after the cutover until the app is released."
    )
    at_once: Boolean = Field(default=False, description="Whether to stop immediately and abort the chunks in progress.")


class Taken(Model):
    """Response of the intake to a report."""

    taken: Integer = Field(description="Number of the last processed report.")
    lines: Integer = Field(default=-1, description="Number of the last log line that the journal has stored.")
    dials: Dials | None = Field(default=None, description="Live settings for the worker. Absent for a worker without settings.")


class RunImage(Model):
    """Base image for apps of one version of a language runtime."""

    runtime: Literal["node", "python", "go", "static"] = Field(description="Language runtime.")
    version: str = Field(default="", description="Version of the language runtime.")
    image: str = Field(description="Base image of the app's image.")
    port: Integer = Field(default=8080, ge=1, le=65535, description="Port that the app listens on, passed to it as PORT.")


class BuildTask(Model):
    """Task of a builder."""

    release: str = Field(description="Name of the Release.")
    spec: ReleaseSpec = Field(description="What to build.")
    builder: str = Field(description="Image in which the commands run.")
    images: tuple[RunImage, ...] = Field(description="Available language runtimes.")
    repository: str = Field(description="Registry and repository that the image is pushed to.")
    uploads: str = Field(default="", description="Registry and repository of uploaded archives.")
    insecure: Boolean = Field(default=False, description="Whether the registry uses plain HTTP.")
    github: str = Field(default="https://api.github.com", description="Base URL of the GitHub API.")
    token_key: str = Field(default="", description="File in the mounted Secret with the token that can read the repository.")


class Task(Model):
    """Task of a worker, mounted as a file. Credentials are mounted separately."""

    verb: Verb = Field(description="Action to run.")
    intake: str = Field(description="URL that reports are sent to.")
    migration: Migration | None = Field(default=None, description="Migration of the task.")
    connections: dict[str, Connection] = Field(default_factory=dict, description="Connections by name.")
    plans: tuple[TablePlan, ...] = Field(default=(), description="Decisions on tables.")
    digest: str = Field(default="", description="Digest of the approved plan.")
    quiesced: Boolean = Field(default=False, description="Whether it was confirmed that all writers have stopped.")
    dials: Dials | None = Field(default=None, description="Live settings at the start of the worker.")
    notice: Notice | None = Field(default=None, description="Notification to send.")
    webhook: Webhook | None = Field(default=None, description="Webhook to ping.")
    request: str = Field(default="", description="ID of the request that is processed.")
    force: Boolean = Field(
        default=False, description="Whether a rollback ends the sessions of another worker instead of waiting for it."
    )
    build: BuildTask | None = Field(default=None, description="What to build.")
    forget: Boolean = Field(
        default=False, description="Whether a rollback of a run that is not completed removes its ledger entries."
    )
