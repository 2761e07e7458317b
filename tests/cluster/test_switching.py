"""Under constant requests, over fresh and pooled connections: no request fails, and after the drain nobody is answered by what was left."""

from __future__ import annotations

import time

from tests.cluster.conftest import App, Place
from tests.cluster.load import Load
from tests.cluster.test_apps import EXAMPLES, applied, pushed, sources

_TIMES = 10
_DRAIN = 3


def _version(place: Place, number: int) -> None:
    server = sources(EXAMPLES / "app-node-express" / "app")["server.js"]
    pushed(place, "app-node-express", f"feat: {number}", server_js=server.replace("version 1", f"version {number};"))


def test_no_request_fails_while_releases_come_and_go(place: Place) -> None:
    name = place.namespace("switching")
    _version(place, 1)
    app = applied(place, name, "app-node-express", observeSeconds=2, drainSeconds=_DRAIN, keepWarmSeconds=60)
    app.until_live("greetings-1")
    app.serves("version 1;")
    with Load(app.address()) as load:
        for number in range(2, _TIMES + 2):
            _version(place, number)
            app.until_live(f"greetings-{number}")
            _only(app, load, f"version {number};")
        for number in range(_TIMES):
            revision = _TIMES + 2 + number
            goal = _TIMES + 1 if number % 2 else _TIMES
            app.patch(rollbackTo={"revision": goal})
            app.until_live(f"greetings-{revision}")
            _only(app, load, f"version {goal};")
    assert load.failures == []
    kinds = {kind for _, kind, _ in load.answers}
    assert kinds == {"fresh", "pooled"}
    assert len(load.answers) > 100 * _TIMES


def _only(app: App, load: Load, version: str) -> None:
    """After the drain, and the moment that the node and the kubelet need, everybody is answered by what is live."""
    app.serves(version)
    time.sleep(_DRAIN)
    app.place.wait("the old pods are gone", lambda: _settled(app, load, version), 30)


def _settled(app: App, load: Load, version: str) -> bool:
    del app
    began = time.monotonic()
    time.sleep(0.7)
    answered = load.since(began)
    return len(answered) == 1 and next(iter(answered)).endswith(version)
