"""Actions on a migration: start, pause, resume, cancel, roll back, and decisions about its plan. Each changes its spec once."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header
from pydantic import BaseModel, Field

from landfall.api import spec_changes
from landfall.api.annotations import ANNOTATION
from landfall.api.migration import Schedule
from landfall.api.plan_storage import LABEL_RUN
from landfall.api.tableplan import SourceTable, table_plan_name
from landfall.controllers.migration.maintenance_window import opening
from landfall.gateway.auth import Caller
from landfall.gateway.dependencies import CallerDep, Now
from landfall.gateway.errors import ProblemError
from landfall.gateway.identifiers import minted
from landfall.gateway.requests import Body, moment
from landfall.gateway.routes.migrations import get_migration
from landfall.gateway.views import migration as moves
from landfall.gateway.views import plan as plans
from landfall.gateway.views.stored_plan import StoredPlan, unpack
from landfall.gateway.writes import applied, changed
from landfall.kube.server_side_apply import owned_fields
from landfall.lifecycle import (
    Action,
    Desired,
    Phase,
    PhaseName,
    Status,
    StepName,
    desired_after_resume,
    facts_of,
    resume_to_value,
)
from landfall.refusals import (
    Refusal,
    approval_refusal,
    refusal,
    request_refusal,
    rollback_refusal,
    start_refusal,
)

Object = dict[str, Any]
ROUTER = APIRouter(prefix="/v1/migrations/{migration_id}", tags=["migrations"])


class StartBody(Body):
    """Options of a start."""

    skip_approval: bool = Field(default=False, description="Skip the review of the plan.")
    start_from_phase: PhaseName | None = Field(
        default=None, description="Phase to start from; rejected unless the earlier phases are complete."
    )
    dry_run: bool = Field(default=False, description="Rehearse: run everything except the cutover, measure it, and clean up.")


class PauseBody(Body):
    """Options of a pause."""

    reason: str = Field(default="", max_length=1000, description="Reason, shown in the status.")
    immediate: bool = Field(default=False, description="Abort the chunks in progress.")


class CancelBody(Body):
    """Options of a cancel."""

    reason: str = Field(default="", max_length=1000, description="Reason, shown in the status.")
    rollback: bool = Field(default=True, description="Drop the staged tables.")
    force: bool = Field(default=False, description="Do not wait for running workers.")


class BackBody(Body):
    """Options of a rollback."""

    discard_writes: bool = Field(
        default=False, description="Roll back even if rows were written to the new tables since the cutover."
    )


class ApproveBody(Body):
    """A decision about one mapping."""

    approved: bool = Field(description="Whether the mapping is approved. A rejected mapping needs another decision.")
    override_transformation: str | None = Field(
        default=None, min_length=1, max_length=4000, description="SQL expression of the source whose result is stored instead."
    )
    comment: str | None = Field(default=None, max_length=1000, description="Comment on the decision.")


class Started(BaseModel):
    """The migration starts, or waits for its schedule."""

    id: str
    status: Status
    phase: StepName
    started_at: str | None = Field(description="Start of the run. Null while the run waits for its schedule.")
    message: str
    waits_until: str | None = Field(description="Time until which its schedule delays the run.")


class Pausing(BaseModel):
    """The migration stops at the next checkpoint."""

    id: str
    status: Status
    message: str
    checkpoint_eta: str | None


class Resumed(BaseModel):
    """The migration continues."""

    id: str
    status: Status
    resumed_at: str
    resumed_from_checkpoint: str | None


class Cancelling(BaseModel):
    """The migration ends."""

    id: str
    status: Status
    rollback_status: Literal["initiated", "none"]
    message: str


class GoingBack(BaseModel):
    """The migration is rolled back."""

    id: str
    status: Status
    message: str


class ApprovePlanBody(Body):
    """The approval of a whole plan."""

    digest: str = Field(pattern=r"^sha256:[0-9a-f]{64}$", description="Digest of the reviewed plan, from GET …/plan.")


class PlanApproved(BaseModel):
    """The approved plan."""

    migration_id: str
    status: Literal["approved"]
    digest: str


class Approved(BaseModel):
    """The decision."""

    id: str
    migration_id: str
    status: Literal["approved", "rejected"]
    transformation: str | None


@ROUTER.post("/start", status_code=202)
async def start(
    caller: CallerDep,
    now: Now,
    migration_id: str,
    body: StartBody | None = None,
    idempotency_key: Annotated[str, Header(max_length=200)] = "",
) -> Started:
    """Start or rehearse a migration."""
    options, raw = body or StartBody(), await _changeable(caller, migration_id)
    identifier = f"start-{minted(caller.key.id, migration_id, idempotency_key or secrets.token_hex(16))}"

    def change(current: Object) -> tuple[Object, Object | None]:
        _refused(
            start_refusal(current, skip_approval=options.skip_approval, rehearse=options.dry_run, first=options.start_from_phase)
        )
        if options.dry_run:
            request = spec_changes.rehearse(identifier)
        else:
            anew = facts_of(current).phase == Phase.FAILED
            request = spec_changes.on_terms(
                identifier, skip_approval=options.skip_approval, first=options.start_from_phase, anew=anew
            )
        _refused(request_refusal(current, request))
        return {} if options.dry_run else spec_changes.start(), {ANNOTATION: request} if request else None

    await changed(caller, "Migration", raw, change)
    caller.audit("rehearse" if options.dry_run else "start", raw["metadata"]["name"], migration_id)
    phase = options.start_from_phase or "schema_migration"
    waits = "" if options.dry_run else _waits(raw, now)
    if waits:
        return Started(
            id=migration_id, status="approved", phase=phase, started_at=None, message=f"waiting until {waits}", waits_until=waits
        )
    message = "the rehearsal starts; its tables will be dropped" if options.dry_run else "the migration starts"
    return Started(id=migration_id, status="running", phase=phase, started_at=moment(now), message=message, waits_until=None)


@ROUTER.post("/pause", status_code=202)
async def pause(caller: CallerDep, now: Now, migration_id: str, body: PauseBody | None = None) -> Pausing:
    """Pause at the next checkpoint."""
    options = body or PauseBody()
    raw = await _steered(
        caller,
        migration_id,
        Action.PAUSE,
        lambda current: spec_changes.pause(options.reason, immediate=options.immediate, resume_to=resume_to_value(current)),
    )
    seconds = ((raw.get("status") or {}).get("progress") or {}).get("checkpointSeconds")
    if options.immediate:
        message, seconds = "pausing now; the chunks in progress are aborted", 0
    else:
        message = "pausing at the next checkpoint"
    eta = None if seconds is None else moment(now + timedelta(seconds=seconds))
    return Pausing(id=migration_id, status="pausing", message=message, checkpoint_eta=eta)


@ROUTER.post("/resume", status_code=202)
async def resume(caller: CallerDep, now: Now, migration_id: str) -> Resumed:
    """Resume from the last checkpoint. A migration that was not started before the pause is planned and waits for its start."""
    goal = Desired.PLANNED

    def change(current: Object) -> Object:
        nonlocal goal
        goal = desired_after_resume(current)
        return spec_changes.resume(goal)

    raw = await _steered(caller, migration_id, Action.RESUME, change)
    status = raw.get("status") or {}
    checkpoint = (status.get("progress") or {}).get("checkpoint")
    stands: Status = "running" if goal is Desired.COMPLETED else "plan_ready" if status.get("plan") else "planning"
    return Resumed(id=migration_id, status=stands, resumed_at=moment(now), resumed_from_checkpoint=checkpoint or None)


@ROUTER.post("/cancel", status_code=202)
async def cancel(caller: CallerDep, migration_id: str, body: CancelBody | None = None) -> Cancelling:
    """Cancel a migration before its cutover."""
    options = body or CancelBody()
    spec = spec_changes.cancel(options.reason, rollback=options.rollback, force=options.force)
    await _steered(caller, migration_id, Action.CANCEL, lambda _: spec)
    return Cancelling(
        id=migration_id,
        status="cancelling",
        rollback_status="initiated" if options.rollback else "none",
        message="the staged tables are being dropped" if options.rollback else "the staged tables are kept until it is deleted",
    )


@ROUTER.post("/rollback", status_code=202)
async def rollback(caller: CallerDep, migration_id: str, body: BackBody | None = None) -> GoingBack:
    """Undo the cutover, as long as the replaced tables are retained."""
    options = body or BackBody()

    spec = spec_changes.back(discard_writes=options.discard_writes)
    refused = partial(rollback_refusal, discard_writes=options.discard_writes)
    await _steered(caller, migration_id, Action.ROLLBACK, lambda _: spec, refused)
    return GoingBack(id=migration_id, status="rolling_back", message="the cutover is being undone")


@ROUTER.get("/plan")
async def plan(caller: CallerDep, migration_id: str) -> plans.PlanAnswer:
    """Get the plan: mappings of columns, risks and estimates."""
    raw = await get_migration(caller, migration_id)
    document = await _plan(caller, raw, migration_id)
    return plans.plan_of(raw, document, moves.plan_brief(raw).status, await _words(caller, raw["metadata"]["name"]))


@ROUTER.post("/plan/approve", status_code=202)
async def approve_plan(caller: CallerDep, migration_id: str, body: ApprovePlanBody) -> PlanApproved:
    """Approve the whole plan, including its review items. The digest identifies the reviewed plan."""
    spec = spec_changes.approve(body.digest)
    await _steered(caller, migration_id, Action.APPROVE, lambda _: spec, partial(approval_refusal, digest=body.digest))
    return PlanApproved(migration_id=migration_id, status="approved", digest=body.digest)


@ROUTER.post("/plan/mappings/{mapping_id}/approve", status_code=202)
async def approve(caller: CallerDep, migration_id: str, mapping_id: str, body: ApproveBody) -> Approved:
    """Approve, reject or override one mapping."""
    raw = await _changeable(caller, migration_id)
    _refused(refusal(Action.APPROVE, raw))
    document = await _plan(caller, raw, migration_id)
    mapping = next(((t, c) for t, c in document.columns() if t.mapping_id(c) == mapping_id), None)
    if mapping is None:
        raise ProblemError(404, "mapping_not_found", f"the plan has no mapping {mapping_id[:80]!r}")
    table, column = mapping
    word: Object = {"column": column.source, "decision": "Approve" if body.approved else "Reject"}
    if body.approved and body.override_transformation:
        word |= {"decision": "Override", "expression": body.override_transformation}
    if body.comment:
        word["comment"] = body.comment
    await _decided(caller, raw, SourceTable.model_validate({"schema": table.schema_ or None, "table": table.name}), word)
    caller.audit(word["decision"].lower(), raw["metadata"]["name"], mapping_id)
    return Approved(
        id=mapping_id,
        migration_id=migration_id,
        status="approved" if body.approved else "rejected",
        transformation=word.get("expression") or column.transformation or None,
    )


async def _changeable(caller: Caller, migration_id: str) -> Object:
    """The Migration, if the caller may change it. Raises ProblemError."""
    caller.may_write()
    return await get_migration(caller, migration_id, fresh=True)


async def _steered(
    caller: Caller,
    migration_id: str,
    action: Action,
    change: Callable[[Object], Object],
    refused: Callable[[Object], Refusal | None] | None = None,
) -> Object:
    """Change the spec of a Migration if the action is not refused; returns the Migration before the change. Raises ProblemError.

    Args:
        caller: The caller.
        migration_id: The public identifier.
        action: What is requested.
        change: The change of the spec.
        refused: Why the request is refused. Default: as the phase says.
    """
    raw = await _changeable(caller, migration_id)

    def allowed(current: Object) -> tuple[Object, None]:
        _refused(refused(current) if refused else refusal(action, current))
        return change(current), None

    await changed(caller, "Migration", raw, allowed)
    caller.audit(action.value, raw["metadata"]["name"], migration_id)
    return raw


def _refused(refusal: Refusal | None) -> None:
    """Raises ProblemError if there is a refusal."""
    if refusal:
        raise ProblemError(409, refusal.code, refusal.message, retry_seconds=refusal.retry_seconds)


def _waits(raw: Object, now: datetime) -> str:
    """The time until which its schedule delays it; empty if it can start now."""
    schedule = raw["spec"].get("schedule")
    opening_hours = opening(Schedule.model_validate(schedule) if schedule else None, now, cutover=False)
    return "" if opening_hours.open or opening_hours.changes is None else moment(opening_hours.changes)


async def _words(caller: Caller, name: str) -> list[Object]:
    """The TablePlans of a Migration, with the decisions about its columns."""
    return [p for p in await caller.listed("TablePlan") if p["spec"]["migrationRef"]["name"] == name]


async def _plan(caller: Caller, raw: Object, migration_id: str) -> StoredPlan:
    status = raw.get("status") or {}
    if not status.get("plan") or not status.get("run"):
        raise ProblemError(409, "plan_not_ready", f"{migration_id} has no plan yet", retry_seconds=2)
    pieces = await caller.kube.listed("ConfigMap", caller.key.namespace, f"{LABEL_RUN}={status['run']}")
    return unpack(pieces, status["plan"]["digest"])


async def _decided(caller: Caller, raw: Object, source: SourceTable, word: Object) -> None:
    """Write a decision into the TablePlan of a table, and keep the decisions written through the gateway before."""
    name = raw["metadata"]["name"]
    listed = [p for p in await caller.kube.listed("TablePlan", caller.key.namespace) if p["spec"]["migrationRef"]["name"] == name]
    identity = (source.schema_ or "", source.table)
    raw_plan = next((p for p in listed if SourceTable.model_validate(p["spec"]["source"]).is_of(*identity)), None)
    about = {"migrationRef": {"name": name}}
    if raw_plan is None:
        source_spec = source.model_dump(mode="json", by_alias=True, exclude_none=True)
        await applied(
            caller, "TablePlan", table_plan_name(name, source), {}, {**about, "source": source_spec, "decisions": [word]}
        )
        return

    def change(current: Object) -> tuple[Object, None]:
        before = owned_fields(current).get("spec", {}).get("decisions", [])
        words = [*(w for w in before if w["column"] != word["column"]), word]
        return {**about, "source": current["spec"]["source"], "decisions": words}, None

    await changed(caller, "TablePlan", raw_plan, change)
