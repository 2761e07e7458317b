"""Jobs of workers: how they are observed, created and deleted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from landfall.api.connection import Connection
from landfall.api.worker_protocol import Task, Verb, verb_of
from landfall.controllers.context import Context
from landfall.controllers.job_state import ObservedJob
from landfall.controllers.objects import owned_by, owner_of, secret_names, since, volumes
from landfall.kube.client import Object
from landfall.manifests.job import INPUTS, LABEL_ATTEMPT, LABEL_VERB, WorkerPod, job, task_map
from landfall.manifests.parts import LABEL_KIND, LABEL_OWNER

_ROOM = 128 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class WorkerJob:
    """A worker to start."""

    name: str
    owner: Object
    verb: Verb
    attempt: int
    inputs: str
    image: str
    task: Task
    memory_bytes: int = 256 * 1024 * 1024
    plans: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()
    parallelism: int = 1


async def jobs_of(context: Context, namespace: str, kind: str, name: str) -> list[Object]:
    """The Jobs of an owner."""
    return await context.kube.listed("Job", namespace, f"{LABEL_KIND}={kind},{LABEL_OWNER}={name}")


def is_ended(raw: Object) -> bool:
    """Whether a Job is complete or has failed."""
    return any(c["type"] in {"Complete", "Failed"} and c["status"] == "True" for c in raw.get("status", {}).get("conditions", []))


def observed_jobs(raw: Sequence[Object], owner_uid: str, now: datetime) -> tuple[ObservedJob, ...]:
    """The Jobs of an owner, without those of an earlier owner of the same name."""
    return tuple(_observed(raw_job, now) for raw_job in raw if owned_by(raw_job, owner_uid))


def _observed(raw: Object, now: datetime) -> ObservedJob:
    metadata, status = raw["metadata"], raw.get("status", {})
    conditions = {c["type"]: c for c in status.get("conditions", []) if c["status"] == "True"}
    end = conditions.get("Complete") or conditions.get("Failed")
    return ObservedJob(
        name=metadata["name"],
        verb=verb_of(metadata["labels"].get(LABEL_VERB)),
        attempt=int(metadata["labels"].get(LABEL_ATTEMPT, "0")),
        inputs=metadata.get("annotations", {}).get(INPUTS, ""),
        complete="Complete" in conditions,
        failed="Failed" in conditions,
        suspended=bool(raw["spec"].get("suspend")),
        parallelism=int(raw["spec"].get("parallelism", 1)),
        ended_seconds=since(now, end["lastTransitionTime"]) if end else 0.0,
    )


async def start(context: Context, order: WorkerJob) -> None:
    """Create the task, then the Job that mounts it."""
    connections: Iterable[Connection] = order.task.connections.values()
    pod = WorkerPod(
        name=order.name,
        namespace=order.owner["metadata"]["namespace"],
        owner=owner_of(order.owner),
        owner_kind=order.owner["kind"],
        owner_name=order.owner["metadata"]["name"],
        migration=order.owner["spec"]["migrationRef"]["name"] if order.owner["kind"] == "Run" else "",
        attempt=order.attempt,
        inputs=order.inputs,
        image=order.image,
        memory_bytes=order.memory_bytes + _ROOM,
        secrets=sorted({*order.secrets, *(name for c in connections for name in secret_names(c))}),
        volumes=volumes(order.task.connections.values()),
        plans=order.plans,
        parallelism=order.parallelism,
    )
    await context.created("ConfigMap", task_map(pod, order.task))
    await context.created("Job", job(pod, order.verb))


async def delete(context: Context, namespace: str, name: str) -> None:
    """Delete a Job, its pods and its task."""
    for kind in ("Job", "ConfigMap"):
        raw = await context.kube.get(kind, namespace, name)
        if raw and "deletionTimestamp" not in raw["metadata"]:
            await context.kube.delete(kind, namespace, name, raw["metadata"]["uid"])
    context.reports.forget(namespace, name)


async def suspend(context: Context, namespace: str, name: str, *, suspended: bool) -> None:
    """Suspend or resume a Job. When it is suspended, its pods get SIGTERM and stop at a checkpoint."""
    await context.kube.patch("Job", namespace, name, [{"op": "add", "path": "/spec/suspend", "value": suspended}])


async def scale(context: Context, namespace: str, name: str, parallelism: int) -> None:
    """Set the number of pods that share a Job."""
    await context.kube.patch("Job", namespace, name, [{"op": "add", "path": "/spec/parallelism", "value": parallelism}])
