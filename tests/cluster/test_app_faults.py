"""Apps while the node restarts and while the registry is down: each ends as the undisturbed life does."""

from __future__ import annotations

import pytest

from tests.cluster import machine
from tests.cluster.conftest import App, Place
from tests.cluster.moody import FILES, deployment
from tests.cluster.test_apps import applied, pushed

pytestmark = pytest.mark.usefixtures("apps_end")

_EXAMPLE = "app-node-express"


def test_the_node_restarts(place: Place) -> None:
    name = place.namespace("app-restart")
    pushed(place, _EXAMPLE)
    app = applied(place, name, _EXAMPLE)
    app.until_live("greetings-1")
    app.patch(env=[{"name": "GREETING", "value": "the pier"}])
    machine.restart()
    app.until_live("greetings-2", 180)
    app.serves("the pier")


def test_a_registry_that_is_down_for_a_while(place: Place) -> None:
    name = place.namespace("no-registry")
    place.github.push("example-org/waits", {**FILES, "README.md": "waits"}, "x")
    with machine.without("docker-registry"):
        place.apply(deployment(name, "waits", source={"github": {"repository": "example-org/waits"}}))
        app = App(place, name, "waits")
        place.wait("its first builder has failed", lambda: app.release("waits-1").get("status", {}).get("retryAfter"), 120)
        assert app.condition()["reason"] == "Building"
    app.until_live("waits-1", 120)
    assert app.release("waits-1")["status"]["attempts"] > 1
