"""What a decision is made of: one thing to do next, and how the object stands."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from landfall.api.fields import Condition

Flag = tuple[str, str]
Fact = tuple[str, Flag | tuple[str, str, str]]


@dataclass(frozen=True, slots=True)
class Act:
    """One idempotent action. `verb` is a word that the kind's loop knows, `name` what it is about; `reason` and `message` go where it records something."""

    verb: str
    name: str = ""
    attempt: int = 0
    reason: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class Event:
    """Something for `kubectl describe` to tell."""

    reason: str
    message: str
    warning: bool = False


@dataclass(frozen=True, slots=True)
class Decision:
    """How it stands, what to do next, and when to look again.

    `ready` is Ready's (status, reason); `stalled` says that a person must act, `working` that the operator or a worker does.
    `facts` are further conditions as (type, (status, reason)) or with a message of their own. `starts`: the run's start is written down now, before its first worker.
    """

    phase: str
    ready: Flag
    message: str
    act: Act | None = None
    stalled: bool = False
    working: bool = False
    again_seconds: float | None = None
    facts: tuple[Fact, ...] = ()
    starts: bool = False


@dataclass(frozen=True, slots=True)
class Seen:
    """What every kind has."""

    now: datetime
    generation: int
    uid: str = ""
    deleting: bool = False
    conditions: tuple[Condition, ...] = field(default=())


def conditions(seen: Seen, decision: Decision) -> tuple[Condition, ...]:
    """The conditions that a decision means. One that did not change keeps its time."""
    told: dict[str, tuple[str, str, str]] = {"Ready": (*decision.ready, decision.message)}
    if decision.working:
        told["Reconciling"] = ("True", decision.ready[1], decision.message)
    if decision.stalled:
        told["Stalled"] = ("True", decision.ready[1], decision.message)
    for kind, (status, reason, *own) in decision.facts:
        told[kind] = (status, reason, own[0] if own else decision.message if status == "False" else "")
    before = {c.type: c for c in seen.conditions}
    return tuple(_condition(kind, *flag, seen, before.get(kind)) for kind, flag in told.items())


def _condition(kind: str, status: str, reason: str, message: str, seen: Seen, before: Condition | None) -> Condition:
    since = before.last_transition_time if before and before.status == status else seen.now
    return Condition.model_validate(
        {
            "type": kind,
            "status": status,
            "reason": reason,
            "message": message,
            "lastTransitionTime": since,
            "observedGeneration": seen.generation,
        }
    )
