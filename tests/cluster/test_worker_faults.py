"""Faults of workers and databases in the middle of a run: each ends in the same state and data as the undisturbed run."""

from __future__ import annotations

import json
import time

from tests.cluster.conftest import Place
from tests.cluster.install import NAMESPACE


def test_the_worker_is_deleted(place: Place, running: str) -> None:
    place.cluster.kubectl("delete", "pod", "-n", running, place.worker(running), "--wait=false")
    place.finishes(running)


def test_the_worker_is_killed(place: Place, running: str) -> None:
    place.cluster.kubectl("delete", "pod", "-n", running, place.worker(running), "--force", "--grace-period=0")
    place.finishes(running)


def test_the_worker_is_evicted(place: Place, running: str) -> None:
    name = place.worker(running)
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name, "namespace": running}}
    path = f"/api/v1/namespaces/{running}/pods/{name}/eviction"
    place.cluster.kubectl("create", "--raw", path, "-f", "-", stdin=json.dumps(eviction))
    place.finishes(running)


def test_the_worker_runs_out_of_memory(place: Place, running: str) -> None:
    pod = place.worker(running)
    (place.process(running, pod) / "oom_score_adj").write_text(
        "1000", encoding="ascii"
    )  # the kernel takes the worker, not what eats in small bites
    hungry = "import os, time\nfor _ in range(400):\n  if os.fork() == 0:\n    kept = bytearray(1 << 22); time.sleep(60)"
    place.cluster.kubectl("exec", "-n", running, pod, "--", "python3", "-c", hungry, check=False)
    place.wait("the worker is gone", lambda: place.get("pod", running, pod)["status"]["phase"] == "Failed", 30)
    terminated = place.get("pod", running, pod)["status"]["containerStatuses"][0]["state"]["terminated"]
    assert terminated["reason"] == "OOMKilled"
    place.finishes(running)


def test_the_target_restarts(place: Place, running: str) -> None:
    place.pg.down("immediate")
    time.sleep(2)
    place.pg.up()
    place.finishes(running)


def test_the_source_restarts(place: Place, running: str) -> None:
    place.maria.kill()
    time.sleep(2)
    place.maria.up()
    place.finishes(running)


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
    place.finishes(running)


def test_a_token_of_a_worker_opens_nothing_else(place: Place, running: str) -> None:
    pod = place.worker(running)
    token = place.cluster.kubectl("exec", "-n", running, pod, "--", "cat", "/var/run/landfall/token")
    answer = place.cluster.kubectl("--token", token.strip(), "auth", "whoami", check=False)
    assert "system:serviceaccount" not in answer
    assert place.cluster.kubectl("exec", "-n", running, pod, "--", "ls", "/var/run/secrets", check=False) == ""
    assert not place.may(f"system:serviceaccount:{NAMESPACE}:landfall-operator", "list secrets -A", running)
    place.finishes(running)
