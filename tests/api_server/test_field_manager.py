"""One field manager at a real API server: what earlier versions said is taken over, a GitOps tool keeps its say, and no change is lost."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from landfall.kube.client import Kube
from landfall.kube.errors import ConflictError
from landfall.kube.server_side_apply import changed
from tests.cluster.machine import Cluster

Object = dict[str, Any]
_DATA = {"source": {"connectionRef": {"name": "a"}}, "target": {"connectionRef": {"name": "b"}}}


def _body(name: str, spec: Object) -> Object:
    metadata = {"name": name, "namespace": "default"}
    return {"apiVersion": "landfall.dev/v1alpha1", "kind": "Migration", "metadata": metadata, "spec": spec}


async def _read(kube: Kube, name: str) -> Object:
    raw = await kube.get("Migration", "default", name)
    assert raw
    return raw


def test_doors_of_earlier_versions_are_taken_over_and_argo_cd_is_not(control_plane: Cluster) -> None:
    async def work() -> None:
        kube, _ = await Kube.from_kubeconfig(str(control_plane.kubeconfig), "")
        try:
            await kube.apply("Migration", _body("taken", {"data": _DATA, "desiredState": "Planned"}), "landfall-gateway")
            await kube.apply("Migration", _body("taken", {"keep": {"logs": False}}), "kubectl-landfall")
            changed_object = await changed(
                kube, "Migration", await _read(kube, "taken"), lambda _: ({"desiredState": "Completed"}, None)
            )
            assert (changed_object["spec"]["desiredState"], changed_object["spec"]["keep"]["logs"]) == ("Completed", False)
            assert {entry["manager"] for entry in changed_object["metadata"]["managedFields"]} == {"landfall"}
            await kube.apply("Migration", _body("theirs", {"data": _DATA, "desiredState": "Completed"}), "argocd-controller")
            with pytest.raises(ConflictError, match="argocd-controller"):
                await changed(kube, "Migration", await _read(kube, "theirs"), lambda _: ({"desiredState": "Paused"}, None))
        finally:
            await kube.close()

    asyncio.run(work())


def test_changes_at_once_are_all_made(control_plane: Cluster) -> None:
    async def work() -> None:
        kube, _ = await Kube.from_kubeconfig(str(control_plane.kubeconfig), "")
        try:
            await kube.apply("Migration", _body("busy", {"data": _DATA}), "somebody")
            raw = await _read(kube, "busy")

            async def change_one(number: int) -> None:
                await changed(kube, "Migration", raw, lambda _: ({}, {f"example.com/{number}": "set"}))

            await asyncio.gather(*(change_one(number) for number in range(6)))
            annotations = (await _read(kube, "busy"))["metadata"]["annotations"]
            assert annotations == {f"example.com/{number}": "set" for number in range(6)}
        finally:
            await kube.close()

    asyncio.run(work())
