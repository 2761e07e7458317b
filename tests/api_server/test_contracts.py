"""Requests about databases that the public contracts print, sent as printed to the gateway; the answers are checked field by field.

Printed identifiers that only an answer can tell are replaced by what was told.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.cluster.conftest import Place
from tests.cluster.door import Door
from tests.support.moves import PRINTED
from tests.support.shapes import LOGS, MOMENT, TIME, like

SIZE = re.compile(r"\d+(\.\d)? (B|[KMGTP]B)")
STEPS = ("planning", "schema_migration", "data_transfer", "validation", "cutover")
_CREATED = {
    "id": re.compile("mig_.+"),
    "name": "Q1 Database Modernization",
    "status": "pending",
    "created_at": TIME,
    "created_by": str,
    "source": {
        "connection_id": "conn_oracle-prod",
        "connection_name": str,
        "schemas": ["HR", "FINANCE"],
        "tables_count": (int, type(None)),
    },
    "target": {"connection_id": "conn_postgres-cloud", "connection_name": str},
    "plan": {"status": "generating", "estimated_completion": (TIME, type(None))},
    "links": {
        name: re.compile(f"/v1/migrations/mig_.+{'' if name == 'self' else name}") for name in ("self", "plan", "start", "logs")
    },
}
_RUNNING = {
    "id": re.compile("mig_.+"),
    "name": str,
    "status": "running",
    "phase": "data_transfer",
    "progress": {
        "overall_percent": int,
        "current_phase": "data_transfer",
        "phases": [
            {
                "name": set(STEPS),
                "status": {"completed", "running", "pending"},
                "duration_seconds": (int, type(None)),
                "progress_percent": (int, type(None)),
            }
        ],
    },
    "metrics": {
        "records_processed": int,
        "records_total": int,
        "bytes_transferred": SIZE,
        "throughput_records_per_second": int,
        "errors_recovered": int,
        "errors_escalated": int,
    },
    "timing": {"created_at": TIME, "started_at": TIME, "estimated_completion": (TIME, type(None)), "elapsed_seconds": int},
}
_PLAN = {
    "migration_id": re.compile("mig_.+"),
    "status": str,
    "generated_at": TIME,
    "summary": dict.fromkeys(
        ("tables", "columns", "relationships", "transformations", "estimated_duration_seconds", "estimated_records"), int
    ),
    "mappings": [
        {
            "source": {"schema": {"HR", "FINANCE"}, "table": str, "column": str},
            "target": {"schema": "public", "table": str, "column": str},
            "transformation": (str, type(None)),
            "confidence": (float, int),
            "status": str,
        }
    ],
    "phases": [{"name": set(STEPS), "order": int, "tables": list, "parallel": bool, "estimated_duration_seconds": int}],
    "risks": [
        {"severity": {"low", "medium", "high", "info"}, "type": str, "description": str, "affected": list, "mitigation": str}
    ],
}
_METRICS = {
    "migration_id": re.compile("mig_.+"),
    "snapshot_at": TIME,
    "throughput": {
        "current_records_per_second": int,
        "average_records_per_second": int,
        "peak_records_per_second": int,
        "current_bytes_per_second": SIZE,
    },
    "resources": {
        "active_workers": int,
        "cpu_utilization_percent": (int, type(None)),
        "memory_utilization_percent": (int, type(None)),
        "network_utilization_percent": (int, type(None)),
    },
    "quality": {
        "error_rate_percent": float,
        "recovery_success_rate_percent": float,
        "validation_pass_rate_percent": (float, type(None)),
    },
    "by_table": [
        {
            "table": str,
            "records_total": int,
            "records_processed": int,
            "throughput_records_per_second": (int, type(None)),
            "errors": int,
        }
    ],
}


@pytest.fixture
def door(place: Place) -> Iterator[Door]:
    """Somebody with the two connections that are printed."""
    name = place.namespace("contract-data")
    place.databases(name, 10)
    place.maria.sql(
        "CREATE DATABASE HR; CREATE DATABASE FINANCE;"
        "CREATE TABLE HR.EMPLOYEES (EMP_ID INT PRIMARY KEY, NAME VARCHAR(20), SEEN DATETIME); CREATE TABLE HR.AUDIT_LOG (A INT);"
        "CREATE TABLE FINANCE.INVOICES (ID INT PRIMARY KEY, NOTE VARCHAR(20)); CREATE TABLE FINANCE.TEMP_1 (A INT);"
        "INSERT INTO FINANCE.INVOICES SELECT seq, concat('note ', seq) FROM FINANCE.seq_1_to_100000;"
        "SET sql_mode=''; INSERT INTO HR.EMPLOYEES VALUES (1, 'Ada', '0000-00-00')"
    )
    *ends, _ = place.move(name, name)
    for document in ends:
        if document["kind"] == "Connection":
            document["metadata"]["name"] = {"old": "oracle-prod", "new": "postgres-cloud"}[document["metadata"]["name"]]
    place.apply(*ends)
    yield Door(place, name)
    place.maria.sql("DROP DATABASE HR; DROP DATABASE FINANCE")


def _slowed(place: Place, door: Door, identifier: str, rows: int) -> None:
    patch = f'{{"spec":{{"data":{{"limits":{{"rowsPerSecond":{rows}}}}}}}}}'
    name = identifier.removeprefix("mig_")
    place.cluster.kubectl("patch", "migration", name, "-n", door.namespace, "--type=merge", "-p", patch)


def test_databases(place: Place, door: Door) -> None:
    status, created = door.ask("POST", "/v1/migrations", PRINTED)
    assert status == 201, created
    like(created, _CREATED)
    path = f"/v1/migrations/{created['id']}"
    door.until(created["id"], "plan_ready")
    plan = door.ask("GET", f"{path}/plan")[1]
    like(plan, _PLAN)
    assert {m["source"]["table"] for m in plan["mappings"]} == {"EMPLOYEES", "INVOICES"}, "what is excluded is not planned"
    like(door.ask("POST", f"{path}/start")[1], {"error": {"code": "approval_required", "message": str}})
    mapping = next(m["id"] for m in plan["mappings"] if m["status"] not in {"approved", "auto_approved"})
    printed: dict[str, Any] = {"approved": True, "override_transformation": None, "comment": "Verified with business team"}
    status, answer = door.ask("POST", f"{path}/plan/mappings/{mapping}/approve", printed)
    assert status == 202, answer
    place.wait("the plan heeds it", lambda: door.ask("GET", path)[1]["plan"]["status"] == "ready", 60)
    printed = {"skip_approval": False, "start_from_phase": "data_transfer", "dry_run": False}
    status, answer = door.ask("POST", f"{path}/start", printed)
    assert status == 202, answer
    like(answer, {"id": created["id"], "status": {"running", "approved"}, "phase": set(STEPS), "message": str})
    outside = answer["status"] == "approved"  # of the printed maintenance window
    assert TIME.fullmatch(answer["waits_until"] if outside else answer["started_at"]), answer
    printed = {"reason": "Requirements changed", "rollback": True, "force": False}
    status, answer = door.ask("POST", f"{path}/cancel", printed)
    assert status == 202, answer
    like(answer, {"id": created["id"], "status": "cancelling", "rollback_status": "initiated", "message": str})
    door.until(created["id"], "cancelled")
    deletion = {"id": created["id"], "deleted": True, "logs_retained": True, "metrics_retained": True}
    assert door.ask("DELETE", path) == (200, deletion)


def test_a_database_as_it_moves(place: Place, door: Door) -> None:
    body = {key: value for key, value in PRINTED.items() if key not in {"schedule", "notifications"}}
    created = door.ask("POST", "/v1/migrations", body)[1]
    path = f"/v1/migrations/{created['id']}"
    _slowed(place, door, created["id"], 2_000)
    door.until(created["id"], "plan_ready")
    status, answer = door.ask("POST", f"{path}/start", {"skip_approval": True})
    assert status == 202, answer
    place.wait("rows are moved", lambda: door.ask("GET", path)[1].get("phase") == "data_transfer")
    like(door.ask("GET", path)[1], _RUNNING)
    place.wait("its tables are told", lambda: bool(door.ask("GET", f"{path}/metrics")[1]["by_table"]))
    like(door.ask("GET", f"{path}/metrics")[1], _METRICS)
    brief = {"id": created["id"], "name": str, "status": "running", "progress_percent": int, "created_at": TIME}
    numbers = {"total": 1, "limit": 10, "offset": 0, "has_more": False}
    like(door.ask("GET", "/v1/migrations?status=running&limit=10")[1], {"data": [brief], "pagination": numbers})
    status, answer = door.ask("POST", f"{path}/pause", {"reason": "Maintenance window ending", "immediate": False})
    assert status == 202, answer
    like(answer, {"id": created["id"], "status": "pausing", "message": str, "checkpoint_eta": (TIME, type(None))})
    door.until(created["id"], "paused")
    status, answer = door.ask("POST", f"{path}/resume")
    assert status == 202, answer
    like(answer, {"id": created["id"], "status": "running", "resumed_at": TIME, "resumed_from_checkpoint": (str, type(None))})
    _slowed(place, door, created["id"], 0)
    events = door.followed(f"{path}/logs?follow=true")
    shapes = {
        "log": {"timestamp": MOMENT, "level": str, "message": str},
        "progress": {"phase": set(STEPS), "percent": int, "records_processed": int},
    }
    for _, kind, event in events:
        like(event, shapes[kind])
    assert {kind for _, kind, _ in events} == set(shapes)
    door.until(created["id"], "completed")
    like(door.ask("GET", f"{path}/logs")[1], LOGS)
    assert door.ask("DELETE", path)[1]["deleted"]
