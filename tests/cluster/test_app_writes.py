"""Every write of the operator goes wrong over deploy, bad deploy, rollback and delete: the end is that of the undisturbed life, and what serves goes on serving."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cluster.conftest import Place
from tests.cluster.load import Load
from tests.cluster.local import LocalOperator
from tests.cluster.test_apps import applied, pushed

pytestmark = pytest.mark.usefixtures("apps_end")

_EXAMPLE = "app-node-express"
_BROKEN = '{"dependencies": {"express": "5.1.0"}, "scripts": {"start": "node server.js", "build": "exit 7"}}'


def _life(place: Place, namespace: str) -> None:
    """A deploy, a bad one, a rollback, and the end. Nothing is built twice, nothing is left over."""
    pushed(place, _EXAMPLE)
    app = applied(place, namespace, _EXAMPLE, keepWarmSeconds=30)
    app.until_live("greetings-1", 240)
    app.serves("the harbour")
    with Load(app.address(), fresh=1, pooled=0) as load:
        app.patch(env=[{"name": "GREETING", "value": "the pier"}])
        app.until_live("greetings-2", 120)
        pushed(place, _EXAMPLE, "oops", package_json=_BROKEN)
        app.until("BuildFailed", 120)
        app.serves("the pier")
        app.patch(rollbackTo={"revision": 1})
        app.until_live("greetings-4", 120)
        app.serves("the harbour")
    assert load.failures == []
    releases = place.listed("releases.landfall.dev", namespace)
    assert sorted(r["metadata"]["name"] for r in releases) == [f"greetings-{n}" for n in range(1, 5)]
    assert {r["status"]["phase"] for r in releases if r["metadata"]["name"] != "greetings-4"} <= {
        "RolledBack",
        "Superseded",
        "Failed",
    }
    builders = [j["metadata"]["name"] for j in place.listed("jobs", namespace)]
    assert sorted(b.split("-build-")[0] for b in builders) == ["greetings-1", "greetings-3"]
    writers = {
        m["manager"]
        for m in place.get("appdeployment", namespace, app.name)["metadata"]["managedFields"]
        if "f:spec" in m["fieldsV1"]
    }
    assert all(w.startswith("kubectl") for w in writers), writers
    place.objects.delete("appdeployment", namespace, app.name)
    kinds = "pods,releases.landfall.dev,services,secrets,jobs,deployments.apps"
    place.wait("nothing is left over", lambda: not place.listed(kinds, namespace), 90)


@pytest.mark.parametrize("fault", ["kill", "lost"])
def test_every_write_goes_wrong(alone: Place, fault: str, tmp_path: Path) -> None:
    name = alone.namespace(f"app-writes-{fault}")
    with LocalOperator(alone, ["-m", "tests.cluster.faulty", fault], tmp_path / "log", LANDFALL_NAMESPACES=name) as operator:
        _life(alone, name)
    struck = (tmp_path / "log").read_text(encoding="utf-8")
    assert ("killed after" if fault == "kill" else f"{fault} at") in struck
    assert operator.starts == 1 or fault == "kill", struck[-3000:]
