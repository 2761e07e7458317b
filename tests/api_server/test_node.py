"""The node of these tests does what a kubelet does with the pods of workers: a test of the stand-in, not of the operator."""

from __future__ import annotations

import base64
import json
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from landfall.api.worker_protocol import EXIT_AGAIN
from landfall.manifests.job import WorkerPod, job

if TYPE_CHECKING:
    from tests.api_server.conftest import LocalPlace

Object = dict[str, Any]
_SLOW = {"limits": {"rowsPerSecond": 200}, "batchSize": 100, "parallelism": 1}


def _pod(place: LocalPlace, namespace: str, name: str, **changed: object) -> None:
    """A pod as the operator has it made, of no Job."""
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "o", "uid": "0"}
    about = WorkerPod(name, namespace, owner, "Run", "shop", 1, "", "localhost/landfall:test", 1 << 28, [])
    spec = job(about, "plan")["spec"]["template"]["spec"]
    place.apply(
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": namespace}, "spec": {**spec, **changed}}
    )


def _task(place: LocalPlace, namespace: str, name: str, text: str) -> None:
    place.apply(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": namespace}, "data": {"task.json": text}}
    )


def _phase(place: LocalPlace, namespace: str, name: str) -> str:
    return str(place.get("pod", namespace, name).get("status", {}).get("phase", ""))


def _running(place: LocalPlace, namespace: str) -> set[str]:
    return {p["metadata"]["name"] for p in place.listed("pods", namespace) if p["status"].get("phase") == "Running"}


def _terminated(place: LocalPlace, namespace: str, name: str) -> Object:
    return dict(place.get("pod", namespace, name)["status"]["containerStatuses"][0]["state"]["terminated"])


@pytest.fixture
def moving(request: pytest.FixtureRequest, place: LocalPlace) -> tuple[str, str]:
    """A namespace whose worker copies, and the name of its pod."""
    name = place.namespace(request.node.name)
    place.databases(name, 5_000)
    place.apply(*place.move(name, name, data=_SLOW))
    place.arriving(name)
    return name, place.worker(name)


def test_a_pod_waits_for_its_task_and_tells_how_it_failed(place: LocalPlace) -> None:
    name = place.namespace("node-fails")
    _pod(place, name, "one")
    place.wait("it is bound", lambda: bool(place.get("pod", name, "one")["spec"].get("nodeName")), 20)
    assert _phase(place, name, "one") == "Pending"
    _task(place, name, "one", "{}")
    place.wait("it has failed", lambda: _phase(place, name, "one") == "Failed", 20)
    terminated = _terminated(place, name, "one")
    assert (terminated["exitCode"], terminated["reason"]) == (1, "Error")
    assert "ValidationError" in terminated["message"], "the end of its log, as it left no message"
    assert terminated["startedAt"] <= terminated["finishedAt"]
    assert "ValidationError" in place.node.log(name, "one")


def test_its_token_is_of_the_pod_and_for_the_intake_alone(place: LocalPlace, moving: tuple[str, str]) -> None:
    name, pod = moving
    token = (place.node.folder / name / pod / "var/run/landfall/token").read_text(encoding="ascii")
    claims = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
    assert claims["aud"] == ["landfall.dev/intake"]
    assert claims["kubernetes.io"]["pod"] == {"name": pod, "uid": place.get("pod", name, pod)["metadata"]["uid"]}
    assert claims["sub"] == f"system:serviceaccount:{name}:default"


def test_a_pod_that_is_deleted_has_time_to_end_well(place: LocalPlace, moving: tuple[str, str]) -> None:
    name, pod = moving
    watching = ["get", "pod", "-n", name, pod, "--watch", "--output-watch-events", "-o", "json"]
    command = [str(place.cluster.programs / "kubectl"), "--kubeconfig", str(place.cluster.kubeconfig), *watching]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as watch:
        place.cluster.kubectl("delete", "pod", "-n", name, pod, "--timeout=60s")
        watch.terminate()
        output, _ = watch.communicate()
    assert f'"exitCode":{EXIT_AGAIN}'.encode() in output
    assert place.node.process(name, pod) == 0
    place.wait("another one works", lambda: _running(place, name) - {pod} != set(), 30)


def test_a_pod_that_is_deleted_by_force_is_killed(place: LocalPlace, moving: tuple[str, str]) -> None:
    name, pod = moving
    assert place.node.process(name, pod)
    place.cluster.kubectl("delete", "pod", "-n", name, pod, "--force", "--grace-period=0")
    place.wait("it is killed", lambda: place.node.process(name, pod) == 0, 10)


def test_what_is_no_worker_is_refused_loudly(place: LocalPlace) -> None:
    name = place.namespace("node-refuses")
    failures = place.node.failures
    assert failures == []
    place.apply(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "app", "namespace": name},
            "spec": {
                "securityContext": {"runAsNonRoot": True, "runAsUser": 1, "seccompProfile": {"type": "RuntimeDefault"}},
                "containers": [
                    {
                        "name": "app",
                        "image": "a:1",
                        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
                    }
                ],
            },
        }
    )
    place.wait("it has failed", lambda: _phase(place, name, "app") == "Failed", 20)
    place.wait("it is reported", lambda: len(failures) == 1, 10)
    assert "nothing but workers runs here" in failures.pop()
