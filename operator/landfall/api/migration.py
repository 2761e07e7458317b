"""Migration: brings a database, an app, or both as one, into the target. Bounded: it ends."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from landfall.api.deployment import DeploymentSpec
from landfall.api.fields import (
    API_VERSION,
    ATOMIC,
    Boolean,
    Integer,
    LocalReference,
    Metadata,
    Model,
    Moment,
    Status,
    list_map,
    rules,
)
from landfall.api.progress import AppMove, Progress, Rehearsed, Step

DesiredState = Literal["Planned", "Completed", "Paused", "Cancelled", "RolledBack"]


class DataSource(Model):
    """Where the data comes from."""

    connection_ref: LocalReference = Field(description="Connection of the source.")
    schemas: tuple[str, ...] = Field(
        default=(), description="Schemas to move. Default: the Connection's database (MySQL, MariaDB), `public` (PostgreSQL)."
    )
    exclude_tables: tuple[str, ...] = Field(default=(), description="Shell patterns of table names to leave out, as `audit_*`.")
    quiesce: Literal["Engine", "Confirm", "None"] | None = Field(
        default=None,
        description="How writers are kept away from the last comparison to the cutover. Engine: locked out by the database."
        " Confirm: a person says that they have stopped, and it is checked. None: not at all; rows written after the last"
        " snapshot stay behind. Default: Engine while that takes a minute at most; above that the plan asks.",
    )


class DataTarget(Model):
    """Where the data goes."""

    connection_ref: LocalReference = Field(description="Connection of the target.")
    schema_: str = Field(default="public", alias="schema", min_length=1, description="Schema that the tables end up in.")
    on_existing: Literal["Fail", "Replace", "Fill"] = Field(
        default="Fail",
        description="Tables of the same name: Fail refuses; Replace moves them to a kept schema and puts what depends on them on"
        " the new ones; Fill loads existing empty tables, which are matched by names, types, keys and values.",
    )
    identifiers: Literal["Lower", "Preserve"] = Field(
        default="Lower", description="How names of a source that is not PostgreSQL are spelled: in lower case, or as they are."
    )


class Approval(Model):
    """What is approved beforehand."""

    auto_approve_above_percent: Integer = Field(
        default=95, ge=0, le=100, description="Mappings of at least this confidence need no person."
    )
    plan_digest: str | None = Field(
        default=None, pattern=r"^sha256:[0-9a-f]{64}$", description="Digest of the plan that a person has read and approved."
    )


class PolicySpec(Model):
    """What becomes of values that the target cannot hold. Each is a default for every column; a TablePlan refines it."""

    zero_dates: str | None = Field(
        default=None, description="Fail, Null or Map:VALUE. Default: Null where NULL is allowed, else Fail."
    )
    nul_bytes: str | None = Field(default=None, description="Fail, Strip or Replace (by U+FFFD). Default: Strip.")
    invalid_encoding: str | None = Field(default=None, description="Fail, Replace (by U+FFFD) or Latin1. Default: Replace.")
    type_mismatch: str | None = Field(
        default=None, description="Values of another type than the column's: Fail, Text, Null or Map:VALUE. Default: Text."
    )
    out_of_range: str | None = Field(
        default=None, description="Fail or Widen (to a type that holds every value). Default: Widen."
    )
    orphans: Literal["Fail", "NotValid"] | None = Field(
        default=None, description="Rows without their parent: Fail, or NotValid (the key is added unproven). Default: Fail."
    )


class Limits(Model):
    """How much the run may take of either side. Zero is no limit."""

    rows_per_second: Integer = Field(default=0, ge=0, description="Most rows per second, over all streams.")
    bytes_per_second: Integer = Field(default=0, ge=0, description="Most bytes per second, over all streams.")
    memory_bytes: Integer = Field(default=536_870_912, ge=134_217_728, description="Most memory of one worker.")


class CutoverSpec(Model):
    """How the cutover goes."""

    max_pause: str | None = Field(
        default=None,
        pattern=r"^[1-9][0-9]{0,5}[smh]$",
        description="Longest time that writers of the source may be locked out before the cutover begins, in seconds, minutes or"
        " hours (`60s`, `5m`). With quiesce: Engine the lock is given back when it is reached; the run repairs what differs"
        " without a lock, tries twice more, and then fails, resumable. Default: twice what the plan estimates, at least a minute.",
    )

    @property
    def max_pause_seconds(self) -> int:
        """The same in seconds; 0 where nothing is said."""
        return int(self.max_pause[:-1]) * _UNITS[self.max_pause[-1]] if self.max_pause else 0


_UNITS = {"s": 1, "m": 60, "h": 3600}
_FILLS = "has(self.target.onExisting) && self.target.onExisting == 'Fill'"
_DATA_ONLY = "mode: DataOnly loads tables that exist; set target.onExisting: Fill"
_FILL = "target.onExisting: Fill loads rows, which mode: SchemaOnly leaves out"


class DataSpec(Model):
    """The data half of a Migration."""

    model_config = rules(
        (f"!has(self.mode) || self.mode != 'DataOnly' || ({_FILLS})", _DATA_ONLY),
        (f"!has(self.mode) || self.mode != 'SchemaOnly' || !({_FILLS})", _FILL),
    )

    source: DataSource = Field(description="Where the data comes from.")
    target: DataTarget = Field(description="Where the data goes.")
    mode: Literal["Full", "SchemaOnly", "DataOnly"] = Field(
        default="Full",
        description="Schema and rows, or one of them. DataOnly makes nothing: every table has to exist (target.onExisting: Fill).",
    )
    parallelism: Integer = Field(default=4, ge=1, le=64, description="Concurrent streams.")
    workers: Integer = Field(
        default=1, ge=1, le=32, description="Pods that share the run. Without a cluster there is one process."
    )
    batch_size: Integer = Field(
        default=10_000, ge=100, le=10_000_000, description="Most rows between two checkpoints of a stream."
    )
    approval: Approval = Field(default_factory=Approval, description="What is approved beforehand.")
    policies: PolicySpec = Field(default_factory=PolicySpec, description="What becomes of values that the target cannot hold.")
    generate_rollback: Boolean = Field(
        default=True, description="Keep what the cutover replaces, so that going back is possible."
    )
    rerun_token: str = Field(default="1", min_length=1, max_length=63, description="Change it to run again what has ended.")
    limits: Limits = Field(default_factory=Limits, description="How much the run may take.")
    cutover: CutoverSpec | None = Field(default=None, description="How the cutover goes.")

    @model_validator(mode="after")
    def _of_one_mind(self) -> DataSpec:
        if self.mode == "DataOnly" and self.target.on_existing != "Fill":
            raise ValueError(_DATA_ONLY)
        if self.mode == "SchemaOnly" and self.target.on_existing == "Fill":
            raise ValueError(_FILL)
        return self


class Pause(Model):
    """Why and how a run is paused."""

    reason: str = Field(default="", description="Shown in status.")
    immediate: Boolean = Field(default=False, description="Give up the chunks in flight instead of finishing them.")
    resume_to: Literal["Planned", "Completed"] | None = Field(
        default=None,
        description="What a resume sets desiredState to: what it was before the pause. The gateway and `landfall pause` write it down.",
    )


class Cancel(Model):
    """Why and how a run is cancelled."""

    reason: str = Field(default="", description="Shown in status.")
    rollback: Boolean = Field(default=True, description="Drop what was staged.")
    force: Boolean = Field(default=False, description="Do not wait for the worker.")


class Rollback(Model):
    """How long and on what terms going back is possible."""

    retain_seconds: Integer = Field(default=604_800, ge=0, description="How long what was replaced is kept.")
    discard_writes: Boolean = Field(
        default=False, description="Go back even if rows were written to the new tables since the cutover."
    )


class MaintenanceWindow(Model):
    """When a run may work."""

    start: str = Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$", description="Beginning, HH:MM.")
    end: str = Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$", description="End, HH:MM; before the beginning: on the next day.")
    time_zone: str = Field(default="UTC", description="Name of the IANA time zone.")
    weekdays: tuple[Literal["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"], ...] = Field(
        default=(), description="Days on which it begins. Default: every day."
    )
    applies_to: Literal["All", "Cutover"] = Field(default="All", description="The whole run, or the cutover alone.")


class Schedule(Model):
    """When a run begins and works."""

    start_at: Moment | None = Field(default=None, description="Not before this time.")
    maintenance_window: MaintenanceWindow | None = Field(default=None, description="Only inside this window.")


class Email(Model):
    """Notification by e-mail."""

    to: tuple[str, ...] = Field(min_length=1, description="Addresses.")
    secret_ref: LocalReference = Field(
        default=LocalReference(name="landfall-smtp"),
        description="Secret with `url`: smtp://USER:PASSWORD@HOST:587?from=ADDRESS (STARTTLS where the server has it; `&tls=require` insists"
        " on it) or smtps://.",
    )


class Slack(Model):
    """Notification in Slack."""

    channel: str = Field(min_length=1, description="Channel.")
    secret_ref: LocalReference = Field(description="Secret with `token`; `url` where Slack is not at https://slack.com.")


class WebhookTarget(Model):
    """Notification by a signed HTTP request."""

    secret_ref: LocalReference = Field(description="Secret with `url` and `key`, the signing key.")


class Apprise(Model):
    """Notification by anything that Apprise reaches."""

    secret_ref: LocalReference = Field(description="Secret with `url`, as Apprise writes it.")


EventName = Literal["Started", "Paused", "Completed", "Failed", "ApprovalRequired", "RolledBack"]
LABEL_MIGRATION = "landfall.dev/migration"
TOLD_OF: tuple[EventName, ...] = ("Completed", "Failed", "ApprovalRequired")


class Notifications(Model):
    """Who is told of what. Each is told at least once, and a run waits for none of them."""

    email: Email | None = Field(default=None, description="E-mail.")
    slack: Slack | None = Field(default=None, description="Slack.")
    webhooks: tuple[WebhookTarget, ...] = Field(default=(), description="Webhooks.")
    apprise: tuple[Apprise, ...] = Field(default=(), description="Other services, through Apprise.")
    on_events: tuple[EventName, ...] = Field(default=TOLD_OF, description="Which events.")

    @property
    def secrets(self) -> tuple[str, ...]:
        """The Secrets that these need."""
        targets = (self.email, self.slack, *self.webhooks, *self.apprise)
        return tuple(dict.fromkeys(t.secret_ref.name for t in targets if t))


class AppSpec(Model):
    """The app half of a Migration."""

    model_config = rules(
        ("has(self.deploymentRef) != has(self.template)", "exactly one of deploymentRef and template is required")
    )

    deployment_ref: LocalReference | None = Field(default=None, description="An existing Deployment.")
    template: DeploymentSpec | None = Field(
        default=None,
        description="A Deployment to create where there is none of the Migration's name; it is never changed afterwards.",
    )

    @model_validator(mode="after")
    def _one(self) -> AppSpec:
        if (self.deployment_ref is None) == (self.template is None):
            message = "exactly one of deploymentRef and template is required"
            raise ValueError(message)
        return self


class Keep(Model):
    """What of the journal outlives the Migration."""

    logs: Boolean = Field(default=True, description="The lines of its workers.")
    metrics: Boolean = Field(default=True, description="Their numbers.")


class MigrationSpec(Model):
    """Desired state of a Migration."""

    model_config = rules(("has(self.data) || has(self.app)", "at least one of data and app is required"))

    desired_state: DesiredState | None = Field(default=None, description="How far to go. Default: Completed.")
    pause: Pause | None = Field(default=None, description="Why and how it is paused.")
    cancel: Cancel | None = Field(default=None, description="Why and how it is cancelled.")
    rollback: Rollback = Field(default_factory=Rollback, description="How long and on what terms going back is possible.")
    deletion_policy: Literal["DropStaging", "Retain"] = Field(
        default="DropStaging", description="What happens to staged tables when the Migration is deleted before the cutover."
    )
    keep: Keep = Field(
        default_factory=Keep,
        description="What of the journal is kept when the Migration is deleted, as long as the journal keeps anything.",
    )
    data: DataSpec | None = Field(default=None, description="A database to move.")
    app: AppSpec | None = Field(default=None, description="An app to bring live. Needs a cluster.")
    schedule: Schedule | None = Field(default=None, description="When the run begins and works.")
    notifications: Notifications | None = Field(default=None, description="Who is told of what.")

    @model_validator(mode="after")
    def _something(self) -> MigrationSpec:
        if self.data is None and self.app is None:
            message = "at least one of data and app is required"
            raise ValueError(message)
        return self


class Risk(Model):
    """Something that the plan wants a person to know."""

    severity: str = Field(description="Low, Medium, High or Blocker.")
    type: str = Field(description="What kind of risk it is.")
    affected: str = Field(description="What it is about.")
    description: str = Field(description="What is the matter.")
    mitigation: str = Field(default="", description="What to do about it.")


class PlanSummary(Model):
    """The plan in numbers. The whole of it is in the ConfigMaps `<run>-plan-<n>`."""

    digest: str = Field(description="What an approval names.")
    tables: Integer = Field(default=0, ge=0, description="Tables that move.")
    columns: Integer = Field(
        default=0, ge=0, description="Columns of the tables that move, with those that are excluded or computed by the target."
    )
    relationships: Integer = Field(default=0, ge=0, description="Foreign keys that move.")
    transformations: Integer = Field(default=0, ge=0, description="Columns whose values are changed on the way.")
    to_review: Integer = Field(default=0, ge=0, description="Columns and risks that need a person.")
    points: tuple[str, ...] = Field(
        default=(),
        max_length=500,
        description="A digest of each of these points, or of all of them where there are more than 500: what an approval of the plan covers.",
        json_schema_extra=ATOMIC,
    )
    blockers: Integer = Field(default=0, ge=0, description="Risks that must be decided or mended before it can run.")
    rows: Integer = Field(default=0, ge=0, description="Rows that move.")
    estimated_seconds: Integer = Field(default=0, ge=0, description="How long the whole is estimated to take.")
    estimated_schema_seconds: Integer = Field(default=0, ge=0, description="Of that, the schema.")
    estimated_copy_seconds: Integer = Field(default=0, ge=0, description="Of that, the rows.")
    estimated_index_seconds: Integer = Field(default=0, ge=0, description="Of that, the indexes.")
    estimated_validation_seconds: Integer = Field(default=0, ge=0, description="Of that, the comparison.")
    estimated_cutover_seconds: Integer = Field(default=0, ge=0, description="Of that, the cutover.")
    estimated_freeze_seconds: Integer = Field(default=0, ge=0, description="How long writers are estimated to be locked out.")
    quiesce: Literal["", "Engine", "Confirm", "None"] = Field(
        default="", description="How writers of the source are kept away from the end."
    )
    risks: tuple[Risk, ...] = Field(default=(), max_length=50, description="The gravest risks.", json_schema_extra=ATOMIC)


class ApprovedPlan(Model):
    """What a person approved: a plan, and with it the points that it asked about."""

    plan_digest: str = Field(description="Digest of the plan.")
    points: tuple[str, ...] = Field(
        default=(),
        max_length=500,
        description="Its points. Another plan asks only for those that are not among them.",
        json_schema_extra=ATOMIC,
    )


class Notice(Model):
    """One thing that somebody is told of."""

    id: str = Field(description="What it is about: the event and what tells it from others of its kind.")
    event: EventName = Field(description="What happened.")
    text: str = Field(default="", description="What is told.")
    state: Literal["Pending", "Sent", "Failed"] = Field(description="How far the telling is.")
    at: Moment | None = Field(default=None, description="When it happened.")


class MigrationStatus(Status):
    """Where a Migration stands."""

    id: str = Field(default="", description="Public identifier.")
    run_key: str = Field(
        default="", description="What the run is known by in the target's ledger, as a worker reported it; empty until then."
    )
    run: str = Field(default="", description="Name of the Run that records the execution.")
    start_time: Moment | None = Field(
        default=None, description="When a run was first begun. Source and target are fixed from then on."
    )
    completion_time: Moment | None = Field(default=None, description="When the cutover was done.")
    kept_until: Moment | None = Field(
        default=None, description="Until when what the cutover replaced is kept; then it is dropped, and there is no way back."
    )
    plan: PlanSummary | None = Field(default=None, description="The plan in numbers.")
    approval: ApprovedPlan | None = Field(
        default=None, description="What the digest in spec.data.approval approved, as long as it stands there."
    )
    steps: tuple[Step, ...] = Field(default=(), description="The steps of the run.", json_schema_extra=list_map("name"))
    progress: Progress | None = Field(default=None, description="How far the copy is.")
    app: AppMove | None = Field(default=None, description="How the app half stands.")
    verdict: str = Field(default="", description="What the comparison found.")
    rehearsal: Rehearsed | None = Field(default=None, description="What the last rehearsal measured.")
    notices: tuple[Notice, ...] = Field(
        default=(), max_length=30, description="Who was told of what, the latest.", json_schema_extra=list_map("id")
    )
    last_handled_request: str = Field(default="", description="Identifier of the last request annotation that was handled.")


def _same(path: str, unsaid: str = "") -> str:
    """CEL: a field of spec.data is what it was, where it is left out what that means."""
    now, then = (f"{spec}.spec.data.{path}" for spec in ("self", "oldSelf"))
    if unsaid:
        now, then = (f"(has({one}) ? {one} : {unsaid})" for one in (now, then))
    return f"{now} == {then}"


_SAME_ENDS = " && ".join(
    (
        _same("source.connectionRef"),
        _same("target.connectionRef"),
        _same("source.schemas", "[]"),
        _same("target.schema", f"'{DataTarget.model_fields['schema_'].default}'"),
    )
)
_FIXED_ENDS = (
    f"!has(oldSelf.status) || !has(oldSelf.status.startTime) || !has(oldSelf.spec.data) || (has(self.spec.data) && {_SAME_ENDS})"
)


class Migration(Model):
    """Brings a database, an app, or both as one, into the target."""

    model_config = rules(
        (_FIXED_ENDS, "source and target are fixed once a run has started; create another Migration for another source or target")
    )

    api_version: Literal["landfall.dev/v1alpha1"] = Field(default=API_VERSION, description="API version.")
    kind: Literal["Migration"] = Field(default="Migration", description="Kind.")
    metadata: Metadata = Field(description="Standard object metadata.")
    spec: MigrationSpec = Field(description="Desired state.")
    status: MigrationStatus | None = Field(default=None, description="Where it stands.")
