"""A decision: the next action of an object, and its phase and conditions."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Generic, TypeVar

from landfall.api.fields import Condition
from landfall.api.phases import AnyPhase
from landfall.controllers.actions import ControllerAction

Flag = tuple[str, str]
Fact = tuple[str, Flag | tuple[str, str, str]]


A_co = TypeVar("A_co", bound=ControllerAction, covariant=True)


@dataclass(frozen=True, slots=True)
class ReconcileDecision(Generic[A_co]):
    """The phase and conditions of an object, its next action, and when to reconcile again.

    `A_co` is the union of the kind's actions; `Never` if it has none. `ready`: status and reason of the condition Ready. `stalled`: a user
    must act. `working`: the operator or a worker is working. `again_seconds`: seconds until the next reconcile. `facts`: further conditions
    as (type, (status, reason)) or with a message of their own. `starts`: record the run's start now, before its first worker.
    `awaits_approval`: a user has to approve the plan before the run continues.
    """

    phase: AnyPhase
    ready: Flag
    message: str
    action: A_co | None = None
    stalled: bool = False
    working: bool = False
    again_seconds: float | None = None
    facts: tuple[Fact, ...] = ()
    starts: bool = False
    awaits_approval: bool = False

    @property
    def is_ready(self) -> bool:
        """Whether Ready is true."""
        return self.ready[0] == "True"


@dataclass(frozen=True, slots=True)
class ObservedObject:
    """What is observed of an object of any kind."""

    now: datetime
    generation: int
    uid: str = ""
    deleting: bool = False
    conditions: tuple[Condition, ...] = field(default=())


def conditions(observed: ObservedObject, decision: ReconcileDecision[ControllerAction]) -> tuple[Condition, ...]:
    """The conditions of a decision. A condition whose status did not change keeps its transition time."""
    states: dict[str, tuple[str, str, str]] = {"Ready": (*decision.ready, decision.message)}
    if decision.working:
        states["Reconciling"] = ("True", decision.ready[1], decision.message)
    if decision.stalled:
        states["Stalled"] = ("True", decision.ready[1], decision.message)
    for kind, (status, reason, *own_message) in decision.facts:
        states[kind] = (status, reason, own_message[0] if own_message else decision.message if status == "False" else "")
    before = {c.type: c for c in observed.conditions}
    return tuple(_condition(kind, *flag, observed, before.get(kind)) for kind, flag in states.items())


def _condition(
    kind: str, status: str, reason: str, message: str, observed: ObservedObject, before: Condition | None
) -> Condition:
    since = before.last_transition_time if before and before.status == status else observed.now
    return Condition.model_validate(
        {
            "type": kind,
            "status": status,
            "reason": reason,
            "message": message,
            "lastTransitionTime": since,
            "observedGeneration": observed.generation,
        }
    )
