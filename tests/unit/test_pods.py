"""What pods say of themselves, in words."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from landfall.reconcile.pods import build_problem, crashed, problem, running_seconds


def pod(state: dict[str, Any] | None = None, last: dict[str, Any] | None = None, **status: Any) -> dict[str, Any]:
    """A pod with one container."""
    return {"status": {"containerStatuses": [{"state": state or {}, "lastState": last or {}}], **status}}


_UNSCHEDULABLE = {"conditions": [{"type": "PodScheduled", "status": "False", "message": "0/1 nodes are available"}]}
_QUOTA = {"status": {"conditions": [{"type": "ReplicaFailure", "status": "True", "message": "exceeded quota: few"}]}}
_POLICY = {"status": {"conditions": [{"type": "ReplicaFailure", "status": "True", "message": "violates PodSecurity"}]}}


@pytest.mark.parametrize(
    ("pods", "workload", "said", "reason", "words"),
    [
        ([pod({"waiting": {"reason": "ImagePullBackOff", "message": "not found"}})], {}, "", "ImagePullFailed", "not found"),
        ([pod({"waiting": {"reason": "CreateContainerConfigError", "message": "no key"}})], {}, "", "ContainerRefused", "no key"),
        ([pod({"terminated": {"exitCode": 3, "message": "boom"}})], {}, "", "CrashLoop", "status 3. Its last lines: boom"),
        ([pod({"running": {}}, {"terminated": {"exitCode": 137, "reason": "OOMKilled"}})], {}, "", "OutOfMemory", "instanceType"),
        ([pod(None, None, **_UNSCHEDULABLE)], {}, "", "Unschedulable", "0/1 nodes"),
        ([pod({"running": {}})], {}, "Startup probe failed: HTTP probe failed with statuscode: 503", "HealthCheckFailed", "503"),
        ([pod({"running": {}})], {}, "dial tcp 10.0.0.1:3000: connect: connection refused", "NotListening", "port 3000"),
        ([pod({"running": {}})], {}, "context deadline exceeded", "HealthCheckFailed", "deadline"),
        ([], _QUOTA, "", "QuotaExceeded", "few"),
        ([], _POLICY, "", "PodsRefused", "PodSecurity"),
    ],
)
def test_what_keeps_a_pod_from_serving(
    pods: list[dict[str, Any]], workload: dict[str, Any], said: str, reason: str, words: str
) -> None:
    found = problem(pods, workload, said, 3000)
    assert found is not None
    assert found[0] == reason
    assert words in found[1]


def test_a_pod_that_runs_has_no_problem() -> None:
    assert problem([pod({"running": {}})], {}, "", 3000) is None
    assert crashed([pod({"running": {}})]) is None


def test_how_long_an_app_has_had_to_answer() -> None:
    now = datetime(2026, 1, 1, 0, 1, tzinfo=UTC)
    since = {"running": {"startedAt": "2026-01-01T00:00:48Z"}}
    ready = {"status": {"containerStatuses": [{"state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}}, "ready": True}]}}
    assert running_seconds([pod(since), pod({"waiting": {"reason": "ContainerCreating"}}), ready], now) == 12
    assert running_seconds([], now) == 0


def test_a_container_that_came_back_has_crashed_all_the_same() -> None:
    assert crashed([pod({"running": {}}, {"terminated": {"exitCode": 1}})]) == ("CrashLoop", "the app ended with status 1")


@pytest.mark.parametrize(
    ("seen", "late", "reason"),
    [
        (None, True, "BuildTimedOut"),
        (None, False, "PodLost"),
        (pod(reason="Evicted", message="disk"), False, "BuildEvicted"),
        (pod({"terminated": {"reason": "OOMKilled"}}), False, "BuildOutOfMemory"),
    ],
)
def test_why_a_builder_said_nothing(seen: dict[str, Any] | None, late: bool, reason: str) -> None:  # noqa: FBT001  a row
    assert build_problem(seen, deadline=late).startswith(f"{reason}: ")
