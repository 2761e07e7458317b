"""The API server accepts and refuses what the models accept and refuse."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from landfall.api.crd import BY_NAME
from tests.cluster.conftest import Place

Object = dict[str, Any]

_GITHUB = {"source": {"github": {"repository": "org/shop", "branch": "main"}}}
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


@pytest.mark.parametrize(
    ("kind", "spec", "good"), CASES, ids=[f"{k}-{n}-{'good' if g else 'bad'}" for n, (k, _, g) in enumerate(CASES)]
)
def test_the_server_and_the_models_agree(place: Place, kind: str, spec: Object, *, good: bool) -> None:
    document = {"apiVersion": "landfall.dev/v1alpha1", "kind": kind, "metadata": {"name": "case"}, "spec": copy.deepcopy(spec)}
    try:
        BY_NAME[kind].model.model_validate(document)
        ours = True
    except ValidationError:
        ours = False
    try:
        place.cluster.kubectl("create", "--dry-run=server", "--validate=strict", "-f", "-", stdin=yaml.safe_dump(document))
        theirs = True
    except RuntimeError:
        theirs = False
    assert (ours, theirs) == (good, good)
