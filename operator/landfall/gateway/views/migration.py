"""Migrations of data, in the form of the contract. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal

from pydantic import BaseModel, Field

from landfall.api.migration import DEFAULT_SCHEMA
from landfall.gateway.identifiers import CONNECTION, MIGRATION
from landfall.gateway.requests import CREATED_BY, DESCRIPTION, TITLE, moment
from landfall.lifecycle import PHASES, STEPS, WORKER_RUNS, Action, Phase, Status, StepName, phase_of, ready_condition
from landfall.refusals import allowed_actions

Object = dict[str, Any]
_STEPS: Mapping[str, Literal["pending", "running", "completed", "failed"]] = {
    "Pending": "pending",
    "Running": "running",
    "Done": "completed",
    "Failed": "failed",
}
_UNITS = ("B", "KB", "MB", "GB", "TB", "PB")


class MigrationEnd(BaseModel):
    """The source or the target of a migration."""

    connection_id: str = Field(description="ID of the connection.")
    connection_name: str = Field(description="Name of the connection.")
    schemas: list[str] = Field(default=[], description="Schemas of the connection.")
    tables_count: int | None = Field(default=None, description="Number of tables to migrate. Null until the plan exists.")


class PlanBrief(BaseModel):
    """The status of the plan."""

    status: Literal["generating", "ready", "approval_required", "blocked", "approved"] = Field(description="Status of the plan.")
    estimated_completion: str | None = Field(default=None, description="Expected completion of the plan.")
    digest: str | None = Field(default=None, description="ID that an approval refers to.")


class Links(BaseModel):
    """Related resources."""

    self: str
    plan: str
    start: str
    logs: str


class PhaseProgress(BaseModel):
    """One phase."""

    name: StepName
    status: Literal["pending", "running", "completed", "failed"]
    duration_seconds: int | None = Field(default=None, description="Duration in seconds.")
    progress_percent: int | None = Field(default=None, description="Progress in percent, while the phase runs.")


class Progress(BaseModel):
    """The progress of the run."""

    overall_percent: int
    current_phase: StepName
    phases: list[PhaseProgress]


class Numbers(BaseModel):
    """Numbers of copied records."""

    records_processed: int
    records_total: int
    bytes_transferred: str
    throughput_records_per_second: int
    errors_recovered: int
    errors_escalated: int


class Timing(BaseModel):
    """Times of the run."""

    created_at: str
    started_at: str | None
    estimated_completion: str | None
    completed_at: str | None
    elapsed_seconds: int


class MoveCreated(BaseModel):
    """A created migration."""

    id: str
    name: str
    status: Status
    created_at: str
    created_by: str
    source: MigrationEnd
    target: MigrationEnd
    plan: PlanBrief
    links: Links


class MoveItem(BaseModel):
    """A migration in a list."""

    id: str
    name: str
    status: Status
    progress_percent: int
    created_at: str


class Problem(BaseModel):
    """Why it failed."""

    code: str = Field(description="Machine-readable reason.")
    message: str = Field(description="What failed, and what to do.")


class MoveDetail(MoveCreated):
    """All details of a migration."""

    description: str
    phase: StepName
    progress: Progress
    metrics: Numbers
    timing: Timing
    verdict: str | None = Field(description="Result of the verification.")
    message: str = Field(description="Human-readable status.")
    error: Problem | None = Field(description="Reason of the failure.")
    allowed_actions: list[Action] = Field(
        description="Actions whose request is accepted now, with some of its options: skip_approval of a start, discard_writes of a"
        " rollback."
    )


def identifier(raw: Object) -> str:
    """The public identifier."""
    return f"{MIGRATION}{raw['metadata']['name']}"


def title(raw: Object) -> str:
    """The display name."""
    return str(raw["metadata"].get("annotations", {}).get(TITLE) or raw["metadata"]["name"])


def status_of(raw: Object) -> Status:
    """The status."""
    return PHASES[phase_of(raw)].status


def ready(raw: Object) -> tuple[str, str, str]:
    """The condition Ready: status, reason, message."""
    entry = ready_condition(raw)
    return str(entry.get("status", "Unknown")), str(entry.get("reason", "")), str(entry.get("message", ""))


def condition(raw: Object, kind: str) -> Mapping[str, Any]:
    """One condition."""
    conditions: Sequence[Mapping[str, Any]] = (raw.get("status") or {}).get("conditions") or ()
    return next((entry for entry in conditions if entry["type"] == kind), {})


def plan_brief(raw: Object) -> PlanBrief:
    """The status of its plan."""
    plan = (raw.get("status") or {}).get("plan")
    if not plan:
        return PlanBrief(status="generating")
    if plan.get("blockers"):
        return PlanBrief(status="blocked", digest=plan["digest"])
    approved_digest = ((raw["spec"].get("data") or {}).get("approval") or {}).get("planDigest")
    if approved_digest == plan["digest"] or (raw.get("status") or {}).get("startTime"):
        return PlanBrief(status="approved", digest=plan["digest"])
    return PlanBrief(status="approval_required" if plan.get("toReview") else "ready", digest=plan["digest"])


def item(raw: Object) -> MoveItem:
    """The item of a list."""
    progress = (raw.get("status") or {}).get("progress") or {}
    return MoveItem(
        id=identifier(raw),
        name=title(raw),
        status=status_of(raw),
        progress_percent=100 if phase_of(raw) is Phase.COMPLETED else int(progress.get("percent", 0)),
        created_at=raw["metadata"]["creationTimestamp"],
    )


def created(raw: Object) -> MoveCreated:
    """The response to its creation."""
    data, path = raw["spec"]["data"], f"/v1/migrations/{identifier(raw)}"
    tables = ((raw.get("status") or {}).get("plan") or {}).get("tables")
    return MoveCreated(
        id=identifier(raw),
        name=title(raw),
        status=status_of(raw),
        created_at=raw["metadata"]["creationTimestamp"],
        created_by=str(raw["metadata"].get("annotations", {}).get(CREATED_BY, "")),
        source=_end(data["source"], data["source"].get("schemas") or [], tables),
        target=_end(data["target"], _target_schemas(data), None),
        plan=plan_brief(raw),
        links=Links(self=path, plan=f"{path}/plan", start=f"{path}/start", logs=f"{path}/logs"),
    )


def _target_schemas(data: Object) -> list[str]:
    source, target = data["source"].get("schemas") or [], data["target"]
    keeps_schemas = target.get("schemas") == "Preserve" or (
        not target.get("schemas") and len(source) > 1 and not target.get("schema")
    )
    return source if keeps_schemas and source else [target.get("schema") or DEFAULT_SCHEMA]


def detail(raw: Object, now: datetime) -> MoveDetail:
    """All details."""
    _, reason, message = ready(raw)
    status = raw.get("status") or {}
    phases = _phases(status.get("steps") or [])
    progress = status.get("progress") or {}
    return MoveDetail(
        **created(raw).model_dump(),
        description=str(raw["metadata"].get("annotations", {}).get(DESCRIPTION, "")),
        phase=_current(phases),
        progress=Progress(overall_percent=item(raw).progress_percent, current_phase=_current(phases), phases=phases),
        metrics=Numbers(
            records_processed=progress.get("rows", 0),
            records_total=progress.get("totalRows", (status.get("plan") or {}).get("rows", 0)),
            bytes_transferred=sized(progress.get("bytes", 0)),
            throughput_records_per_second=progress.get("rowsPerSecond", 0),
            errors_recovered=progress.get("recoveredErrors", 0),
            errors_escalated=progress.get("escalatedErrors", 0),
        ),
        timing=_timing(raw, now),
        verdict=status.get("verdict") or None,
        message=message,
        error=Problem(code=reason, message=message) if phase_of(raw) is Phase.FAILED else None,
        allowed_actions=list(allowed_actions(raw)),
    )


def step_of(raw: Object) -> StepName:
    """The current phase."""
    return _current(_phases((raw.get("status") or {}).get("steps") or []))


def _end(end: Object, schemas: list[str], tables: int | None) -> MigrationEnd:
    name = end["connectionRef"]["name"]
    return MigrationEnd(connection_id=f"{CONNECTION}{name}", connection_name=name, schemas=schemas, tables_count=tables)


def _phases(steps: Sequence[Object]) -> list[PhaseProgress]:
    by_name = {step["name"]: step for step in steps}
    phases = []
    for name in STEPS:
        step = by_name.get(name, {})
        stands = _STEPS[step.get("status", "Pending")]
        began, finished = step.get("startedAt"), step.get("finishedAt")
        phases.append(
            PhaseProgress(
                name=name,
                status=stands,
                duration_seconds=round((at(finished) - at(began)).total_seconds()) if began and finished else None,
                progress_percent=step.get("percent", 0) if stands == "running" else None,
            )
        )
    return phases


def _current(phases: Sequence[PhaseProgress]) -> StepName:
    """The phase that runs or has failed; else the next one; else the last one."""
    working = next((p for p in phases if p.status in {"running", "failed"}), None)
    return (working or next((p for p in phases if p.status == "pending"), phases[-1])).name


def _timing(raw: Object, now: datetime) -> Timing:
    status = raw.get("status") or {}
    began, completed = status.get("startTime"), status.get("completionTime")
    remaining_seconds = (status.get("progress") or {}).get("remainingSeconds")
    works = phase_of(raw) in WORKER_RUNS - {Phase.PAUSING}
    until = at(completed) if completed else now
    return Timing(
        created_at=raw["metadata"]["creationTimestamp"],
        started_at=began,
        estimated_completion=moment(now + timedelta(seconds=remaining_seconds))
        if works and remaining_seconds is not None
        else None,
        completed_at=completed,
        elapsed_seconds=max(round((until - at(began)).total_seconds()), 0) if began else 0,
    )


def at(text: str) -> datetime:
    """A time in the format of Kubernetes."""
    return datetime.fromisoformat(text)


def sized(octets: float) -> str:
    """A size for users, such as 47.2 GB."""
    unit = 0
    while octets >= 1000 and unit < len(_UNITS) - 1:
        octets, unit = octets / 1000, unit + 1
    return f"{octets:.1f} {_UNITS[unit]}" if unit else f"{round(octets)} B"
