"""Why pods do not serve, in words: read from their own status, and from what the kubelet says of their probes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from landfall.api.worker_protocol import Report
from landfall.controllers.deployment.observed import PodProblem, PodReason, Problem
from landfall.kube.client import Object
from landfall.manifests.workload import REFRESHED

_LAST = 600
_HEARD_OF_SECONDS = (
    10  # at the latest, by the controllers and proxies between a pod and a Service; times of conditions are whole seconds
)
_AT_ONCE_SECONDS = 2  # between a pod's start and the first word on it
_LOST = frozenset({"Unknown", "ContainerStatusUnknown"})
_CODE = re.compile(r"statuscode: (\d+)")
_PULLS = frozenset({"ErrImagePull", "ImagePullBackOff", "InvalidImageName"})
_REFUSED = frozenset({"CreateContainerConfigError", "CreateContainerError", "RunContainerError"})


def problem(pods: Sequence[Object], workload: Object, unhealthy: str, port: int) -> PodProblem | None:
    """What keeps the newest pods from being ready; `unhealthy` is what the kubelet said last of a probe."""
    for pod in pods:
        found = _of_pod(pod)
        if found:
            return found
    if unhealthy:
        return _of_probe(unhealthy, port)
    return _refused(workload)


def crashed(pods: Sequence[Object]) -> PodProblem | None:
    """A container that has ended since its pod was started, however well it runs by now."""
    for pod in pods:
        for status in _statuses(pod):
            if ended := _over(status):
                return _ended(ended)
    return None


def ready(pods: Sequence[Object], mark: str, now: datetime) -> int:
    """How many can be switched to: ready, of the newest template (its mark), and not about to end.

    What a workload says of itself may be older than its last change: right after it was scaled to none and up again, it still counts pods that end.
    While others of it still end, those that have just become ready do not count: whoever has not heard of it yet would route to those that end, too.
    """
    least = _HEARD_OF_SECONDS if any("deletionTimestamp" in pod["metadata"] for pod in pods) else 0
    mine = [p for p in pods if str(p["metadata"].get("annotations", {}).get(REFRESHED, "")) == mark]
    return sum(1 for pod in mine if (since := _ready_since(pod)) and (now - since).total_seconds() >= least)


def _ready_since(pod: Object) -> datetime | None:
    """When it became ready; None where it is not, or ends."""
    told = pod.get("status", {}).get("conditions", [])
    found = next((c for c in told if c["type"] == "Ready" and c["status"] == "True"), None)
    return datetime.fromisoformat(found["lastTransitionTime"]) if found and "deletionTimestamp" not in pod["metadata"] else None


def running_seconds(pods: Sequence[Object], now: datetime) -> float:
    """How long a container has been running without being ready, at most."""
    found = [0.0]
    for pod in pods:
        for status in _statuses(pod):
            begun = ((status.get("state") or {}).get("running") or {}).get("startedAt")
            if begun and not status.get("ready"):
                found.append((now - datetime.fromisoformat(begun)).total_seconds())
    return max(found)


def starting(pods: Sequence[Object], workload: Object, now: datetime, seconds: float) -> bool:
    """Whether they are only new: none has been ready yet, none is older than this. Where there are none yet, the workload tells since when."""
    if pods:
        return all(not _was_ready(pod) and _age(pod, now) < seconds for pod in pods)
    told = workload.get("status", {}).get("conditions", [])
    since = next((c["lastTransitionTime"] for c in told if c["type"] == "Available" and c["status"] == "False"), None)
    return since is None or (now - datetime.fromisoformat(since)).total_seconds() < seconds


def _age(pod: Object, now: datetime) -> float:
    return (now - datetime.fromisoformat(pod["metadata"]["creationTimestamp"])).total_seconds()


def _was_ready(pod: Object) -> bool:
    """Whether it is or was ready: of one that never was, that is as old as its start."""
    status = pod.get("status", {})
    found = next((c for c in status.get("conditions", []) if c["type"] == "Ready"), None)
    if found is None or "startTime" not in status:
        return False
    since = datetime.fromisoformat(found["lastTransitionTime"]) - datetime.fromisoformat(status["startTime"])
    return found["status"] == "True" or since.total_seconds() > _AT_ONCE_SECONDS


def _of_pod(pod: Object) -> PodProblem | None:
    for condition in pod.get("status", {}).get("conditions", []):
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            return PodReason.UNSCHEDULABLE, f"no node takes its pod: {condition.get('message', '')}"
    for status in _statuses(pod):
        waiting = (status.get("state") or {}).get("waiting") or {}
        reason, message = waiting.get("reason", ""), waiting.get("message", "")
        if reason in _PULLS:
            return PodReason.IMAGE_PULL_FAILED, f"its image cannot be pulled: {message}"
        if reason in _REFUSED:
            return PodReason.CONTAINER_REFUSED, f"its container cannot be started: {message}"
        if ended := _over(status):
            return _ended(ended)
    return None


def _over(status: dict[str, Any]) -> dict[str, Any] | None:
    """How a container ended, now or before it was started again. One that its node lost sight of, as when that restarts, did not end by itself."""
    found = (status.get("lastState") or {}).get("terminated") or (status.get("state") or {}).get("terminated")
    return found if found and found.get("reason") not in _LOST else None


def _ended(ended: dict[str, Any]) -> PodProblem:
    if ended.get("reason") == "OOMKilled":
        return PodReason.OUT_OF_MEMORY, "it was killed for its memory: give it a larger instanceType"
    log = str(ended.get("message", "")).strip()[-_LAST:]
    last = f". Its last lines: {log}" if log else ""
    return PodReason.CRASH_LOOP, f"the app ended with status {ended.get('exitCode', '?')}{last}"


def _of_probe(said: str, port: int) -> PodProblem:
    code = _CODE.search(said)
    if code:
        return (
            PodReason.HEALTH_CHECK_FAILED,
            f"its health check answers {code.group(1)}: let runtime.healthCheck.path name a page that answers below 400",
        )
    if "connection refused" in said:
        return (
            PodReason.NOT_LISTENING,
            f"nothing listens on port {port} of the pod's address: listen on 0.0.0.0, not on 127.0.0.1, and on the port in PORT, or set runtime.port",
        )
    return PodReason.HEALTH_CHECK_FAILED, f"its health check fails: {said[-200:]}"


def _refused(workload: Object) -> PodProblem | None:
    """Its pods are not even made, as where a quota is used up."""
    for condition in workload.get("status", {}).get("conditions", []):
        if condition["type"] == "ReplicaFailure" and condition["status"] == "True":
            message = condition.get("message", "")
            word = PodReason.QUOTA_EXCEEDED if "exceeded quota" in message else PodReason.PODS_REFUSED
            return word, f"its pods are refused: {message}"
    return None


def _statuses(pod: Object) -> list[dict[str, Any]]:
    return list(pod.get("status", {}).get("containerStatuses") or [])


def last_words(pods: Sequence[Object]) -> Report | None:
    """What a worker left in its pod for the case that nobody hears its last report: the report itself, of the newest pod that left one."""
    for pod in _newest_first(pods):
        message = str(_of_worker(pod).get("message", ""))
        if message.startswith("{"):
            try:
                report = Report.model_validate_json(message)
            except ValidationError:
                continue  # of another version, or cut short
            metadata = pod["metadata"]
            created = datetime.fromisoformat(metadata["creationTimestamp"])
            return report.model_copy(update={"pod": metadata["uid"], "pod_created": created})
    return None


def lost_words(pods: Sequence[Object]) -> str:
    """Why a worker ended that left no report: as its newest pod tells, in words."""
    pod = next(iter(_newest_first(pods)), None)
    if pod is None:
        return "its pod is gone, as when its node is lost or somebody deletes it"
    status, ended = pod.get("status", {}), _of_worker(pod)
    if status.get("reason") == "Evicted":
        return f"its node evicted it: {status.get('message', '')}"
    if ended.get("reason") == "OOMKilled":
        return "it was killed for its memory (OOMKilled): raise spec.data.limits.memoryBytes"
    last = str(ended.get("message", "")).strip()[-_LAST:]
    log = f"; the end of its log: {last}" if last else ""
    return f"it ended with status {ended.get('exitCode', 'unknown')}{log}"


def _newest_first(pods: Sequence[Object]) -> list[Object]:
    return sorted(pods, key=lambda pod: str(pod["metadata"].get("creationTimestamp", "")), reverse=True)


def _of_worker(pod: Object) -> dict[str, Any]:
    """How the container of the worker ended; empty where it has not."""
    found = next((one for one in _statuses(pod) if one.get("name") == "worker"), {})
    return (found.get("state") or {}).get("terminated") or {}


def out_of_time(job: Object) -> bool:
    """Whether Kubernetes ended a Job because it took longer than its deadline."""
    return any(c.get("reason") == "DeadlineExceeded" for c in job.get("status", {}).get("conditions", []))


def build_problem(pod: Object | None, *, deadline: bool) -> Problem | None:
    """Why a builder ended without a word, as (reason, message); None where it was only lost, and may be tried again."""
    if deadline:
        return "BuildTimedOut", "the build took longer than it may. Build less, or give it longer (builds.timeoutSeconds)."
    status = pod.get("status", {}) if pod else {}
    if status.get("reason") == "Evicted":
        return "BuildEvicted", f"the node put its builder out: {status.get('message', '')}"
    for one in _statuses(pod) if pod else []:
        ended = (one.get("state") or {}).get("terminated") or {}
        if ended.get("reason") == "OOMKilled":
            return (
                "BuildOutOfMemory",
                "the build was killed for its memory. Build less at a time, or give it more (builds.memory).",
            )
    return None
