"""Spec changes of each action, shared by CLI and gateway, so that both make the same change. None removes a field."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from landfall.api.annotations import deploy_requests, waiting
from landfall.lifecycle import PhaseName

Object = dict[str, Any]
_MOST_QUEUED = 16


def start() -> Object:
    """Start or resume, and run to completion."""
    return {"desiredState": "Completed", "pause": None, "cancel": None}


def pause(reason: str = "", *, immediate: bool = False, resume_to: str = "Completed") -> Object:
    """Pause at the next checkpoint, or immediately; `resume_to` is the previous desiredState."""
    words: Object = {"reason": reason, "immediate": immediate, "resumeTo": resume_to}
    return {"desiredState": "Paused", "pause": words, "cancel": None}


def resume(to: str = "Completed") -> Object:
    """Resume from the last checkpoint, with the desiredState from before the pause."""
    return {"desiredState": to, "pause": None}


def cancel(reason: str = "", *, rollback: bool = True, force: bool = False) -> Object:
    """Cancel before the cutover; `rollback` drops the staged tables, `force` does not wait for running workers."""
    return {
        "desiredState": "Cancelled",
        "cancel": {"reason": reason, "rollback": rollback, "force": force},
        "pause": None,
    }


def back(*, discard_writes: bool = False) -> Object:
    """Roll back: restore the tables that the cutover replaced."""
    return {"desiredState": "RolledBack", **({"rollback": {"discardWrites": True}} if discard_writes else {})}


def approve(digest: str) -> Object:
    """Approve the plan with this digest, including its review items."""
    return {"data": {"approval": {"planDigest": digest}}}


def on_terms(identifier: str, *, skip_approval: bool = False, first: PhaseName | None = None, anew: bool = False) -> str:
    """Request annotation of a start with options; empty if no option is set. `anew`: retry a failed run."""
    if not (skip_approval or first or anew):
        return ""
    request: Object = {"id": identifier, "verb": "start", "skipApproval": skip_approval}
    return json.dumps(request | ({"from": first} if first else {}))


def rehearse(identifier: str) -> str:
    """Request annotation of a rehearsal."""
    return json.dumps({"id": identifier, "verb": "rehearse"})


def deploy(identifier: str, commit: str = "", env: Sequence[Object] = ()) -> str:
    """Request annotation of one deploy, of the latest or a given commit, with variables for this release only."""
    request: Object = {"id": identifier, "verb": "deploy", "commit": commit, "env": list(env)}
    return json.dumps({name: value for name, value in request.items() if value})


def queued(text: str, handled: str, request: str) -> str | None:
    """Request annotation with one more deploy after the unprocessed ones; None if there are too many.

    Args:
        text: The current annotation. An invalid one is replaced.
        handled: ID of the last processed request, from the status.
        request: The deploy, as built by `deploy`. It is added only once.
    """
    requests, _ = deploy_requests(text)
    waiting_ids = waiting([request_fields.id for request_fields in requests], handled)
    waiting_requests = [
        request_fields.model_dump(mode="json", by_alias=True, exclude_defaults=True)
        for request_fields in requests
        if request_fields.id in waiting_ids
    ]
    new_request = json.loads(request)
    if new_request["id"] in waiting_ids:
        return text
    if len(waiting_requests) >= _MOST_QUEUED:
        return None
    return (
        json.dumps([*({**request_fields, "verb": "deploy"} for request_fields in waiting_requests), new_request])
        if waiting_requests
        else request
    )


def back_to(release: str, identifier: str) -> Object:
    """Roll a Deployment back to a Release that was live."""
    return {"rollbackTo": {"release": release, "id": identifier}}


def move_on() -> Object:
    """End the rollback of a Deployment, so that it deploys new commits again."""
    return {"rollbackTo": None}


def look(identifier: str) -> str:
    """Request annotation of a connection test, or of a ping of a Webhook."""
    return json.dumps({"id": identifier, "verb": "test"})
