"""The Deployment that a Migration with an app refers to: observed, and created once from a template."""

from __future__ import annotations

from landfall.api.connection import Connection
from landfall.api.deployment import Deployment
from landfall.api.migration import Migration
from landfall.api.progress import app_state
from landfall.controllers.context import Context
from landfall.controllers.cutover_gate import WAITS, Gate, MigrationSide, governing, migrated_away, secrets_of
from landfall.controllers.migration.rules_app import ObservedApp
from landfall.controllers.objects import to_model_input
from landfall.kube.client import Object
from landfall.lifecycle import Phase
from landfall.manifests.deployment import deployment


async def observe(context: Context, raw: Object, migration: Migration) -> ObservedApp | None:
    """The Deployment's state; None for a Migration without an app."""
    app, name = migration.spec.app, deployment_name(raw)
    if app is None:
        return None
    held_raw = await context.kube.get("Deployment", raw["metadata"]["namespace"], name)
    if held_raw is None or "deletionTimestamp" in held_raw["metadata"]:
        return ObservedApp(name)
    deployment = Deployment.model_validate(to_model_input(held_raw))
    status, fresh = deployment.status, held_raw.get("status", {}).get("observedGeneration") == held_raw["metadata"]["generation"]
    conditions = {c.type: c for c in status.conditions} if status and fresh else {}
    ready = conditions.get("Ready")
    return ObservedApp(
        name=name,
        there=True,
        differs=app.template is not None and deployment.spec != app.template,
        ready=(ready.status, ready.reason, ready.message) if ready else ("Unknown", "", ""),
        waits_for_data=ready is not None and ready.reason == WAITS,
        stalled="Stalled" in conditions,
        live=status.live if status else "",
        url=status.url if status else "",
        drain_seconds=deployment.spec.rollout.drain_seconds,
        gate=status.gate if status else None,
        on_source=await _on_source(context, raw, deployment),
    )


async def _on_source(context: Context, migration: Object, deployment: Deployment) -> str:
    """The name of the source Connection if the Deployment still refers to it; otherwise empty."""
    if not migration["spec"].get("data"):
        return ""
    source, target = _names(migration)
    if source == target:
        return ""
    spec = deployment.spec
    connection_name = spec.database.connection_ref.name if spec.database and spec.database.connection_ref else ""
    end = await _end(context, migration["metadata"]["namespace"], source, target)
    return source if end.named_by(connection_name, secrets_of(spec.env)) else ""


def _names(migration: Object) -> tuple[str, str]:
    """The Connections of source and target."""
    data = migration["spec"]["data"]
    return str(data["source"]["connectionRef"]["name"]), str(data["target"]["connectionRef"]["name"])


async def _end(context: Context, namespace: str, name: str, other: str) -> MigrationSide:
    """A Connection with its Secret. The Secret is left out if both sides use the same one, because it does not identify a side then."""
    secrets = [await _secret(context, namespace, secret_name) for secret_name in (name, other)]
    return MigrationSide(name, "" if secrets[0] == secrets[1] else secrets[0])


async def _secret(context: Context, namespace: str, connection: str) -> str:
    raw = await context.kube.get("Connection", namespace, connection)
    reference = Connection.model_validate(to_model_input(raw)).spec.secret_ref if raw else None
    return reference.name if reference else ""


def deployment_name(raw: Object) -> str:
    """The name of the Deployment of a Migration's app; empty if it has no app."""
    app = raw["spec"].get("app") or {}
    return str((app.get("deploymentRef") or raw["metadata"])["name"]) if app else ""


async def gates(context: Context, namespace: str, name: str) -> tuple[Gate | None, tuple[Gate, ...]]:
    """The gates of the Migrations that migrate data for a Deployment.

    Returns:
        The gate that its release waits for, if any; and the gates of migrations whose source no longer holds its data.
    """
    gates_found = [
        (raw, await _gate(context, raw))
        for raw in await context.kube.listed("Migration", namespace)
        if deployment_name(raw) == name and raw["spec"].get("data") and "deletionTimestamp" not in raw["metadata"]
    ]
    created = [(str(raw["metadata"]["creationTimestamp"]), gate) for raw, gate in gates_found]
    completed_gates = [
        (str((raw.get("status") or {}).get("completionTime") or context.clock().isoformat()), gate) for raw, gate in gates_found
    ]
    return governing(created), migrated_away(completed_gates)


async def _gate(context: Context, raw: Object) -> Gate:
    status, (source, target) = raw.get("status") or {}, _names(raw)
    state = app_state((status.get("app") or {}).get("state"))
    end = await _end(context, raw["metadata"]["namespace"], source, target)
    has_begun, cancelled = bool(status.get("startTime")), status.get("phase") == Phase.CANCELLED
    return Gate(raw["metadata"]["name"], str(status.get("run", "")), state, end, target, begun=has_begun, cancelled=cancelled)


async def create(context: Context, migration: Object, name: str) -> None:
    """Create the Deployment from the template; an existing one is not changed."""
    template = migration["spec"]["app"]["template"]
    await context.created("Deployment", deployment(migration, name, template))
