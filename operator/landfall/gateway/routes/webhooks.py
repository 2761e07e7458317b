"""`/v1/webhooks`: receivers of events of all migrations of the namespace. Each is a Webhook; its URL and signing key are in a Secret that it owns."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, Query, Request, Response
from pydantic import BaseModel, Field

from landfall.api.notifications import TOLD_OF
from landfall.gateway.dependencies import CallerDep
from landfall.gateway.identifiers import WEBHOOK
from landfall.gateway.pagination import Ordering, Paged, Pagination
from landfall.gateway.requests import URL, Body, EventWord, event_named, event_word
from landfall.gateway.response_cache import LASTING
from landfall.gateway.routes.probe import (
    Removed,
    Status,
    create_object,
    get_object,
    object_name,
    place,
    probe_status,
    problem,
    request_test,
)
from landfall.gateway.views.migration import Problem, title

Object = dict[str, Any]
_KEY_LETTERS = 16
ROUTER = APIRouter(prefix="/v1/webhooks", tags=["webhooks"])


class WebhookBody(Body):
    """A receiver and its events."""

    name: str = Field(min_length=1, max_length=200, description="Display name.")
    url: str = Field(
        pattern=URL, max_length=2000, description="URL of the endpoint. It is stored in a Secret; only its host is returned."
    )
    secret: str = Field(
        min_length=_KEY_LETTERS,
        max_length=500,
        description="Key that signs requests: `Landfall-Signature: t=SECONDS,v1=HEX`, the HMAC-SHA256 of `SECONDS.BODY`."
        " It is never returned.",
    )
    events: list[EventWord] = Field(
        default=["completed", "failed", "approval_required"], min_length=1, description="Events that are sent."
    )


class WebhookItem(BaseModel):
    """A webhook. Its URL and key are never returned."""

    id: str
    name: str
    host: str | None = Field(description="Host that accepted the last ping.")
    events: list[str]
    status: Status
    created_at: str
    tested_at: str | None = Field(description="Time of the last ping.")
    error: Problem | None


class WebhookPage(BaseModel):
    """Webhooks."""

    data: list[WebhookItem]
    pagination: Pagination


class WebhookAnswer(BaseModel):
    """One webhook."""

    data: WebhookItem


class Ping(BaseModel):
    """The result of a ping; `testing` before there is one."""

    id: str
    test_id: str
    status: Status
    host: str | None
    tested_at: str | None
    error: Problem | None


class PingAnswer(BaseModel):
    """The result of a ping."""

    data: Ping


class WebhookFilter(Paged):
    """Filters of the list."""

    status: Literal["", Status] = Field(default="", description="Only objects with this status.")


@ROUTER.get("")
async def listed(caller: CallerDep, asks: Annotated[WebhookFilter, Query()], request: Request) -> WebhookPage:
    """List the webhooks of the namespace, by name."""
    request.scope[LASTING] = True
    webhooks = await caller.ordered("Webhook", Ordering(asks.status, lambda raw: asks.status in {"", probe_status(raw)}, place))
    part, numbers = asks.part(webhooks, place, falling=False)
    return WebhookPage(data=[_item(raw) for raw in part], pagination=numbers)


@ROUTER.post("", status_code=201)
async def create(
    caller: CallerDep, body: WebhookBody, idempotency_key: Annotated[str, Header(max_length=200)] = ""
) -> WebhookAnswer:
    """Create a webhook. It is pinged immediately."""
    caller.may_write()
    name = object_name(caller, body.name, idempotency_key, "w")
    secret = f"{name}-webhook"
    spec = {"secretRef": {"name": secret}, "onEvents": [event_named(event) for event in dict.fromkeys(body.events)]}
    raw = await create_object(caller, "Webhook", name, body.name, spec, (secret, {"url": body.url, "key": body.secret}))
    caller.audit("create webhook", name, _identifier(raw))
    return WebhookAnswer(data=_item(raw))


@ROUTER.get("/{webhook_id}")
async def get(caller: CallerDep, webhook_id: str, request: Request) -> WebhookAnswer:
    """Get one webhook."""
    request.scope[LASTING] = True
    return WebhookAnswer(data=_item(await get_object(caller, "Webhook", WEBHOOK, webhook_id)))


@ROUTER.post("/{webhook_id}/test", responses={202: {"model": PingAnswer, "description": "No result yet."}})
async def ask(
    caller: CallerDep,
    webhook_id: str,
    response: Response,
    wait: Annotated[int, Query(ge=0, le=60, description="Maximum time to wait for the result, in seconds.")] = 20,
    idempotency_key: Annotated[str, Header(max_length=200)] = "",
) -> PingAnswer:
    """Ping the webhook now."""
    look, detail = await request_test(caller, "Webhook", WEBHOOK, webhook_id, idempotency_key, wait)
    if detail is None:
        response.status_code = 202
        return PingAnswer(data=Ping(id=webhook_id, test_id=look, status="testing", host=None, tested_at=None, error=None))
    result = _item(detail).model_dump(include={"status", "host", "tested_at", "error"})
    return PingAnswer(data=Ping(id=webhook_id, test_id=look, **result))


@ROUTER.delete("/{webhook_id}")
async def delete(caller: CallerDep, webhook_id: str) -> Removed:
    """Delete a webhook and its Secret."""
    caller.may_write()
    raw = await get_object(caller, "Webhook", WEBHOOK, webhook_id, fresh=True)
    await caller.delete("Webhook", raw)
    caller.audit("delete webhook", raw["metadata"]["name"], webhook_id)
    return Removed(id=webhook_id, deleted=True)


def _identifier(raw: Object) -> str:
    return f"{WEBHOOK}{raw['metadata']['name']}"


def _item(raw: Object) -> WebhookItem:
    status = raw.get("status") or {}
    return WebhookItem(
        id=_identifier(raw),
        name=title(raw),
        host=status.get("host") or None,
        events=[event_word(name) for name in raw["spec"].get("onEvents") or TOLD_OF],
        status=probe_status(raw),
        created_at=raw["metadata"]["creationTimestamp"],
        tested_at=status.get("probedAt"),
        error=problem(raw),
    )
