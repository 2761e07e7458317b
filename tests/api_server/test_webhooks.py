"""A webhook of a namespace, made through the gateway: it is pinged, and hears of every Migration."""

from __future__ import annotations

import hashlib
import hmac
import json

import pytest

from tests.cluster.conftest import Place
from tests.cluster.door import Door
from tests.cluster.terminal import Terminal
from tests.support import receivers


def _states(place: Place, name: str) -> dict[str, str]:
    notices = place.get("migration", name, "shop").get("status", {}).get("notices", [])
    return {n["event"]: n["state"] for n in notices}


def test_a_webhook_of_the_namespace_is_pinged_and_hears_of_every_migration(place: Place, request: pytest.FixtureRequest) -> None:
    name = place.namespace(request.node.name)
    place.databases(name, 200)
    door = Door(place, name)
    with receivers.http(place.host, answers=(503,)) as hook:
        body = {
            "name": "Ops room",
            "url": f"{hook.url}/told?token=t0ken",
            "secret": "a-signing-key-of-ops",
            "events": ["completed"],
        }
        status, created = door.ask("POST", "/v1/webhooks", body)
        assert (status, created["data"]["status"]) == (201, "testing"), created
        path = f"/v1/webhooks/{created['data']['id']}"
        place.wait("it is pinged", lambda: door.ask("GET", path)[1]["data"]["status"] == "reachable")
        assert door.ask("GET", path)[1]["data"]["host"] == place.host
        place.apply(*place.move(name, name))
        place.until(name, "shop", "Completed")
        place.wait("it hears", lambda: _states(place, name) == {"Completed": "Sent"})
        status, answer = door.ask("POST", f"{path}/test?wait=60")
        assert (status, answer["data"]["status"]) == (200, "reachable"), answer
    deliveries = [(json.loads(p.body)["event"], p) for p in hook.posts]
    assert [event for event, _ in deliveries] == ["Ping", "Ping", "Completed", "Ping"], "the first ping met a 503"
    for _, post in deliveries:
        moment, signed = (part.partition("=")[2] for part in post.headers["landfall-signature"].split(","))
        assert signed == hmac.new(b"a-signing-key-of-ops", f"{moment}.".encode() + post.body, hashlib.sha256).hexdigest()
    status, answer = door.ask("POST", f"{path}/test?wait=60")
    assert (status, answer["data"]["status"]) == (200, "unreachable"), "its receiver has gone"
    assert "its receiver" in answer["data"]["error"]["message"]
    output = place.cluster.kubectl("get", "all,configmaps,migrations,runs,webhooks,events", "-n", name, "-o", "yaml")
    assert not any(hidden in output for hidden in ("a-signing-key", "t0ken"))
    webhook = path.rpartition("hook_")[2]
    assert "NotDelivered" in Terminal(place, name).says("get", "webhooks")
    assert door.ask("DELETE", path)[0] == 200
    place.wait("its Secret goes with it", lambda: not place.get("secret", name, f"{webhook}-webhook"))
