"""Children are watched by kopf, selected by their label in the API server: others never arrive at the operator."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import kopf
import pytest

from landfall.handlers.runtime import Operator, registered
from landfall.kube.client import Kube
from tests.api_server.conftest import RIGHTS
from tests.cluster.api import Api
from tests.cluster.install import NAMESPACE
from tests.cluster.test_chart import rendered

Object = dict[str, Any]
_POD = {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}


class _Seen:
    """Stands for the operator: what arrives at it."""

    def __init__(self, namespaces: Sequence[str]) -> None:
        self.namespaces = namespaces
        self.children: list[tuple[str, str, str]] = []
        self.lists = 0

    def on_owned_change(self, kind: str, namespace: str, name: str) -> None:
        self.children.append((kind, namespace, name))

    def on_listed_child(self) -> None:
        self.lists += 1

    def on_object(self, kind: str, raw: Object) -> None:
        """One of our own kinds, which another test put there."""

    def enqueue(self, kind: str, namespace: str, name: str) -> None:
        """The same, deleted."""


def _child(kind: str, namespace: str, name: str, owner: str) -> Object:
    labels = {"landfall.dev/owner": owner, "landfall.dev/owner-kind": "Run"} if owner else {"app": name}
    pod: Object = {"metadata": {"labels": {"pod": name}}, "spec": _POD}
    spec: Object = {"template": pod, "suspend": True}
    if kind == "Workload":
        spec = {"template": {**pod, "spec": {"containers": _POD["containers"]}}, "selector": {"matchLabels": {"pod": name}}}
    type_meta = {"Job": ("batch/v1", "Job"), "Workload": ("apps/v1", "Deployment")}[kind]
    metadata = {"name": name, "namespace": namespace, "labels": labels}
    return {"apiVersion": type_meta[0], "kind": type_meta[1], "metadata": metadata, "spec": spec}


async def _until(description: str, ready: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < deadline, description
        await asyncio.sleep(0.05)


@pytest.mark.parametrize("named", [False, True], ids=["in all namespaces", "in named ones"])
def test_children_arrive_and_nothing_else(
    api: Api, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path, *, named: bool
) -> None:
    """As the operator's service account, with the rights that the chart gives it."""
    control_plane = api.cluster
    watched, elsewhere = f"children-{named}".lower(), f"elsewhere-{named}".lower()
    for namespace in (watched, elsewhere):
        control_plane.kubectl("create", "namespace", namespace)
    if named:
        documents = rendered("--set", f"watchNamespaces={{{watched}}}", release="narrow")
        api.apply(*(record for record in documents if record["kind"] in RIGHTS))
    account = "narrow-operator" if named else "landfall-operator"
    monkeypatch.setenv("KUBECONFIG", str(control_plane.kubeconfig_of(account, NAMESPACE, tmp_path / "kubeconfig")))
    handler = _Seen((watched,) if named else ())

    async def work() -> None:
        kube, _ = await Kube.from_kubeconfig(str(control_plane.kubeconfig), "")
        await kube.create("Job", _child("Job", watched, "before", "shop-0"))
        await kube.create("Job", _child("Job", watched, "foreign-before", ""))
        scope: Object = {"namespaces": [watched]} if named else {"clusterwide": True}
        watching = asyncio.create_task(kopf.operator(registry=registered(cast("Operator", handler)), standalone=True, **scope))
        try:
            await _until("what is there is listed", lambda: handler.lists > 0)
            await asyncio.sleep(1)
            assert (handler.lists, handler.children) == (1, []), "and what belongs to others is not"
            for namespace in (elsewhere, watched):
                for kind in ("Job", "Workload"):
                    await kube.create(kind, _child(kind, namespace, f"foreign-{kind.lower()}", ""))
                    await kube.create(kind, _child(kind, namespace, f"ours-{kind.lower()}", f"shop-{kind.lower()}"))
            expected = {
                ("Run", at, f"shop-{kind}")
                for at in ((watched,) if named else (watched, elsewhere))
                for kind in ("job", "workload")
            }
            await _until("ours arrive", lambda: expected <= set(handler.children))
            job = await kube.get("Job", watched, "ours-job")
            assert job
            assert set(handler.children) == expected
            handler.children.clear()
            await kube.delete("Job", watched, "ours-job", job["metadata"]["uid"])
            await _until("a deletion arrives", lambda: ("Run", watched, "shop-job") in handler.children)
            assert set(handler.children) <= expected
            # The API server starts the storage of a kind again after a change of its CRD, and asks to be tried later: kopf does.
            errors = [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]
            assert not [message for message in errors if "will retry" not in message]
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
            await kube.close()

    asyncio.run(work())
