"""The Job that builds a Release: three containers that start together and exchange files, each with only the rights it needs.

`fetch` has the token of the source, `worker` the tokens of the intake and the registry. `build`, which runs the user's commands, has
neither and sees only the sources and its own scratch space. They run in parallel, because the kubelet needs more than a second to start
the next of several init containers. `worker` reads no output of `build` before its last process has ended.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from landfall.api.deployment import Variable
from landfall.api.worker_protocol import KNOWN_SECRET, Task
from landfall.manifests.job import LABEL_ATTEMPT, LABEL_VERB
from landfall.manifests.parts import container_security, owned, pod_security, token_volume
from landfall.manifests.workload import variable

_KEPT_SECONDS = 86_400
APP, HANDOFF = "/app", "/handoff"
Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class BuilderPod:
    """What differs between builds.

    `uploaded`: the sources are in the registry, from which `fetch` reads them. Sizes are Kubernetes quantities. `authorities`: further
    certificate authorities as PEM.
    """

    name: str
    release: Object
    attempt: int
    image: str
    builder: str
    timeout_seconds: int
    memory: str
    disk: str
    token: tuple[str, str] | None = None
    registry_secret: str = ""
    uploaded: bool = False
    authorities: str = ""
    cache: str = ""
    env: Sequence[Variable] = ()
    settings: Sequence[tuple[str, str]] = ()


def task_map(pod: BuilderPod, task: Task) -> Object:
    """The ConfigMap that holds the task."""
    data = task.model_dump_json(by_alias=True, exclude_none=True)
    contents = {"task.json": data, **({"ca.crt": pod.authorities} if pod.authorities else {})}
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": owned(pod.release, "Release", pod.name),
        "immutable": True,
        "data": contents,
    }


def job(pod: BuilderPod) -> Object:
    """The Job. A failed pod is not replaced: the Deployment's rules decide whether to try again."""
    metadata = owned(pod.release, "Release", pod.name)
    metadata["labels"] |= {LABEL_VERB: "build", LABEL_ATTEMPT: str(pod.attempt)}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": metadata,
        "spec": {
            "backoffLimit": 0,
            "activeDeadlineSeconds": pod.timeout_seconds,
            "ttlSecondsAfterFinished": _KEPT_SECONDS,
            "template": {"metadata": {"labels": dict(metadata["labels"])}, "spec": _pod(pod)},
        },
    }


def _pod(pod: BuilderPod) -> Object:
    volumes: list[Object] = [
        {"name": "task", "configMap": {"name": pod.name}},
        token_volume(),
        {"name": "home", "persistentVolumeClaim": {"claimName": pod.cache}} if pod.cache else _scratch("home", pod.disk),
        *(_scratch(name, pod.disk) for name in ("app", "out", "build-tmp", "fetch-tmp", "layers")),
        *(_scratch(name, "16Mi") for name in ("meta", "go")),
    ]
    if pod.token:
        volumes.append({"name": "git", "secret": {"secretName": pod.token[0], "defaultMode": 0o440}})
    if pod.registry_secret:
        volumes.append(
            {"name": "registry", "secret": {"secretName": pod.registry_secret, "defaultMode": 0o440, "optional": True}}
        )
    if pod.authorities:
        volumes.append({"name": "ca", "configMap": {"name": pod.name, "items": [{"key": "ca.crt", "path": "ca.crt"}]}})
    return {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 5,
        "securityContext": pod_security(1000),
        "containers": [_fetch(pod), _build(pod), _worker(pod)],
        "volumes": volumes,
    }


def _scratch(name: str, size: str) -> Object:
    return {"name": name, "emptyDir": {"sizeLimit": size}}


def _mount(name: str, path: str, *, writable: bool = False) -> Object:
    return {"name": name, "mountPath": path} | ({} if writable else {"readOnly": True})


def _container(pod: BuilderPod, name: str, image: str, mounts: list[Object], env: list[Object], memory: str) -> Object:
    trust = [_mount("ca", "/etc/landfall/ca")] if pod.authorities else []
    return {
        "name": name,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "env": env,
        "volumeMounts": [*mounts, *trust],
        "securityContext": container_security(),
        "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": memory}},
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }


def _fetch(pod: BuilderPod) -> Object:
    mounts = [
        _mount("task", "/etc/landfall/task"),
        _mount("app", APP, writable=True),
        _mount("meta", f"{HANDOFF}/meta", writable=True),
        _mount("fetch-tmp", "/tmp", writable=True),  # noqa: S108  the container's own
    ]
    if pod.token:
        mounts.append(_mount("git", "/etc/landfall/git"))
    if pod.uploaded and pod.registry_secret:
        mounts.append(_mount("registry", "/etc/landfall/registry"))
    return {**_container(pod, "fetch", pod.image, mounts, _trust(pod), "512Mi"), "args": ["worker", "fetch"]}


def _build(pod: BuilderPod) -> Object:
    mounts = [
        _mount("app", APP, writable=True),
        _mount("meta", f"{HANDOFF}/meta"),
        _mount("go", f"{HANDOFF}/go"),
        _mount("out", f"{HANDOFF}/out", writable=True),
        _mount("home", "/home/build", writable=True),
        _mount("build-tmp", "/tmp", writable=True),  # noqa: S108  the container's own
    ]
    env = [*_trust(pod), *({"name": k, "value": v} for k, v in pod.settings), *(variable(v) for v in pod.env)]
    # Wait for the program that runs the commands. It arrives with the sources, so the builder's image may be of another version.
    meta = f"{HANDOFF}/meta"
    waits = f"while [ ! -e {meta}/runner.py ]; do [ -e {meta}/failed.json ] && exit 0; sleep 0.02; done; exec python3 -I {meta}/runner.py"
    return {**_container(pod, "build", pod.builder, mounts, env, pod.memory), "command": ["/bin/sh", "-c", waits]}


def _worker(pod: BuilderPod) -> Object:
    mounts = [
        _mount("task", "/etc/landfall/task"),
        _mount("token", "/var/run/landfall"),
        _mount("app", APP, writable=True),  # `worker` restores packages of an earlier build here before the commands begin
        _mount("meta", f"{HANDOFF}/meta"),
        _mount("out", f"{HANDOFF}/out"),
        _mount("go", f"{HANDOFF}/go", writable=True),
        _mount("layers", "/tmp", writable=True),  # noqa: S108  the container's own
    ]
    if pod.registry_secret:
        mounts.append(_mount("registry", "/etc/landfall/registry"))
    return {**_container(pod, "worker", pod.image, mounts, [*_trust(pod), *_secrets(pod)], "512Mi"), "args": ["worker"]}


def _secrets(pod: BuilderPod) -> list[Object]:
    """The Secrets among the variables of the commands, under names of their own: the worker removes their values from the log."""
    secrets = [entry for entry in pod.env if entry.value_from and entry.value_from.secret_key_ref]
    return [variable(entry) | {"name": f"{KNOWN_SECRET}{number}"} for number, entry in enumerate(secrets)]


def _trust(pod: BuilderPod) -> list[Object]:
    """The variables by which the tools of each ecosystem find certificate authorities."""
    if not pod.authorities:
        return []
    names = ("SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS", "npm_config_cafile", "PIP_CERT", "REQUESTS_CA_BUNDLE", "GIT_SSL_CAINFO")
    return [{"name": name, "value": "/etc/landfall/ca/ca.crt"} for name in names]
