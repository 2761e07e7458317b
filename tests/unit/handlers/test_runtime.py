"""The process of the operator: what it says about its health, and what its gauges count."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from itertools import islice
from types import SimpleNamespace
from typing import Any, cast

import pytest
from prometheus_client import REGISTRY

from landfall import metrics as loop
from landfall.api.migration import LABEL_MIGRATION
from landfall.api.worker_protocol import Report, Task
from landfall.controllers import jobs, reports
from landfall.handlers import runtime as handlers
from landfall.handlers.factory import build
from landfall.handlers.runtime import Operator, RetryDelays
from landfall.handlers.workqueue import ObjectKey
from landfall.kube.errors import ForbiddenError
from landfall.manifests.job import WorkerPod, job
from landfall.manifests.run import run_name
from landfall.settings import OperatorSettings


class _Clock:
    now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> _Clock:
    """A clock that stands still."""
    fake = _Clock()
    monkeypatch.setattr(handlers, "time", fake)
    return fake


def _operator(kube: _Refusing | None = None) -> Operator:
    settings = OperatorSettings(image="i", intake_url="u", journal_url="sqlite://")
    return build(cast("Any", kube or _Refusing()), settings).operator


def _enqueued_after_lists(monkeypatch: pytest.MonkeyPatch, seconds: float, most: float, times: int) -> list[str]:
    """Which Migrations are enqueued while so many children are listed without a pause, and, after a mark, afterwards."""
    monkeypatch.setattr(handlers, "_RELIST_SECONDS", seconds)
    monkeypatch.setattr(handlers, "_RELIST_MOST_SECONDS", most)
    operator = _operator()
    added: list[str] = []

    async def listed() -> None:
        for name in ("cart", "shop"):
            operator.enqueue("Migration", "store", name)
            operator.queue.done(await operator.queue.get())
        monkeypatch.setattr(operator.queue, "add", lambda key, _: added.append(key.name))
        for _ in range(times):
            operator.on_listed_child()
            await asyncio.sleep(0.001)
        added.append("end of the list")
        await asyncio.sleep(2 * seconds)

    asyncio.run(listed())
    return added


def test_after_a_list_of_children_all_known_keys_are_enqueued_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was deleted in a gap of the watch is not in the list."""
    added = _enqueued_after_lists(monkeypatch, seconds=0.5, most=60, times=20)
    assert (added[0], sorted(added[1:])) == ("end of the list", ["cart", "shop"])


def test_lists_without_an_end_do_not_keep_known_keys_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    added = _enqueued_after_lists(monkeypatch, seconds=0.5, most=0.01, times=50)
    assert sorted(added[:2]) == ["cart", "shop"]


def test_a_listing_that_stopped_is_noticed(clock: _Clock) -> None:
    operator = _operator()
    clock.now += 430
    assert operator.health_problem() == "objects were not listed for too long"


def test_a_stuck_key_is_noticed(clock: _Clock) -> None:
    operator = _operator()
    operator._busy[ObjectKey("Migration", "store", "shop")] = clock.now  # noqa: SLF001  as its worker does
    clock.now += 119
    assert operator.health_problem() == ""
    clock.now += 2
    assert operator.health_problem() == "Migration store/shop is stuck"


class _Refusing:
    """An API server with a Connection and a quota that is used up."""

    namespaces = ()
    scopes = ("",)

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.refuses = True

    async def get(self, kind: str, namespace: str, name: str) -> dict[str, Any] | None:
        """One object."""
        metadata = {"name": name, "namespace": namespace, "uid": "u", "generation": 1}
        spec = {"type": "PostgreSQL", "host": "h"}
        raw = {"apiVersion": "landfall.dev/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec}
        return raw if kind == "Connection" else None

    async def create(self, kind: str, body: dict[str, Any]) -> dict[str, Any]:
        """Make one."""
        if kind == "Event":
            self.events.append(body)
        elif self.refuses:
            raise ForbiddenError(403, "exceeded quota: few, requested: count/jobs.batch=1")
        return body

    async def replace_status(self, kind: str, body: dict[str, Any]) -> dict[str, Any]:
        """Its status."""
        assert kind == "Connection"
        return body


def test_what_the_api_server_refuses_is_told_once_where_people_look() -> None:
    kube, key = _Refusing(), ObjectKey("Connection", "store", "new")
    operator = _operator(kube)

    async def looked() -> None:
        for _ in range(3):
            with pytest.raises(ForbiddenError):
                await operator._reconcile_one(key)  # noqa: SLF001  as its worker does
        kube.refuses = False
        await operator._reconcile_one(key)  # noqa: SLF001
        kube.refuses = True
        with pytest.raises(ForbiddenError):
            await operator._reconcile_one(key)  # noqa: SLF001

    asyncio.run(looked())
    refusals = [e for e in kube.events if e["reason"] == "Refused"]
    assert len(refusals) == 2, "again, once it had gone well in between"
    assert "exceeded quota: few" in refusals[0]["message"]
    assert refusals[0]["type"] == "Warning"


def test_nothing_is_kept_of_what_is_gone() -> None:
    operator = _operator(_Refusing())

    async def lived(number: int) -> None:
        space = f"preview-{number}"
        operator.on_object(
            "Migration", {"metadata": {"namespace": space, "name": "move"}, "spec": {"app": {"deploymentRef": {"name": "web"}}}}
        )
        operator._context.lookups.record(space, "web", cast("Any", None))  # noqa: SLF001  as a reconcile does
        for key in (ObjectKey("Migration", space, "move"), ObjectKey("Deployment", space, "web")):
            await operator._reconcile_one(key)  # noqa: SLF001  as its worker does, once it is gone

    async def all_of_them() -> None:
        for number in range(20):
            await lived(number)

    asyncio.run(all_of_them())
    state = (operator._known, operator._refusals_reported, operator._migration_of_app)  # noqa: SLF001  what it holds
    assert (*state, len(operator._context.lookups)) == (set(), set(), {}, 0)  # noqa: SLF001  what it holds


def test_reports_that_nobody_forgets_go_with_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reports, "_MOST", 3)
    store = reports.Reports()
    for number in range(5):
        assert store.take("store", f"job-{number}", Report(sequence=1))
    assert store.take("store", "job-2", Report(sequence=2))
    assert store.take("store", "job-5", Report(sequence=1))
    assert [store.of("store", f"job-{number}") is not None for number in range(6)] == [False, False, True, False, True, True]


def test_objects_are_counted_where_they_stand() -> None:
    def counted(phase: str) -> float:
        return REGISTRY.get_sample_value("landfall_objects", {"kind": "Migration", "phase": phase}) or 0

    before = counted("Copying"), counted("Done")
    loop.record_phase("Migration", "store", "a", "Copying")
    loop.record_phase("Migration", "store", "a", "Copying")
    loop.record_phase("Migration", "store", "b", "Copying")
    loop.record_phase("Migration", "store", "a", "Done")
    assert (counted("Copying"), counted("Done")) == (before[0] + 1, before[1] + 1)
    loop.record_phase("Migration", "store", "a", "")
    loop.record_phase("Migration", "store", "b", "")
    assert (counted("Copying"), counted("Done")) == before


def test_kopf_never_gives_a_watch_up() -> None:
    """It would end for good what it gave up, such as the watch of a namespace that was away for some minutes."""
    waits = list(islice(RetryDelays(), 10_000))
    assert (len(waits), waits[:5], max(waits)) == (10_000, [1, 2, 4, 8, 15], 30)
    assert list(islice(RetryDelays(), 3)) == [1, 2, 4], "from the beginning for each request"


def test_a_change_of_a_run_enqueues_its_migration_and_no_other() -> None:
    operator = _operator(_Refusing())
    names = ("s", "shop", "shop-orders", "shop-orders-2")
    woken: list[ObjectKey] = []

    async def changed() -> None:
        for name in names:
            operator.enqueue("Migration", "store", name)
        operator.queue.add = lambda key, *_: woken.append(key)  # type: ignore[method-assign]
        operator.on_owned_change("Run", "store", run_name("shop-orders", "0123456789abcdef"))
        operator.on_owned_change("Run", "elsewhere", run_name("shop", "0123456789abcdef"))

    asyncio.run(changed())
    assert woken == [ObjectKey("Migration", "store", "shop-orders")]


def test_a_job_of_a_run_names_its_migration() -> None:
    """Jobs of earlier versions name only the Run."""
    metadata = {"name": "shop-0123456789", "namespace": "store", "uid": "u"}
    owner = {"apiVersion": "v", "kind": "Run", "metadata": metadata, "spec": {"migrationRef": {"name": "shop"}}}
    pod = WorkerPod("j", "store", {}, "Run", "shop-0123456789", 1, "", "i", 1, [], migration="shop")
    labels = job(pod, "run")["metadata"]["labels"]
    assert handlers.owner_of_child(labels) == ("Migration", "shop")
    assert handlers.owner_of_child({n: v for n, v in labels.items() if n != LABEL_MIGRATION}) == ("Run", "shop-0123456789")
    assert LABEL_MIGRATION not in job(replace(pod, migration=""), "probe")["metadata"]["labels"]
    made: list[dict[str, Any]] = []

    async def created(_: str, body: dict[str, Any]) -> None:
        made.append(body)

    order = jobs.WorkerJob(
        "j",
        owner,
        "run",
        1,
        "",
        "i",
        Task(verb="run", intake="u"),
    )
    asyncio.run(jobs.start(cast("Any", SimpleNamespace(created=created)), order))
    assert [one["metadata"]["labels"][LABEL_MIGRATION] for one in made] == ["shop", "shop"]
