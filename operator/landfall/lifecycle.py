"""The life cycle of a Migration: its phases, the states of its run, and which action is allowed when.

The operator's rules, the gateway, the console and the command line read this one table, so that all of them allow the same actions and
refuse with the same message. Pure; it imports no other module of Landfall and reads a Migration as a mapping from the API server.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal

Object = Mapping[str, Any]
# The annotation that holds a one-time request.
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
# A run can always start with this index of PHASE_NAMES: data_transfer creates the staged tables first.
_STARTABLE = 1
STEPS: tuple[StepName, ...] = ("planning", "schema_migration", "data_transfer", "validation", "cutover")
PHASE_NAMES: tuple[PhaseName, ...] = ("schema_migration", "data_transfer", "validation", "cutover")


class Phase(StrEnum):
    """`status.phase` of a Migration; NEW before the first reconcile."""

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
    """What a user can request of a Migration."""

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
    Phase.NEW: PhaseRow("pending", "Not reconciled yet."),
    Phase.PENDING: PhaseRow("pending", "A referenced object is missing, or a worker is being retried."),
    Phase.PLANNING: PhaseRow("planning", "A worker reads source and target and makes the plan."),
    Phase.PLAN_READY: PhaseRow("plan_ready", "The plan waits for a start, an approval or a decision."),
    Phase.APPROVED: PhaseRow("approved", "The run starts, or waits for its maintenance window."),
    Phase.REHEARSING: PhaseRow("running", "A rehearsal: everything except the cutover is run, measured and dropped."),
    Phase.RUNNING: PhaseRow("running", "Schema, rows and indexes are created in staging."),
    Phase.VALIDATING: PhaseRow("validating", "Verification runs; the cutover is next."),
    Phase.PAUSING: PhaseRow("pausing", "The worker stops at the next checkpoint."),
    Phase.PAUSED: PhaseRow("paused", "No worker runs until the migration is resumed or its window opens."),
    Phase.COMPLETED: PhaseRow("completed", "The cutover is done: the target has the migrated tables."),
    Phase.FAILED: PhaseRow("failed", "A user has to act; the condition Stalled says why."),
    Phase.CANCELLING: PhaseRow("cancelling", "The staged tables are being dropped."),
    Phase.CANCELLED: PhaseRow("cancelled", "The migration ended before its cutover."),
    Phase.ROLLING_BACK: PhaseRow("rolling_back", "The cutover is being undone: the retained tables are restored."),
    Phase.ROLLED_BACK: PhaseRow("rolled_back", "The cutover is undone: the retained tables are restored."),
    Phase.DELETING: PhaseRow("cancelling", "The object is being deleted."),
}


@dataclass(frozen=True, slots=True)
class StateRow:
    """One state of a run in the target's ledger.

    `step` is the step in progress, None if all are done; `phase` is the Migration's phase while a worker runs; `label` is the text for
    users.
    """

    step: StepName | None
    phase: Phase
    label: str
    doc: str


STATES: Mapping[str, StateRow] = {
    "schema": StateRow("schema_migration", Phase.RUNNING, "creating the schema in staging", "Tables are created in staging."),
    "copying": StateRow("data_transfer", Phase.RUNNING, "copying rows", "Rows are copied."),
    "indexing": StateRow("validation", Phase.RUNNING, "building indexes", "Indexes and keys are built on the copied rows."),
    "comparing": StateRow(
        "validation", Phase.VALIDATING, "comparing both sides and cutting over", "Both sides are compared, then cut over."
    ),
    "cut_over": StateRow(None, Phase.COMPLETED, "cut over", "The cutover is done."),
    "rolled_back": StateRow(None, Phase.ROLLED_BACK, "rolled back", "The retained tables were restored."),
    "cancelled": StateRow(None, Phase.CANCELLED, "cancelled", "The staged tables were dropped."),
}
# Tags of log lines, by the step under which users see the lines.
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
# Phases in which each action is allowed. `refusal_message` checks the other conditions.
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
class MigrationFacts:
    """The facts of a Migration that decide which actions are allowed.

    Attributes:
        name: The Migration's name.
        phase: Its phase, or the phase that a spec not reconciled yet leads to.
        desired: `spec.desiredState`, with its default.
        begun: Its run has started.
        cut_over: It has been completed, possibly rolled back since.
        app: It deploys an app and migrates no data.
        message: The message of its condition Ready; empty if there is none.
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
        """The status of the REST contract for its phase."""
        return PHASES[self.phase].status


def facts_of(raw: Object) -> MigrationFacts:
    """Collect the facts of a Migration. A spec that is not reconciled yet counts as in progress.

    Args:
        raw: The Migration as the API server returns it.

    Returns:
        The facts that `refusal_message` needs.
    """
    metadata, spec, status = raw["metadata"], raw["spec"], raw.get("status") or {}
    phase = phase_of(raw)
    desired = str(spec.get("desiredState") or "Completed")
    generation, observed = metadata.get("generation"), status.get("observedGeneration")
    if generation is not None and observed is not None and observed != generation:
        phase = _on_its_way(phase, desired)
    return MigrationFacts(
        name=str(metadata["name"]),
        phase=Phase.DELETING if metadata.get("deletionTimestamp") else phase,
        desired=desired,
        begun=bool(status.get("startTime") or status.get("completionTime")),
        cut_over=phase == Phase.COMPLETED or bool(status.get("completionTime")),
        app=bool(spec.get("app")) and not spec.get("data"),
        message=ready_message(raw),
    )


def phase_of(raw: Object) -> Phase:
    """`status.phase`; NEW if it is absent or unknown to this version."""
    phase = str((raw.get("status") or {}).get("phase") or "")
    return Phase(phase) if phase in {p.value for p in Phase} else Phase.NEW


def ready_message(raw: Object) -> str:
    """The message of the condition Ready; empty if there is none."""
    conditions = (raw.get("status") or {}).get("conditions") or ()
    return next((str(one.get("message", "")) for one in conditions if one.get("type") == "Ready"), "")


def _on_its_way(phase: Phase, desired: str) -> Phase:
    """The phase that a desired state leads to, before the operator has reconciled it."""
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


def refusal_message(action: Action, at: MigrationFacts) -> str:
    """Why an action is refused now, and what to do instead.

    Args:
        action: The requested action.
        at: The facts of the Migration.

    Returns:
        The message; empty if the action is allowed.
    """
    if at.phase in ACTIONS[action] and _holds(action, at):
        return ""
    return f"{at.name} is {at.status.replace('_', ' ')} and cannot be {_DONE[action]} now{_instead(action, at)}"


# Conditions of an action other than the phase.
_HOLDS: Mapping[Action, Callable[[MigrationFacts], bool]] = {
    Action.REHEARSE: lambda at: not at.begun,
    Action.PAUSE: lambda at: at.phase != Phase.PAUSED or at.desired != "Paused",
    Action.RESUME: lambda at: at.desired == "Paused",
    Action.CANCEL: lambda at: not at.cut_over,
    Action.ROLLBACK: lambda at: not at.app and (at.cut_over or at.desired == "RolledBack" or at.phase == Phase.ROLLING_BACK),
    Action.APPROVE: lambda at: not (at.begun and at.phase in {Phase.PAUSED, Phase.APPROVED}),
}


def _holds(action: Action, at: MigrationFacts) -> bool:
    return _HOLDS[action](at) if action in _HOLDS else True


def _instead(action: Action, at: MigrationFacts) -> str:
    """What to do instead, as the end of a message; empty if there is nothing."""
    if action == Action.ROLLBACK:
        return _instead_of_rollback(at)
    if action == Action.DELETE:
        return ". Cancel it first" if at.phase in ACTIONS[Action.CANCEL] else ""
    if at.cut_over:
        if action == Action.CANCEL:
            return ". Roll it back to undo the cutover"
        return ". Change spec.data.rerunToken to run it again, or roll it back to undo the cutover"
    if action == Action.RESUME and at.phase in ACTIONS[action]:
        return f": it was not paused by a user and continues by itself{'. ' + at.message if at.message else ''}"
    stopped = action in {Action.START, Action.REHEARSE} and at.phase in {Phase.PAUSED, Phase.PAUSING}
    return ". Resume it to continue" if stopped else ""


def _instead_of_rollback(at: MigrationFacts) -> str:
    if at.app:
        return ": it has an app and no data. Roll back its Deployment to an earlier release instead"
    if at.phase in {Phase.CANCELLED, Phase.CANCELLING, Phase.ROLLED_BACK, Phase.DELETING}:
        return ""
    if at.begun:
        return ": its cutover has not happened. Cancel it to drop the staged tables"
    return ": its cutover has not happened. Cancel it if it must not run"


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request is refused: a stable code of the REST contract, a message for users, and when to retry (seconds; 0: never)."""

    code: str
    message: str
    retry_seconds: int = 0


def refusal(action: Action, raw: Object) -> Refusal | None:
    """Why an action on a Migration is refused now, with the code of the REST contract.

    Args:
        action: The requested action.
        raw: The Migration as the API server returns it.

    Returns:
        The refusal; None if the action is allowed.
    """
    message = refusal_message(action, facts_of(raw))
    return Refusal("invalid_state", message) if message else None


def start_refusal(raw: Object, *, skip_approval: bool, rehearse: bool, first: PhaseName | None) -> Refusal | None:
    """Why a start or a rehearsal is refused now: the phase, the plan, or the phase to start from.

    Args:
        raw: The Migration as the API server returns it.
        skip_approval: Start although review items are not approved.
        rehearse: A rehearsal is requested.
        first: The phase to start from; None to resume from the ledger.

    Returns:
        The refusal; None if the start is allowed.
    """
    name, status = raw["metadata"]["name"], raw.get("status") or {}
    at, plan = facts_of(raw), status.get("plan") or {}
    early = at.phase in _BEFORE | {Phase.FAILED} and not plan and not at.app
    if early:
        message = f"{name} has no plan yet: {at.message or 'planning is in progress'}"
        return _unreachable(status) or Refusal("plan_not_ready", message, retry_seconds=2)
    refused = refusal(Action.REHEARSE if rehearse else Action.START, raw)
    if refused:
        return refused
    if plan.get("blockers") and not at.begun:
        return Refusal("approval_required", at.message)
    if _unapproved(raw) and not (skip_approval or rehearse):
        count = plan["toReview"]
        items = "review item needs" if count == 1 else "review items need"
        message = f"{name}: {count} {items} your approval. Read the plan and approve it by its digest, or skip the approval when you start it"
        return Refusal("approval_required", message)
    return _not_reached(raw, first) if first else None


def _unreachable(status: Object) -> Refusal | None:
    for kind, code in (("SourceReachable", "source_unreachable"), ("TargetReachable", "target_unreachable")):
        for one in status.get("conditions") or ():
            if one["type"] == kind and one.get("status") == "False":
                return Refusal(code, str(one.get("message", "")))
    return None


def _unapproved(raw: Object) -> bool:
    """Whether review items of its plan wait for approval."""
    status = raw.get("status") or {}
    plan = status.get("plan") or {}
    approved = ((raw["spec"].get("data") or {}).get("approval") or {}).get("planDigest")
    return bool(plan.get("toReview")) and approved != plan.get("digest") and not status.get("startTime")


def _not_reached(raw: Object, first: PhaseName) -> Refusal | None:
    """Why a start from a phase is refused whose earlier phases are not done."""
    done = {one["name"] for one in (raw.get("status") or {}).get("steps") or () if one.get("status") == "Done"}
    reached = max(_STARTABLE, sum(1 for name in PHASE_NAMES[:2] if name in done))
    if PHASE_NAMES.index(first) <= reached:
        return None
    return Refusal("invalid_state", not_reached_message(raw["metadata"]["name"], first, reached))


def not_reached_message(name: str, first: str, reached: int) -> str:
    """Why a run cannot start from a phase.

    Args:
        name: The Migration, or what the message is about.
        first: The requested phase.
        reached: The index in PHASE_NAMES of the last phase that the run can start from.

    Returns:
        The message.
    """
    return (
        f"{name} cannot start from {first}: the ledger in the target records no phase after {PHASE_NAMES[reached]}."
        " Omit the phase to resume from the last checkpoint"
    )


def last_startable_phase(state: str) -> int:
    """The last phase that a run can start from.

    Args:
        state: The run's state in the ledger; empty if it has not started.

    Returns:
        The index in PHASE_NAMES.
    """
    row = STATES.get(state)
    return max(_STARTABLE, PHASE_NAMES.index(row.step) if row and row.step and row.step != "planning" else 0)


def desired_after_resume(raw: Object) -> str:
    """The desired state that a resume sets: the one before the pause. A migration that was not started stays planned."""
    before = (raw["spec"].get("pause") or {}).get("resumeTo")
    if before:
        return str(before)
    return "Completed" if facts_of(raw).begun else "Planned"


def resume_to_value(raw: Object) -> str:
    """The value of `spec.pause.resumeTo` that a pause writes, from which `desired_after_resume` reads."""
    spec = raw["spec"]
    desired = str(spec.get("desiredState") or "Completed")
    if desired == "Paused":
        return desired_after_resume(raw)
    return desired if desired in {"Planned", "Completed"} else "Completed"


def approval_refusal(raw: Object, digest: str) -> Refusal | None:
    """Why a plan cannot be approved by its digest: it is absent, has changed, or has blocking risks.

    Args:
        raw: The Migration as the API server returns it.
        digest: The digest to approve; empty for the current plan.

    Returns:
        The refusal; None if the approval is allowed.
    """
    name, plan = raw["metadata"]["name"], (raw.get("status") or {}).get("plan")
    if not plan:
        message = f"{name} has no plan yet: {ready_message(raw) or 'planning is in progress'}"
        return Refusal("plan_not_ready", message, retry_seconds=2)
    if digest and digest != plan["digest"]:
        return Refusal(
            "invalid_state", f"the plan of {name} has changed: its digest is now {plan['digest']}. Read and approve that plan"
        )
    if plan.get("blockers"):
        count = plan["blockers"]
        risks = "risk blocks" if count == 1 else "risks block"
        return Refusal("approval_required", f"{count} {risks} the approval of {name}. Read the plan and resolve them")
    return refusal(Action.APPROVE, raw)


def request_refusal(raw: Object, wanted: str) -> Refusal | None:
    """Why a one-time request is refused now: an earlier one is not handled yet and would be lost.

    Args:
        raw: The Migration as the API server returns it.
        wanted: The new request, as the JSON text of the annotation.

    Returns:
        The refusal; None if the request is allowed.
    """
    current, new = _request(raw), _read(wanted)
    if not new or not current or phase_of(raw) == Phase.FAILED:
        return None
    same = {**current, "id": ""} == {**new, "id": ""}
    if same or current.get("id") == (raw.get("status") or {}).get("lastHandledRequest"):
        return None
    message = f"{raw['metadata']['name']} has a request in progress ({current.get('verb')}, {current.get('id')}). Retry when it is handled"
    return Refusal("invalid_state", message, retry_seconds=5)


def _request(raw: Object) -> Object:
    return _read(str((raw["metadata"].get("annotations") or {}).get(REQUEST) or ""))


def _read(text: str) -> Object:
    """A request; empty if the text is not valid JSON, which the operator reports."""
    try:
        request = json.loads(text or "{}")
    except ValueError:
        return {}
    return request if isinstance(request, dict) else {}
