"""What pods say of themselves, in words."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from landfall.controllers.deployment.pod_diagnosis import build_problem, crashed, problem, ready, running_seconds, starting


def pod(state: dict[str, Any] | None = None, last: dict[str, Any] | None = None, **status: Any) -> dict[str, Any]:
    """A pod with one container."""
    return {"status": {"containerStatuses": [{"state": state or {}, "lastState": last or {}}], **status}}


_UNSCHEDULABLE = {"conditions": [{"type": "PodScheduled", "status": "False", "message": "0/1 nodes are available"}]}
_QUOTA = {"status": {"conditions": [{"type": "ReplicaFailure", "status": "True", "message": "exceeded quota: few"}]}}
_POLICY = {"status": {"conditions": [{"type": "ReplicaFailure", "status": "True", "message": "violates PodSecurity"}]}}


@pytest.mark.parametrize(
    ("pods", "workload", "reported", "reason", "words"),
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
    pods: list[dict[str, Any]], workload: dict[str, Any], reported: str, reason: str, words: str
) -> None:
    diagnosis = problem(pods, workload, reported, 3000)
    assert diagnosis is not None
    assert diagnosis[0] == reason
    assert words in diagnosis[1]


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
    assert crashed([pod({"running": {}}, {"terminated": {"exitCode": 1}})]) == ("CrashLoop", "the app exited with status 1")


def test_what_a_node_lost_sight_of_did_not_crash() -> None:
    lost_container = {"terminated": {"exitCode": 255, "reason": "Unknown"}}
    assert crashed([pod({"running": {}}, lost_container)]) is None
    assert problem([pod({"running": {}}, lost_container)], {}, "", 3000) is None


@pytest.mark.parametrize(
    ("pod_raw", "late", "reason"),
    [
        (None, True, "BuildTimedOut"),
        (None, False, ""),
        (pod(reason="Evicted", message="disk"), False, "BuildEvicted"),
        (pod({"terminated": {"reason": "OOMKilled"}}), False, "BuildOutOfMemory"),
    ],
)
def test_why_a_builder_said_nothing(pod_raw: dict[str, Any] | None, late: bool, reason: str) -> None:  # noqa: FBT001  a row
    actual_problem = build_problem(pod_raw, deadline=late)
    assert (actual_problem[0] if actual_problem else "") == reason


_NOW = datetime(2026, 1, 1, 0, 1, tzinfo=UTC)


def _answering(*, mark: str = "never", ends: bool = False, says: str = "True", at: int = 0) -> dict[str, Any]:
    metadata: dict[str, Any] = {"name": "p", "annotations": {"landfall.dev/refreshed": mark}}
    if ends:
        metadata["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    return {
        "metadata": metadata,
        "status": {"conditions": [{"type": "Ready", "status": says, "lastTransitionTime": f"2026-01-01T00:00:{at:02}Z"}]},
    }


def test_pods_that_are_about_to_end_are_nothing_to_switch_to() -> None:
    assert ready([_answering(), _answering()], "never", _NOW) == 2
    assert ready([_answering(ends=True), _answering(ends=True), _answering(says="False")], "never", _NOW) == 0
    assert ready([_answering(mark="yesterday"), _answering(mark="now")], "now", _NOW) == 1, "those that are replaced do not count"
    assert ready([{"metadata": {"name": "p"}}], "never", _NOW) == 0


def test_beside_pods_that_end_those_that_have_just_come_do_not_count_yet() -> None:
    assert ready([_answering(at=59), _answering(at=59)], "never", _NOW) == 2
    assert ready([_answering(ends=True), _answering(at=51), _answering(at=50)], "never", _NOW) == 1


def _made(at: str, ready_since: str = "", says: str = "False") -> dict[str, Any]:
    conditions = [{"type": "Ready", "status": says, "lastTransitionTime": ready_since}] if ready_since else []
    return {"metadata": {"name": "p", "creationTimestamp": at}, "status": {"startTime": at, "conditions": conditions}}


def _without(since: str) -> dict[str, Any]:
    return {"status": {"conditions": [{"type": "Available", "status": "False", "lastTransitionTime": since}]}}


@pytest.mark.parametrize(
    ("pods", "workload", "is_new"),
    [
        ([_made("2026-01-01T00:00:50Z", "2026-01-01T00:00:51Z")], {}, True),
        ([{"metadata": {"name": "p", "creationTimestamp": "2026-01-01T00:00:59Z"}}], {}, True),
        ([_made("2026-01-01T00:00:20Z", "2026-01-01T00:00:20Z")], {}, False),
        ([_made("2026-01-01T00:00:50Z", "2026-01-01T00:00:55Z")], {}, False),
        (
            [_made("2026-01-01T00:00:50Z", "2026-01-01T00:00:50Z"), _made("2026-01-01T00:00:00Z", "2026-01-01T00:00:40Z")],
            {},
            False,
        ),
        ([_made("2026-01-01T00:00:50Z", "2026-01-01T00:00:51Z", "True")], {}, False),
        ([], {}, True),
        ([], _without("2026-01-01T00:00:50Z"), True),
        ([], _without("2026-01-01T00:00:10Z"), False),
    ],
    ids=["new", "unseen", "for too long", "was ready", "one was ready", "ready", "not told", "none yet", "none for long"],
)
def test_whether_pods_are_only_new(pods: list[dict[str, Any]], workload: dict[str, Any], *, is_new: bool) -> None:
    assert starting(pods, workload, _NOW, 30) == is_new
