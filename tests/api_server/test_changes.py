"""A Migration is edited, deleted, or deleted and created again in each of its phases: the end is that of the undisturbed run."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.cluster.conftest import Place

Object = dict[str, Any]
_ROWS = 40_000
_PHASES = ("Pending", "Planning", "Running", "Validating", "Completed")


@pytest.fixture(scope="module", autouse=True)
def quiet(place: Place) -> Iterator[None]:
    """When all of it is over, nothing is written any more."""
    before = len(place.namespaces)
    yield
    place.still(place.namespaces[before:])


def _begun(place: Place, name: str, phase: str, rate: int = 10_000) -> list[Object]:
    """A Migration that has come as far as this phase, or just past it."""
    place.databases(name, _ROWS)
    slow = {"limits": {"rowsPerSecond": rate}, "batchSize": 1_000, "parallelism": 2}
    documents = place.move(name, name, data=slow)
    place.apply(*documents)
    reached = set(_PHASES[_PHASES.index(phase) :])
    place.wait(f"it is {phase}", lambda: place.get("migration", name, "shop").get("status", {}).get("phase", "") in reached)
    return documents


def _in_each_phase(place: Place, check: Callable[[Place, str], None]) -> None:
    """All phases side by side, each with databases of its own."""
    with ThreadPoolExecutor(len(_PHASES)) as pool:
        futures = {phase: pool.submit(check, place, phase) for phase in _PHASES}
    failures = {phase: future.exception() for phase, future in futures.items() if future.exception()}
    assert not failures


def test_it_is_deleted_and_created_again(place: Place) -> None:
    _in_each_phase(place, _again)


def _again(place: Place, phase: str) -> None:
    name = place.namespace(f"again-{phase.lower()}")
    documents = _begun(place, name, phase)
    place.objects.delete("migration", name, "shop")
    place.apply(documents[-1])
    place.wait("it is completed", lambda: place.reason(name, "shop") in {"Completed", "AlreadyCompleted"}, 120)
    place.settled(name, _ROWS, verdicts={"equal", None})


def test_it_is_edited(place: Place) -> None:
    _in_each_phase(place, _edited)


def _edited(place: Place, phase: str) -> None:
    name = place.namespace(f"edited-{phase.lower()}")
    documents = _begun(place, name, phase)
    documents[-1]["spec"]["data"] |= {"parallelism": 1, "batchSize": 2_000, "limits": {"rowsPerSecond": 20_000}}
    documents[-1]["spec"]["rollback"] = {"retainSeconds": 3_600}
    place.apply(documents[-1])
    place.wait("the edit is seen", lambda: _seen(place, name), 120)
    place.settled(name, _ROWS)


def _seen(place: Place, name: str) -> bool:
    migration = place.get("migration", name, "shop")
    current = migration["metadata"]["generation"] == migration["status"]["observedGeneration"] == 2
    return current and place.reason(name, "shop") == "Completed"


def test_it_asks_for_another_run_in_the_middle_of_one(place: Place) -> None:
    name = place.namespace("another-run")
    documents = _begun(place, name, "Running", rate=3_000)
    place.arriving(name)
    documents[-1]["spec"]["data"]["rerunToken"] = "2"
    place.apply(documents[-1])
    place.until(name, "shop", "RunStarted")
    place.wait("its worker stops at a checkpoint", lambda: not _running(place, name))
    assert len(place.listed("runs", name)) == 1
    documents[-1]["spec"]["data"]["rerunToken"] = "1"
    place.apply(documents[-1])
    place.until(name, "shop", "Completed")
    place.settled(name, _ROWS)


def test_a_run_that_is_no_longer_wanted_is_dropped_and_another_one_made(place: Place) -> None:
    name = place.namespace("another-instead")
    documents = _begun(place, name, "Running")
    documents[-1]["spec"] |= {"desiredState": "Cancelled"}
    documents[-1]["spec"]["data"]["rerunToken"] = "2"
    place.apply(documents[-1])
    place.until(name, "shop", "Cancelled")
    with place.pg.connect(name) as target:
        assert target.execute(b"SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'landfall_stage%'").fetchone() == (0,)
    change = json.dumps({"spec": {"desiredState": None}})
    place.cluster.kubectl("patch", "migration", "-n", name, "shop", "--type=merge", "-p", change)
    place.until(name, "shop", "Completed")
    assert place.rows(name) == _ROWS


def _running(place: Place, name: str) -> list[str]:
    return [p["metadata"]["name"] for p in place.listed("pods", name) if p["status"]["phase"] == "Running"]
