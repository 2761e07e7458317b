"""Shared by connections and webhooks: a Secret of their own, a status that says whether they are reachable, and tests on request."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel

from landfall.api import spec_changes
from landfall.api.annotations import ANNOTATION
from landfall.api.fields import API_VERSION
from landfall.gateway.auth import Caller
from landfall.gateway.errors import ProblemError
from landfall.gateway.identifiers import minted, name_in, slug
from landfall.gateway.requests import CREATED_BY, TITLE
from landfall.gateway.views.migration import Problem, condition, title
from landfall.gateway.writes import applied, changed, store_secret

Object = dict[str, Any]
Status = Literal["testing", "reachable", "unreachable"]
_AGAIN_SECONDS = 0.5


class Removed(BaseModel):
    """The deleted object."""

    id: str
    deleted: bool


def object_name(caller: Caller, text: str, idempotency_key: str, letter: str) -> str:
    """The object's name, from its title: the same request gives the same name."""
    once, title = minted(caller.key.id, idempotency_key or secrets.token_hex(16)), slug(text)
    return f"{title}-{once[:10]}" if title else f"{letter}{once[:12]}"


async def create_object(
    caller: Caller, kind: str, name: str, text: str, spec: Object, opens: tuple[str, Mapping[str, str]]
) -> Object:
    """Create the object, and its Secret by name and values, which it owns. Raises KubeError."""
    raw = await applied(caller, kind, name, {"annotations": {TITLE: text, CREATED_BY: caller.key.user}}, spec)
    secret, values = opens
    if values:
        owner = {"apiVersion": API_VERSION, "kind": kind, "name": name, "uid": raw["metadata"]["uid"]}
        await store_secret(caller, secret, values, {"ownerReferences": [owner]})
    return raw


async def get_object(caller: Caller, kind: str, prefix: str, identifier: str, *, fresh: bool = False) -> Object:
    """The object. Raises ProblemError if it does not exist."""
    name = name_in(prefix, identifier)
    raw = await caller.get(kind, name, fresh=fresh) if name else None
    if raw is None:
        word = kind.lower()
        raise ProblemError(404, f"{word}_not_found", f"{word} {identifier[:80]!r} not found")
    return raw


async def request_test(
    caller: Caller, kind: str, prefix: str, identifier: str, idempotency_key: str, wait: int
) -> tuple[str, Object | None]:
    """Request a test; returns the test's ID, and the object after it, or None if the test took longer than `wait` seconds. Raises ProblemError."""
    caller.may_write()
    raw = await get_object(caller, kind, prefix, identifier, fresh=True)
    name = raw["metadata"]["name"]
    look = f"test-{minted(caller.key.id, identifier, idempotency_key or secrets.token_hex(16))}"
    await changed(caller, kind, raw, lambda _: ({}, {ANNOTATION: spec_changes.look(look)}))
    caller.audit("test", name, identifier)
    for _ in range(int(wait / _AGAIN_SECONDS) + 1):
        now = await caller.get(kind, name)
        if now and (now.get("status") or {}).get("lastHandledRequest") == look:
            return look, now
        await asyncio.sleep(_AGAIN_SECONDS if wait else 0)
    return look, None


def probe_status(raw: Object) -> Status:
    """Whether it is reachable."""
    if condition(raw, "Ready").get("status") == "True":
        return "reachable"
    return "unreachable" if condition(raw, "Stalled").get("status") == "True" else "testing"


def problem(raw: Object) -> Problem | None:
    """Why it is not reachable."""
    ready = condition(raw, "Ready")
    if probe_status(raw) != "unreachable":
        return None
    return Problem(code=str(ready.get("reason", "")), message=str(ready.get("message", "")))


def place(raw: Object) -> tuple[str, str]:
    """The sort key: the name."""
    return title(raw), raw["metadata"]["name"]
