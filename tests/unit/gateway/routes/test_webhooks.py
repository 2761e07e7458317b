"""Webhooks over HTTP, against an API server in memory: what a body becomes, what is told of it, and a ping that is asked for."""

from __future__ import annotations

import json
from typing import Any, get_args

import pytest

from landfall.api.notifications import TOLD_OF, EventName
from landfall.api.webhook import WebhookSpec
from landfall.gateway.requests import EventWord, event_named, event_word
from tests.support.asgi import Client
from tests.support.gateway import Namespace

Object = dict[str, Any]
_BODY = {"name": "Ops room", "url": "https://ops.example/hook?token=t0ken", "secret": "a-signing-key-of-ops"}
_READY = {"type": "Ready", "status": "True", "reason": "Reachable", "message": "ops.example answers"}


def test_events_have_the_same_words_at_every_door() -> None:
    assert [event_named(word) for word in get_args(EventWord)] == list(get_args(EventName))
    assert [event_word(name) for name in get_args(EventName)] == list(get_args(EventWord))


def test_a_webhook_is_made_with_its_secret_and_told_without(door: Client, cluster: Namespace) -> None:
    answers = [door.post("/v1/webhooks", _BODY, headers={"Idempotency-Key": "1"}) for _ in range(2)]
    assert [a.status for a in answers] == [201, 201], answers[0].body
    created = answers[0].json()["data"]
    assert created == answers[1].json()["data"], "the same request is the same webhook"
    assert created == {
        "id": created["id"],
        "name": "Ops room",
        "host": None,
        "events": ["completed", "failed", "approval_required"],
        "status": "testing",
        "created_at": "2026-01-01T00:00:00Z",
        "tested_at": None,
        "error": None,
    }
    name = created["id"].removeprefix("hook_")
    assert name.startswith("ops-room-")
    spec = cluster.ours["Webhook", name]["spec"]
    assert spec == {"secretRef": {"name": f"{name}-webhook"}, "onEvents": list(TOLD_OF)}
    WebhookSpec.model_validate(spec)
    secret = cluster.objects["Secret", f"{name}-webhook"]
    assert secret["stringData"] == {"url": _BODY["url"], "key": _BODY["secret"]}
    assert secret["metadata"]["ownerReferences"][0]["kind"] == "Webhook"
    assert all(hidden not in json.dumps(answers[0].json()) for hidden in ("t0ken", "a-signing-key"))
    removed = door.ask("DELETE", f"/v1/webhooks/{created['id']}")
    assert (removed.status, removed.json()) == (200, {"id": created["id"], "deleted": True})
    assert door.get(f"/v1/webhooks/{created['id']}").json()["error"]["code"] == "webhook_not_found"


@pytest.mark.parametrize(
    ("change", "field", "message"),
    [
        ({"url": "ftp://ops.example"}, "url", "begins with http:// or https://"),
        ({"url": "https://u:p@ops.example"}, "url", "no user name or password"),
        ({"secret": "short"}, "secret", "at least 16"),
        ({"events": []}, "events", "at least 1"),
        ({"events": ["ended"]}, "events.0", "'completed'"),
        ({"to": "x"}, "to", "unknown field to. Known are: events, name, secret, url."),
        ({"urls": "x"}, "urls", "unknown field urls. Did you mean url?"),
    ],
)
def test_a_body_that_makes_no_sense_is_refused(
    door: Client, cluster: Namespace, change: Object, field: str, message: str
) -> None:
    answer = door.post("/v1/webhooks", _BODY | change)
    problem = answer.json()["error"]
    assert (answer.status, problem["code"], problem["field"]) == (400, "invalid_request", field)
    assert message in problem["message"]
    assert cluster.written == []


def test_they_are_listed_and_pinged(door: Client, cluster: Namespace) -> None:
    spec = {"secretRef": {"name": "x"}, "onEvents": ["RolledBack"]}
    cluster.put("Webhook", "ops", spec, {"conditions": [_READY], "host": "ops.example", "probedAt": "2026-01-01T00:00:09Z"})
    cluster.put("Webhook", "all", {"secretRef": {"name": "y"}})
    listed = door.get("/v1/webhooks").json()
    assert [(item["id"], item["events"], item["host"]) for item in listed["data"]] == [
        ("hook_all", ["completed", "failed", "approval_required"], None),
        ("hook_ops", ["rolled_back"], "ops.example"),
    ]
    assert [item["id"] for item in door.get("/v1/webhooks?status=reachable").json()["data"]] == ["hook_ops"]
    answer = door.post("/v1/webhooks/hook_ops/test?wait=0", {})
    assert (answer.status, answer.json()["data"]["status"]) == (202, "testing")
    request_fields = json.loads(cluster.ours["Webhook", "ops"]["metadata"]["annotations"]["landfall.dev/request"])
    assert request_fields == {"id": answer.json()["data"]["test_id"], "verb": "test"}
