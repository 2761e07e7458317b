"""The life cycle of a Migration: its phases, and which action is allowed when.

The operator's rules, the gateway, the console and the command line read this one table, so that all of them allow the same actions and
refuse with the same message; `refusals` says why a request is refused. Pure; it imports no other module of Landfall and reads a Migration
as a mapping from the API server.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal, assert_never, get_args

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
STEPS: tuple[StepName, ...] = get_args(StepName)
PHASE_NAMES: tuple[PhaseName, ...] = get_args(PhaseName)
# A run can always start with this index of PHASE_NAMES: data_transfer creates the staged tables first.
STARTABLE = 1


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


class Desired(StrEnum):
    """`spec.desiredState` of a Migration."""

    PLANNED = "Planned"
    COMPLETED = "Completed"
    PAUSED = "Paused"
    CANCELLED = "Cancelled"
    ROLLED_BACK = "RolledBack"


def desired_of(state: object) -> Desired:
    """The desired state, with its default.

    Args:
        state: `spec.desiredState`; None if it is absent.

    Returns:
        Completed by default. Planned for a state that this version does not know, so that nothing runs because of it.
    """
    try:
        return Desired(str(state)) if state else Desired.COMPLETED
    except ValueError:
        return Desired.PLANNED


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


class Actor(StrEnum):
    """Who acts next in a phase."""

    OPERATOR = "operator"
    WORKER = "worker"
    USER = "user"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class PhaseRow:
    """One phase.

    Attributes:
        status: Its word in the REST contract.
        actor: Who acts next.
        actions: What a user can request in it. `refusal_message` checks the other conditions.
        doc: What it means, for the reference.
        handles_rows: A worker copies or verifies rows, so that a rate and a remaining time are meaningful.
    """

    status: Status
    actor: Actor
    actions: frozenset[Action]
    doc: str
    handles_rows: bool = False


_EARLY = frozenset({Action.START, Action.REHEARSE, Action.PAUSE, Action.CANCEL, Action.APPROVE})
_WORKING = frozenset({Action.PAUSE, Action.CANCEL})
_DELETE = frozenset({Action.DELETE})

PHASES: Mapping[Phase, PhaseRow] = {
    Phase.NEW: PhaseRow("pending", Actor.OPERATOR, _EARLY, "Not reconciled yet."),
    Phase.PENDING: PhaseRow("pending", Actor.OPERATOR, _EARLY, "A referenced object is missing, or a worker is being retried."),
    Phase.PLANNING: PhaseRow("planning", Actor.WORKER, _EARLY, "A worker reads source and target and makes the plan."),
    Phase.PLAN_READY: PhaseRow(
        "plan_ready", Actor.USER, _EARLY - {Action.PAUSE}, "The plan waits for a start, an approval or a decision."
    ),
    Phase.APPROVED: PhaseRow("approved", Actor.OPERATOR, _EARLY, "The run starts, or waits for its maintenance window."),
    Phase.REHEARSING: PhaseRow(
        "running",
        Actor.WORKER,
        _WORKING,
        "A rehearsal: everything except the cutover is run, measured and dropped.",
        handles_rows=True,
    ),
    Phase.RUNNING: PhaseRow(
        "running", Actor.WORKER, _WORKING, "Schema, rows and indexes are created in staging.", handles_rows=True
    ),
    Phase.VALIDATING: PhaseRow(
        "validating", Actor.WORKER, _WORKING, "Verification runs; the cutover is next.", handles_rows=True
    ),
    Phase.PAUSING: PhaseRow(
        "pausing",
        Actor.WORKER,
        _WORKING | {Action.RESUME},
        "The worker stops at the next checkpoint.",
        handles_rows=True,
    ),
    Phase.PAUSED: PhaseRow(
        "paused",
        Actor.USER,
        _WORKING | {Action.RESUME, Action.APPROVE},
        "No worker runs until the migration is resumed or its window opens.",
    ),
    Phase.COMPLETED: PhaseRow(
        "completed", Actor.NONE, _DELETE | {Action.ROLLBACK}, "The cutover is done: the target has the migrated tables."
    ),
    Phase.FAILED: PhaseRow(
        "failed",
        Actor.USER,
        _DELETE | (_EARLY - {Action.PAUSE}) | {Action.ROLLBACK},
        "A user has to act; the condition Stalled says why.",
    ),
    Phase.CANCELLING: PhaseRow("cancelling", Actor.WORKER, frozenset({Action.CANCEL}), "The staged tables are being dropped."),
    Phase.CANCELLED: PhaseRow("cancelled", Actor.NONE, _DELETE, "The migration ended before its cutover."),
    Phase.ROLLING_BACK: PhaseRow(
        "rolling_back",
        Actor.WORKER,
        frozenset({Action.ROLLBACK}),
        "The cutover is being undone: the retained tables are restored.",
    ),
    Phase.ROLLED_BACK: PhaseRow("rolled_back", Actor.NONE, _DELETE, "The cutover is undone: the retained tables are restored."),
    Phase.DELETING: PhaseRow("cancelling", Actor.OPERATOR, frozenset(), "The object is being deleted."),
}
ENDED: frozenset[Status] = frozenset({"completed", "failed", "cancelled", "rolled_back"})
# Phases before the first plan.
BEFORE_PLAN = frozenset({Phase.NEW, Phase.PENDING, Phase.PLANNING})
# Phases in which a worker copies or verifies rows.
WORKER_RUNS = frozenset(phase for phase, row in PHASES.items() if row.handles_rows)
# Phases in which a run continues by itself and changes the target: Landfall is not uninstalled then.
IN_PROGRESS = frozenset({Phase.RUNNING, Phase.VALIDATING})
_WORKS = WORKER_RUNS | {Phase.APPROVED}
# Phases in which each action is allowed.
ACTIONS: Mapping[Action, frozenset[Phase]] = {
    action: frozenset(phase for phase, row in PHASES.items() if action in row.actions) for action in Action
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
    desired: Desired
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
    desired = desired_of(spec.get("desiredState"))
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
    """Return the phase of a Migration.

    Args:
        raw: The Migration as the API server returns it.

    Returns:
        `status.phase`; NEW if it is absent or unknown to this version.
    """
    phase = str((raw.get("status") or {}).get("phase") or "")
    return Phase(phase) if phase in {p.value for p in Phase} else Phase.NEW


def ready_condition(raw: Object) -> Object:
    """Return the condition Ready.

    Args:
        raw: An object of any kind of Landfall, as the API server returns it.

    Returns:
        The condition; empty if there is none.
    """
    conditions = (raw.get("status") or {}).get("conditions") or ()
    return next((condition for condition in conditions if condition.get("type") == "Ready"), {})


def ready_message(raw: Object) -> str:
    """Return the message of the condition Ready.

    Args:
        raw: An object of any kind of Landfall, as the API server returns it.

    Returns:
        The message; empty if there is none.
    """
    return str(ready_condition(raw).get("message", ""))


def _on_its_way(phase: Phase, desired: Desired) -> Phase:
    """Return the phase that a desired state leads to, before the operator has reconciled it.

    Args:
        phase: The current phase.
        desired: The desired state.

    Returns:
        The next phase; the current one if nothing changes.
    """
    match desired:
        case Desired.PAUSED if phase in BEFORE_PLAN | _WORKS | {Phase.PLAN_READY}:
            return Phase.PAUSING
        case Desired.CANCELLED if phase not in {Phase.COMPLETED, Phase.CANCELLED, Phase.ROLLED_BACK}:
            return Phase.CANCELLING
        case Desired.ROLLED_BACK if phase in {Phase.COMPLETED, Phase.FAILED}:
            return Phase.ROLLING_BACK
        case Desired.COMPLETED if phase in {Phase.PAUSING, Phase.PLAN_READY}:
            return Phase.APPROVED
        case Desired.PLANNED | Desired.COMPLETED | Desired.PAUSED | Desired.CANCELLED | Desired.ROLLED_BACK:
            return phase
        case _:
            assert_never(desired)


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
    Action.PAUSE: lambda at: at.phase != Phase.PAUSED or at.desired != Desired.PAUSED,
    Action.RESUME: lambda at: at.desired == Desired.PAUSED,
    Action.CANCEL: lambda at: not at.cut_over,
    Action.ROLLBACK: lambda at: (
        not at.app and (at.cut_over or at.desired == Desired.ROLLED_BACK or at.phase == Phase.ROLLING_BACK)
    ),
    Action.APPROVE: lambda at: not (at.begun and at.phase in {Phase.PAUSED, Phase.APPROVED}),
}


def _holds(action: Action, at: MigrationFacts) -> bool:
    return _HOLDS[action](at) if action in _HOLDS else True


def _instead(action: Action, at: MigrationFacts) -> str:
    """Return what to do instead of a refused action.

    Args:
        action: The refused action.
        at: The facts of the Migration.

    Returns:
        The end of a message; empty if there is nothing to do instead.
    """
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


def desired_after_resume(raw: Object) -> Desired:
    """Return the desired state that a resume sets: the one before the pause. A migration that was not started stays planned.

    Args:
        raw: The Migration as the API server returns it.

    Returns:
        The value for `spec.desiredState`.
    """
    before = (raw["spec"].get("pause") or {}).get("resumeTo")
    if before:
        return desired_of(before)
    return Desired.COMPLETED if facts_of(raw).begun else Desired.PLANNED


def resume_to_value(raw: Object) -> Desired:
    """Return what a pause writes, so that `desired_after_resume` can read it.

    Args:
        raw: The Migration as the API server returns it.

    Returns:
        The value for `spec.pause.resumeTo`.
    """
    desired = desired_of(raw["spec"].get("desiredState"))
    if desired is Desired.PAUSED:
        return desired_after_resume(raw)
    return desired if desired in {Desired.PLANNED, Desired.COMPLETED} else Desired.COMPLETED
