"""The Deployment that a Migration with an app means: looked at, and made once."""

from __future__ import annotations

from landfall.api.deployment import Deployment
from landfall.api.migration import Migration
from landfall.core.migration.app import AppSeen
from landfall.kube.client import Object
from landfall.manifests.deployment import deployment
from landfall.reconcile.hands import Hands, plain


async def seen(hands: Hands, migration: Migration) -> AppSeen | None:
    """How it stands; None for a Migration without an app."""
    app = migration.spec.app
    if app is None:
        return None
    name = app.deployment_ref.name if app.deployment_ref else migration.metadata.name
    raw = await hands.kube.get("Deployment", migration.metadata.namespace, name)
    if raw is None:
        return AppSeen(name)
    found = Deployment.model_validate(plain(raw))
    status, fresh = found.status, raw.get("status", {}).get("observedGeneration") == raw["metadata"]["generation"]
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
    )


async def make(hands: Hands, migration: Object, name: str) -> None:
    """Create it as the template says; one that is there is left as it is."""
    template = migration["spec"]["app"]["template"]
    await hands.created("Deployment", deployment(migration, name, template))
