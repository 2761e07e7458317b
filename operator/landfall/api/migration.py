"""Migration: migrates a database, an app, or both together. It ends when it has completed."""

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
from landfall.api.notifications import EventName, Notifications
from landfall.api.progress import AppMove, Progress, Rehearsed, Step
from landfall.api.transitions import UNDOING, rule_for

LABEL_MIGRATION = "landfall.dev/migration"
DesiredState = Literal["Planned", "Completed", "Paused", "Cancelled", "RolledBack"]


DEFAULT_SCHEMA = "public"


class DataSource(Model):
    """Source database of the migration."""

    connection_ref: LocalReference = Field(description="Connection of the source database.")
    schemas: tuple[str, ...] = Field(
        default=(), description="Schemas to migrate. Default: the Connection's database (MySQL, MariaDB), `public` (PostgreSQL)."
    )
    exclude_tables: tuple[str, ...] = Field(default=(), description="Shell patterns of tables to exclude, for example `audit_*`.")
    quiesce: Literal["Engine", "Confirm", "None"] | None = Field(
        default=None,
        description="How writes to the source are stopped before the cutover. Engine: Landfall locks the tables. Confirm:"
        " you stop the writers, and Landfall checks it. None: writes continue; changes after the last snapshot are lost."
        " Default: Engine if the estimated lock time is at most 60 s; otherwise the plan asks.",
    )
    code: Literal["Carry", "Leave"] | None = Field(
        default=None,
        description="Functions, aggregates, triggers, rules and materialized views of a PostgreSQL source. Carry: create them on the"
        " target; the plan lists them with a digest. Leave: do not create them, nor what depends on them. Default: Carry.",
    )


class DataTarget(Model):
    """Target database of the migration."""

    connection_ref: LocalReference = Field(description="Connection of the target database.")
    schema_: str | None = Field(
        default=None,
        alias="schema",
        min_length=1,
        description="Target schema of the migrated tables. No effect with schemas: Preserve. Default: `public`.",
    )
    schemas: Literal["Preserve", "Merge"] | None = Field(
        default=None,
        description="Into which schemas the schemas of a PostgreSQL source go. Preserve: each into the schema of the same name, which"
        " is created if the target lacks it. Merge: all into `schema`. Default: Preserve if source.schemas names several and `schema`"
        " is not set; otherwise Merge.",
    )
    on_existing: Literal["Fail", "Replace", "Fill"] = Field(
        default="Fail",
        description="What to do with tables of the same name in the target. Fail: reject the plan. Replace: move them to a"
        " schema that is retained, and redirect dependent objects to the new tables. Fill: load rows into existing empty"
        " tables, which are matched by names, types, keys and values.",
    )
    identifiers: Literal["Lower", "Preserve"] = Field(
        default="Lower",
        description="Spelling of identifiers in the target, for a source other than PostgreSQL. Lower: convert to lower"
        " case. Preserve: keep the spelling.",
    )


class Approval(Model):
    """Approvals that are given in advance."""

    auto_approve_above_percent: Integer = Field(
        default=95, ge=0, le=100, description="Minimum confidence, in percent, of mappings that are approved automatically."
    )
    plan_digest: str | None = Field(
        default=None,
        pattern=r"^sha256:[0-9a-f]{64}$",
        description="Digest of the approved plan. Approves the plan with this digest, including all its review items.",
    )


class PolicySpec(Model):
    """How values are handled that the target cannot store. Each setting is the default for all columns; a TablePlan overrides it for one column."""

    zero_dates: str | None = Field(
        default=None,
        description="Dates such as 0000-00-00: Fail, Null or Map:VALUE. Default: Null if the column is nullable, else Fail.",
    )
    nul_bytes: str | None = Field(default=None, description="NUL characters: Fail, Strip or Replace (by U+FFFD). Default: Strip.")
    invalid_encoding: str | None = Field(
        default=None,
        description="Invalid text: Fail, Replace (by U+FFFD) or Latin1. Default: Replace.",
    )
    type_mismatch: str | None = Field(
        default=None,
        description="Values of a type other than the column's: Fail, Text, Null or Map:VALUE. Default: Text.",
    )
    out_of_range: str | None = Field(
        default=None,
        description="Values outside the range of the type: Fail, or Widen (use a wider type). Default: Widen.",
    )
    orphans: Literal["Fail", "NotValid"] | None = Field(
        default=None,
        description="Rows whose foreign key references no row. Fail: reject the plan. NotValid: add the foreign key without"
        " validation. Default: Fail.",
    )
    existing_rows: Literal["Fail", "SetAside", "Keep"] | None = Field(
        default=None,
        description="Rows of existing tables (Fill). Fail, Keep: both sides hold the same. SetAside: replace them. Default: Fail.",
    )


class Limits(Model):
    """Limits on the load that a run puts on source and target. Zero means no limit."""

    rows_per_second: Integer = Field(
        default=0, ge=0, description="Maximum throughput in rows per second. Changeable during a run."
    )
    bytes_per_second: Integer = Field(
        default=0, ge=0, description="Maximum throughput in bytes per second. Changeable during a run."
    )
    memory_bytes: Integer = Field(default=536_870_912, ge=134_217_728, description="Maximum memory of one worker, in bytes.")


class CutoverSpec(Model):
    """Settings of the cutover."""

    max_pause: str | None = Field(
        default=None,
        pattern=r"^[1-9][0-9]{0,5}[smh]$",
        description="Maximum duration of the write lock on the source before the cutover starts, in seconds, minutes or"
        " hours (`60s`, `5m`). With quiesce: Engine, the lock is released when the maximum is reached. The run then repairs"
        " the rows that differ without a lock, tries twice more, and fails if the maximum is reached again; it can be"
        " resumed. Default: twice the estimate of the plan, at least one minute.",
    )

    fence: Literal["Triggers", "None"] | None = Field(
        default=None,
        description="How the source refuses writers after the cutover, with quiesce: Engine. Triggers: triggers on the migrated"
        " tables raise an error that names the new place; a rollback removes them. None: writers that still use the source are"
        " not refused, and what they write is missing in the target. Default: Triggers, if the credential may create them.",
    )

    @property
    def max_pause_seconds(self) -> int:
        """`max_pause` in seconds; 0 if it is not set."""
        return int(self.max_pause[:-1]) * _UNITS[self.max_pause[-1]] if self.max_pause else 0


_UNITS = {"s": 1, "m": 60, "h": 3600}
_FILLS = "has(self.target.onExisting) && self.target.onExisting == 'Fill'"
_DATA_ONLY = "mode: DataOnly loads existing tables; set target.onExisting: Fill"
_FILL = "target.onExisting: Fill loads rows and cannot be used with mode: SchemaOnly"


class DataSpec(Model):
    """Settings of the data part of a migration."""

    model_config = rules(
        (f"!has(self.mode) || self.mode != 'DataOnly' || ({_FILLS})", _DATA_ONLY),
        (f"!has(self.mode) || self.mode != 'SchemaOnly' || !({_FILLS})", _FILL),
    )

    source: DataSource = Field(description="Source database.")
    target: DataTarget = Field(description="Target database.")
    mode: Literal["Full", "SchemaOnly", "DataOnly"] = Field(
        default="Full",
        description="What to migrate. Full: schema and rows. SchemaOnly: schema only. DataOnly: rows only; all tables must"
        " exist (target.onExisting: Fill).",
    )
    parallelism: Integer = Field(default=4, ge=1, le=64, description="Copy streams per worker. Changeable during a run.")
    workers: Integer = Field(
        default=1,
        ge=1,
        le=32,
        description="Number of worker pods that share the run (in a cluster only). Changeable during a run.",
    )
    batch_size: Integer = Field(
        default=10_000, ge=100, le=10_000_000, description="Maximum rows between two checkpoints of a stream."
    )
    approval: Approval = Field(default_factory=Approval, description="Approvals that are given in advance.")
    policies: PolicySpec = Field(default_factory=PolicySpec, description="How values are handled that the target cannot store.")
    generate_rollback: Boolean = Field(
        default=True,
        description="Whether to retain the tables that the cutover replaces, for a rollback. If false, they are dropped with their rows at the"
        " next clean-up; a plan that replaces tables or sets rows aside requires approval then.",
    )
    rerun_token: str = Field(
        default="1",
        min_length=1,
        max_length=63,
        description="Change this value to start a new run after the previous one has finished.",
    )
    limits: Limits = Field(default_factory=Limits, description="Limits on the load of source and target.")
    cutover: CutoverSpec | None = Field(default=None, description="Settings of the cutover.")

    @model_validator(mode="after")
    def _of_one_mind(self) -> DataSpec:
        if self.mode == "DataOnly" and self.target.on_existing != "Fill":
            raise ValueError(_DATA_ONLY)
        if self.mode == "SchemaOnly" and self.target.on_existing == "Fill":
            raise ValueError(_FILL)
        return self


class Pause(Model):
    """Settings of a pause."""

    reason: str = Field(default="", description="Reason of the pause, shown in the status.")
    immediate: Boolean = Field(default=False, description="Whether to abort the chunks in progress instead of finishing them.")
    resume_to: Literal["Planned", "Completed"] | None = Field(
        default=None,
        description="Value that a resume sets desiredState to: the value before the pause. Set by the gateway and by"
        " `landfall pause`.",
    )


class Cancel(Model):
    """Settings of a cancellation."""

    reason: str = Field(default="", description="Reason of the cancellation, shown in the status.")
    rollback: Boolean = Field(default=True, description="Whether to drop the staged tables.")
    force: Boolean = Field(default=False, description="Whether to cancel without waiting for running workers.")


class Rollback(Model):
    """Settings of a rollback."""

    retain_seconds: Integer = Field(
        default=604_800,
        ge=0,
        description="How long replaced tables are retained after the cutover, in seconds. 604800 s are 7 days.",
    )
    discard_writes: Boolean = Field(
        default=False,
        description="Whether to roll back even if rows were written to the new tables since the cutover. These writes are lost.",
    )


class MaintenanceWindow(Model):
    """Time window in which a run may work."""

    start: str = Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$", description="Start of the window, as HH:MM.")
    end: str = Field(
        pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$",
        description="End of the window, as HH:MM. An end before the start is on the next day.",
    )
    time_zone: str = Field(default="UTC", description="IANA time zone of start and end, for example `Europe/Berlin`.")
    weekdays: tuple[Literal["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"], ...] = Field(
        default=(), description="Weekdays on which the window starts. Default: every day."
    )
    applies_to: Literal["All", "Cutover"] = Field(
        default="All", description="Which part of the run needs the window. All: the whole run. Cutover: the cutover only."
    )


class Schedule(Model):
    """When a run starts and works."""

    start_at: Moment | None = Field(default=None, description="Earliest start of the run.")
    maintenance_window: MaintenanceWindow | None = Field(default=None, description="Time window in which the run may work.")


class AppSpec(Model):
    """App part of a migration."""

    model_config = rules(
        ("has(self.deploymentRef) != has(self.template)", "exactly one of deploymentRef and template is required")
    )

    deployment_ref: LocalReference | None = Field(
        default=None, description="Existing Deployment to release together with the data."
    )
    template: DeploymentSpec | None = Field(
        default=None,
        description="Spec of a Deployment to create if no Deployment with the name of the Migration exists. It is not"
        " updated afterwards.",
    )

    @model_validator(mode="after")
    def _check_exclusive_fields(self) -> AppSpec:
        if (self.deployment_ref is None) == (self.template is None):
            message = "exactly one of deploymentRef and template is required"
            raise ValueError(message)
        return self


class Keep(Model):
    """Which journal entries are retained after the Migration is deleted."""

    logs: Boolean = Field(default=True, description="Whether to retain the log lines of the workers.")
    metrics: Boolean = Field(default=True, description="Whether to retain the metrics of the workers.")


class MigrationSpec(Model):
    """Desired state of a Migration."""

    model_config = rules(("has(self.data) || has(self.app)", "at least one of data and app is required"))

    desired_state: DesiredState | None = Field(
        default=None,
        description="Desired state of the migration. Planned: plan only. Completed: run to completion. Paused: stop at the"
        " next checkpoint. Cancelled: stop and drop staged tables. RolledBack: undo the cutover. Default: Completed.",
    )
    pause: Pause | None = Field(default=None, description="Settings of a pause. Used with desiredState: Paused.")
    cancel: Cancel | None = Field(default=None, description="Settings of a cancellation. Used with desiredState: Cancelled.")
    rollback: Rollback = Field(default_factory=Rollback, description="Settings of a rollback, and the retention period.")
    deletion_policy: Literal["DropStaging", "Retain"] = Field(
        default="DropStaging",
        description="What to do with staged tables if the Migration is deleted before the cutover. DropStaging: drop them."
        " Retain: leave them in the target.",
    )
    keep: Keep = Field(
        default_factory=Keep,
        description="Which journal entries are retained after the Migration is deleted, within the retention period of the"
        " journal.",
    )
    data: DataSpec | None = Field(default=None, description="Data part: the database to migrate.")
    app: AppSpec | None = Field(default=None, description="App part: the app to release together with the data.")
    schedule: Schedule | None = Field(default=None, description="When the run starts and works.")
    notifications: Notifications | None = Field(default=None, description="Recipients of notifications.")

    @model_validator(mode="after")
    def _something(self) -> MigrationSpec:
        if self.data is None and self.app is None:
            message = "at least one of data and app is required"
            raise ValueError(message)
        return self


class Risk(Model):
    """A risk of the plan."""

    severity: str = Field(description="Severity: Low, Medium, High or Blocker.")
    type: str = Field(description="Type of the risk, in CamelCase.")
    affected: str = Field(description="Table, column or other object that is affected.")
    description: str = Field(description="Description of the risk.")
    mitigation: str = Field(default="", description="How to remove or accept the risk.")


class PlanSummary(Model):
    """Summary of the plan. The complete plan is stored in the ConfigMaps `<run>-plan-<n>`."""

    digest: str = Field(description="Digest of the plan. An approval refers to it.")
    tables: Integer = Field(default=0, ge=0, description="Number of tables to migrate.")
    columns: Integer = Field(
        default=0,
        ge=0,
        description="Number of columns of these tables, including excluded columns and columns that the target computes.",
    )
    relationships: Integer = Field(default=0, ge=0, description="Number of foreign keys to migrate.")
    transformations: Integer = Field(default=0, ge=0, description="Number of columns whose values are converted.")
    to_review: Integer = Field(default=0, ge=0, description="Number of review items: mappings and risks that need approval.")
    points: tuple[str, ...] = Field(
        default=(),
        max_length=500,
        description="Digests of the review items; with more than 500 items, one digest of all of them. An approval of the"
        " plan covers these items.",
        json_schema_extra=ATOMIC,
    )
    blockers: Integer = Field(default=0, ge=0, description="Number of risks that must be resolved before the plan can run.")
    rows: Integer = Field(default=0, ge=0, description="Estimated number of rows to migrate.")
    estimated_seconds: Integer = Field(default=0, ge=0, description="Estimated time for the whole run, in seconds.")
    estimated_schema_seconds: Integer = Field(default=0, ge=0, description="Estimated time for the schema migration, in seconds.")
    estimated_copy_seconds: Integer = Field(default=0, ge=0, description="Estimated time for the copy, in seconds.")
    estimated_index_seconds: Integer = Field(default=0, ge=0, description="Estimated time for the index builds, in seconds.")
    estimated_validation_seconds: Integer = Field(default=0, ge=0, description="Estimated time for verification, in seconds.")
    estimated_cutover_seconds: Integer = Field(default=0, ge=0, description="Estimated time for the cutover, in seconds.")
    estimated_freeze_seconds: Integer = Field(default=0, ge=0, description="Estimated time of the write lock, in seconds.")
    quiesce: Literal["", "Engine", "Confirm", "None"] = Field(
        default="", description="How writes to the source are stopped before the cutover. Values as in spec.data.source.quiesce."
    )
    risks: tuple[Risk, ...] = Field(default=(), max_length=50, description="The most severe risks.", json_schema_extra=ATOMIC)


class ApprovedPlan(Model):
    """An approved plan and its review items."""

    plan_digest: str = Field(description="Digest of the approved plan.")
    points: tuple[str, ...] = Field(
        default=(),
        max_length=500,
        description="Digests of the approved review items. A later plan needs approval only for items that are not in this list.",
        json_schema_extra=ATOMIC,
    )


class Notice(Model):
    """One notification and its delivery state."""

    id: str = Field(description="ID: the event, and what distinguishes it from others of its type.")
    event: EventName = Field(description="Event that the notification is about.")
    text: str = Field(default="", description="Text of the notification.")
    state: Literal["Pending", "Sent", "Failed"] = Field(description="Delivery state.")
    at: Moment | None = Field(default=None, description="Time of the event.")


class MigrationStatus(Status):
    """Observed state of a Migration."""

    id: str = Field(default="", description="Public ID of the migration, used by the REST API.")
    run_key: str = Field(
        default="",
        description="Key of the run in the target's ledger, as reported by a worker. Empty until a worker has reported it.",
    )
    run: str = Field(default="", description="Name of the Run of the current execution.")
    start_time: Moment | None = Field(
        default=None, description="Start of the first run. Source and target are immutable from then on."
    )
    completion_time: Moment | None = Field(default=None, description="Time at which the cutover finished.")
    kept_until: Moment | None = Field(
        default=None,
        description="End of the retention period. Retained tables are dropped then, and a rollback is no longer possible.",
    )
    plan: PlanSummary | None = Field(default=None, description="Summary of the current plan.")
    approval: ApprovedPlan | None = Field(default=None, description="Plan that spec.data.approval.planDigest approved.")
    steps: tuple[Step, ...] = Field(default=(), description="Steps of the run.", json_schema_extra=list_map("name"))
    progress: Progress | None = Field(default=None, description="Progress of the run.")
    app: AppMove | None = Field(default=None, description="State of the app part.")
    verdict: str = Field(default="", description="Result of the verification.")
    rehearsal: Rehearsed | None = Field(default=None, description="Measurements of the last rehearsal.")
    notices: tuple[Notice, ...] = Field(
        default=(), max_length=30, description="Latest notifications and their delivery state.", json_schema_extra=list_map("id")
    )
    last_handled_request: str = Field(default="", description="ID of the last processed request annotation.")


def _same(path: str, unsaid: str = "") -> str:
    """CEL expression: a field of spec.data is unchanged. `unsaid` is the default, as a CEL literal."""
    now, then = (f"{spec}.spec.data.{path}" for spec in ("self", "oldSelf"))
    if unsaid:
        now, then = (f"(has({field}) ? {field} : {unsaid})" for field in (now, then))
    return f"{now} == {then}"


_SAME_ENDS = " && ".join(
    (
        _same("source.connectionRef"),
        _same("target.connectionRef"),
        _same("source.schemas", "[]"),
        _same("target.schema", f"'{DEFAULT_SCHEMA}'"),
        _same("target.schemas", "''"),
    )
)
_FIXED_ENDS = (
    f"!has(oldSelf.status) || !has(oldSelf.status.startTime) || !has(oldSelf.spec.data) || (has(self.spec.data) && {_SAME_ENDS})"
)


class Migration(Model):
    """A migration of a database, an app, or both together."""

    model_config = rules(
        (
            _FIXED_ENDS,
            "source and target are fixed once a run has started; create another Migration for another source or target",
        ),
        *((rule_for(desired), row.message) for desired, row in UNDOING.items()),
    )

    api_version: Literal["landfall.dev/v1alpha1"] = Field(default=API_VERSION, description="API version of the object.")
    kind: Literal["Migration"] = Field(default="Migration", description="Kind of the object.")
    metadata: Metadata = Field(description="Standard object metadata.")
    spec: MigrationSpec = Field(description="Desired state.")
    status: MigrationStatus | None = Field(default=None, description="Observed state. Written by the operator.")
