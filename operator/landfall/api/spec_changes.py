"""What a person's word means in a spec. Every door says these, so that a pause is the same pause whoever asks for it; None takes a field back."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from landfall.api.annotations import deploy_requests, waiting
from landfall.lifecycle import PhaseName

Object = dict[str, Any]
_MOST_QUEUED = 16


def start() -> Object:
    """Begin, or go on, to the end."""
    return {"desiredState": "Completed", "pause": None, "cancel": None}


def pause(reason: str = "", *, immediate: bool = False, resume_to: str = "Completed") -> Object:
    """Stop at the next checkpoint, or at once; `resume_to` is what was desired before."""
    words: Object = {"reason": reason, "immediate": immediate, "resumeTo": resume_to}
    return {"desiredState": "Paused", "pause": words, "cancel": None}


def resume(to: str = "Completed") -> Object:
    """Go on from the last checkpoint, to what was desired before the pause."""
    return {"desiredState": to, "pause": None}


def cancel(reason: str = "", *, rollback: bool = True, force: bool = False) -> Object:
    """End it before its cutover; `rollback` drops what was staged, `force` waits for no worker."""
    return {
        "desiredState": "Cancelled",
        "cancel": {"reason": reason, "rollback": rollback, "force": force},
        "pause": None,
    }


def back(*, discard_writes: bool = False) -> Object:
    """Put back what the cutover replaced."""
    return {"desiredState": "RolledBack", **({"rollback": {"discardWrites": True}} if discard_writes else {})}


def approve(digest: str) -> Object:
    """Run the plan of this digest, whatever of it needs a person's word."""
    return {"data": {"approval": {"planDigest": digest}}}


def on_terms(identifier: str, *, skip_approval: bool = False, first: PhaseName | None = None, anew: bool = False) -> str:
    """The request annotation of a start on terms; empty where there are none. `anew`: what failed is tried again."""
    if not (skip_approval or first or anew):
        return ""
    told: Object = {"id": identifier, "verb": "start", "skipApproval": skip_approval}
    return json.dumps(told | ({"from": first} if first else {}))


def rehearse(identifier: str) -> str:
    """The request annotation of a rehearsal."""
    return json.dumps({"id": identifier, "verb": "rehearse"})


def deploy(identifier: str, commit: str = "", env: Sequence[Object] = ()) -> str:
    """The request annotation of one deploy: of the newest commit, or of one that is named; with variables for this once."""
    told: Object = {"id": identifier, "verb": "deploy", "commit": commit, "env": list(env)}
    return json.dumps({name: value for name, value in told.items() if value})


def queued(text: str, handled: str, request: str) -> str | None:
    """A request annotation with one deploy more, behind those that are not handled; None where there are too many.

    Args:
        text: The annotation as it is. What is no request is replaced.
        handled: The request that the status says was handled last.
        request: The deploy, as `deploy` makes it. One that is there already is there once.
    """
    there, _ = deploy_requests(text)
    left = waiting([one.id for one in there], handled)
    held = [one.model_dump(mode="json", by_alias=True, exclude_defaults=True) for one in there if one.id in left]
    asked = json.loads(request)
    if asked["id"] in left:
        return text
    if len(held) >= _MOST_QUEUED:
        return None
    return json.dumps([*({**one, "verb": "deploy"} for one in held), asked]) if held else request


def back_to(release: str, identifier: str) -> Object:
    """Have a Deployment go back to a Release that was live."""
    return {"rollbackTo": {"release": release, "id": identifier}}


def move_on() -> Object:
    """Have a Deployment move on after it went back."""
    return {"rollbackTo": None}


def look(identifier: str) -> str:
    """The request annotation of a look at a Connection's database, or of a ping of a Webhook."""
    return json.dumps({"id": identifier, "verb": "test"})
