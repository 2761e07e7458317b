"""The command line in a real cluster, as somebody at a terminal has it: an app, and logs of pods."""

from __future__ import annotations

import pytest

from tests.cluster import moody
from tests.cluster.conftest import App, Place
from tests.cluster.moody import deployment
from tests.cluster.terminal import Terminal

pytestmark = pytest.mark.usefixtures("apps_end")


def test_an_app_is_watched_deployed_and_taken_back(place: Place) -> None:
    name = place.namespace("terminal-app")
    terminal = Terminal(place, name)
    place.github.push(moody.REPOSITORY, moody.FILES, "feat: moods")
    place.apply(deployment(name, "moody"))
    app = App(place, name, "moody")
    terminal.says("watch", "deployment/moody")
    app.until_live("moody-1")
    assert terminal.says("open", "moody", "--print").startswith("http")
    app.patch(env=[{"name": "MOOD", "value": "fine"}])
    app.until_live("moody-2")
    terminal.says("rollback", "deployment/moody")
    app.until_live("moody-3")
    assert app.release("moody-3")["spec"]["rollbackTo"] == "moody-1"
    output = terminal.says("releases", "moody")
    assert output.index("moody-3") < output.index("moody-2") < output.index("moody-1")
    terminal.says("resume", "deployment/moody")
    place.wait("it has moved on", lambda: app.status.get("live") not in {"moody-1", "moody-3"} and bool(app.condition("Ready")))
    assert " build | " in terminal.says("logs", "release/moody-1")
