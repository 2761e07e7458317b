"""A Migration with an app alone, row by row; and what is said of a commit."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from landfall.api.release import ReleaseFailure, ReleaseSpec, ReleaseStatus
from landfall.controllers.deployment.observed import ObservedRelease
from landfall.controllers.deployment.status import state_to_report
from landfall.controllers.migration.rules_app import ObservedApp, decided

_LIVE = ObservedApp("shop", there=True, ready=("True", "Live", "shop-1 is live"), live="shop-1", url="https://shop.example.com")
_BUILDING = ObservedApp("shop", there=True, ready=("False", "Building", "building shop-1"))
_FAILED = ObservedApp("shop", there=True, ready=("False", "BuildFailed", "npm"), stalled=True)
_OTHER = ObservedApp("shop", there=True, differs=True, ready=("True", "Live", ""), live="shop-1")


@pytest.mark.parametrize(
    ("app", "desired", "more", "reason", "verb"),
    [
        (ObservedApp("shop"), "Completed", {}, "Deploying", "deployment"),
        (ObservedApp("shop"), "Completed", {"has_template": False}, "DeploymentMissing", ""),
        (ObservedApp("shop"), "Planned", {}, "Planned", ""),
        (ObservedApp("shop"), "Paused", {}, "Paused", ""),
        (ObservedApp("shop"), "Completed", {"hold": "audit"}, "Paused", ""),
        (ObservedApp("shop"), "Cancelled", {}, "Cancelled", ""),
        (_LIVE, "RolledBack", {}, "RollbackUnsupported", ""),
        (_LIVE, "Completed", {}, "Completed", ""),
        (_BUILDING, "Completed", {}, "Building", ""),
        (_FAILED, "Completed", {}, "BuildFailed", ""),
        (_FAILED, "Completed", {"completed": True}, "Completed", ""),
        (_OTHER, "Completed", {}, "DeploymentConflict", ""),
        (_OTHER, "Completed", {"completed": True}, "Completed", ""),
    ],
)
def test_an_app_alone(app: ObservedApp, desired: str, more: dict[str, Any], reason: str, verb: str) -> None:
    decision = decided(app, desired, **{"hold": "", "has_template": True, "completed": False, **more})
    assert decision.ready[1] == reason
    assert (decision.action.log_name if decision.action else "") == verb
    assert decision.stalled == (reason in {"DeploymentMissing", "DeploymentConflict", "RollbackUnsupported", "BuildFailed"})


@pytest.mark.parametrize(
    ("phase", "reported", "failed", "expected"),
    [
        ("Queued", "", False, "pending"),
        ("Building", "pending", False, ""),
        ("Live", "pending", False, "success"),
        ("Live", "refused", False, ""),
        ("Failed", "pending", True, "failure"),
        ("RolledBack", "success", True, "failure"),
        ("RolledBack", "success", False, ""),
        ("Superseded", "pending", False, ""),
    ],
)
def test_what_is_said_of_a_commit(phase: str, reported: str, failed: bool, expected: str) -> None:  # noqa: FBT001  a row
    source = {"github": {"repository": "org/shop", "tokenSecretRef": {"name": "gh"}}}
    spec = {
        "deploymentRef": {"name": "shop"},
        "revision": 1,
        "trigger": "x",
        "inputs": "x",
        "workload": "shop-1",
        "source": source,
    }
    failure = ReleaseFailure(reason="x", message="x", at=datetime(2026, 1, 1, tzinfo=UTC)) if failed else None
    status = ReleaseStatus(phase=phase, reported=reported, failure=failure)
    assert state_to_report(ObservedRelease("shop-1", ReleaseSpec.model_validate(spec), status)) == expected
