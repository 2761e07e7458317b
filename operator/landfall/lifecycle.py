"""The life of a Migration: its phases, its run's states, and what may be done when.

The one table that the operator's rules, the gateway, the console and the command line read, so that all of them allow the same and refuse
it in the same words. Pure, and below everything else: it knows a Migration only as the mapping that the API server has.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal

Object = Mapping[str, Any]
# The annotation that holds what is asked for once.
REQUEST = "landfall.dev/request"
Status = Literal[
    "pending",
    "planning",
    "plan_ready",
    "approved",
    "running",
    "pausing",
    "paused",
    "validating",
    "completed",
    "failed",
    "cancelling",
    "cancelled",
    "rolling_back",
    "rolled_back",
]
StepName = Literal["planning", "schema_migration", "data_transfer", "validation", "cutover"]
PhaseName = Literal["schema_migration", "data_transfer", "validation", "cutover"]
# Every run can be told to begin with this phase of PHASE_NAMES: it creates the staged tables first, for the copy needs them.
_STARTABLE = 1
STEPS: tuple[StepName, ...] = ("planning", "schema_migration", "data_transfer", "validation", "cutover")
PHASE_NAMES: tuple[PhaseName, ...] = ("schema_migration", "data_transfer", "validation", "cutover")


class Phase(StrEnum):
    """`status.phase` of a Migration; NEW before anybody has looked at it."""

    NEW = ""
    PENDING = "Pending"
    PLANNING = "Planning"
    PLAN_READY = "PlanReady"
    APPROVED = "Approved"
    REHEARSING = "Rehearsing"
    RUNNING = "Running"
    VALIDATING = "Validating"
    PAUSING = "Pausing"
    PAUSED = "Paused"
    COMPLETED = "Completed"
    FAILED = "Failed"
    CANCELLING = "Cancelling"
    CANCELLED = "Cancelled"
    ROLLING_BACK = "RollingBack"
    ROLLED_BACK = "RolledBack"
    DELETING = "Deleting"


class Action(StrEnum):
    """What a person may ask of a Migration."""

    START = "start"
    REHEARSE = "rehearse"
    PAUSE = "pause"
    RESUME = "resume"
    CANCEL = "cancel"
    ROLLBACK = "rollback"
    APPROVE = "approve"
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class PhaseRow:
    """One phase: its word in the REST contract, and what it means."""

    status: Status
    doc: str


PHASES: Mapping[Phase, PhaseRow] = {
    Phase.NEW: PhaseRow("pending", "Nobody has looked at it yet."),
    Phase.PENDING: PhaseRow("pending", "Something that it refers to is missing, or a worker is tried again."),
    Phase.PLANNING: PhaseRow("planning", "Both sides are read and a plan is made."),
    Phase.PLAN_READY: PhaseRow("plan_ready", "The plan waits for a start, an approval or a decision."),
    Phase.APPROVED: PhaseRow("approved", "The run starts, or waits for its time."),
    Phase.REHEARSING: PhaseRow("running", "Everything but the cutover is done, measured and removed again."),
    Phase.RUNNING: PhaseRow("running", "Schema, rows and indexes are brought into the target."),
    Phase.VALIDATING: PhaseRow("validating", "Both sides are compared; the cutover is next."),
    Phase.PAUSING: PhaseRow("pausing", "The worker stops at the next checkpoint."),
    Phase.PAUSED: PhaseRow("paused", "Nothing works until it is resumed, or its window opens."),
    Phase.COMPLETED: PhaseRow("completed", "The target serves what was moved."),
    Phase.FAILED: PhaseRow("failed", "A person has to act; the condition Stalled says what is wrong."),
    Phase.CANCELLING: PhaseRow("cancelling", "What was staged is dropped."),
    Phase.CANCELLED: PhaseRow("cancelled", "It ended before its cutover."),
    Phase.ROLLING_BACK: PhaseRow("rolling_back", "What the cutover replaced is put back."),
    Phase.ROLLED_BACK: PhaseRow("rolled_back", "What was there before the cutover is there again."),
    Phase.DELETING: PhaseRow("cancelling", "It is being deleted."),
}


@dataclass(frozen=True, slots=True)
class StateRow:
    """One state of a run in the target's ledger.

    `step` is the step that works in it, None where all are done; `phase` the Migration's while a worker works; `label` is what a person
    is shown.
    """

    step: StepName | None
    phase: Phase
    label: str
    doc: str


STATES: Mapping[str, StateRow] = {
    "schema": StateRow("schema_migration", Phase.RUNNING, "creating the schema in staging", "Tables are made in staging."),
    "copying": StateRow("data_transfer", Phase.RUNNING, "copying rows", "Rows are copied."),
    "indexing": StateRow("validation", Phase.RUNNING, "building indexes", "Indexes and keys are built on what was copied."),
    "comparing": StateRow(
        "validation", Phase.VALIDATING, "comparing both sides and cutting over", "Both sides are compared, then cut over."
    ),
    "cut_over": StateRow(None, Phase.COMPLETED, "cut over", "The target serves what was moved."),
    "rolled_back": StateRow(None, Phase.ROLLED_BACK, "rolled back", "What the cutover replaced was put back."),
    "cancelled": StateRow(None, Phase.CANCELLED, "cancelled", "What was staged was dropped."),
}
# What lines of the journal are tagged with, by the step that they are told under.
LOG_TAGS: Mapping[str, tuple[str, ...]] = {
    "planning": ("plan",),
    "schema_migration": ("run", "schema"),
    "data_transfer": ("copying", "help"),
    "validation": ("indexing", "comparing"),
    "cutover": ("cut_over", "back", "rolled_back", "cancelled", "tidy"),
    "rehearsal": ("rehearse",),
    "app": ("app", "build"),
}
ENDED: frozenset[Status] = frozenset({"completed", "failed", "cancelled", "rolled_back"})

_BEFORE = frozenset({Phase.NEW, Phase.PENDING, Phase.PLANNING})
_WORKS = frozenset({Phase.APPROVED, Phase.REHEARSING, Phase.RUNNING, Phase.VALIDATING, Phase.PAUSING})
_STANDS = frozenset({Phase.PLAN_READY, Phase.PAUSED, Phase.FAILED})
# In which phases each action is allowed. `refused` says what else it depends on.
ACTIONS: Mapping[Action, frozenset[Phase]] = {
    Action.START: _BEFORE | {Phase.PLAN_READY, Phase.APPROVED, Phase.FAILED},
    Action.REHEARSE: _BEFORE | {Phase.PLAN_READY, Phase.APPROVED, Phase.FAILED},
    Action.PAUSE: _BEFORE | _WORKS | {Phase.PAUSED},
    Action.RESUME: frozenset({Phase.PAUSING, Phase.PAUSED}),
    Action.CANCEL: _BEFORE | _WORKS | _STANDS | {Phase.CANCELLING},
    Action.ROLLBACK: frozenset({Phase.COMPLETED, Phase.ROLLING_BACK, Phase.FAILED}),
    Action.APPROVE: _BEFORE | {Phase.PLAN_READY, Phase.APPROVED, Phase.PAUSED, Phase.FAILED},
    Action.DELETE: frozenset({Phase.COMPLETED, Phase.FAILED, Phase.CANCELLED, Phase.ROLLED_BACK}),
}
_DONE: Mapping[Action, str] = {
    Action.START: "started",
    Action.REHEARSE: "rehearsed",
    Action.PAUSE: "paused",
    Action.RESUME: "resumed",
    Action.CANCEL: "cancelled",
    Action.ROLLBACK: "rolled back",
    Action.APPROVE: "approved",
    Action.DELETE: "deleted",
}


@dataclass(frozen=True, slots=True)
class Standing:
    """How a Migration stands, as far as what may be done depends on it.

    `begun`: its run has started; `cut_over`: it has been completed; `app`: it brings an app and moves no data.
    """

    name: str
    phase: Phase
    desired: str
    begun: bool
    cut_over: bool
    app: bool
    message: str

    @property
    def status(self) -> Status:
        """Its phase in the words of the REST contract."""
        return PHASES[self.phase].status


def standing(raw: Object) -> Standing:
    """How a Migration stands. What was asked for and not looked at yet counts as under way."""
    metadata, spec, status = raw["metadata"], raw["spec"], raw.get("status") or {}
    phase = phase_of(raw)
    desired = str(spec.get("desiredState") or "Completed")
    generation, seen = metadata.get("generation"), status.get("observedGeneration")
    if generation is not None and seen is not None and seen != generation:
        phase = _on_its_way(phase, desired)
    return Standing(
        name=str(metadata["name"]),
        phase=Phase.DELETING if metadata.get("deletionTimestamp") else phase,
        desired=desired,
        begun=bool(status.get("startTime") or status.get("completionTime")),
        cut_over=phase == Phase.COMPLETED or bool(status.get("completionTime")),
        app=bool(spec.get("app")) and not spec.get("data"),
        message=ready_message(raw),
    )


def phase_of(raw: Object) -> Phase:
    """`status.phase`; NEW where there is none, or one of another version."""
    told = str((raw.get("status") or {}).get("phase") or "")
    return Phase(told) if told in {p.value for p in Phase} else Phase.NEW


def ready_message(raw: Object) -> str:
    """What its condition Ready says."""
    told = (raw.get("status") or {}).get("conditions") or ()
    return next((str(one.get("message", "")) for one in told if one.get("type") == "Ready"), "")


def _on_its_way(phase: Phase, desired: str) -> Phase:
    """The phase that a desired state leads to, before the operator has seen it."""
    over = {Phase.COMPLETED, Phase.CANCELLED, Phase.ROLLED_BACK}
    if desired == "Paused" and phase in _BEFORE | _WORKS | {Phase.PLAN_READY}:
        return Phase.PAUSING
    if desired == "Cancelled" and phase not in over:
        return Phase.CANCELLING
    if desired == "RolledBack" and phase == Phase.COMPLETED:
        return Phase.ROLLING_BACK
    if desired == "Completed" and phase in {Phase.PAUSING, Phase.PLAN_READY}:
        return Phase.APPROVED
    return phase


def refused(action: Action, at: Standing) -> str:
    """Why an action is refused now, and what to do instead; empty where it is allowed."""
    if at.phase in ACTIONS[action] and _holds(action, at):
        return ""
    return f"{at.name} is {at.status.replace('_', ' ')}, and cannot be {_DONE[action]} now{_instead(action, at)}"


# What an action depends on beside the phase.
_HOLDS: Mapping[Action, Callable[[Standing], bool]] = {
    Action.REHEARSE: lambda at: not at.begun,
    Action.PAUSE: lambda at: at.phase != Phase.PAUSED or at.desired != "Paused",
    Action.RESUME: lambda at: at.desired == "Paused",
    Action.CANCEL: lambda at: not at.cut_over,
    Action.ROLLBACK: lambda at: not at.app and (at.cut_over or at.desired == "RolledBack" or at.phase == Phase.ROLLING_BACK),
    Action.APPROVE: lambda at: not (at.begun and at.phase in {Phase.PAUSED, Phase.APPROVED}),
}


def _holds(action: Action, at: Standing) -> bool:
    return _HOLDS[action](at) if action in _HOLDS else True


def _instead(action: Action, at: Standing) -> str:
    """The way out, where there is one."""
    if action == Action.ROLLBACK:
        return _instead_of_rollback(at)
    if action == Action.DELETE:
        return ": cancel it first" if at.phase in ACTIONS[Action.CANCEL] else ""
    if at.cut_over:
        again = "" if action == Action.CANCEL else "change spec.data.rerunToken to run it again, or "
        return f": {again}roll it back to put back what was there before"
    if action == Action.RESUME and at.phase in ACTIONS[action]:
        return f": nobody paused it, and it goes on by itself{'. ' + at.message if at.message else ''}"
    stopped = action in {Action.START, Action.REHEARSE} and at.phase in {Phase.PAUSED, Phase.PAUSING}
    return ": resume it to go on" if stopped else ""


def _instead_of_rollback(at: Standing) -> str:
    if at.app:
        return ": an app goes back by its Deployment. Roll that back to a release that was live"
    if at.phase in {Phase.CANCELLED, Phase.CANCELLING, Phase.ROLLED_BACK, Phase.DELETING}:
        return ""
    begun = ": before the cutover, cancel it to drop what was staged"
    return begun if at.begun else ": nothing has been cut over. Cancel it if it shall not run"


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request is refused: a stable code of the REST contract, and a message for people."""

    code: str
    message: str
    retry_seconds: int = 0


def refusal(action: Action, raw: Object) -> Refusal | None:
    """The same of an object, with the code."""
    message = refused(action, standing(raw))
    return Refusal("invalid_state", message) if message else None


def start_refusal(raw: Object, *, skip_approval: bool, rehearse: bool, first: PhaseName | None) -> Refusal | None:
    """Why a start, or a rehearsal, is refused now: its phase, its plan, or the phase that it shall begin with."""
    name, status = raw["metadata"]["name"], raw.get("status") or {}
    at, plan = standing(raw), status.get("plan") or {}
    early = at.phase in _BEFORE | {Phase.FAILED} and not plan and not at.app
    if early:
        away = _unreachable(status)
        message = f"{name} has no plan yet: {at.message or 'it is being planned'}"
        return away or Refusal("plan_not_ready", message, retry_seconds=2)
    found = refusal(Action.REHEARSE if rehearse else Action.START, raw)
    if found:
        return found
    if plan.get("blockers") and not at.begun:
        return Refusal("approval_required", at.message)
    if _unapproved(raw) and not (skip_approval or rehearse):
        points = plan["toReview"]
        message = (
            f"{points} {'point' if points == 1 else 'points'} of the plan of {name} {'needs' if points == 1 else 'need'} a person's word:"
            " read the plan, then approve it by its digest, or start it without approval"
        )
        return Refusal("approval_required", message)
    return _unproven(raw, first) if first else None


def _unreachable(status: Object) -> Refusal | None:
    for kind, code in (("SourceReachable", "source_unreachable"), ("TargetReachable", "target_unreachable")):
        for one in status.get("conditions") or ():
            if one["type"] == kind and one.get("status") == "False":
                return Refusal(code, str(one.get("message", "")))
    return None


def _unapproved(raw: Object) -> bool:
    """Whether points of its plan wait for a person."""
    status = raw.get("status") or {}
    plan = status.get("plan") or {}
    said = ((raw["spec"].get("data") or {}).get("approval") or {}).get("planDigest")
    return bool(plan.get("toReview")) and said != plan.get("digest") and not status.get("startTime")


def _unproven(raw: Object, first: PhaseName) -> Refusal | None:
    """A start from where what is before it is not proven."""
    done = {one["name"] for one in (raw.get("status") or {}).get("steps") or () if one.get("status") == "Done"}
    reached = max(_STARTABLE, sum(1 for name in PHASE_NAMES[:2] if name in done))
    if PHASE_NAMES.index(first) <= reached:
        return None
    return Refusal("invalid_state", unproven(raw["metadata"]["name"], first, reached))


def unproven(name: str, first: str, reached: int) -> str:
    """Why a run cannot begin with a phase. `reached` is the last phase that it can begin with."""
    return (
        f"{name} cannot start from {first}: the target's ledger proves nothing beyond {PHASE_NAMES[reached]}."
        " Leave the phase out: a run goes on where the ledger says by itself"
    )


def proven(state: str) -> int:
    """The index in PHASE_NAMES of the last phase that a run in this state can be told to begin with."""
    row = STATES.get(state)
    return max(_STARTABLE, PHASE_NAMES.index(row.step) if row and row.step and row.step != "planning" else 0)


def resumed(raw: Object) -> str:
    """The desired state that a resume goes back to: what was asked for before the pause. What nobody started is not started by it."""
    kept = (raw["spec"].get("pause") or {}).get("resumeTo")
    if kept:
        return str(kept)
    return "Completed" if standing(raw).begun else "Planned"


def resumes_to(raw: Object) -> str:
    """What a pause writes down for the resume."""
    spec = raw["spec"]
    desired = str(spec.get("desiredState") or "Completed")
    if desired == "Paused":
        return resumed(raw)
    return desired if desired in {"Planned", "Completed"} else "Completed"


def approval_refusal(raw: Object, digest: str) -> Refusal | None:
    """Why a plan is not approved by its digest: there is none, it is another one by now, or it must be mended first."""
    name, plan = raw["metadata"]["name"], (raw.get("status") or {}).get("plan")
    if not plan:
        message = f"{name} has no plan yet: {ready_message(raw) or 'it is being planned'}"
        return Refusal("plan_not_ready", message, retry_seconds=2)
    if digest and digest != plan["digest"]:
        return Refusal("invalid_state", f"the plan of {name} is another one by now: {plan['digest']}. Read it, then approve that")
    if plan.get("blockers"):
        count = plan["blockers"]
        risks = "risk of its plan" if count == 1 else "risks of its plan"
        return Refusal("approval_required", f"{count} {risks} must be mended before {name} can be approved: read the plan")
    return refusal(Action.APPROVE, raw)


def request_refusal(raw: Object, wanted: str) -> Refusal | None:
    """Why a one-shot request cannot be taken now: another one is there that is not handled yet, and would be lost."""
    there, asked = _request(raw), _read(wanted)
    if not asked or not there or phase_of(raw) == Phase.FAILED:
        return None
    same = {**there, "id": ""} == {**asked, "id": ""}
    if same or there.get("id") == (raw.get("status") or {}).get("lastHandledRequest"):
        return None
    message = f"{raw['metadata']['name']} is about to carry out another request ({there.get('verb')}, {there.get('id')}): try again when it has"
    return Refusal("invalid_state", message, retry_seconds=5)


def _request(raw: Object) -> Object:
    return _read(str((raw["metadata"].get("annotations") or {}).get(REQUEST) or ""))


def _read(text: str) -> Object:
    """A request; empty where it is none, which the operator tells."""
    try:
        found = json.loads(text or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
