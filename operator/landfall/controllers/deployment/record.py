"""Writes what a look found to be written first: owners of what comes from a backup, the key of environments, and how builds ended."""

from __future__ import annotations

from landfall.api.release import ReleaseStatus
from landfall.controllers.deployment import environment
from landfall.controllers.deployment.observe import Look
from landfall.kube.client import Object


async def prepare(look: Look) -> bool:
    """Adopt what has lost its owner, and make a key that is missing. Raises KubeError.

    Returns:
        Whether anything was written: then nothing is decided from this look, and the next one sees it.
    """
    for orphan in look.orphans.values():
        change: list[Object] = [
            {"op": "test", "path": "/metadata/resourceVersion", "value": orphan.resource_version},
            {"op": "add", "path": "/metadata/ownerReferences", "value": [orphan.owner]},
        ]
        await look.hands.kube.patch(orphan.kind, look.namespace, orphan.name, change)
    if look.key_missing:
        await environment.make_key(look.hands, look.raw)
    return bool(look.orphans) or look.key_missing


async def record_builds(look: Look) -> None:
    """Write how builds ended. Raises KubeError."""
    for name, status in look.ended.items():
        await keep(look, name, status)


async def keep(look: Look, name: str, status: ReleaseStatus, listed: list[Object] | None = None) -> None:
    """Write a Release's status, where it has changed; with the conditions that it had, unless others are given. Raises KubeError."""
    raw = look.releases[name]
    before = raw.get("status") or {}
    held = before.get("conditions", []) if listed is None else listed
    body = {
        **status.model_dump(mode="json", by_alias=True, exclude_none=True, exclude_defaults=True),
        "observedGeneration": 1,
        **({"conditions": held} if held else {}),
    }
    if body != before:
        look.releases[name] = await look.hands.kube.replace_status("Release", {**raw, "status": body})
