"""The doors are one manager of what a person steers; what earlier versions' doors have said is taken over, and nobody else's."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any, cast

import pytest

from landfall.kube import server_side_apply
from landfall.kube.client import Kube
from landfall.kube.errors import ConflictError
from tests.support.gateway import Namespace

Object = dict[str, Any]


def _changed(cluster: Namespace, spec: Object, *, force: bool = False) -> Object:
    async def work() -> Object:
        raw = await cluster.get("Migration", "shop", "shop")
        assert raw
        return await server_side_apply.changed(cast("Kube", cluster), "Migration", raw, lambda _: (spec, None), force=force)

    return asyncio.run(work())


@pytest.mark.parametrize("former", server_side_apply.FORMER_MANAGERS)
def test_what_a_door_of_an_earlier_version_said_is_taken_over(former: str) -> None:
    cluster = Namespace()
    cluster.put("Migration", "shop", {})
    cluster.former["Migration", "shop"] = {former: {"spec": {"desiredState": "Completed", "keep": {"logs": True}}}}
    result = _changed(cluster, {"desiredState": "Paused"})
    assert result["spec"] == {"desiredState": "Paused", "keep": {"logs": True}}
    assert {entry["manager"] for entry in result["metadata"]["managedFields"]} == {"argocd-controller", "landfall"}


def test_what_both_doors_of_an_earlier_version_said_is_taken_over_at_once() -> None:
    cluster = Namespace()
    cluster.put("Migration", "shop", {})
    cluster.former["Migration", "shop"] = {
        "landfall-gateway": {"spec": {"keep": {"logs": False}}},
        "kubectl-landfall": {"spec": {"desiredState": "Paused"}},
    }
    assert _changed(cluster, {"desiredState": "Completed"})["spec"] == {"desiredState": "Completed", "keep": {"logs": False}}


def test_a_field_of_a_gitops_tool_is_theirs() -> None:
    cluster = Namespace()
    cluster.put("Migration", "shop", {})
    cluster.former["Migration", "shop"] = {"argocd-controller": {"spec": {"desiredState": "Completed"}}}
    with pytest.raises(ConflictError, match="argocd-controller"):
        _changed(cluster, {"desiredState": "Paused"})
    assert _changed(cluster, {"desiredState": "Paused"}, force=True)["spec"] == {"desiredState": "Paused"}


def test_changes_at_once_are_all_made() -> None:
    cluster = Namespace()
    cluster.put("Deployment", "web", {})

    async def change_one(number: int, raw: Object) -> None:
        await server_side_apply.changed(cast("Kube", cluster), "Deployment", raw, lambda _: ({"env": {str(number): "set"}}, None))

    async def work() -> None:
        raw = await cluster.get("Deployment", "shop", "web")
        assert raw
        await asyncio.gather(*(change_one(number, raw) for number in range(6)))

    asyncio.run(work())
    assert cluster.ours["Deployment", "web"]["spec"]["env"] == {str(number): "set" for number in range(6)}


def test_a_change_that_is_refused_by_what_is_there_now_is_not_made() -> None:
    cluster = Namespace()
    cluster.put("Migration", "shop", {})
    versions: list[str] = []

    def change(raw: Object) -> tuple[Object, None]:
        versions.append(raw["metadata"]["resourceVersion"])
        if len(versions) == 1:
            cluster.put("Migration", "shop", {"desiredState": "Cancelled"})
            return {"desiredState": "Paused"}, None
        raise ValueError(raw["spec"]["desiredState"])

    async def work() -> None:
        raw = await cluster.get("Migration", "shop", "shop")
        assert raw
        with contextlib.suppress(ValueError):
            await server_side_apply.changed(cast("Kube", cluster), "Migration", raw, change)

    asyncio.run(work())
    assert (len(versions), cluster.ours) == (2, {})
