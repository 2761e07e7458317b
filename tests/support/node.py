"""A node without a kubelet: the pods of workers run as processes of this machine, from the worker's own entry point.

It does what a kubelet does as far as the operator and a Job's controller can tell: a pod is bound to it, its volumes become files, its
token is bound to the pod, its status tells when it runs and how it ended, its termination message is what it left, and a pod that is
deleted gets SIGTERM and its grace. It knows no images, limits, users or networks: what depends on them is tested in `tests/cluster`.
"""

from __future__ import annotations

import base64
import contextlib
import multiprocessing
import os
import shutil
import sys
import threading
import time
from dataclasses import dataclass, field
from http.client import HTTPException
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Self

from tests.support.kubernetes import Client, Object, RefusedError

NAME = "this-machine"
_FORKSERVER = multiprocessing.get_context("forkserver")
_FORKSERVER.set_forkserver_preload(["landfall.worker.main", "landfall.engine.sources.mysql.session", "tests.support.node"])
_LOOKS_SECONDS, _BEATS_SECONDS = 0.2, 10.0
_NOT_ENDED = "?fieldSelector=status.phase!=Succeeded,status.phase!=Failed"
_MESSAGE_OCTETS = 4096
_FALLBACK_OCTETS, _FALLBACK_LINES = 2048, 80


def work(folder: Path) -> None:
    """The worker in the new process, with its files below a folder instead of below the root."""
    from landfall.worker import main, reporter  # noqa: PLC0415  loaded already, by the process that this one is forked from

    with (folder / "log").open("ab", buffering=0) as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    sys.stdout, sys.stderr = (os.fdopen(number, "w", buffering=1, encoding="utf-8") for number in (1, 2))
    main.TERMINATION_LOG = folder / "termination-log"
    reporter.Reporter.__init__.__defaults__ = (folder / "var/run/landfall/token", None)  # type: ignore[attr-defined]
    main.DATA = folder / "data"
    sys.exit(main.main(folder / "etc/landfall"))


@dataclass
class _Pod:
    """A pod that runs, or has run."""

    process: BaseProcess
    folder: Path
    started: str
    killed_at: float = 0
    told: bool = False


@dataclass
class Node:
    """Runs the pods of an API server while its block lasts. `failures`: what it could not do, which fails the tests."""

    kubeconfig: Path
    folder: Path
    failures: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._client = Client(self.kubeconfig)
        self._pods: dict[str, _Pod] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._beaten = 0.0

    def __enter__(self) -> Self:
        status = {"conditions": [self._ready()], "capacity": {"cpu": "64", "memory": "64Gi", "pods": "500"}}
        self._client.send("POST", "/api/v1/nodes", {"apiVersion": "v1", "kind": "Node", "metadata": {"name": NAME}})
        self._client.send("PATCH", f"/api/v1/nodes/{NAME}/status", {"status": status})
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        assert self._thread.is_alive(), "the node broke down"
        self._ended.set()
        self._thread.join(30)
        for pod in self._pods.values():
            pod.process.kill()

    def logs(self, namespace: str) -> list[Path]:
        """Files with what the pods of a namespace printed."""
        return sorted((self.folder / namespace).glob("*/log"))

    def log(self, namespace: str, pod: str) -> str:
        """What a pod printed."""
        return (self.folder / namespace / pod / "log").read_text(encoding="utf-8")

    def process(self, namespace: str, pod: str) -> int:
        """The process of a pod, 0 where it does not run."""
        running = next((entry for entry in self._pods.values() if entry.folder == self.folder / namespace / pod), None)
        return running.process.pid or 0 if running and running.process.is_alive() else 0

    # -- looking ------------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._ended.wait(_LOOKS_SECONDS):
            try:
                pods = self._client.get(f"/api/v1/pods{self._beat()}")["items"]
                for pod in pods:
                    self._handle(pod)
                self._forgotten({pod["metadata"]["uid"] for pod in pods})
            except (OSError, HTTPException) as error:
                if not self._ended.is_set():
                    self.failures.append(repr(error))

    def _forgotten(self, existing: set[str]) -> None:
        """A pod that was deleted by force is ended, too."""
        for uid, running in self._pods.items():
            if uid not in existing and running.process.is_alive():
                running.process.kill()

    def _handle(self, pod: Object) -> None:
        try:
            self._look(pod)
        except RefusedError as error:
            if error.status not in {404, 409}:  # it was deleted or changed meanwhile, and is looked at again
                self.failures.append(f"{pod['metadata']['name']}: {error}")
        except _UnknownError as error:
            failed = {"phase": "Failed", "reason": "Unknown", "message": str(error)}
            self._client.send("PATCH", f"{_path(pod)}/status", {"status": failed})
            self.failures.append(f"{pod['metadata']['name']}: {error}")

    def _look(self, pod: Object) -> None:
        metadata, spec = pod["metadata"], pod["spec"]
        path = _path(pod)
        running = self._pods.get(metadata["uid"])
        if running is None:
            if any("persistentVolumeClaim" in volume for volume in spec["volumes"]):
                return  # it waits for a claim that is not there
            if pod["status"].get("phase") == "Pending" and "deletionTimestamp" not in metadata and not spec.get("nodeName"):
                target = {"apiVersion": "v1", "kind": "Node", "name": NAME}
                binding = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": metadata["name"]}, "target": target}
                self._client.send("POST", f"{path}/binding", binding)
            elif pod["status"].get("phase") == "Pending" and "deletionTimestamp" not in metadata:
                self._start(pod, path)
            elif "deletionTimestamp" in metadata:
                self._remove(path, metadata["uid"])
            return
        if running.process.is_alive():
            if "deletionTimestamp" in metadata:
                self._stop(running, int(metadata.get("deletionGracePeriodSeconds", 30)))
            return
        if not running.told:
            self._client.send("PATCH", f"{path}/status", {"status": self._over(pod, running)})
            running.told = True
        if "deletionTimestamp" in metadata:
            self._remove(path, metadata["uid"])

    @staticmethod
    def _stop(running: _Pod, grace: int) -> None:
        if not running.killed_at:
            running.killed_at = time.monotonic()
            running.process.terminate()
        elif time.monotonic() > running.killed_at + grace:
            running.process.kill()

    def _remove(self, path: str, uid: str) -> None:
        options = {"kind": "DeleteOptions", "apiVersion": "v1", "gracePeriodSeconds": 0, "preconditions": {"uid": uid}}
        self._client.send("DELETE", path, options)

    # -- starting -----------------------------------------------------------------------------------------------------

    def _start(self, pod: Object, path: str) -> None:
        metadata = pod["metadata"]
        folder = self.folder / metadata["namespace"] / metadata["name"]
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        (container,) = pod["spec"]["containers"]
        if container.get("args") != ["worker"]:
            raise _UnknownError("nothing but workers runs here", container)
        volumes = {volume["name"]: volume for volume in pod["spec"]["volumes"]}
        for mount in container["volumeMounts"]:
            at = folder / mount["mountPath"].lstrip("/")
            at.mkdir(parents=True, exist_ok=True)
            for name, content in self._files(volumes[mount["name"]], pod).items():
                (at / name).write_bytes(content)
        (folder / "log").touch()  # it may be killed before it writes a line
        process = _FORKSERVER.Process(target=work, args=(folder,), daemon=True)
        process.start()
        self._pods[metadata["uid"]] = _Pod(process, folder, _now())
        self._client.send("PATCH", f"{path}/status", {"status": self._running(pod, self._pods[metadata["uid"]])})

    def _files(self, volume: Object, pod: Object) -> dict[str, bytes]:
        """What a volume has. Raises RefusedError where it is not there yet: the pod waits for it, as on every node."""
        space = f"/api/v1/namespaces/{pod['metadata']['namespace']}"
        if "configMap" in volume:
            document = self._client.get(f"{space}/configmaps/{volume['configMap']['name']}")
            texts = {name: text.encode() for name, text in document.get("data", {}).items()}
            return texts | {name: base64.b64decode(text) for name, text in document.get("binaryData", {}).items()}
        if "secret" in volume:
            document = self._client.get(f"{space}/secrets/{volume['secret']['secretName']}")
            return {name: base64.b64decode(text) for name, text in document.get("data", {}).items()}
        if "projected" in volume:
            ((source,),) = ([entry["serviceAccountToken"]] for entry in volume["projected"]["sources"])
            return {source["path"]: self._token(space, source, pod)}
        if "emptyDir" not in volume:
            raise _UnknownError("no such volumes here", volume)
        return {}

    def _token(self, space: str, source: Object, pod: Object) -> bytes:
        """A token of the pod's account that is bound to the pod."""
        bound = {"apiVersion": "v1", "kind": "Pod", "name": pod["metadata"]["name"], "uid": pod["metadata"]["uid"]}
        spec = {"audiences": [source["audience"]], "expirationSeconds": source["expirationSeconds"], "boundObjectRef": bound}
        request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
        account = pod["spec"]["serviceAccountName"]
        token_request = self._client.send("POST", f"{space}/serviceaccounts/{account}/token", request)
        return str(token_request["status"]["token"]).encode()

    # -- telling ------------------------------------------------------------------------------------------------------

    def _running(self, pod: Object, running: _Pod) -> Object:
        ready = [{"type": name, "status": "True"} for name in ("PodScheduled", "Initialized", "ContainersReady", "Ready")]
        state = {"running": {"startedAt": running.started}}
        return {
            "phase": "Running",
            "startTime": running.started,
            "podIP": "127.0.0.1",
            "conditions": ready,
            "containerStatuses": [self._container(pod, state, ready=True)],
        }

    def _over(self, pod: Object, running: _Pod) -> Object:
        code = running.process.exitcode or 0
        code = 128 - code if code < 0 else code
        state = {
            "terminated": {
                "exitCode": code,
                "reason": "Error" if code else "Completed",
                "startedAt": running.started,
                "finishedAt": _now(),
                "message": _message(running.folder, failed=code != 0),
            }
        }
        return {
            "phase": "Failed" if code else "Succeeded",
            "containerStatuses": [self._container(pod, state, ready=False)],
            "conditions": [{"type": "Ready", "status": "False", "reason": "PodCompleted"}],
        }

    @staticmethod
    def _container(pod: Object, state: Object, *, ready: bool) -> Object:
        (container,) = pod["spec"]["containers"]
        about = {"name": container["name"], "image": container["image"], "imageID": container["image"]}
        return {**about, "ready": ready, "started": ready, "restartCount": 0, "state": state}

    @staticmethod
    def _ready() -> Object:
        return {"type": "Ready", "status": "True", "reason": "NodeReady", "lastHeartbeatTime": _now(), "message": ""}

    def _beat(self) -> str:
        """A node that is silent for long is given up by its cluster, and its pods with it. Returns which pods to look at: those that have ended only now and then."""
        if time.monotonic() < self._beaten + _BEATS_SECONDS:
            return _NOT_ENDED
        self._beaten = time.monotonic()
        self._client.send("PATCH", f"/api/v1/nodes/{NAME}/status", {"status": {"conditions": [self._ready()]}})
        return ""


class _UnknownError(Exception):
    """A pod has what this node knows nothing of."""


def _path(pod: Object) -> str:
    return f"/api/v1/namespaces/{pod['metadata']['namespace']}/pods/{pod['metadata']['name']}"


def _message(folder: Path, *, failed: bool) -> str:
    """What a container left, or the end of its log where it failed and left nothing."""
    with contextlib.suppress(FileNotFoundError):
        return (folder / "termination-log").read_bytes()[:_MESSAGE_OCTETS].decode(errors="replace")
    if not failed:
        return ""
    text = (folder / "log").read_bytes()[-_FALLBACK_OCTETS:].decode(errors="replace")
    return "\n".join(text.splitlines()[-_FALLBACK_LINES:])


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


__all__ = ["NAME", "Node", "work"]
