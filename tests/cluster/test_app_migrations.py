"""A Migration with an app: it makes the Deployment once, and is complete when its release is live."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cluster import moody
from tests.cluster.conftest import App, Object, Place
from tests.cluster.install import NAMESPACE

pytestmark = pytest.mark.usefixtures("apps_end")

_TEMPLATE: dict[str, Any] = {
    "source": {"github": {"repository": moody.REPOSITORY, "branch": "main"}},
    "rollout": {"observeSeconds": 1},
}


def _migration(namespace: str, name: str, **spec: object) -> Object:
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "landfall.dev/v1alpha1", "kind": "Migration", "metadata": metadata, "spec": spec}


def test_it_brings_an_app_and_outlives_it(place: Place) -> None:
    name = place.namespace("brings-app")
    place.github.push(moody.REPOSITORY, moody.FILES, "feat: moods")
    place.apply(_migration(name, "moody", app={"template": _TEMPLATE}, desiredState="Planned"))
    place.until(name, "moody", "Planned")
    assert place.get("appdeployment", name, "moody") == {}
    place.apply(_migration(name, "moody", app={"template": _TEMPLATE}))
    migration = place.until(name, "moody", "Completed")
    app = App(place, name, "moody")
    app.serves("mood: well")
    assert app.status["live"] == "moody-1"
    assert next(c["status"] for c in migration["status"]["conditions"] if c["type"] == "Succeeded") == "True"
    assert migration["status"]["completionTime"] >= migration["status"]["startTime"]
    journal = (
        "exec",
        "-n",
        NAMESPACE,
        "deployment/landfall-operator",
        "--",
        "python3",
        "-m",
        "landfall",
        "journal",
        f"{name}/moody",
    )
    log = place.cluster.kubectl(*journal)
    assert "building moody-1" in log
    assert "moody-1 is live at http" in log
    assert "npm install" in place.cluster.kubectl(*journal, "--kind", "Deployment")
    deployment = place.get("appdeployment", name, "moody")
    assert deployment["spec"] == _TEMPLATE, "as it was written"
    assert "ownerReferences" not in deployment["metadata"]

    app.patch(env=[{"name": "MOOD", "value": "calm"}])
    app.until_live("moody-2")
    assert place.reason(name, "moody") == "Completed", "what is done is done"
    place.apply(_migration(name, "again", app={"deploymentRef": {"name": "moody"}}))
    place.until(name, "again", "Completed")
    place.cluster.kubectl("delete", "migration", "-n", name, "moody", "again", "--timeout=300s")
    app.serves("mood: calm")


def test_what_is_in_its_way(place: Place) -> None:
    name = place.namespace("app-in-the-way")
    place.github.push(moody.REPOSITORY, moody.FILES, "feat: moods")
    conflicting = {"apiVersion": "landfall.dev/v1alpha1", "kind": "Deployment", "metadata": {"name": "taken", "namespace": name}}
    place.apply({**conflicting, "spec": {**_TEMPLATE, "replicas": 2}})
    broken = {**_TEMPLATE, "source": {"github": {"repository": "example-org/nowhere"}}}
    place.apply(
        _migration(name, "taken", app={"template": _TEMPLATE}),
        _migration(name, "missing", app={"deploymentRef": {"name": "nobody"}}),
        _migration(name, "broken", app={"template": broken}),
        _migration(name, "back", app={"template": _TEMPLATE}, desiredState="RolledBack"),
    )
    expected = {
        "taken": ("DeploymentConflict", "deploymentRef"),
        "missing": ("DeploymentMissing", "'nobody'"),
        "broken": ("SourceMissing", "example-org/nowhere"),
        "back": ("RollbackUnsupported", "rollbackTo"),
    }
    for migration_name, (reason, words) in expected.items():
        conditions = place.until(name, migration_name, reason)["status"]["conditions"]
        assert words in next(c["message"] for c in conditions if c["type"] == "Ready")
        assert next(c["status"] for c in conditions if c["type"] == "Stalled") == "True"
    place.cluster.kubectl("delete", "migration", "-n", name, "--all", "--timeout=300s")
