"""Each event is once recorded and at least once sent, and no run waits for it."""

from __future__ import annotations

import json

import pytest

from tests.cluster.conftest import Object, Place
from tests.support import receivers


def _secret(namespace: str, name: str, **data: str) -> Object:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": namespace}, "stringData": data}


def _states(place: Place, name: str) -> dict[str, str]:
    notices = place.get("migration", name, "shop").get("status", {}).get("notices", [])
    return {n["event"]: n["state"] for n in notices}


def _notified(place: Place, name: str) -> tuple[str, str]:
    conditions = place.get("migration", name, "shop")["status"]["conditions"]
    return next(((c["status"], c["message"]) for c in conditions if c["type"] == "Notified"), ("", ""))


def test_a_webhook_hears_of_the_approval_and_of_the_end(place: Place, request: pytest.FixtureRequest) -> None:
    name = place.namespace(request.node.name)
    place.databases(name, 200)
    place.maria.sql(
        "ALTER TABLE item ADD COLUMN seen DATETIME; SET sql_mode=''; UPDATE item SET seen='0000-00-00' WHERE id=7", name
    )
    with receivers.http(place.host, answers=(503,)) as hook:
        events = ["Started", "ApprovalRequired", "Completed"]
        documents = place.move(name, name, notifications={"webhooks": [{"secretRef": {"name": "hook"}}], "onEvents": events})
        place.apply(_secret(name, "hook", url=f"{hook.url}/told", key="k3y-of-hooks"), *documents)
        waiting = place.until(name, "shop", "ApprovalRequired")
        place.wait("the approval is sent", lambda: _states(place, name).get("ApprovalRequired") == "Sent")
        documents[-1]["spec"]["data"]["approval"] = {"planDigest": waiting["status"]["plan"]["digest"]}
        place.apply(*documents)
        place.until(name, "shop", "Completed")
        place.wait("all is sent", lambda: _states(place, name) == dict.fromkeys(events, "Sent"))
    messages = [json.loads(p.body) for p in hook.posts]
    assert {h["event"] for h in messages} == set(events)
    assert all(h["migration"] == {"namespace": name, "name": "shop"} for h in messages)
    assert waiting["status"]["plan"]["digest"] in next(h["message"] for h in messages if h["event"] == "ApprovalRequired")
    assert all(p.headers["landfall-signature"].startswith("t=") for p in hook.posts)
    assert _notified(place, name)[0] == "True"
    assert "k3y-of-hooks" not in place.cluster.kubectl("get", "all,configmaps,migrations,runs", "-n", name, "-o", "yaml")
    place.still([name])


def test_a_target_that_refuses_is_a_condition_and_the_run_goes_on(place: Place, request: pytest.FixtureRequest) -> None:
    name = place.namespace(request.node.name)
    place.databases(name, 200)
    with receivers.http(place.host, answers=(404,) * 9) as receiver:
        targets = [{"secretRef": {"name": "gone"}}]
        documents = place.move(name, name, notifications={"webhooks": targets, "onEvents": ["Completed"]})
        place.apply(_secret(name, "gone", url=receiver.url, key="k3y-of-hooks"), *documents)
        place.until(name, "shop", "Completed")
        place.wait("the failure is reported", lambda: _states(place, name) == {"Completed": "Failed"})
    assert _notified(place, name) == (
        "False",
        "notification Completed was not delivered: webhook gone: it returned status 404. Correct its Secret; the next event is sent to it.",
    )
    assert len(receiver.posts) == 1


def test_a_missing_secret_of_a_notification_holds_nothing(place: Place, request: pytest.FixtureRequest) -> None:
    name = place.namespace(request.node.name)
    place.databases(name, 200)
    place.apply(*place.move(name, name, notifications={"email": {"to": ["ops@example.org"]}}))
    place.until(name, "shop", "Completed")
    place.wait("it is reported", lambda: _states(place, name) == {"Completed": "Failed"})
    assert "Secret 'landfall-smtp' not found" in _notified(place, name)[1]
