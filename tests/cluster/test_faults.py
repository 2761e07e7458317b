"""Faults in the middle of a run: each ends in the same state and data as the undisturbed run."""

from __future__ import annotations

import json
import time

import pytest

from tests.cluster.conftest import Place
from tests.cluster.install import NAMESPACE

_ROWS = 60_000
_SLOW = {"limits": {"rowsPerSecond": 8_000}, "batchSize": 1_000, "parallelism": 2}


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
    """Completed, all rows, one finished run, and quiet: no write for a while."""
    done = place.until(namespace, "shop", "Completed", 120)
    assert place.rows(namespace) == _ROWS
    assert done["status"]["verdict"] == "equal"
    with place.pg.connect(namespace) as target:
        assert target.execute(b"SELECT count(*),count(DISTINCT id) FROM item").fetchone() == (_ROWS, _ROWS)
        assert target.execute(b"SELECT count(*) FROM landfall.run WHERE state='cut_over'").fetchone() == (1,)
    time.sleep(3)
    versions = [place.get("migration", namespace, "shop")["metadata"]["resourceVersion"] for _ in range(2) if not time.sleep(2)]
    assert versions[0] == versions[1]


def _worker(place: Place, namespace: str) -> str:
    pods = [p for p in place.listed("pods", namespace) if p["status"]["phase"] == "Running"]
    return str(next(p["metadata"]["name"] for p in pods if "-run-" in p["metadata"]["name"]))


def test_the_worker_is_deleted(place: Place, running: str) -> None:
    place.cluster.kubectl("delete", "pod", "-n", running, _worker(place, running), "--wait=false")
    _settled(place, running)


def test_the_worker_is_killed(place: Place, running: str) -> None:
    place.cluster.kubectl("delete", "pod", "-n", running, _worker(place, running), "--force", "--grace-period=0")
    _settled(place, running)


def test_the_worker_is_evicted(place: Place, running: str) -> None:
    name = _worker(place, running)
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


def test_a_token_of_a_worker_opens_nothing_else(place: Place, running: str) -> None:
    pod = _worker(place, running)
    token = place.cluster.kubectl("exec", "-n", running, pod, "--", "cat", "/var/run/landfall/token")
    answer = place.cluster.kubectl("--token", token.strip(), "auth", "whoami", check=False)
    assert "system:serviceaccount" not in answer
    assert place.cluster.kubectl("exec", "-n", running, pod, "--", "ls", "/var/run/secrets", check=False) == ""
    can = place.cluster.kubectl(
        "auth", "can-i", "list", "secrets", "-A", "--as", f"system:serviceaccount:{NAMESPACE}:landfall-operator", check=False
    )
    assert can.strip() == "no"
    _settled(place, running)
