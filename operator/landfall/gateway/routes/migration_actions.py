"""What is done with a migration: start, pause, resume, cancel, go back, and decide about its plan. Each is one change of its spec."""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header
from pydantic import BaseModel, Field

from landfall.api import spec_changes
from landfall.api.annotations import ANNOTATION, PhaseName
from landfall.api.plan_storage import LABEL_RUN
from landfall.api.tableplan import SourceTable, table_plan_name
from landfall.gateway.auth import Caller
from landfall.gateway.dependencies import Asking, Now
from landfall.gateway.errors import ProblemError
from landfall.gateway.identifiers import minted
from landfall.gateway.requests import Body, moment
from landfall.gateway.routes.migrations import found
from landfall.gateway.views import app as apps
from landfall.gateway.views import migration as moves
from landfall.gateway.views import plan as plans
from landfall.gateway.writes import applied, changed, said
from landfall.kube.server_side_apply import merged
from landfall.lib.text import counted

Object = dict[str, Any]
ROUTER = APIRouter(prefix="/v1/migrations/{migration_id}", tags=["migrations"])
# The way out, where another word is meant.
_ELSE = {
    ("completed", "cancelled"): ": POST …/rollback puts back what was there before",
    ("completed", "started"): ": another run wants another migration, or another rerunToken",
    ("paused", "started"): ": POST …/resume goes on",
    ("running", "rolled back"): ": before the cutover, POST …/cancel drops what was staged",
}
_WRITTEN = "WrittenSinceCutover"
_WORKS = frozenset({"pending", "planning", "approved", "running", "validating", "pausing"})


class StartBody(Body):
    """On what terms it begins."""

    skip_approval: bool = Field(default=False, description="Run the plan as it is, whatever needs review.")
    start_from_phase: PhaseName | None = Field(
        default=None, description="Where to go on; refused where what is before it is not proven."
    )
    dry_run: bool = Field(default=False, description="Rehearse: everything but the cutover, measured, and nothing left of it.")


class PauseBody(Body):
    """Why, and how."""

    reason: str = Field(default="", max_length=1000, description="Shown to whoever looks.")
    immediate: bool = Field(default=False, description="Give up the chunks in flight.")


class CancelBody(Body):
    """Why, and how."""

    reason: str = Field(default="", max_length=1000, description="Shown to whoever looks.")
    rollback: bool = Field(default=True, description="Drop what was staged.")
    force: bool = Field(default=False, description="Wait for no worker.")


class BackBody(Body):
    """On what terms it goes back."""

    discard_writes: bool = Field(default=False, description="Even if rows were written to the new tables since the cutover.")


class ApproveBody(Body):
    """A person's word on one mapping."""

    approved: bool = Field(description="Whether it is approved; or rejected, which asks for another one.")
    override_transformation: str | None = Field(
        default=None, min_length=1, max_length=4000, description="An expression in the source's SQL to store instead."
    )
    comment: str | None = Field(default=None, max_length=1000, description="Why.")


class Started(BaseModel):
    """It begins."""

    id: str
    status: moves.Status
    phase: moves.PhaseName
    started_at: str
    message: str


class Pausing(BaseModel):
    """It stops at the next checkpoint."""

    id: str
    status: moves.Status
    message: str
    checkpoint_eta: str | None


class Resumed(BaseModel):
    """It goes on."""

    id: str
    status: moves.Status
    resumed_at: str
    resumed_from_checkpoint: str | None


class Cancelling(BaseModel):
    """It ends."""

    id: str
    status: moves.Status
    rollback_status: Literal["initiated", "none"]
    message: str


class GoingBack(BaseModel):
    """It goes back."""

    id: str
    status: moves.Status
    message: str


class Approved(BaseModel):
    """What was decided."""

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
    """Begin, or rehearse."""
    asked, raw = body or StartBody(), await _mine(who, migration_id)
    _may_start(raw, migration_id, asked)
    identifier = f"start-{minted(who.key.id, migration_id, idempotency_key or secrets.token_hex(16))}"
    request = spec_changes.on_terms(identifier, skip_approval=asked.skip_approval, first=asked.start_from_phase)
    if asked.dry_run:
        request = spec_changes.rehearse(identifier)
    await changed(
        who, "Migration", raw, {} if asked.dry_run else spec_changes.start(), {ANNOTATION: request} if request else None
    )
    who.audit("rehearse" if asked.dry_run else "start", raw["metadata"]["name"], migration_id)
    told = "the rehearsal begins; nothing will be left of it" if asked.dry_run else "the migration begins"
    phase = asked.start_from_phase or "schema_migration"
    return Started(id=migration_id, status="running", phase=phase, started_at=moment(now), message=told)


@ROUTER.post("/pause", status_code=202)
async def pause(who: Asking, now: Now, migration_id: str, body: PauseBody | None = None) -> Pausing:
    """Stop at the next checkpoint."""
    asked, raw = body or PauseBody(), await _mine(who, migration_id)
    _in(raw, migration_id, _WORKS, "paused")
    await changed(who, "Migration", raw, spec_changes.pause(asked.reason, immediate=asked.immediate))
    who.audit("pause", raw["metadata"]["name"], migration_id)
    left = ((raw.get("status") or {}).get("progress") or {}).get("checkpointSeconds")
    if asked.immediate:
        told, left = "it pauses at once; chunks in flight are given up", 0
    else:
        told = "it pauses at the next checkpoint"
    eta = None if left is None else moment(now + timedelta(seconds=left))
    return Pausing(id=migration_id, status="pausing", message=told, checkpoint_eta=eta)


@ROUTER.post("/resume", status_code=202)
async def resume(who: Asking, now: Now, migration_id: str) -> Resumed:
    """Go on from the last checkpoint."""
    raw = await _mine(who, migration_id)
    _in(raw, migration_id, {"paused", "pausing"}, "resumed")
    await changed(who, "Migration", raw, spec_changes.resume())
    who.audit("resume", raw["metadata"]["name"], migration_id)
    checkpoint = ((raw.get("status") or {}).get("progress") or {}).get("checkpoint")
    return Resumed(id=migration_id, status="running", resumed_at=moment(now), resumed_from_checkpoint=checkpoint or None)


@ROUTER.post("/cancel", status_code=202)
async def cancel(who: Asking, migration_id: str, body: CancelBody | None = None) -> Cancelling:
    """End it before its cutover."""
    asked, raw = body or CancelBody(), await _mine(who, migration_id)
    _in(raw, migration_id, _WORKS | {"plan_ready", "paused", "failed", "cancelling"}, "cancelled")
    await changed(who, "Migration", raw, spec_changes.cancel(asked.reason, rollback=asked.rollback, force=asked.force))
    who.audit("cancel", raw["metadata"]["name"], migration_id)
    return Cancelling(
        id=migration_id,
        status="cancelling",
        rollback_status="initiated" if asked.rollback else "none",
        message="what was staged is dropped" if asked.rollback else "what was staged is kept until it is deleted",
    )


@ROUTER.post("/rollback", status_code=202)
async def rollback(who: Asking, migration_id: str, body: BackBody | None = None) -> GoingBack:
    """Put back what the cutover replaced, as long as that is kept."""
    asked, raw = body or BackBody(), await _mine(who, migration_id)
    if apps.is_app(raw):
        message = f"an app goes back by its deployments: POST /v1/deployments/{{id}}/rollback, of proj_{apps.deployment_of(raw)}"
        raise ProblemError(409, "invalid_state", message)
    if raw["spec"].get("desiredState") != "RolledBack" or moves.status_of(raw) != "failed":
        _in(raw, migration_id, {"completed", "rolling_back"}, "rolled back")
    elif not asked.discard_writes:
        _, reason, message = moves.ready(raw)
        way = " Here: discard_writes." if reason == _WRITTEN else ""
        raise ProblemError(409, "rollback_failed", f"it was asked to go back and could not: {message}{way}")
    await changed(who, "Migration", raw, spec_changes.back(discard_writes=asked.discard_writes))
    who.audit("rollback", raw["metadata"]["name"], migration_id)
    return GoingBack(id=migration_id, status="rolling_back", message="what was there before the cutover is put back")


@ROUTER.get("/plan")
async def plan(who: Asking, migration_id: str) -> plans.PlanAnswer:
    """The plan: what becomes of each column, the risks, and how long it takes."""
    raw = await found(who, migration_id)
    return plans.told(raw, await _plan(who, raw, migration_id), moves.plan_brief(raw).status)


@ROUTER.post("/plan/mappings/{mapping_id}/approve", status_code=202)
async def approve(who: Asking, migration_id: str, mapping_id: str, body: ApproveBody) -> Approved:
    """Approve or reject one mapping, or say what is to be stored instead."""
    raw = await _mine(who, migration_id)
    if moves.status_of(raw) not in {"plan_ready", "planning", "pending", "failed"}:
        raise ProblemError(409, "invalid_state", f"{migration_id} is {moves.status_of(raw)}: its plan is decided")
    made = await _plan(who, raw, migration_id)
    meant = next(((t, c) for t, c in plans.columns(made) if plans.mapping_id(t, c) == mapping_id), None)
    if meant is None:
        raise ProblemError(404, "mapping_not_found", f"its plan has no mapping {mapping_id[:80]!r}")
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
    """The Migration, for somebody who may change it."""
    who.may_write()
    return await found(who, migration_id, fresh=True)


def _in(raw: Object, migration_id: str, allowed: frozenset[str] | set[str], done: str) -> None:
    stands = moves.status_of(raw)
    if stands not in allowed:
        message = f"{migration_id} is {stands}, and cannot be {done} now{_ELSE.get((stands, done), '')}"
        raise ProblemError(409, "invalid_state", message)


def _may_start(raw: Object, migration_id: str, asked: StartBody) -> None:
    """Whether there is a plan that may be run; the operator would wait, and a caller who asks wants to know. Raises ProblemError."""
    stands, brief = moves.status_of(raw), moves.plan_brief(raw)
    if stands in {"pending", "planning", "failed"} and brief.status == "generating" and not apps.is_app(raw):
        for kind, code in (("SourceReachable", "source_unreachable"), ("TargetReachable", "target_unreachable")):
            told = moves.condition(raw, kind)
            if told.get("status") == "False":
                raise ProblemError(409, code, str(told.get("message", "")))
        message = moves.ready(raw)[2] or "it is being planned"
        raise ProblemError(409, "plan_not_ready", f"{migration_id} has no plan yet: {message}", retry_seconds=2)
    _in(raw, migration_id, {"plan_ready", "approved", "planning", "pending"}, "started")
    if brief.status == "blocked":
        raise ProblemError(409, "approval_required", moves.ready(raw)[2])
    if brief.status == "approval_required" and not (asked.skip_approval or asked.dry_run):
        points = raw["status"]["plan"]["toReview"]
        message = f"{counted(points, 'point')} of its plan {'needs' if points == 1 else 'need'} a person's word: GET its plan, then approve its mappings, or start with skip_approval"
        raise ProblemError(409, "approval_required", message)


async def _plan(who: Caller, raw: Object, migration_id: str) -> Object:
    status = raw.get("status") or {}
    if not status.get("plan") or not status.get("run"):
        raise ProblemError(409, "plan_not_ready", f"{migration_id} has no plan yet", retry_seconds=2)
    pieces = await who.kube.listed("ConfigMap", who.key.namespace, f"{LABEL_RUN}={status['run']}")
    return plans.unpacked(pieces, status["plan"]["digest"])


async def _decided(who: Caller, raw: Object, source: SourceTable, word: Object) -> None:
    """Put a word into the TablePlan of a table, beside those that were said here before."""
    name = raw["metadata"]["name"]
    listed = [p for p in await who.kube.listed("TablePlan", who.key.namespace) if p["spec"]["migrationRef"]["name"] == name]
    which = (source.schema_ or "", source.table)
    there = next((p for p in listed if SourceTable.model_validate(p["spec"]["source"]).is_of(*which)), None)
    before = said(there).get("spec", {}) if there else {}
    words = [*(w for w in before.get("decisions", []) if w["column"] != word["column"]), word]
    told = source.model_dump(mode="json", by_alias=True, exclude_none=True) if there is None else there["spec"]["source"]
    spec = merged(before, {"migrationRef": {"name": name}, "source": told, "decisions": words})
    await applied(who, "TablePlan", there["metadata"]["name"] if there else table_plan_name(name, source), {}, spec)
