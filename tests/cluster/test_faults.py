"""Faults of the operator and of the node in the middle of a run: each ends in the same state and data as the undisturbed run."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.cluster import machine
from tests.cluster.conftest import MIDWAY_ROWS, Place
from tests.cluster.install import NAMESPACE


@pytest.fixture(scope="module", autouse=True)
def quiet(place: Place) -> Iterator[None]:
    """When all of it is over, nothing is written any more."""
    before = len(place.namespaces)
    yield
    place.still(place.namespaces[before:])


def test_the_operator_is_killed(place: Place, running: str) -> None:
    pods = [p for p in place.listed("pods", NAMESPACE) if "operator" in p["metadata"]["name"]]
    place.cluster.kubectl("delete", "pod", "-n", NAMESPACE, pods[0]["metadata"]["name"], "--force", "--grace-period=0")
    place.finishes(running)


def test_the_operator_is_away_until_the_worker_has_ended(place: Place, running: str) -> None:
    place.cluster.kubectl("scale", "-n", NAMESPACE, "deployment/landfall-operator", "--replicas=0")
    place.wait("the rows are there", lambda: place.rows(running) == MIDWAY_ROWS, 60)
    place.cluster.kubectl("scale", "-n", NAMESPACE, "deployment/landfall-operator", "--replicas=1")
    place.finishes(running)


def test_the_intake_cannot_be_reached(place: Place, running: str) -> None:
    def selects(name: str) -> None:
        change = json.dumps({"spec": {"selector": {"app.kubernetes.io/name": name}}})
        place.cluster.kubectl("patch", "service", "-n", NAMESPACE, "landfall-intake", "--type=merge", "-p", change)

    selects("nobody")
    place.wait("the rows are there", lambda: place.rows(running) == MIDWAY_ROWS, 60)
    assert place.active(running)
    selects("landfall-operator")
    place.finishes(running)


def test_the_node_restarts(place: Place, running: str) -> None:
    machine.restart()
    place.finishes(running)
