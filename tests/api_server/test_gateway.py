"""Migrations over HTTP: from the plan to the rollback, beside kubectl and a GitOps manager, and a neighbour's key."""

from __future__ import annotations

import json

from tests.cluster.conftest import PASSWORD, Place
from tests.cluster.door import Door

_ROWS = 20_000
_BODY = {
    "name": "Q1 Database Modernization",
    "description": "the shop, into PostgreSQL",
    "source": {"connection_id": "conn_old", "exclude_tables": ["audit_*"]},
    "target": {"connection_id": "conn_new", "schema": "public"},
    "options": {"mode": "full", "parallelism": 2, "batch_size": 10000, "auto_approve_above": 0.95},
}

# What is sent to the two paths of a plan that take an approval.
_APPROVALS = {"approve": {"digest": "sha256:" + 64 * "0"}, "mappings": {"approved": True}}


def ends(place: Place, namespace: str, rows: int = _ROWS) -> None:
    """Both databases, with their Connections."""
    place.databases(namespace, rows)
    place.apply(*place.move(namespace, namespace)[:-1])


def test_a_database_from_its_plan_to_the_way_back(place: Place) -> None:
    name = place.namespace("door-moves")
    ends(place, name)
    door = Door(place, name)
    status, created = door.ask("POST", "/v1/migrations", _BODY)
    assert status == 201, created
    identifier = created["id"]
    path = f"/v1/migrations/{identifier}"
    assert (created["status"], created["source"]["connection_name"]) == ("pending", "old")
    assert door.ask("POST", f"{path}/start")[1]["error"]["code"] == "plan_not_ready"

    found = door.until(identifier, "plan_ready")
    assert (found["plan"]["status"], found["source"]["tables_count"], found["created_by"]) == (
        "ready",
        2,
        f"system:serviceaccount:{name}:ci",
    )
    assert place.rows(name) == -1, "nothing moves before somebody starts it"
    status, plan = door.ask("GET", f"{path}/plan")
    assert status == 200, plan
    assert plan["summary"]["estimated_records"] == _ROWS + 100
    assert {m["source"]["table"] for m in plan["mappings"]} == {"customer", "item"}
    mapping = next(m["id"] for m in plan["mappings"] if m["source"]["column"] == "note")
    override = {"approved": True, "override_transformation": "upper(note)", "comment": "shouted"}
    status, answer = door.ask("POST", f"{path}/plan/mappings/{mapping}/approve", override)
    assert (status, answer["transformation"]) == (202, "upper(note)"), answer
    place.wait(
        "the plan heeds it", lambda: "UPPER(note)" in json.dumps(door.ask("GET", f"{path}/plan")[1].get("mappings", [])), 60
    )

    status, answer = door.ask("POST", f"{path}/start")
    assert (status, answer["status"]) == (202, "running"), answer
    events = door.followed(f"{path}/logs?follow=true")
    assert {kind for _, kind, _ in events} == {"log", "progress"}
    numbered = [int(at) for at, kind, _ in events if kind == "log"]
    assert numbered == sorted(set(numbered))
    half = str(numbered[len(numbered) // 2])
    again = [int(at) for at, kind, _ in door.followed(f"{path}/logs?follow=true", half) if kind == "log"]
    assert again == [number for number in numbered if number > int(half)]
    detail = door.until(identifier, "completed")
    assert [p["status"] for p in detail["progress"]["phases"]] == ["completed"] * 5
    assert (detail["metrics"]["records_processed"], detail["verdict"]) == (_ROWS + 100, "equal")
    with place.pg.connect(name) as target:
        assert target.execute(b"SELECT count(*) FROM item WHERE note <> upper(note)").fetchone() == (0,)
    status, numbers = door.ask("GET", f"{path}/metrics")
    assert status == 200
    assert {(t["table"].rpartition(".")[2], t["records_processed"]) for t in numbers["by_table"]} == {
        ("item", _ROWS),
        ("customer", 100),
    }
    lines = door.ask("GET", f"{path}/logs?phase=planning&limit=500")[1]["data"]["logs"]
    assert lines
    assert {line["phase"] for line in lines} == {"planning"}

    assert door.ask("POST", f"{path}/cancel")[1]["error"]["code"] == "invalid_state"
    _back_though_rows_were_written(place, door, name, identifier)


def _back_though_rows_were_written(place: Place, door: Door, name: str, identifier: str) -> None:
    path = f"/v1/migrations/{identifier}"
    with place.pg.connect(name) as target:
        target.execute(b"DELETE FROM item WHERE id = 1")
    assert door.ask("POST", f"{path}/rollback")[0] == 202
    assert door.until(identifier, "failed")["error"]["code"] == "WrittenSinceCutover"
    status, answer = door.ask("POST", f"{path}/rollback")
    assert (status, answer["error"]["code"]) == (409, "rollback_failed"), answer
    assert door.ask("POST", f"{path}/rollback", {"discard_writes": True})[0] == 202
    door.until(identifier, "rolled_back")
    assert place.rows(name) == -1
    status, answer = door.ask("DELETE", f"{path}?keep_logs=false")
    assert (status, answer["deleted"], answer["logs_retained"]) == (200, True, False), answer
    place.wait("it is gone", lambda: door.ask("GET", path)[0] == 404, 60)
    assert door.ask("GET", "/v1/migrations")[1]["pagination"]["total"] == 0


def test_pause_resume_and_cancel_beside_a_manager_that_has_a_say(place: Place) -> None:
    name = place.namespace("door-holds")
    ends(place, name, 150_000)
    door = Door(place, name)
    *_, migration = place.move(name, name, data={"limits": {"rowsPerSecond": 4_000}})
    place.cluster.kubectl("apply", "--server-side", "--field-manager=people", "-f", "-", stdin=json.dumps(migration))
    path = "/v1/migrations/mig_shop"
    door.until("mig_shop", "running")
    status, answer = door.ask("POST", f"{path}/pause", {"reason": "Maintenance window ending", "immediate": False})
    assert (status, answer["status"]) == (202, "pausing"), answer
    paused = door.until("mig_shop", "paused")
    assert "Maintenance window ending" in paused["message"]
    status, answer = door.ask("POST", f"{path}/resume")
    assert status == 202, answer
    door.until("mig_shop", "running")
    without_spec = {name: value for name, value in migration.items() if name != "spec"}
    manager = ("apply", "--server-side", "--force-conflicts", "--field-manager=argocd-controller", "-f", "-")
    place.cluster.kubectl(*manager, stdin=json.dumps({**without_spec, "spec": {"desiredState": "Completed"}}))
    status, answer = door.ask("POST", f"{path}/pause")
    assert (status, answer["error"]["code"]) == (409, "invalid_state"), answer
    assert "argocd-controller" in answer["error"]["message"]
    place.cluster.kubectl(*manager, stdin=json.dumps(without_spec))
    status, answer = door.ask("POST", f"{path}/cancel", {"reason": "Requirements changed", "rollback": True, "force": False})
    assert (status, answer["rollback_status"]) == (202, "initiated"), answer
    door.until("mig_shop", "cancelled")
    assert place.rows(name) == -1


def test_connections_are_made_asked_and_deleted(place: Place) -> None:
    name = place.namespace("door-connects")
    place.databases(name, 100)
    door = Door(place, name)
    place_fields = {"host": place.host, "database": name, "username": "mover"}
    old = {"name": "Old shop", "type": "mariadb", "port": place.maria.port, "password": PASSWORD, **place_fields}
    new = {"name": "New shop", "type": "postgresql", "port": place.pg.port, "password": "another", **place_fields}
    ids = []
    for body in (old, new):
        status, answer = door.ask("POST", "/v1/connections", body)
        assert (status, answer["data"]["status"]) == (201, "testing"), answer
        ids.append(answer["data"]["id"])
    path = f"/v1/connections/{ids[0]}"
    place.wait("it answers", lambda: door.ask("GET", path)[1]["data"]["status"] == "reachable")
    before = door.ask("GET", path)[1]["data"]
    status, answer = door.ask("POST", f"{path}/test")
    assert (status, answer["data"]["status"], answer["data"]["error"]) == (200, "reachable", None), answer
    assert answer["data"]["version"] == before["version"]
    assert answer["data"]["tested_at"] > before["tested_at"], "the connection is tested again, although nothing has changed"
    status, answer = door.ask("POST", f"/v1/connections/{ids[1]}/test?wait=60")
    assert (status, answer["data"]["status"]) == (200, "unreachable"), answer
    assert "password" in answer["data"]["error"]["message"]
    assert "another" not in json.dumps(answer)
    assert [item["id"] for item in door.ask("GET", "/v1/connections?status=unreachable")[1]["data"]] == [ids[1]]
    assert door.ask("DELETE", f"/v1/connections/{ids[1]}") == (200, {"id": ids[1], "deleted": True})
    secret = f"{ids[1].removeprefix('conn_')}-credentials"
    place.wait("its credentials go with it", lambda: not place.get("secret", name, secret))
    assert place.get("secret", name, f"{ids[0].removeprefix('conn_')}-credentials")


def test_a_neighbour_sees_and_changes_nothing(place: Place) -> None:
    """Tried on every path of the description that names something, but deployments', which have a test of their own."""
    name = place.namespace("door-mine")
    ends(place, name, 100)
    *_, migration = place.move(name, name)
    hook = {"apiVersion": "landfall.dev/v1alpha1", "kind": "Webhook", "metadata": {"name": "ops", "namespace": name}}
    place.apply(migration, {**hook, "spec": {"secretRef": {"name": "none"}}})
    place.until(name, "shop", "Completed")
    kinds = ("migrations", "connections", "webhooks")
    before = [place.listed(kind, name) for kind in kinds]
    door = Door(place, place.namespace("door-theirs"))
    foreign_ids = {"migration_id": "mig_shop", "mapping_id": "map_1", "connection_id": "conn_old", "webhook_id": "hook_ops"}
    paths = door.ask("GET", "/openapi.json")[1]["paths"]
    tried_requests = [(method.upper(), path) for path, methods in paths.items() for method in methods if "{" in path]
    tried_requests = [(method, path.format(**foreign_ids)) for method, path in tried_requests if "{deployment_id}" not in path]
    assert len(tried_requests) >= 18
    for method, request_path in [*tried_requests, ("GET", "/v1/migrations/mig_shop/logs?follow=true")]:
        status, answer = door.ask(method, request_path, _APPROVALS.get(request_path.rpartition("/plan/")[2].split("/")[0]))
        assert (status, answer["error"]["code"]) == (404, f"{request_path.split('/')[2][:-1]}_not_found"), (
            method,
            request_path,
            answer,
        )
    assert [door.ask("GET", f"/v1/{kind}")[1]["data"] for kind in kinds] == [[], [], []]
    status, answer = door.ask("POST", "/v1/migrations", _BODY)
    assert (status, answer["error"]["code"]) == (404, "connection_not_found"), "not even that it is there elsewhere"
    after = [place.listed(kind, name) for kind in kinds]
    assert [[item["spec"] for item in some] for some in after] == [[item["spec"] for item in some] for some in before]
