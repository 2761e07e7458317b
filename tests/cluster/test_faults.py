"""Faults in the middle of a run: each ends in the same state and data as the undisturbed run."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest

from tests.cluster import machine
from tests.cluster.conftest import Place
from tests.cluster.install import NAMESPACE

_ROWS = 60_000
_SLOW = {"limits": {"rowsPerSecond": 8_000}, "batchSize": 1_000, "parallelism": 2}


@pytest.fixture(scope="module", autouse=True)
def quiet(place: Place) -> Iterator[None]:
    """When all of it is over, nothing is written any more."""
    yield
    place.still()


@pytest.fixture
def running(request: pytest.FixtureRequest, place: Place) -> str:
    """A namespace whose Migration is in the middle of its copy."""
    name = place.namespace(request.node.name)
    place.databases(name, _ROWS)
    place.apply(*place.move(name, name, data=_SLOW))
    place.wait(
        "rows arrive", lambda: place.get("migration", name, "shop").get("status", {}).get("progress", {}).get("rows", 0) > 0
    )
    return name


def _settled(place: Place, namespace: str) -> None:
    place.until(namespace, "shop", "Completed", 150)
    place.settled(namespace, _ROWS)


def test_the_worker_is_deleted(place: Place, running: str) -> None:
    place.cluster.kubectl("delete", "pod", "-n", running, place.worker(running), "--wait=false")
    _settled(place, running)


def test_the_worker_is_killed(place: Place, running: str) -> None:
    place.cluster.kubectl("delete", "pod", "-n", running, place.worker(running), "--force", "--grace-period=0")
    _settled(place, running)


def test_the_worker_is_evicted(place: Place, running: str) -> None:
    name = place.worker(running)
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name, "namespace": running}}
    path = f"/api/v1/namespaces/{running}/pods/{name}/eviction"
    place.cluster.kubectl("create", "--raw", path, "-f", "-", stdin=json.dumps(eviction))
    _settled(place, running)


def test_the_operator_is_killed(place: Place, running: str) -> None:
    pods = place.listed("pods", NAMESPACE)
    place.cluster.kubectl("delete", "pod", "-n", NAMESPACE, pods[0]["metadata"]["name"], "--force", "--grace-period=0")
    _settled(place, running)


def test_the_operator_is_away_until_the_worker_has_ended(place: Place, running: str) -> None:
    place.cluster.kubectl("scale", "-n", NAMESPACE, "deployment/landfall-operator", "--replicas=0")
    place.wait("the rows are there", lambda: place.rows(running) == _ROWS, 60)
    place.cluster.kubectl("scale", "-n", NAMESPACE, "deployment/landfall-operator", "--replicas=1")
    _settled(place, running)


def test_the_target_restarts(place: Place, running: str) -> None:
    place.pg.down("immediate")
    time.sleep(2)
    place.pg.up()
    _settled(place, running)


def test_the_source_restarts(place: Place, running: str) -> None:
    place.maria.kill()
    time.sleep(2)
    place.maria.up()
    _settled(place, running)


def test_the_worker_runs_out_of_memory(place: Place, running: str) -> None:
    pod = place.worker(running)
    (place.process(pod) / "oom_score_adj").write_text(
        "1000", encoding="ascii"
    )  # the kernel takes the worker, not what eats in small bites
    hungry = "import os, time\nfor _ in range(400):\n  if os.fork() == 0:\n    kept = bytearray(1 << 22); time.sleep(60)"
    place.cluster.kubectl("exec", "-n", running, pod, "--", "python3", "-c", hungry, check=False)
    place.wait("the worker is gone", lambda: place.get("pod", running, pod)["status"]["phase"] == "Failed", 30)
    told = place.get("pod", running, pod)["status"]["containerStatuses"][0]["state"]["terminated"]
    assert told["reason"] == "OOMKilled"
    _settled(place, running)


def test_the_intake_cannot_be_reached(place: Place, running: str) -> None:
    def selects(name: str) -> None:
        change = json.dumps({"spec": {"selector": {"app.kubernetes.io/name": name}}})
        place.cluster.kubectl("patch", "service", "-n", NAMESPACE, "landfall-intake", "--type=merge", "-p", change)

    selects("nobody")
    place.wait("the rows are there", lambda: place.rows(running) == _ROWS, 60)
    assert place.active(running)
    selects("landfall-operator")
    _settled(place, running)


def test_the_node_restarts(place: Place, running: str) -> None:
    machine.restart()
    _settled(place, running)


def test_the_intake_believes_nobody_else(place: Place, running: str) -> None:
    """A token of the right account but of no pod, and one for another audience."""
    url = f"http://landfall-intake.{NAMESPACE}.svc:8443/v1/reports"
    program = (
        "import sys, urllib.request, urllib.error\n"
        f"request = urllib.request.Request({url!r}, data=b'{{\"sequence\": 1}}', headers={{'Authorization': 'Bearer ' + sys.argv[1]}})\n"
        "try: print(urllib.request.urlopen(request).status)\n"
        "except urllib.error.HTTPError as error: print(error.code)"
    )
    inside = ("exec", "-n", NAMESPACE, "deployment/landfall-operator", "--", "python3", "-c", program)
    for audience in ("landfall.dev/intake", "https://kubernetes.default.svc"):
        token = place.cluster.kubectl("create", "token", "default", "-n", running, f"--audience={audience}").strip()
        assert place.cluster.kubectl(*inside, token).strip() == "401"
    _settled(place, running)


def test_a_token_of_a_worker_opens_nothing_else(place: Place, running: str) -> None:
    pod = place.worker(running)
    token = place.cluster.kubectl("exec", "-n", running, pod, "--", "cat", "/var/run/landfall/token")
    answer = place.cluster.kubectl("--token", token.strip(), "auth", "whoami", check=False)
    assert "system:serviceaccount" not in answer
    assert place.cluster.kubectl("exec", "-n", running, pod, "--", "ls", "/var/run/secrets", check=False) == ""
    can = place.cluster.kubectl(
        "auth", "can-i", "list", "secrets", "-A", "--as", f"system:serviceaccount:{NAMESPACE}:landfall-operator", check=False
    )
    assert can.strip() == "no"
    _settled(place, running)
