"""What workers tell the operator. A report is cumulative: the last one says everything, and telling it twice changes nothing."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from landfall.api.connection import Connection
from landfall.api.fields import Boolean, Integer, Model, Moment
from landfall.api.migration import Migration, Notice, PlanSummary
from landfall.api.progress import Progress, Rehearsed
from landfall.api.release import BuildSummary, ReleaseSpec
from landfall.api.tableplan import TablePlan, TableProposal
from landfall.api.webhook import Webhook

Verb = Literal["probe", "plan", "rehearse", "run", "help", "back", "tidy", "notify", "ping", "build"]
EXIT_DONE, EXIT_FAILED, EXIT_AGAIN = 0, 1, 75


class Failure(Model):
    """Why a worker ended without reaching its goal."""

    reason: str = Field(description="Stable word for conditions.")
    message: str = Field(description="What happened, and what to do next.")
    transient: Boolean = Field(default=False, description="Whether trying again may help with nothing changed.")


class Probe(Model):
    """What a probe found of who is there."""

    version: str = Field(default="", description="Version that the server told; of a webhook its host.")
    capabilities: tuple[str, ...] = Field(default=(), description="What this server and credential can do.")
    latency_milliseconds: Integer = Field(default=0, ge=0, description="Time of one round trip.")


class Line(Model):
    """One line of a worker's log."""

    number: Integer = Field(ge=0, description="Counts up within one worker.")
    at: Moment = Field(description="When it was written, by the worker's clock.")
    level: Literal["info", "warning", "error"] = Field(default="info", description="How grave it is.")
    phase: str = Field(default="", max_length=20, description="Where in its work the worker was.")
    message: str = Field(max_length=4000, description="What happened.")


class Report(Model):
    """Everything that a worker knows so far."""

    sequence: Integer = Field(ge=0, description="Counts up within one worker.")
    final: Boolean = Field(default=False, description="Whether the worker has reached its end.")
    state: str = Field(default="", description="State of the run in the target's ledger.")
    key: str = Field(default="", description="What the run is known by in the target's ledger.")
    already: Boolean = Field(default=False, description="Whether the ledger knew the run as completed before.")
    plan: PlanSummary | None = Field(default=None, description="The plan in numbers.")
    plan_bytes: str = Field(default="", description="The plan, packed, in base64.")
    progress: Progress | None = Field(default=None, description="Numbers of the copy.")
    verdict: str = Field(default="", description="What the comparison found.")
    rows: Integer = Field(default=0, ge=0, description="Rows in the target, as compared.")
    consistent_as_of: str = Field(default="", description="The moment of the source that was compared.")
    frozen_seconds: float = Field(default=0, ge=0, description="How long writers were locked out.")
    locks_given_back: Integer = Field(
        default=0, ge=0, description="How often the write lock on the source reached its limit and was given back."
    )
    kept: Boolean = Field(default=False, description="Whether the cutover replaced something, which is kept.")
    expired: Boolean = Field(default=False, description="Whether what was kept has been dropped.")
    rehearsal: Rehearsed | None = Field(default=None, description="What a rehearsal measured.")
    probe: Probe | None = Field(default=None, description="What a probe found.")
    failure: Failure | None = Field(default=None, description="Why the goal was not reached.")
    tables: tuple[TableProposal, ...] = Field(default=(), description="Tables of the plan that a person decides about.")
    build: BuildSummary | None = Field(default=None, description="What a builder found, and did.")
    image: str = Field(default="", description="The image that a builder pushed, by digest.")
    at: Moment | None = Field(default=None, description="When it was told, by the worker's clock.")
    lines: tuple[Line, ...] = Field(
        default=(), max_length=1000, description="Lines of the log that the journal has not taken yet."
    )
    # Known to the operator alone, and never sent: so that an operator of version 0.1 takes reports of a newer worker, too.
    pod: str = Field(default="", exclude=True, description="Uid of the worker's pod, as the intake knows it from the token.")
    pod_created: Moment | None = Field(default=None, exclude=True, description="When the API server created that pod.")

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


class Dials(Model):
    """What of a run may change while it works, as the spec has it now."""

    parallelism: Integer = Field(ge=1, description="Concurrent streams.")
    workers: Integer = Field(default=1, ge=1, description="Processes that share the run.")
    batch_rows: Integer = Field(ge=1, description="Most rows between two checkpoints of a stream.")
    rows_per_second: Integer = Field(default=0, ge=0, description="Most rows per second; zero is no limit.")
    bytes_per_second: Integer = Field(default=0, ge=0, description="Most bytes per second; zero is no limit.")
    cutover_from: Moment | None = Field(default=None, description="The cutover waits until then.")
    cutover_until: Moment | None = Field(default=None, description="From then on the cutover waits.")
    cutover_held: Boolean = Field(default=False, description="The cutover waits until its app is built.")
    hold: Boolean = Field(
        default=False, description="Writers of the source stay locked out after the cutover, until the app has moved."
    )
    at_once: Boolean = Field(default=False, description="Stop now, and give up the chunks in flight.")


class Taken(Model):
    """What the intake answers."""

    taken: Integer = Field(description="Number of the report that was taken.")
    lines: Integer = Field(default=-1, description="Number of the last line that is in the journal.")
    dials: Dials | None = Field(default=None, description="How the worker is to go on; nothing for one that has no choice.")


class RunImage(Model):
    """What goes below apps of one version of one language runtime."""

    runtime: Literal["node", "python", "go", "static"] = Field(description="Language runtime.")
    version: str = Field(default="", description="Its version.")
    image: str = Field(description="Image that goes below the app.")
    port: Integer = Field(default=8080, ge=1, le=65535, description="Port that its apps listen on, told as PORT.")


class BuildTask(Model):
    """What a builder is asked to do."""

    release: str = Field(description="Name of the Release.")
    spec: ReleaseSpec = Field(description="What to build.")
    builder: str = Field(description="Image that runs the commands.")
    images: tuple[RunImage, ...] = Field(description="The runtimes that there are.")
    repository: str = Field(description="Where the image goes: registry and name.")
    uploads: str = Field(default="", description="Where uploaded archives are: registry and name.")
    insecure: Boolean = Field(default=False, description="Whether the registry speaks plain HTTP.")
    github: str = Field(default="https://api.github.com", description="Base address of GitHub's API.")
    token_key: str = Field(default="", description="File under the mounted Secret with the token that may read the repository.")


class Task(Model):
    """What a worker is asked to do; mounted as a file. Credentials are mounted apart from it."""

    verb: Verb = Field(description="What to do.")
    intake: str = Field(description="Address that reports go to.")
    migration: Migration | None = Field(default=None, description="The Migration.")
    connections: dict[str, Connection] = Field(default_factory=dict, description="The Connections by name.")
    plans: tuple[TablePlan, ...] = Field(default=(), description="Decisions on tables.")
    digest: str = Field(default="", description="Digest of the plan that may run.")
    quiesced: Boolean = Field(default=False, description="A person says that writers have stopped.")
    dials: Dials | None = Field(default=None, description="How the worker is to begin.")
    notice: Notice | None = Field(default=None, description="What to tell.")
    webhook: Webhook | None = Field(default=None, description="Who is pinged.")
    request: str = Field(default="", description="Identifier of the request that is carried out.")
    force: Boolean = Field(default=False, description="Going back does not wait for another worker to end; it ends its sessions.")
    build: BuildTask | None = Field(default=None, description="What to build.")
    forget: Boolean = Field(
        default=False, description="Going back from a run that is not completed leaves no trace in the ledger."
    )
