"""What is done with a migration over HTTP: started, held, cancelled, taken back, and decided about; against an API server in memory."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from landfall.api.tableplan import TablePlanSpec
from landfall.engine.model.plan import Stage, Statement
from landfall.kube.errors import ConflictError
from landfall.lib.plan_code import PLAN_FORMAT, code_digest
from tests.support.asgi import Client
from tests.support.gateway import Namespace
from tests.support.moves import ID, PLAN, SPEC, owned_spec, planned_now, stands

Object = dict[str, Any]


def test_it_is_started_once_its_plan_may_run(door: Client, cluster: Namespace) -> None:
    early = door.post(f"/v1/migrations/{ID}/start")
    assert (early.status, early.json()["error"]["code"]) == (409, "plan_not_ready")
    away = {"type": "TargetReachable", "status": "False", "reason": "Unreachable", "message": "new: connection refused"}
    stands(cluster, "Failed", conditions=[away])
    assert door.post(f"/v1/migrations/{ID}/start").json()["error"] == {
        "code": "target_unreachable",
        "message": "new: connection refused",
    }
    planned_now(cluster, to_review=2)
    asks = door.post(f"/v1/migrations/{ID}/start")
    assert (asks.status, asks.json()["error"]["code"]) == (409, "approval_required")
    assert "2 review items" in asks.json()["error"]["message"]
    assert cluster.written == []
    cluster.objects["Migration", "shop"]["spec"] = {
        **SPEC,
        "data": {**SPEC["data"], "approval": {"planDigest": PLAN.digest()}},
    }
    answer = door.post(f"/v1/migrations/{ID}/start")
    assert (answer.status, answer.json()["status"], answer.json()["phase"]) == (202, "running", "schema_migration")
    assert owned_spec(cluster) == {"desiredState": "Completed"}, "one field, and no more"


@pytest.mark.parametrize(
    ("body", "request_", "spec"),
    [
        ({"dry_run": True}, {"verb": "rehearse"}, {}),
        ({"skip_approval": True}, {"verb": "start", "skipApproval": True}, {"desiredState": "Completed"}),
        (
            {"skip_approval": True, "start_from_phase": "schema_migration"},
            {"verb": "start", "skipApproval": True, "from": "schema_migration"},
            {"desiredState": "Completed"},
        ),
        (
            {"skip_approval": True, "start_from_phase": "data_transfer"},  # of a fresh plan: its staged tables are created first
            {"verb": "start", "skipApproval": True, "from": "data_transfer"},
            {"desiredState": "Completed"},
        ),
    ],
)
def test_it_is_started_on_terms(door: Client, cluster: Namespace, body: Object, request_: Object, spec: Object) -> None:
    planned_now(cluster, to_review=2)
    assert door.post(f"/v1/migrations/{ID}/start", body).status == 202
    own_fields = cluster.ours["Migration", "shop"]
    request_fields = json.loads(own_fields["metadata"]["annotations"]["landfall.dev/request"])
    assert request_fields.pop("id")
    assert request_fields == request_
    assert own_fields.get("spec", {}) == spec


def test_pause_resume_cancel_and_back(door: Client, cluster: Namespace) -> None:
    progress = {"checkpointSeconds": 40, "checkpoint": "orders/7"}
    stands(cluster, "Running", progress=progress)
    answer = door.post(f"/v1/migrations/{ID}/pause", {"reason": "Maintenance window ending", "immediate": False})
    assert (answer.status, answer.json()["status"]) == (202, "pausing")
    assert answer.json()["checkpoint_eta"]
    assert owned_spec(cluster) == {
        "desiredState": "Paused",
        "pause": {"reason": "Maintenance window ending", "immediate": False, "resumeTo": "Completed"},
    }
    stands(cluster, "Paused", progress=progress)
    answer = door.post(f"/v1/migrations/{ID}/resume")
    assert (answer.status, answer.json()["resumed_from_checkpoint"]) == (202, "orders/7")
    assert owned_spec(cluster) == {"desiredState": "Completed"}, "the field of the pause is removed"
    stands(cluster, "Running")
    answer = door.post(f"/v1/migrations/{ID}/cancel", {"reason": "Requirements changed", "rollback": True, "force": False})
    assert answer.json() == {
        "id": ID,
        "status": "cancelling",
        "rollback_status": "initiated",
        "message": "the staged tables are being dropped",
    }
    assert owned_spec(cluster)["cancel"] == {"reason": "Requirements changed", "rollback": True, "force": False}
    stands(cluster, "Completed")
    assert door.post(f"/v1/migrations/{ID}/rollback", {"discard_writes": True}).status == 202
    assert owned_spec(cluster)["rollback"] == {"discardWrites": True}


@pytest.mark.parametrize("phase", ["Pending", "Planning"])
def test_a_resume_starts_nothing_that_nobody_started(door: Client, cluster: Namespace, phase: str) -> None:
    cluster.objects["Migration", "shop"]["spec"] = {**SPEC, "desiredState": "Planned"}
    stands(cluster, phase)
    assert door.post(f"/v1/migrations/{ID}/pause").status == 202
    stands(cluster, "Paused")
    answer = door.post(f"/v1/migrations/{ID}/resume")
    assert (answer.status, answer.json()["status"]) == (202, "planning")
    assert owned_spec(cluster) == {"desiredState": "Planned"}


def test_what_an_earlier_version_paused_is_started_by_no_resume(door: Client, cluster: Namespace) -> None:
    cluster.objects["Migration", "shop"]["spec"] = {**SPEC, "desiredState": "Paused", "pause": {"reason": ""}}
    stands(cluster, "Paused")
    assert door.post(f"/v1/migrations/{ID}/resume").status == 202
    assert owned_spec(cluster) == {"desiredState": "Planned"}
    cluster.ours.clear()
    stands(cluster, "Paused", startTime="2026-01-01T00:00:00Z")
    assert door.post(f"/v1/migrations/{ID}/resume").json()["status"] == "running"
    assert owned_spec(cluster) == {"desiredState": "Completed"}


def test_a_phase_that_cannot_be_started_from_is_refused_at_once_and_the_migration_stays_startable(
    door: Client, cluster: Namespace
) -> None:
    planned_now(cluster)
    refused = door.post(f"/v1/migrations/{ID}/start", {"start_from_phase": "cutover"})
    assert (refused.status, refused.json()["error"]["code"]) == (409, "invalid_state")
    assert "records no phase after data_transfer" in refused.json()["error"]["message"]
    assert cluster.written == []
    assert door.post(f"/v1/migrations/{ID}/start").status == 202


def test_what_a_refused_request_has_stalled_is_started_again_without_it(door: Client, cluster: Namespace) -> None:
    planned_now(cluster)
    request_text = json.dumps({"id": "far", "verb": "start", "from": "cutover"})
    cluster.objects["Migration", "shop"]["metadata"]["annotations"] = {"landfall.dev/request": request_text}
    cluster.objects["Migration", "shop"]["status"]["phase"] = "Failed"
    assert door.post(f"/v1/migrations/{ID}/start").status == 202
    request = json.loads(cluster.ours["Migration", "shop"]["metadata"]["annotations"]["landfall.dev/request"])
    assert (request["verb"], "from" in request, request["id"] != "far") == ("start", False, True)


def test_a_request_that_is_not_carried_out_yet_is_not_overwritten(door: Client, cluster: Namespace) -> None:
    planned_now(cluster)
    assert door.post(f"/v1/migrations/{ID}/start", {"dry_run": True}).status == 202
    refused = door.post(f"/v1/migrations/{ID}/start", {"skip_approval": True})
    assert (refused.status, refused.json()["error"]["code"]) == (409, "invalid_state")
    assert "rehearse" in refused.json()["error"]["message"]
    request = json.loads(cluster.ours["Migration", "shop"]["metadata"]["annotations"]["landfall.dev/request"])
    cluster.objects["Migration", "shop"]["status"]["lastHandledRequest"] = request["id"]
    assert door.post(f"/v1/migrations/{ID}/start", {"skip_approval": True}).status == 202


def test_a_start_outside_its_window_says_until_when_it_waits(door: Client, cluster: Namespace) -> None:
    planned_now(cluster)
    cluster.objects["Migration", "shop"]["spec"]["schedule"] = {"startAt": "2999-01-01T00:00:00Z"}
    started = door.post(f"/v1/migrations/{ID}/start").json()
    assert (started["status"], started["started_at"], started["waits_until"]) == ("approved", None, "2999-01-01T00:00:00Z")
    assert "2999-01-01T00:00:00Z" in started["message"]


def test_a_plan_is_approved_by_its_digest(door: Client, cluster: Namespace) -> None:
    path, body = f"/v1/migrations/{ID}/plan/approve", {"digest": PLAN.digest()}
    assert door.post(path, body).json()["error"]["code"] == "plan_not_ready"
    planned_now(cluster, to_review=1)
    other = door.post(path, {"digest": "sha256:" + "0" * 64})
    assert (other.status, PLAN.digest() in other.json()["error"]["message"]) == (409, True)
    answer = door.post(path, body)
    assert (answer.status, answer.json()["status"]) == (202, "approved")
    assert owned_spec(cluster) == {"data": {"approval": {"planDigest": PLAN.digest()}}}
    assert door.get(f"/v1/migrations/{ID}/plan").json()["status"] == "approved"
    assert door.post(f"/v1/migrations/{ID}/start").status == 202


def test_a_way_back_that_failed_is_told_and_asked_for_again_on_other_terms(door: Client, cluster: Namespace) -> None:
    stands(cluster, "Completed")
    assert door.post(f"/v1/migrations/{ID}/rollback").status == 202
    message = "12 rows were written to orders since the cutover"
    stands(
        cluster, "Failed", conditions=[{"type": "Ready", "status": "False", "reason": "WrittenSinceCutover", "message": message}]
    )
    answer = door.post(f"/v1/migrations/{ID}/rollback")
    assert (answer.status, answer.json()["error"]["code"]) == (409, "rollback_failed")
    assert message in answer.json()["error"]["message"]
    assert "discard_writes" in answer.json()["error"]["message"]
    assert door.post(f"/v1/migrations/{ID}/rollback", {"discard_writes": True}).status == 202
    assert owned_spec(cluster)["rollback"] == {"discardWrites": True}


@pytest.mark.parametrize(
    ("verb", "phase"),
    [
        ("start", "Running"),
        ("start", "Completed"),
        ("pause", "Completed"),
        ("pause", "Paused"),
        ("resume", "Running"),
        ("resume", "PlanReady"),
        ("cancel", "Completed"),
        ("cancel", "RolledBack"),
        ("rollback", "Running"),
        ("rollback", "Failed"),
    ],
)
def test_what_makes_no_sense_now(door: Client, cluster: Namespace, verb: str, phase: str) -> None:
    stands(cluster, phase, plan={"digest": "d"})
    if phase == "Paused":
        cluster.objects["Migration", "shop"]["spec"] = {**SPEC, "desiredState": "Paused"}
    answer = door.post(f"/v1/migrations/{ID}/{verb}")
    assert (answer.status, answer.json()["error"]["code"]) == (409, "invalid_state")
    assert cluster.written == []


@pytest.mark.parametrize(
    ("verb", "phase", "way"),
    [("cancel", "Completed", "Roll it back"), ("rollback", "Running", "Cancel it"), ("start", "Paused", "Resume it")],
)
def test_what_makes_no_sense_now_is_told_with_the_way_out(
    door: Client, cluster: Namespace, verb: str, phase: str, way: str
) -> None:
    stands(cluster, phase, plan={"digest": "d"}, startTime="2026-01-01T00:00:00Z")
    problem = door.post(f"/v1/migrations/{ID}/{verb}").json()["error"]
    assert (problem["code"], way in problem["message"]) == ("invalid_state", True), problem


def test_a_conflict_names_who_has_a_say(door: Client, cluster: Namespace) -> None:
    stands(cluster, "Running")
    cluster.refuses = ConflictError(409, 'conflict with "argocd-controller": .spec.desiredState')
    answer = door.post(f"/v1/migrations/{ID}/pause")
    assert (answer.status, answer.json()["error"]["code"]) == (409, "invalid_state")
    assert "argocd-controller" in answer.json()["error"]["message"]


def test_the_plan_has_every_statement_that_is_code(door: Client, cluster: Namespace) -> None:
    trigger = Statement(9, Stage.LAST, "trigger", "tell", "item", "CREATE TRIGGER tell")
    planned_now(cluster, stored_plan=replace(PLAN, statements=(*PLAN.statements, trigger)))
    assert door.get(f"/v1/migrations/{ID}/plan").json()["code"] == [
        {
            "kind": "trigger",
            "name": "tell",
            "table": "item",
            "digest": code_digest("CREATE TRIGGER tell"),
            "sql": "CREATE TRIGGER tell",
        }
    ]


@pytest.mark.parametrize("version", [1, PLAN_FORMAT])
def test_plans_of_every_format_up_to_this_version_s_are_shown(door: Client, cluster: Namespace, version: int) -> None:
    several = {"schemas": ("shop",), "made_schemas": ("shop",)} if version > 1 else {}
    planned_now(cluster, stored_plan=replace(PLAN, format=version, **several))
    document = door.get(f"/v1/migrations/{ID}/plan").json()
    assert document["mappings"]
    assert {mapping["target"]["schema"] for mapping in document["mappings"]} == {
        PLAN.tables[0].schema if several else PLAN.target_schema
    }


def test_the_plan_of_a_newer_version_asks_for_a_newer_gateway(door: Client, cluster: Namespace) -> None:
    planned_now(cluster, stored_plan=replace(PLAN, format=PLAN_FORMAT + 1))
    answer = door.get(f"/v1/migrations/{ID}/plan")
    assert (answer.status, answer.json()["error"]["code"]) == (409, "plan_not_ready")
    assert "Upgrade the gateway" in answer.json()["error"]["message"]


def test_the_plan_and_a_word_on_a_mapping(door: Client, cluster: Namespace) -> None:
    assert door.get(f"/v1/migrations/{ID}/plan").json()["error"]["code"] == "plan_not_ready"
    planned_now(cluster, to_review=1)
    document = door.get(f"/v1/migrations/{ID}/plan").json()
    assert (document["migration_id"], document["status"], document["summary"]["estimated_records"]) == (
        ID,
        "approval_required",
        5000,
    )
    assert [(m["source"]["column"], m["target"]["table"], m["target"]["column"]) for m in document["mappings"]] == [
        ("Id", "item", "id"),
        ("Seen", "item", "seen"),
        ("Name", "item", "name"),
    ]
    assert all(0 <= m["confidence"] <= 1 for m in document["mappings"])
    assert [p["name"] for p in document["phases"]] == ["schema_migration", "data_transfer", "validation", "cutover"]
    mapping_id, name = document["mappings"][1]["id"], document["mappings"][2]["id"]
    path = f"/v1/migrations/{ID}/plan/mappings"
    first = {"approved": True, "override_transformation": None, "comment": "Verified with business team"}
    assert door.post(f"{path}/{mapping_id}/approve", first).json() == {
        "id": mapping_id,
        "migration_id": ID,
        "status": "approved",
        "transformation": None,
    }
    assert door.post(f"{path}/{name}/approve", {"approved": True, "override_transformation": "upper(Name)"}).status == 202
    assert [m["status"] for m in door.get(f"/v1/migrations/{ID}/plan").json()["mappings"]] == ["approved"] * 3
    assert door.post(f"{path}/{mapping_id}/approve", {"approved": False}).json()["status"] == "rejected"
    assert door.get(f"/v1/migrations/{ID}/plan").json()["mappings"][1]["status"] == "rejected"
    (table_plan,) = [body for (kind, _), body in cluster.ours.items() if kind == "TablePlan"]
    spec = TablePlanSpec.model_validate(table_plan["spec"])
    assert (spec.migration_ref.name, spec.source.table) == ("shop", "Item")
    assert {(d.column, d.decision, d.expression) for d in spec.decisions} == {
        ("Name", "Override", "upper(Name)"),
        ("Seen", "Reject", None),
    }
    assert door.post(f"{path}/map_0/approve", {"approved": True}).json()["error"]["code"] == "mapping_not_found"


def test_a_table_plan_that_is_there_keeps_its_words(door: Client, cluster: Namespace) -> None:
    planned_now(cluster)
    words = [{"column": "Id", "decision": "Approve"}]
    cluster.put("TablePlan", "mine", {"migrationRef": {"name": "shop"}, "source": {"table": "Item"}, "decisions": words})
    mapping = door.get(f"/v1/migrations/{ID}/plan").json()["mappings"][1]["id"]
    assert door.post(f"/v1/migrations/{ID}/plan/mappings/{mapping}/approve", {"approved": True}).status == 202
    assert [kind for kind, _ in cluster.ours] == ["TablePlan"]
    assert [d["column"] for d in cluster.ours["TablePlan", "mine"]["spec"]["decisions"]] == ["Seen"], "ours alone"
