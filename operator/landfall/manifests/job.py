"""The Job of a worker and the ConfigMap with its task.

The pod has the credentials of the databases as files, a token that only the intake accepts, and no permission in the Kubernetes API.
It passes Pod Security `restricted`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from landfall.api.migration import LABEL_MIGRATION
from landfall.api.worker_protocol import EXIT_AGAIN, Task, Verb
from landfall.manifests.parts import LABEL_KIND, LABEL_OWNER, container_security, pod_security, token_volume

LABEL_VERB = "landfall.dev/verb"
LABEL_ATTEMPT = "landfall.dev/attempt"
INPUTS = "landfall.dev/inputs"
_KEPT_SECONDS = 86_400
_TELLING_SECONDS = 900
_HELPERS_REPLACED = 6
Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class WorkerPod:
    """What differs between workers. `migration` is the Migration of a worker whose owner is a Run; empty for others."""

    name: str
    namespace: str
    owner: Object
    owner_kind: str
    owner_name: str
    attempt: int
    inputs: str
    image: str
    memory_bytes: int
    secrets: Sequence[str]
    volumes: Sequence[tuple[str, str]] = ()
    plans: Sequence[str] = ()
    parallelism: int = 1
    migration: str = ""


def task_map(pod: WorkerPod, task: Task) -> Object:
    """The ConfigMap that holds the task."""
    data = task.model_dump_json(by_alias=True, exclude_none=True, exclude_defaults=False)
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": _metadata(pod), "immutable": True, "data": {"task.json": data}}


def job(pod: WorkerPod, verb: Verb) -> Object:
    """The Job."""
    metadata = _metadata(pod)
    metadata["labels"] |= {LABEL_VERB: verb, LABEL_ATTEMPT: str(pod.attempt)}
    metadata["annotations"] = {INPUTS: pod.inputs}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": metadata,
        "spec": {
            # The operator itself replaces a worker; a copy helper is replaced by its Job, after 10 s and then with exponential back-off.
            "backoffLimit": _HELPERS_REPLACED if verb == "help" else 0,
            # Copy helpers share one queue of chunks, so the Job is complete as soon as one of them finds the queue empty.
            **({"parallelism": pod.parallelism} if verb == "help" else {}),
            "podReplacementPolicy": "Failed",
            "podFailurePolicy": {
                "rules": [
                    {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
                    {"action": "Ignore", "onExitCodes": {"containerName": "worker", "operator": "In", "values": [EXIT_AGAIN]}},
                ]
            },
            "ttlSecondsAfterFinished": _KEPT_SECONDS,
            **({"activeDeadlineSeconds": _TELLING_SECONDS} if verb in {"notify", "ping"} else {}),
            "template": {"metadata": {"labels": dict(metadata["labels"])}, "spec": _pod(pod)},
        },
    }


def _metadata(pod: WorkerPod) -> Object:
    return {
        "name": pod.name,
        "namespace": pod.namespace,
        "labels": {
            LABEL_KIND: pod.owner_kind,
            LABEL_OWNER: pod.owner_name,
            **({LABEL_MIGRATION: pod.migration} if pod.migration else {}),
            "app.kubernetes.io/managed-by": "landfall",
        },
        "ownerReferences": [pod.owner],
    }


def _pod(pod: WorkerPod) -> Object:
    volumes: list[Object] = [
        {"name": "task", "configMap": {"name": pod.name}},
        token_volume(),
        {"name": "scratch", "emptyDir": {}},
    ]
    mounts: list[Object] = [
        {"name": "task", "mountPath": "/etc/landfall/task", "readOnly": True},
        {"name": "token", "mountPath": "/var/run/landfall", "readOnly": True},
        {"name": "scratch", "mountPath": "/tmp"},  # noqa: S108  the pod's own
    ]
    for at, secret in enumerate(pod.secrets):
        volumes.append({"name": f"secret-{at}", "secret": {"secretName": secret, "defaultMode": 0o440}})
        mounts.append({"name": f"secret-{at}", "mountPath": f"/etc/landfall/secrets/{secret}", "readOnly": True})
    for at, plan in enumerate(pod.plans):
        volumes.append({"name": f"plan-{at}", "configMap": {"name": plan}})
        mounts.append({"name": f"plan-{at}", "mountPath": f"/etc/landfall/plan/{at}", "readOnly": True})
    for at, (connection, claim) in enumerate(pod.volumes):
        volumes.append({"name": f"data-{at}", "persistentVolumeClaim": {"claimName": claim}})
        mounts.append({"name": f"data-{at}", "mountPath": f"/data/{connection}"})
    return {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 30,
        "securityContext": pod_security(65532),
        "containers": [
            {
                "name": "worker",
                "image": pod.image,
                "imagePullPolicy": "IfNotPresent",
                "args": ["worker"],
                "volumeMounts": mounts,
                "securityContext": container_security(),
                "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": str(pod.memory_bytes)}},
                "terminationMessagePolicy": "FallbackToLogsOnError",
            }
        ],
        "volumes": volumes,
    }
