"""Why a request for a Migration is refused now: each door asks here, so that the gateway, the console and the command line agree.

`lifecycle` says which action is allowed in which phase. Here are the conditions of a request and its options: the plan, the phase to start
from, an earlier request, a rollback that has failed. Pure; it reads a Migration as a mapping from the API server.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import assert_never

from landfall.errors import rule_of
from landfall.lifecycle import (
    BEFORE_PLAN,
    PHASE_NAMES,
    REQUEST,
    STARTABLE,
    Action,
    Desired,
    Object,
    Phase,
    PhaseName,
    facts_of,
    not_reached_message,
    phase_of,
    ready_condition,
    ready_message,
    refusal_message,
)


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
    early = at.phase in BEFORE_PLAN | {Phase.FAILED} and not plan and not at.app
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
        for condition in status.get("conditions") or ():
            if condition["type"] == kind and condition.get("status") == "False":
                return Refusal(code, str(condition.get("message", "")))
    return None


def _unapproved(raw: Object) -> bool:
    """Whether review items of its plan wait for approval."""
    status = raw.get("status") or {}
    plan = status.get("plan") or {}
    approved = ((raw["spec"].get("data") or {}).get("approval") or {}).get("planDigest")
    return bool(plan.get("toReview")) and approved != plan.get("digest") and not status.get("startTime")


def _not_reached(raw: Object, first: PhaseName) -> Refusal | None:
    """Why a start from a phase is refused whose earlier phases are not done."""
    done_steps = {step["name"] for step in (raw.get("status") or {}).get("steps") or () if step.get("status") == "Done"}
    reached = max(STARTABLE, sum(1 for name in PHASE_NAMES[:2] if name in done_steps))
    if PHASE_NAMES.index(first) <= reached:
        return None
    return Refusal("invalid_state", not_reached_message(raw["metadata"]["name"], first, reached))


def rollback_refusal(raw: Object, *, discard_writes: bool) -> Refusal | None:
    """Why a rollback is refused now: the phase, or the requested rollback has failed and this request would change nothing.

    Args:
        raw: The Migration as the API server returns it.
        discard_writes: Roll back even if rows were written to the new tables since the cutover.

    Returns:
        The refusal; None if the rollback is allowed.
    """
    refused, at = refusal(Action.ROLLBACK, raw), facts_of(raw)
    discards = bool((raw["spec"].get("rollback") or {}).get("discardWrites"))
    failed = at.desired is Desired.ROLLED_BACK and at.phase is Phase.FAILED
    if refused or not failed or (discard_writes and not discards):
        return refused
    message = f"the requested rollback failed: {at.message}"
    if rule_of(str(ready_condition(raw).get("reason", ""))).discarded_by_rollback and not discards:
        message += " In the REST API: discard_writes; on the command line: --discard-writes."
    return Refusal("rollback_failed", message)


def allowed_actions(raw: Object) -> tuple[Action, ...]:
    """The actions whose request is accepted now, with some of its options; a client offers these and no others.

    Args:
        raw: The Migration as the API server returns it.

    Returns:
        The actions, in the order of `Action`.
    """
    return tuple(action for action in Action if _refusal_with_every_option(action, raw) is None)


def _refusal_with_every_option(action: Action, raw: Object) -> Refusal | None:
    match action:
        case Action.START | Action.REHEARSE:
            return start_refusal(raw, skip_approval=True, rehearse=action is Action.REHEARSE, first=None)
        case Action.ROLLBACK:
            return rollback_refusal(raw, discard_writes=True)
        case Action.APPROVE:
            return approval_refusal(raw, "")
        case Action.PAUSE | Action.RESUME | Action.CANCEL | Action.DELETE:
            return refusal(action, raw)
        case _:
            assert_never(action)


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


def request_refusal(raw: Object, request: str) -> Refusal | None:
    """Why a one-time request is refused now: an earlier one is not handled yet and would be lost.

    Args:
        raw: The Migration as the API server returns it.
        request: The new request, as the JSON text of the annotation.

    Returns:
        The refusal; None if the request is allowed.
    """
    current, new = _request(raw), _read(request)
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
