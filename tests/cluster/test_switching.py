"""Under constant requests, over fresh and pooled connections: no request fails, and after the drain nobody is answered by what was left.

`LANDFALL_SWITCHES` sets how many releases there are, and how many ways back: 5 for each commit, 25 in `make campaign`.
"""

from __future__ import annotations

import os
import time

import pytest

from tests.cluster.conftest import App, Place
from tests.cluster.load import Load
from tests.cluster.test_apps import applied, pushed

pytestmark = pytest.mark.usefixtures("apps_end")

_TIMES = int(os.environ.get("LANDFALL_SWITCHES", "5"))
_DRAIN = 1


def test_no_request_fails_while_releases_come_and_go(place: Place) -> None:
    """Every other release is of another environment, so that nothing but the switch takes time."""
    name = place.namespace("switching")
    pushed(place, "app-node-express")
    app = applied(place, name, "app-node-express", observeSeconds=1, drainSeconds=_DRAIN, keepWarmSeconds=60)
    app.until_live("greetings-1")
    app.serves("the harbour")
    with Load(app.address()) as load:
        for number in range(2, _TIMES + 2):
            app.patch(env=[{"name": "GREETING", "value": f"pier {number}"}])
            app.until_live(f"greetings-{number}")
            _only(app, load, f"pier {number},")
        for number in range(_TIMES):
            goal = _TIMES + 1 if number % 2 else _TIMES
            app.patch(rollbackTo={"revision": goal})
            app.until_live(f"greetings-{_TIMES + 2 + number}")
            _only(app, load, f"pier {goal},")
    assert load.failures == []
    assert {kind for _, kind, _ in load.answers} == {"fresh", "pooled"}
    assert len(load.answers) > 100 * _TIMES


def _only(app: App, load: Load, text: str) -> None:
    """After the drain, and the moment that fresh pods take to replace the old ones, everybody is answered by what is live."""
    time.sleep(_DRAIN)

    def is_only_answer() -> bool:
        began = time.monotonic()
        time.sleep(0.7)
        answered = load.since(began)
        return len(answered) == 1 and text in next(iter(answered))

    app.place.wait(f"all requests are answered by {text!r}", is_only_answer, 30)
