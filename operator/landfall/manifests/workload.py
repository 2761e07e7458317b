"""The workload of a Release (a Kubernetes Deployment) and its preview, a Service that selects only the pods of this Release.

Pods pass Pod Security `restricted`. The start-up probe runs every second, so that a Release goes live as soon as possible. The readiness
probe then runs every 5 s with a timeout of 5 s, because a short timeout would remove the only pod from the Service under load.
"""

from __future__ import annotations

from typing import Any

from landfall.api.deployment import Variable
from landfall.api.instance_types import resources
from landfall.api.release import ReleaseSpec
from landfall.manifests.parts import LABEL_KIND, LABEL_OWNER, owned

LABEL_WORKLOAD = "landfall.dev/workload"
REFRESHED = "landfall.dev/refreshed"
REGION = "topology.kubernetes.io/region"
_NAME = "app.kubernetes.io/name"
_PORT = "http"
# Endpoints are updated some seconds after a pod begins to terminate; until then it must continue to answer.
_STILL_SERVES_SECONDS = 5
# The Deployment's rules handle a slow start first; the kubelet, which would kill the container, only this much later.
_JUDGED_SECONDS = 30
Object = dict[str, Any]


def workload(release: Object, spec: ReleaseSpec, image: str, port: int, replicas: int, pull_secret: str) -> Object:
    """The workload. `release` is the Release that owns it."""
    metadata = _metadata(release, spec)
    template = {
        "metadata": {
            "labels": {**spec.template.metadata.labels, **metadata["labels"]},
            "annotations": {**spec.template.metadata.annotations, REFRESHED: "never"},
        },
        "spec": _pod(spec, image, port, pull_secret),
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata,
        "spec": {
            "replicas": replicas,
            "revisionHistoryLimit": 1,
            "progressDeadlineSeconds": 3600,  # longer than Landfall's own deadline
            "selector": {"matchLabels": {LABEL_WORKLOAD: spec.workload}},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "100%", "maxUnavailable": 0}},
            "template": template,
        },
    }


def preview(release: Object, spec: ReleaseSpec) -> Object:
    """The Service that selects only the pods of this Release."""
    return {"apiVersion": "v1", "kind": "Service", "metadata": _metadata(release, spec), "spec": _selects(spec.workload)}


def service(deployment: Object, workload_name: str, annotations: dict[str, str]) -> Object:
    """The app's Service, which selects one workload's pods. Ingresses and other apps refer to it by the Deployment's name."""
    metadata = {**owned(deployment, "Deployment", deployment["metadata"]["name"]), "annotations": annotations}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": _selects(workload_name)}


def _selects(name: str) -> Object:
    return {"selector": {LABEL_WORKLOAD: name}, "ports": [{"name": _PORT, "port": 80, "targetPort": _PORT}]}


def _labels(release: Object, spec: ReleaseSpec) -> dict[str, str]:
    return {
        _NAME: spec.deployment_ref.name,
        LABEL_KIND: "Deployment",
        LABEL_OWNER: spec.deployment_ref.name,
        LABEL_WORKLOAD: str(release["metadata"]["name"]),
    }


def _metadata(release: Object, spec: ReleaseSpec) -> Object:
    return owned(release, "Release", release["metadata"]["name"], _labels(release, spec))


def _pod(spec: ReleaseSpec, image: str, port: int, pull_secret: str) -> Object:
    check = spec.runtime.health_check
    probe = {"httpGet": {"path": check.path, "port": _PORT}, "timeoutSeconds": 5}
    container: Object = {
        "name": "app",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "ports": [{"name": _PORT, "containerPort": port}],
        "env": [{"name": "PORT", "value": str(port)}, *(variable(v) for v in spec.live_env)],
        **({"envFrom": [{"secretRef": {"name": spec.environment}}]} if spec.environment else {}),
        "lifecycle": {"preStop": {"sleep": {"seconds": _STILL_SERVES_SECONDS}}},
        "startupProbe": {**probe, "periodSeconds": 1, "failureThreshold": check.timeout_seconds + _JUDGED_SECONDS},
        "readinessProbe": {**probe, "periodSeconds": 5, "failureThreshold": 3},
        "resources": resources(spec.runtime.instance_type),
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [{"name": "scratch", "mountPath": "/tmp"}],  # noqa: S108  the pod's own
    }
    return {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 30 + _STILL_SERVES_SECONDS,
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        **({"imagePullSecrets": [{"name": pull_secret}]} if pull_secret else {}),
        **({"nodeSelector": {REGION: spec.region}} if spec.region else {}),
        "containers": [container],
        "volumes": [{"name": "scratch", "emptyDir": {}}],
    }


def variable(entry: Variable) -> Object:
    """A container's environment variable: a value, in which the kubelet replaces $(NAME) of earlier variables, or a reference."""
    if entry.value_from is None:
        return {"name": entry.name, "value": entry.value or ""}
    return {"name": entry.name, "valueFrom": entry.value_from.model_dump(mode="json", by_alias=True, exclude_none=True)}
