"""Connections over HTTP, against an API server in memory: what a body becomes, what is told of it, and a look that is asked for."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from landfall.api.connection import ConnectionSpec
from tests.support.asgi import Client
from tests.support.gateway import FakeJournal, Namespace, client

Object = dict[str, Any]
_BODY = {
    "name": "Old shop",
    "type": "mariadb",
    "host": "db.example",
    "database": "shop",
    "username": "mover",
    "password": "s3cret",
}
_READY = {"type": "Ready", "status": "True", "reason": "Reachable", "message": "10.11 answers"}
_FAILED = [
    {"type": "Ready", "status": "False", "reason": "PasswordRefused", "message": "the password is refused"},
    {"type": "Stalled", "status": "True", "reason": "PasswordRefused", "message": "the password is refused"},
]


def test_a_connection_is_made_with_its_secret(door: Client, cluster: Namespace) -> None:
    answers = [door.post("/v1/connections", _BODY, headers={"Idempotency-Key": "1"}) for _ in range(2)]
    assert [a.status for a in answers] == [201, 201], answers[0].body
    created = answers[0].json()["data"]
    assert created == answers[1].json()["data"], "the same request is the same connection"
    name = created["id"].removeprefix("conn_")
    assert name.startswith("old-shop-")
    assert created == {
        "id": created["id"],
        "name": "Old shop",
        "type": "mariadb",
        "host": "db.example",
        "port": None,
        "database": "shop",
        "status": "testing",
        "created_at": "2026-01-01T00:00:00Z",
        "tls_mode": None,
        "version": None,
        "capabilities": [],
        "latency_ms": None,
        "tested_at": None,
        "error": None,
    }
    secret = cluster.objects["Secret", f"{name}-credentials"]
    assert secret["stringData"] == {"username": "mover", "password": "s3cret"}
    assert secret["metadata"]["ownerReferences"] == [
        {"apiVersion": "landfall.dev/v1alpha1", "kind": "Connection", "name": name, "uid": f"uid-{name}"}
    ]
    spec = cluster.ours["Connection", name]["spec"]
    assert spec == {
        "type": "MariaDB",
        "host": "db.example",
        "database": "shop",
        "secretRef": {"name": f"{name}-credentials"},
    }
    assert "s3cret" not in json.dumps(answers[0].json())


@pytest.mark.parametrize(
    ("body", "spec", "secret"),
    [
        pytest.param(
            {"type": "postgresql", "url": "postgresql://u:p@h/d", "tls": {"mode": "verify_full", "ca": "PEM"}},
            "{type: PostgreSQL, tls: {mode: VerifyFull, caSecretRef: {name: NAME-credentials, key: ca.crt}}, secretRef: {name: NAME-credentials}}",
            {"url": "postgresql://u:p@h/d", "ca.crt": "PEM"},
            id="by its url, with an authority",
        ),
        pytest.param(
            {"type": "mysql", "host": "h", "port": 3307},
            "{type: MySQL, host: h, port: 3307}",
            None,
            id="open",
        ),
        pytest.param(
            {"type": "sqlite", "path": "shop.db", "persistent_volume_claim": "files"},
            "{type: SQLite, file: {path: shop.db, persistentVolumeClaim: files}}",
            None,
            id="a file",
        ),
    ],
)
def test_each_body_is_a_spec(door: Client, cluster: Namespace, body: Object, spec: str, secret: Object | None) -> None:
    answer = door.post("/v1/connections", {"name": "x", **body})
    assert answer.status == 201, answer.body
    name = answer.json()["data"]["id"].removeprefix("conn_")
    created_spec = cluster.ours["Connection", name]["spec"]
    assert created_spec == yaml.safe_load(spec.replace("NAME", name))
    ConnectionSpec.model_validate(created_spec)
    assert cluster.objects.get(("Secret", f"{name}-credentials"), {}).get("stringData") == secret


@pytest.mark.parametrize(
    ("change", "field", "message"),
    [
        ({"type": "oracle"}, "type", "'postgresql'"),
        ({"host": ""}, "host", "write a host name"),
        ({"url": "mysql://h/d"}, "host", "host cannot be combined with other fields"),
        ({"host": "mysql://h/d"}, "host", "into url"),
        ({"port": 0}, "port", "greater than or equal to 1"),
        ({"tls": {"mode": "full"}}, "tls.mode", "'verify_full'"),
        ({"pasword": "x"}, "pasword", "Did you mean password?"),
        ({"name": ""}, "name", "at least 1"),
    ],
)
def test_a_body_that_makes_no_sense_is_refused(
    door: Client, cluster: Namespace, change: Object, field: str, message: str
) -> None:
    answer = door.post("/v1/connections", _BODY | change)
    problem = answer.json()["error"]
    assert (answer.status, problem["code"], problem["field"]) == (400, "invalid_request", field)
    assert message in problem["message"]
    assert cluster.written == []


def test_they_are_listed_by_name_and_chosen(door: Client, cluster: Namespace) -> None:
    cluster.put("Connection", "broken", {"type": "PostgreSQL", "host": "h"}, {"conditions": _FAILED})
    cluster.put("Connection", "works", {"type": "PostgreSQL", "host": "h"}, {"conditions": [_READY]})

    def names(query: str) -> list[str]:
        return [item["name"] for item in door.get(f"/v1/connections{query}").json()["data"]]

    assert names("") == ["broken", "oracle-prod", "postgres-cloud", "works"]
    assert names("?type=mysql") == ["oracle-prod"]
    assert [names(f"?status={s}") for s in ("reachable", "unreachable", "testing")] == [
        ["works"],
        ["broken"],
        ["oracle-prod", "postgres-cloud"],
    ]
    first = door.get("/v1/connections?limit=3").json()
    assert first["pagination"]["has_more"]
    assert names(f"?limit=3&cursor={first['pagination']['next_cursor']}") == ["works"]
    assert names("?limit=2&offset=1") == ["oracle-prod", "postgres-cloud"]


def test_what_is_known_of_one_is_told(door: Client, cluster: Namespace) -> None:
    status = {
        "conditions": [_READY],
        "version": "10.11",
        "capabilities": ["snapshot"],
        "latencyMilliseconds": 3,
        "probedAt": "2026-01-01T00:00:09Z",
    }
    cluster.put("Connection", "old", {"type": "MariaDB", "host": "h", "tls": {"mode": "VerifyFull"}}, status)
    detail = door.get("/v1/connections/conn_old").json()["data"]
    assert [detail[f] for f in ("status", "version", "capabilities", "latency_ms", "tested_at", "tls_mode", "error")] == [
        "reachable",
        "10.11",
        ["snapshot"],
        3,
        "2026-01-01T00:00:09Z",
        "verify_full",
        None,
    ]
    cluster.put("Connection", "old", {"type": "MariaDB", "host": "h"}, {"conditions": _FAILED})
    detail = door.get("/v1/connections/conn_old").json()["data"]
    assert detail["error"] == {"code": "PasswordRefused", "message": "the password is refused"}
    assert door.get("/v1/connections/conn_none").json()["error"]["code"] == "connection_not_found"


class Answering(Namespace):
    """A namespace whose operator answers a request as soon as it is made."""

    async def apply(self, kind: str, body: Object, manager: str, *, force: bool = False) -> Object:
        """Apply, and answer."""
        request = json.loads(body["metadata"]["annotations"]["landfall.dev/request"])
        self.objects[kind, body["metadata"]["name"]]["status"] = {
            "conditions": _FAILED,
            "probedAt": "2026-01-01T00:00:09Z",
            "lastHandledRequest": request["id"],
        }
        return await super().apply(kind, body, manager, force=force)


def test_a_look_that_is_asked_for_is_answered() -> None:
    cluster = Answering()
    cluster.put("Connection", "old", {"type": "MariaDB", "host": "h"}, {"conditions": [_READY]})
    answer = client(cluster, FakeJournal()).post("/v1/connections/conn_old/test", {})
    assert answer.status == 200
    result = answer.json()["data"]
    assert (result["id"], result["status"], result["tested_at"]) == ("conn_old", "unreachable", "2026-01-01T00:00:09Z")
    assert result["error"] == {"code": "PasswordRefused", "message": "the password is refused"}


def test_nobody_waits_for_a_look_longer_than_was_said(door: Client, cluster: Namespace) -> None:
    cluster.objects["Connection", "oracle-prod"]["status"] = {"conditions": [_READY], "lastHandledRequest": "another"}
    answers = [door.post("/v1/connections/conn_oracle-prod/test?wait=0", {}, headers={"Idempotency-Key": k}) for k in "112"]
    assert [(a.status, a.json()["data"]["status"]) for a in answers] == [(202, "testing")] * 3
    ids = [a.json()["data"]["test_id"] for a in answers]
    assert ids[0] == ids[1] != ids[2]
    request = json.loads(cluster.ours["Connection", "oracle-prod"]["metadata"]["annotations"]["landfall.dev/request"])
    assert request == {"id": ids[2], "verb": "test"}


def test_one_that_is_needed_is_not_deleted(door: Client, cluster: Namespace) -> None:
    cluster.put("Connection", "old", {"type": "MariaDB", "host": "h"})
    refused = door.ask("DELETE", "/v1/connections/conn_old")
    assert (refused.status, refused.json()["error"]["code"]) == (409, "invalid_state")
    assert "mig_shop" in refused.json()["error"]["message"]
    cluster.objects["Migration", "shop"]["status"] = {"phase": "Completed"}
    assert door.ask("DELETE", "/v1/connections/conn_old").json() == {"id": "conn_old", "deleted": True}
    assert ("Connection", "old") not in cluster.objects


def test_whoever_may_look_may_not_change(cluster: Namespace) -> None:
    viewer = client(cluster, FakeJournal(), "viewer")
    answers = [
        viewer.post("/v1/connections", _BODY),
        viewer.post("/v1/connections/conn_oracle-prod/test", {}),
        viewer.ask("DELETE", "/v1/connections/conn_oracle-prod"),
    ]
    assert [a.status for a in answers] == [403] * 3
    assert viewer.get("/v1/connections").status == 200
    assert cluster.written == []
