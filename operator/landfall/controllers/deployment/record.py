"""Writes what must be written before a decision: owners of restored objects, the key for names of environments, and results of builds."""

from __future__ import annotations

from landfall.api.release import ReleaseStatus
from landfall.controllers.context import log_write
from landfall.controllers.deployment import environment
from landfall.controllers.deployment.observe import DeploymentObserver
from landfall.kube.client import Object


async def prepare(observer: DeploymentObserver) -> bool:
    """Adopt objects without owner, and create the key for names of environments. Raises KubeError.

    Returns:
        Whether anything was written: then this observation is outdated, and the next reconcile decides.
    """
    for orphan in observer.orphans.values():
        change: list[Object] = [
            {"op": "test", "path": "/metadata/resourceVersion", "value": orphan.resource_version},
            {"op": "add", "path": "/metadata/ownerReferences", "value": [orphan.owner]},
        ]
        await observer.context.kube.patch(orphan.kind, observer.namespace, orphan.name, change)
        log_write(observer.raw, "adopt", object=f"{orphan.kind}/{orphan.name}")
    if observer.key_missing:
        await environment.make_key(observer.context, observer.raw)
    return bool(observer.orphans) or observer.key_missing


async def record_builds(observer: DeploymentObserver) -> None:
    """Record the results of builds. Raises KubeError."""
    for name, status in observer.ended.items():
        await keep(observer, name, status)


async def keep(observer: DeploymentObserver, name: str, status: ReleaseStatus, listed: list[Object] | None = None) -> None:
    """Write a Release's status if it has changed, with the given conditions or those that it had. Raises KubeError."""
    raw = observer.releases[name]
    before = raw.get("status") or {}
    conditions = before.get("conditions", []) if listed is None else listed
    body = {
        **status.model_dump(mode="json", by_alias=True, exclude_none=True, exclude_defaults=True),
        "observedGeneration": 1,
        **({"conditions": conditions} if conditions else {}),
    }
    if body != before:
        observer.releases[name] = await observer.context.kube.replace_status("Release", {**raw, "status": body})
