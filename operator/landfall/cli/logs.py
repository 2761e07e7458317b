"""Logs of workers and builders, from their pods. Each line is prefixed with the task of its pod."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import Any

from landfall.api.migration import LABEL_MIGRATION
from landfall.api.release import LABEL_DEPLOYMENT
from landfall.cli.cluster_client import ClusterClient, RefusedError
from landfall.kube.errors import KubeError

Object = dict[str, Any]
Over = Callable[[], Awaitable[bool]]
_EVERY_SECONDS = 1.0
_SELECTOR = "landfall.dev/owner-kind={},landfall.dev/owner={}"
_VERB = "landfall.dev/verb"


async def printed(cluster: ClusterClient, kind: str, raw: Object, over: Over | None) -> None:
    """Print all logs; with `over`, follow them until it returns true and no pod runs. Raises RefusedError if there are no logs."""
    printed_logs: set[tuple[str, str]] = set()
    while True:
        last = over is None or await over()
        pods = await _pods(cluster, kind, raw["metadata"]["name"])
        for pod in pods:
            for container in _started_containers(pod):
                place = (pod["metadata"]["name"], container)
                if place not in printed_logs:
                    printed_logs.add(place)
                    await _print_log(cluster, pod, container, follow=over is not None)
        working = any(pod["status"].get("phase") in {"Pending", "Running"} for pod in pods)
        if last and (over is None or not working):
            break
        await asyncio.sleep(_EVERY_SECONDS)
    if not printed_logs:
        message = "no pods found. Logs of deleted pods are in the journal; read them through the gateway"
        raise RefusedError(message)


async def _print_log(cluster: ClusterClient, pod: Object, container: str, *, follow: bool) -> None:
    metadata = pod["metadata"]
    prefix = metadata.get("labels", {}).get(_VERB, "") + ("" if container == "worker" else f" {container}")
    try:
        async for line in cluster.kube.log(metadata["namespace"], metadata["name"], container, follow=follow):
            sys.stdout.write(f"{prefix.strip()} | {line}\n")
            sys.stdout.flush()
    except KubeError as error:
        sys.stderr.write(f"{metadata['name']}: {error.message}\n")


async def _pods(cluster: ClusterClient, kind: str, name: str) -> list[Object]:
    """Pods of the object, in the order of creation."""
    owners = [(kind, name)]
    if kind == "Migration":
        runs = await cluster.kube.listed("Run", cluster.namespace, f"{LABEL_MIGRATION}={name}")
        owners += [("Run", raw["metadata"]["name"]) for raw in runs]
    if kind == "Deployment":
        release_objects = await cluster.kube.listed("Release", cluster.namespace, f"{LABEL_DEPLOYMENT}={name}")
        release_objects.sort(key=lambda raw: int(raw["spec"]["revision"]))
        owners = [("Release", raw["metadata"]["name"]) for raw in release_objects]
    pods = [pod for owner in owners for pod in await cluster.kube.listed("Pod", cluster.namespace, _SELECTOR.format(*owner))]
    worker_pods = [pod for pod in pods if _VERB in pod["metadata"].get("labels", {})]
    return sorted(worker_pods, key=lambda pod: (pod["metadata"]["creationTimestamp"], pod["metadata"]["name"]))


def _started_containers(pod: Object) -> list[str]:
    """Names of the containers that have started."""
    status = pod["status"]
    every = (*status.get("initContainerStatuses", []), *status.get("containerStatuses", []))
    return [container["name"] for container in every if "waiting" not in container.get("state", {"waiting": {}})]
