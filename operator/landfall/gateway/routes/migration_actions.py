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
from landfall.gateway.dependencies import Asking, Now
from landfall.gateway.errors import ProblemError
from landfall.gateway.identifiers import minted
from landfall.gateway.requests import Body, moment
from landfall.gateway.routes.migrations import get_migration
from landfall.gateway.views import migration as moves
from landfall.gateway.views import plan as plans
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
    who: Asking,
    now: Now,
    migration_id: str,
    body: StartBody | None = None,
    idempotency_key: Annotated[str, Header(max_length=200)] = "",
) -> Started:
    """Start or rehearse a migration."""
    asked, raw = body or StartBody(), await _mine(who, migration_id)
    identifier = f"start-{minted(who.key.id, migration_id, idempotency_key or secrets.token_hex(16))}"

    def change(there: Object) -> tuple[Object, Object | None]:
        _refused(start_refusal(there, skip_approval=asked.skip_approval, rehearse=asked.dry_run, first=asked.start_from_phase))
        if asked.dry_run:
            request = spec_changes.rehearse(identifier)
        else:
            anew = facts_of(there).phase == Phase.FAILED
            request = spec_changes.on_terms(
                identifier, skip_approval=asked.skip_approval, first=asked.start_from_phase, anew=anew
            )
        _refused(request_refusal(there, request))
        return {} if asked.dry_run else spec_changes.start(), {ANNOTATION: request} if request else None

    await changed(who, "Migration", raw, change)
    who.audit("rehearse" if asked.dry_run else "start", raw["metadata"]["name"], migration_id)
    phase = asked.start_from_phase or "schema_migration"
    waits = "" if asked.dry_run else _waits(raw, now)
    if waits:
        return Started(
            id=migration_id, status="approved", phase=phase, started_at=None, message=f"waiting until {waits}", waits_until=waits
        )
    told = "the rehearsal starts; its tables will be dropped" if asked.dry_run else "the migration starts"
    return Started(id=migration_id, status="running", phase=phase, started_at=moment(now), message=told, waits_until=None)


@ROUTER.post("/pause", status_code=202)
async def pause(who: Asking, now: Now, migration_id: str, body: PauseBody | None = None) -> Pausing:
    """Pause at the next checkpoint."""
    asked = body or PauseBody()
    raw = await _steered(
        who,
        migration_id,
        Action.PAUSE,
        lambda there: spec_changes.pause(asked.reason, immediate=asked.immediate, resume_to=resume_to_value(there)),
    )
    left = ((raw.get("status") or {}).get("progress") or {}).get("checkpointSeconds")
    if asked.immediate:
        told, left = "pausing now; the chunks in progress are aborted", 0
    else:
        told = "pausing at the next checkpoint"
    eta = None if left is None else moment(now + timedelta(seconds=left))
    return Pausing(id=migration_id, status="pausing", message=told, checkpoint_eta=eta)


@ROUTER.post("/resume", status_code=202)
async def resume(who: Asking, now: Now, migration_id: str) -> Resumed:
    """Resume from the last checkpoint. A migration that was not started before the pause is planned and waits for its start."""
    goal = Desired.PLANNED

    def change(there: Object) -> Object:
        nonlocal goal
        goal = desired_after_resume(there)
        return spec_changes.resume(goal)

    raw = await _steered(who, migration_id, Action.RESUME, change)
    status = raw.get("status") or {}
    checkpoint = (status.get("progress") or {}).get("checkpoint")
    stands: Status = "running" if goal is Desired.COMPLETED else "plan_ready" if status.get("plan") else "planning"
    return Resumed(id=migration_id, status=stands, resumed_at=moment(now), resumed_from_checkpoint=checkpoint or None)


@ROUTER.post("/cancel", status_code=202)
async def cancel(who: Asking, migration_id: str, body: CancelBody | None = None) -> Cancelling:
    """Cancel a migration before its cutover."""
    asked = body or CancelBody()
    spec = spec_changes.cancel(asked.reason, rollback=asked.rollback, force=asked.force)
    await _steered(who, migration_id, Action.CANCEL, lambda _: spec)
    return Cancelling(
        id=migration_id,
        status="cancelling",
        rollback_status="initiated" if asked.rollback else "none",
        message="the staged tables are being dropped" if asked.rollback else "the staged tables are kept until it is deleted",
    )


@ROUTER.post("/rollback", status_code=202)
async def rollback(who: Asking, migration_id: str, body: BackBody | None = None) -> GoingBack:
    """Undo the cutover, as long as the replaced tables are retained."""
    asked = body or BackBody()

    spec = spec_changes.back(discard_writes=asked.discard_writes)
    refused = partial(rollback_refusal, discard_writes=asked.discard_writes)
    await _steered(who, migration_id, Action.ROLLBACK, lambda _: spec, refused)
    return GoingBack(id=migration_id, status="rolling_back", message="the cutover is being undone")


@ROUTER.get("/plan")
async def plan(who: Asking, migration_id: str) -> plans.PlanAnswer:
    """Get the plan: mappings of columns, risks and estimates."""
    raw = await get_migration(who, migration_id)
    made = await _plan(who, raw, migration_id)
    return plans.plan_of(raw, made, moves.plan_brief(raw).status, await _words(who, raw["metadata"]["name"]))


@ROUTER.post("/plan/approve", status_code=202)
async def approve_plan(who: Asking, migration_id: str, body: ApprovePlanBody) -> PlanApproved:
    """Approve the whole plan, including its review items. The digest identifies the reviewed plan."""
    spec = spec_changes.approve(body.digest)
    await _steered(who, migration_id, Action.APPROVE, lambda _: spec, partial(approval_refusal, digest=body.digest))
    return PlanApproved(migration_id=migration_id, status="approved", digest=body.digest)


@ROUTER.post("/plan/mappings/{mapping_id}/approve", status_code=202)
async def approve(who: Asking, migration_id: str, mapping_id: str, body: ApproveBody) -> Approved:
    """Approve, reject or override one mapping."""
    raw = await _mine(who, migration_id)
    _refused(refusal(Action.APPROVE, raw))
    made = await _plan(who, raw, migration_id)
    meant = next(((t, c) for t, c in plans.columns(made) if plans.mapping_id(t, c) == mapping_id), None)
    if meant is None:
        raise ProblemError(404, "mapping_not_found", f"the plan has no mapping {mapping_id[:80]!r}")
    table, column = meant
    word: Object = {"column": column["source"], "decision": "Approve" if body.approved else "Reject"}
    if body.approved and body.override_transformation:
        word |= {"decision": "Override", "expression": body.override_transformation}
    if body.comment:
        word["comment"] = body.comment
    await _decided(who, raw, SourceTable.model_validate({"schema": table["schema"] or None, "table": table["name"]}), word)
    who.audit(word["decision"].lower(), raw["metadata"]["name"], mapping_id)
    return Approved(
        id=mapping_id,
        migration_id=migration_id,
        status="approved" if body.approved else "rejected",
        transformation=word.get("expression") or column["transformation"] or None,
    )


async def _mine(who: Caller, migration_id: str) -> Object:
    """The Migration, if the caller may change it. Raises ProblemError."""
    who.may_write()
    return await get_migration(who, migration_id, fresh=True)


async def _steered(
    who: Caller,
    migration_id: str,
    action: Action,
    change: Callable[[Object], Object],
    refused: Callable[[Object], Refusal | None] | None = None,
) -> Object:
    """Change the spec of a Migration if the action is not refused; returns the Migration before the change. Raises ProblemError.

    Args:
        who: The caller.
        migration_id: The public identifier.
        action: What is requested.
        change: The change of the spec.
        refused: Why the request is refused. Default: as the phase says.
    """
    raw = await _mine(who, migration_id)

    def allowed(there: Object) -> tuple[Object, None]:
        _refused(refused(there) if refused else refusal(action, there))
        return change(there), None

    await changed(who, "Migration", raw, allowed)
    who.audit(action.value, raw["metadata"]["name"], migration_id)
    return raw


def _refused(found: Refusal | None) -> None:
    """Raises ProblemError if there is a refusal."""
    if found:
        raise ProblemError(409, found.code, found.message, retry_seconds=found.retry_seconds)


def _waits(raw: Object, now: datetime) -> str:
    """The time until which its schedule delays it; empty if it can start now."""
    told = raw["spec"].get("schedule")
    found = opening(Schedule.model_validate(told) if told else None, now, cutover=False)
    return "" if found.open or found.changes is None else moment(found.changes)


async def _words(who: Caller, name: str) -> list[Object]:
    """The TablePlans of a Migration, with the decisions about its columns."""
    return [p for p in await who.listed("TablePlan") if p["spec"]["migrationRef"]["name"] == name]


async def _plan(who: Caller, raw: Object, migration_id: str) -> Object:
    status = raw.get("status") or {}
    if not status.get("plan") or not status.get("run"):
        raise ProblemError(409, "plan_not_ready", f"{migration_id} has no plan yet", retry_seconds=2)
    pieces = await who.kube.listed("ConfigMap", who.key.namespace, f"{LABEL_RUN}={status['run']}")
    return plans.unpack(pieces, status["plan"]["digest"])


async def _decided(who: Caller, raw: Object, source: SourceTable, word: Object) -> None:
    """Write a decision into the TablePlan of a table, and keep the decisions written through the gateway before."""
    name = raw["metadata"]["name"]
    listed = [p for p in await who.kube.listed("TablePlan", who.key.namespace) if p["spec"]["migrationRef"]["name"] == name]
    which = (source.schema_ or "", source.table)
    there = next((p for p in listed if SourceTable.model_validate(p["spec"]["source"]).is_of(*which)), None)
    about = {"migrationRef": {"name": name}}
    if there is None:
        told = source.model_dump(mode="json", by_alias=True, exclude_none=True)
        await applied(who, "TablePlan", table_plan_name(name, source), {}, {**about, "source": told, "decisions": [word]})
        return

    def change(held: Object) -> tuple[Object, None]:
        before = owned_fields(held).get("spec", {}).get("decisions", [])
        words = [*(w for w in before if w["column"] != word["column"]), word]
        return {**about, "source": held["spec"]["source"], "decisions": words}, None

    await changed(who, "TablePlan", there, change)
