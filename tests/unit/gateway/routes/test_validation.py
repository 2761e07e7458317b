"""What the comparison found, as it is told over HTTP."""

from __future__ import annotations

from typing import Any

import pytest

from landfall.gateway.routes.validation import validation_of
from tests.support.asgi import Client
from tests.support.gateway import Namespace

Object = dict[str, Any]
_SPEC = {"data": {"source": {"connectionRef": {"name": "a"}}, "target": {"connectionRef": {"name": "b"}}}}
_BAD = {"type": "Ready", "status": "False", "reason": "VerdictBad", "message": "customers: 1 row differs: id=7"}
_TABLE = {"table": "shop.item", "state": "Equal", "rows": 200, "totalRows": 200, "comparedRows": 210, "correctedRows": 10}


def _raw(step: str = "", phase: str = "", spec: Object | None = None, **status: Any) -> Object:
    steps = [{"name": "planning", "status": "Done"}, {"name": "validation", "status": step, "startedAt": "2026-01-01T00:00:09Z"}]
    all_status = {"phase": phase, "run": "shop-1", **({"steps": steps} if step else {}), **status}
    return {"metadata": {"name": "shop"}, "spec": spec or _SPEC, "status": all_status}


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        pytest.param({"metadata": {"name": "shop"}, "spec": _SPEC}, "pending", id="new"),
        pytest.param(_raw(phase="Planning"), "pending", id="planning"),
        pytest.param(_raw("Pending", "Running"), "pending", id="copying"),
        pytest.param(_raw("Running", "Validating"), "running", id="comparing"),
        pytest.param(_raw("Failed", "Failed", conditions=[_BAD]), "failed", id="found something"),
        pytest.param(_raw("Done", "Completed", verdict="equal"), "passed", id="equal"),
        pytest.param(_raw("Done", "RolledBack", verdict="equal"), "passed", id="equal, and back"),
        pytest.param(_raw("Done", "Completed"), "skipped", id="a schema alone"),
        pytest.param(_raw("Pending", "Cancelled"), "skipped", id="cancelled before"),
        pytest.param(_raw(phase="Completed", spec={"app": {}}), "skipped", id="an app"),
    ],
)
def test_how_it_stands(raw: Object, status: str) -> None:
    validation = validation_of(raw, {})
    assert validation.status == status
    assert (validation.error is not None) == (status == "failed")


def test_it_is_told_with_the_run_s_numbers(door: Client, cluster: Namespace) -> None:
    progress = {"comparedRows": 210, "correctedRows": 10, "tables": [_TABLE]}
    cluster.put("Migration", "shop", _SPEC, _raw("Done", "Completed", verdict="equal", progress=progress)["status"])
    cluster.put("Run", "shop-1", {}, {"rows": 200, "consistentAsOf": "0-1-42", "frozenSeconds": 0.4})
    answer = door.get("/v1/migrations/mig_shop/validation")
    assert answer.json() == {
        "data": {
            "migration_id": "mig_shop",
            "status": "passed",
            "records_in_target": 200,
            "records_compared": 210,
            "records_corrected": 10,
            "pass_rate_percent": 95.2381,
            "consistent_as_of": "0-1-42",
            "writers_locked_out_seconds": 0.4,
            "started_at": "2026-01-01T00:00:09Z",
            "finished_at": None,
            "error": None,
            "by_table": [
                {
                    "table": "shop.item",
                    "status": "passed",
                    "records": 200,
                    "records_compared": 210,
                    "records_corrected": 10,
                }
            ],
        }
    }
    assert door.get("/v1/migrations/mig_none/validation").json()["error"]["code"] == "migration_not_found"
