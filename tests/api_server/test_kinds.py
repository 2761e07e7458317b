"""The API server accepts and refuses what the models accept and refuse."""

from __future__ import annotations

import contextlib
import copy
import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from pydantic import ValidationError

from landfall.api.crd import BY_NAME, structural
from tests.cluster.machine import Cluster
from tests.cluster.schemas import specs
from tests.support.servers import free_port

Object = dict[str, Any]
_EXAMPLES = int(os.environ.get("LANDFALL_EXAMPLES", "60"))

_GITHUB = {"source": {"github": {"repository": "org/shop", "branch": "main"}}}
_FILL = {"source": {"connectionRef": {"name": "a"}}, "target": {"connectionRef": {"name": "b"}, "onExisting": "Fill"}}
_DATA = {"source": {"connectionRef": {"name": "a"}}, "target": {"connectionRef": {"name": "b"}}}
GOOD: dict[str, list[Object]] = {
    "Connection": [
        {
            "type": "PostgreSQL",
            "host": "h",
            "port": 5432,
            "database": "d",
            "secretRef": {"name": "s"},
            "tls": {"mode": "VerifyFull"},
        },
        {"type": "SQLite", "file": {"path": "a.db", "persistentVolumeClaim": "p"}},
        {"type": "MySQL", "secretRef": {"name": "s"}},
    ],
    "Migration": [
        {"data": _DATA},
        {"data": {**_FILL, "mode": "DataOnly"}},
        {
            "data": {**_DATA, "mode": "SchemaOnly", "limits": {"rowsPerSecond": 5}},
            "desiredState": "Paused",
            "pause": {"reason": "x"},
        },
        {"app": {"template": _GITHUB}},
        {"data": _DATA, "schedule": {"startAt": "2026-02-15T02:00:00Z", "maintenanceWindow": {"start": "23:00", "end": "04:00"}}},
    ],
    "Deployment": [
        _GITHUB,
        {
            "source": {"image": "r.example.com/shop@sha256:" + "a" * 64},
            "env": [{"name": "A", "value": "b"}],
            "selector": {"x": {"y": "z"}},
        },
        {"source": {"zip": {"url": "https://e.com/a.zip", "sha256": "b" * 64}}, "rollbackTo": {"revision": 3}},
    ],
    "TablePlan": [
        {
            "migrationRef": {"name": "m"},
            "source": {"table": "t"},
            "decisions": [{"column": "c", "decision": "Approve", "policy": "Null"}],
        }
    ],
}
BAD: dict[str, list[Object]] = {
    "Connection": [
        {"type": "SQLite"},
        {"type": "PostgreSQL"},
        {"type": "PostgreSQL", "host": "h", "file": {"path": "x"}},
        {"type": "Mongo", "host": "h"},
        {"type": "MySQL", "host": "h", "port": 70000},
        {"type": "MySQL", "host": "h", "colour": "red"},
    ],
    "Migration": [
        {},
        {"data": {"source": {}, "target": {}}},
        {"data": {**_DATA, "parallelism": 0}},
        {"data": _DATA, "desiredState": "Done"},
        {"app": {}},
        {"app": {"template": _GITHUB, "deploymentRef": {"name": "x"}}},
        {"data": _DATA, "schedule": {"maintenanceWindow": {"start": "25:00", "end": "04:00"}}},
        {"data": {**_DATA, "approval": {"planDigest": "sha256:1"}}},
        {"data": {**_DATA, "mode": "DataOnly"}},
        {"data": {**_FILL, "mode": "SchemaOnly"}},
    ],
    "Deployment": [
        {"source": {}},
        {"source": {"image": "shop:latest"}},
        {"source": {"github": {"repository": "org/shop"}, "image": "r/s@sha256:" + "a" * 64}},
        {"source": {"zip": {"url": "https://e.com/a.zip"}}},
        {**_GITHUB, "env": [{"name": "A", "value": "b", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]},
        {**_GITHUB, "rollbackTo": {}},
        {**_GITHUB, "route": {"domain": "No Domain"}},
    ],
    "TablePlan": [{"migrationRef": {"name": "m"}, "source": {"table": "t"}, "decisions": [{"column": "c", "decision": "Maybe"}]}],
}
CASES = [(kind, spec, good) for table, good in ((GOOD, True), (BAD, False)) for kind, specs in table.items() for spec in specs]


@pytest.fixture(scope="module")
def accepted(control_plane: Cluster) -> Iterator[Callable[[str, Object], str]]:
    """What the API server says against an object, nothing if it takes it."""
    port = free_port()
    kubectl = [str(control_plane.programs / "kubectl"), "--kubeconfig", str(control_plane.kubeconfig)]
    command = [*kubectl, "proxy", f"--port={port}"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)

    def validate(kind: str, spec: Object) -> str:
        path = f"/apis/landfall.dev/v1alpha1/namespaces/default/{BY_NAME[kind].plural}?dryRun=All&fieldValidation=Strict"
        connection = HTTPConnection("127.0.0.1", port, timeout=20)
        connection.request("POST", path, json.dumps(_document(kind, spec)), {"Content-Type": "application/json"})
        answer = connection.getresponse()
        told = json.loads(answer.read())
        connection.close()
        assert answer.status in {201, 400, 422}, told
        return "" if answer.status == 201 else str(told["message"])

    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            validate("Migration", {})
            break
        time.sleep(0.1)
    yield validate
    process.terminate()
    process.wait()


def _document(kind: str, spec: Object) -> Object:
    return {"apiVersion": "landfall.dev/v1alpha1", "kind": kind, "metadata": {"name": "case"}, "spec": copy.deepcopy(spec)}


def _refused(kind: str, spec: Object) -> str:
    """What our model says against it."""
    try:
        BY_NAME[kind].model.model_validate(_document(kind, spec))
    except ValidationError as error:
        return str(error)
    return ""


@pytest.mark.parametrize(
    ("kind", "spec", "good"), CASES, ids=[f"{k}-{n}-{'good' if g else 'bad'}" for n, (k, _, g) in enumerate(CASES)]
)
def test_the_server_and_the_models_agree(accepted: Callable[[str, Object], str], kind: str, spec: Object, *, good: bool) -> None:
    assert (not _refused(kind, spec), not accepted(kind, spec)) == (good, good)


@pytest.mark.parametrize("kind", list(BY_NAME))
def test_they_agree_on_whatever_is_made_from_the_schema(accepted: Callable[[str, Object], str], kind: str) -> None:
    schema = structural(BY_NAME[kind].model)["properties"]["spec"]

    @settings(
        max_examples=_EXAMPLES,
        deadline=None,
        derandomize="LANDFALL_EXAMPLES" not in os.environ,
        suppress_health_check=list(HealthCheck),
    )
    @given(specs(schema))
    def agree(spec: Object) -> None:
        server_refusal, model_refusal = accepted(kind, spec), _refused(kind, spec)
        assert bool(server_refusal) == bool(model_refusal), (
            f"server: {server_refusal or 'takes it'}\nmodel: {model_refusal or 'takes it'}\n{spec}"
        )

    agree()
