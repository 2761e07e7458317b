"""The Deployment that a Migration with an app means: looked at, and made once."""

from __future__ import annotations

from landfall.api.deployment import Deployment
from landfall.api.migration import Migration
from landfall.controllers.context import Hands
from landfall.controllers.cutover_gate import Gate, governing
from landfall.controllers.migration.rules_app import AppSeen
from landfall.controllers.objects import plain
from landfall.kube.client import Object
from landfall.manifests.deployment import deployment


async def seen(hands: Hands, raw: Object, migration: Migration) -> AppSeen | None:
    """How it stands; None for a Migration without an app."""
    app, name = migration.spec.app, means(raw)
    if app is None:
        return None
    held_raw = await hands.kube.get("Deployment", raw["metadata"]["namespace"], name)
    if held_raw is None:
        return AppSeen(name)
    found = Deployment.model_validate(plain(held_raw))
    status, fresh = found.status, held_raw.get("status", {}).get("observedGeneration") == held_raw["metadata"]["generation"]
    held = {c.type: c for c in status.conditions} if status and fresh else {}
    ready = held.get("Ready")
    return AppSeen(
        name=name,
        there=True,
        differs=app.template is not None and found.spec != app.template,
        ready=(ready.status, ready.reason, ready.message) if ready else ("Unknown", "", ""),
        stalled="Stalled" in held,
        live=status.live if status else "",
        url=status.url if status else "",
        drain_seconds=found.spec.rollout.drain_seconds,
    )


def means(raw: Object) -> str:
    """The Deployment that a Migration's app is; empty where it has none."""
    app = raw["spec"].get("app") or {}
    return str((app.get("deploymentRef") or raw["metadata"])["name"]) if app else ""


async def gate(hands: Hands, namespace: str, name: str) -> Gate | None:
    """What a Deployment's release waits for: the Migration that moves data together with it."""
    found = [
        raw
        for raw in await hands.kube.listed("Migration", namespace)
        if means(raw) == name and raw["spec"].get("data") and "deletionTimestamp" not in raw["metadata"]
    ]
    return governing((raw["metadata"]["creationTimestamp"], _gate(raw)) for raw in found)


def _gate(raw: Object) -> Gate:
    status = raw.get("status") or {}
    return Gate(raw["metadata"]["name"], status.get("run", ""), (status.get("app") or {}).get("state", ""))


async def make(hands: Hands, migration: Object, name: str) -> None:
    """Create it as the template says; one that is there is left as it is."""
    template = migration["spec"]["app"]["template"]
    await hands.created("Deployment", deployment(migration, name, template))
