"""Why pods are not ready, for users: from the status of pods and the kubelet's messages about their probes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from landfall.api.worker_protocol import Report
from landfall.controllers.deployment.observed import DeploymentProblem, PodProblem, PodReason
from landfall.kube.client import Object
from landfall.manifests.workload import REFRESHED

_LAST = 600
_ENDPOINTS_UPDATED_SECONDS = 10  # endpoint controllers and proxies have noticed a pod by then; condition times are whole seconds
_AT_ONCE_SECONDS = 2  # between a pod's start and its first Ready condition
_LOST = frozenset({"Unknown", "ContainerStatusUnknown"})
_CODE = re.compile(r"statuscode: (\d+)")
_PULLS = frozenset({"ErrImagePull", "ImagePullBackOff", "InvalidImageName"})
_REFUSED = frozenset({"CreateContainerConfigError", "CreateContainerError", "RunContainerError"})


def problem(pods: Sequence[Object], workload: Object, unhealthy: str, port: int) -> PodProblem | None:
    """Why the newest pods are not ready. `unhealthy`: the kubelet's last message about a probe."""
    for pod in pods:
        pod_problem = _of_pod(pod)
        if pod_problem:
            return pod_problem
    if unhealthy:
        return _of_probe(unhealthy, port)
    return _refused(workload)


def crashed(pods: Sequence[Object]) -> PodProblem | None:
    """A container that has ended since its pod started, even if it runs now."""
    for pod in pods:
        for status in _statuses(pod):
            if terminated := _over(status):
                return _exit_problem(terminated)
    return None


def ready(pods: Sequence[Object], mark: str, now: datetime) -> int:
    """The number of pods that traffic can be switched to: ready, of the newest template (its mark), and not terminating.

    The workload's own status can be outdated: right after it was scaled to 0 and up again, it still counts terminating pods. While other pods
    terminate, pods that have just become ready do not count, because proxies that are not updated yet would route to the terminating ones.
    """
    least = _ENDPOINTS_UPDATED_SECONDS if any("deletionTimestamp" in pod["metadata"] for pod in pods) else 0
    marked = [p for p in pods if str(p["metadata"].get("annotations", {}).get(REFRESHED, "")) == mark]
    return sum(1 for pod in marked if (since := _ready_since(pod)) and (now - since).total_seconds() >= least)


def _ready_since(pod: Object) -> datetime | None:
    """When it became ready; None if it is not ready, or is terminating."""
    conditions = pod.get("status", {}).get("conditions", [])
    condition = next((c for c in conditions if c["type"] == "Ready" and c["status"] == "True"), None)
    return (
        datetime.fromisoformat(condition["lastTransitionTime"])
        if condition and "deletionTimestamp" not in pod["metadata"]
        else None
    )


def running_seconds(pods: Sequence[Object], now: datetime) -> float:
    """The longest time that a container has been running without being ready, in seconds."""
    durations = [0.0]
    for pod in pods:
        for status in _statuses(pod):
            started_at = ((status.get("state") or {}).get("running") or {}).get("startedAt")
            if started_at and not status.get("ready"):
                durations.append((now - datetime.fromisoformat(started_at)).total_seconds())
    return max(durations)


def starting(pods: Sequence[Object], workload: Object, now: datetime, seconds: float) -> bool:
    """Whether its pods are new: none has been ready, none is older than `seconds`. Without pods, the workload's condition decides."""
    if pods:
        return all(not _was_ready(pod) and _age(pod, now) < seconds for pod in pods)
    conditions = workload.get("status", {}).get("conditions", [])
    since = next((c["lastTransitionTime"] for c in conditions if c["type"] == "Available" and c["status"] == "False"), None)
    return since is None or (now - datetime.fromisoformat(since)).total_seconds() < seconds


def _age(pod: Object, now: datetime) -> float:
    return (now - datetime.fromisoformat(pod["metadata"]["creationTimestamp"])).total_seconds()


def _was_ready(pod: Object) -> bool:
    """Whether it is or was ready: if it never was, its Ready condition is as old as the pod's start."""
    status = pod.get("status", {})
    condition = next((c for c in status.get("conditions", []) if c["type"] == "Ready"), None)
    if condition is None or "startTime" not in status:
        return False
    since = datetime.fromisoformat(condition["lastTransitionTime"]) - datetime.fromisoformat(status["startTime"])
    return condition["status"] == "True" or since.total_seconds() > _AT_ONCE_SECONDS


def _of_pod(pod: Object) -> PodProblem | None:
    for condition in pod.get("status", {}).get("conditions", []):
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            return PodReason.UNSCHEDULABLE, f"its pod cannot be scheduled: {condition.get('message', '')}"
    for status in _statuses(pod):
        waiting = (status.get("state") or {}).get("waiting") or {}
        reason, message = waiting.get("reason", ""), waiting.get("message", "")
        if reason in _PULLS:
            return PodReason.IMAGE_PULL_FAILED, f"its image cannot be pulled: {message}"
        if reason in _REFUSED:
            return PodReason.CONTAINER_REFUSED, f"its container cannot be started: {message}"
        if terminated := _over(status):
            return _exit_problem(terminated)
    return None


def _over(status: dict[str, Any]) -> dict[str, Any] | None:
    """How a container ended, now or before its last restart. A container that its node lost track of does not count as failed."""
    terminated = (status.get("lastState") or {}).get("terminated") or (status.get("state") or {}).get("terminated")
    return terminated if terminated and terminated.get("reason") not in _LOST else None


def _exit_problem(terminated: dict[str, Any]) -> PodProblem:
    if terminated.get("reason") == "OOMKilled":
        return PodReason.OUT_OF_MEMORY, "it ran out of memory (OOM-killed). Set a larger runtime.instanceType"
    log = str(terminated.get("message", "")).strip()[-_LAST:]
    last = f". Its last lines: {log}" if log else ""
    return PodReason.CRASH_LOOP, f"the app exited with status {terminated.get('exitCode', '?')}{last}"


def _of_probe(event: str, port: int) -> PodProblem:
    code = _CODE.search(event)
    if code:
        return (
            PodReason.HEALTH_CHECK_FAILED,
            f"its health check returns status {code.group(1)}. Set runtime.healthCheck.path to a path that returns a status below 400",
        )
    if "connection refused" in event:
        return (
            PodReason.NOT_LISTENING,
            f"nothing listens on port {port} of the pod's address. Listen on 0.0.0.0, not on 127.0.0.1, at the port in the variable PORT; or set runtime.port",
        )
    return PodReason.HEALTH_CHECK_FAILED, f"its health check fails: {event[-200:]}"


def _refused(workload: Object) -> PodProblem | None:
    """Its pods cannot be created, as when a quota is exceeded."""
    for condition in workload.get("status", {}).get("conditions", []):
        if condition["type"] == "ReplicaFailure" and condition["status"] == "True":
            message = condition.get("message", "")
            reason = PodReason.QUOTA_EXCEEDED if "exceeded quota" in message else PodReason.PODS_REFUSED
            return reason, f"its pods are rejected: {message}"
    return None


def _statuses(pod: Object) -> list[dict[str, Any]]:
    return list(pod.get("status", {}).get("containerStatuses") or [])


def final_report(pods: Sequence[Object]) -> Report | None:
    """The final report of a worker from its pod's termination message, in case the intake did not receive it; of the newest pod that has one."""
    for pod in _newest_first(pods):
        message = str(_of_worker(pod).get("message", ""))
        if message.startswith("{"):
            try:
                report = Report.model_validate_json(message)
            except ValidationError:
                continue  # of another version, or truncated
            metadata = pod["metadata"]
            created = datetime.fromisoformat(metadata["creationTimestamp"])
            return report.model_copy(update={"pod": metadata["uid"], "pod_created": created})
    return None


def lost_reason(pods: Sequence[Object]) -> str:
    """Why a worker ended without a report, according to its newest pod."""
    pod = next(iter(_newest_first(pods)), None)
    if pod is None:
        return "its pod no longer exists (node lost or pod deleted?)"
    status, terminated = pod.get("status", {}), _of_worker(pod)
    if status.get("reason") == "Evicted":
        return f"its node evicted it: {status.get('message', '')}"
    if terminated.get("reason") == "OOMKilled":
        return "it ran out of memory (OOMKilled): raise spec.data.limits.memoryBytes"
    last = str(terminated.get("message", "")).strip()[-_LAST:]
    log = f"; the end of its log: {last}" if last else ""
    return f"it exited with status {terminated.get('exitCode', 'unknown')}{log}"


def _newest_first(pods: Sequence[Object]) -> list[Object]:
    return sorted(pods, key=lambda pod: str(pod["metadata"].get("creationTimestamp", "")), reverse=True)


def _of_worker(pod: Object) -> dict[str, Any]:
    """How the worker's container ended; empty if it has not."""
    status = next((one for one in _statuses(pod) if one.get("name") == "worker"), {})
    return (status.get("state") or {}).get("terminated") or {}


def out_of_time(job: Object) -> bool:
    """Whether Kubernetes stopped a Job because it exceeded its deadline."""
    return any(c.get("reason") == "DeadlineExceeded" for c in job.get("status", {}).get("conditions", []))


def build_problem(pod: Object | None, *, deadline: bool) -> DeploymentProblem | None:
    """Why a build ended without a report, as (reason, message); None if its pod was only lost and it can be retried."""
    if deadline:
        return "BuildTimedOut", "the build exceeded its time limit. Build less, or raise builds.timeoutSeconds."
    status = pod.get("status", {}) if pod else {}
    if status.get("reason") == "Evicted":
        return "BuildEvicted", f"the node evicted its builder: {status.get('message', '')}"
    for container_status in _statuses(pod) if pod else []:
        terminated = (container_status.get("state") or {}).get("terminated") or {}
        if terminated.get("reason") == "OOMKilled":
            return (
                "BuildOutOfMemory",
                "the build ran out of memory (OOM-killed). Build less at a time, or raise builds.memory.",
            )
    return None
