"""The chart's pre-delete hook: checks that no migration is in progress, stops the operator and removes its finalizers."""

from __future__ import annotations

import asyncio
import sys

from landfall.controllers.jobs import is_ended
from landfall.controllers.migration.act import remove_finalizer
from landfall.controllers.migration.annotations import FINALIZER
from landfall.kube.client import Kube, Object
from landfall.kube.errors import ConflictError, InvalidError
from landfall.lib.backoff import Backoff
from landfall.lib.environment import read_or_exit
from landfall.lib.logs import log_as_json
from landfall.lib.retry import Attempts, with_retries
from landfall.lifecycle import IN_PROGRESS, phase_of
from landfall.manifests.parts import LABEL_KIND, LABEL_OWNER
from landfall.settings import UninstallSettings

_PAUSE_SECONDS = 1.0
_TRIES = 120
_PATCHES = Attempts(5, Backoff(0.05, 1))


def main() -> int:
    """Run the hook. Exit status 0: the chart may be uninstalled; 1: a migration is in progress, or the operator does not stop."""
    log_as_json()
    return asyncio.run(_run(read_or_exit(UninstallSettings)))


async def _run(settings: UninstallSettings) -> int:
    kube = await Kube.connect(settings.namespaces)
    try:
        return await leave(kube, *settings.operator.split("/", 1))
    finally:
        await kube.close()


async def leave(kube: Kube, namespace: str, operator: str) -> int:
    """Stop the operator, unless it is needed, and remove its finalizer from every Migration. Raises KubeError."""
    busy = await under_way(kube)
    if busy:
        _say(
            f"Landfall was not uninstalled: these migrations are in progress: {', '.join(busy)}. Wait until they end, or pause or cancel them"
            " (`spec.desiredState`), then uninstall again. To uninstall anyway and leave them to their workers: `helm uninstall --no-hooks`."
        )
        return 1
    if not await _wait_until_stopped(kube, namespace, operator):
        _say(
            f"Landfall was not uninstalled: the pods of the operator {namespace}/{operator} did not stop. Only its replicas were changed, to 0."
        )
        return 1
    finalized = [raw["metadata"] async for raw in kube.every("Migration") if FINALIZER in raw["metadata"].get("finalizers", [])]
    for metadata in finalized:
        await _freed(kube, metadata["namespace"], metadata["name"])
    _say(f"The operator has stopped. {len(finalized)} migrations can now be deleted without it. No resource was deleted.")
    return 0


def _say(text: str) -> None:
    """Write a line for the user who runs `helm uninstall`, not for a log collector."""
    sys.stderr.write(f"{text}\n")


async def under_way(kube: Kube) -> list[str]:
    """Migrations, as namespace/name, that a worker works on, or that migrate data and app together and are in progress."""
    runs = {
        (job["metadata"]["namespace"], job["metadata"]["labels"][LABEL_OWNER])
        async for job in kube.every("Job", f"{LABEL_KIND}=Run")
        if not is_ended(job) and not job["spec"].get("suspend")
    }
    names = []
    async for raw in kube.every("Migration"):
        metadata, status = raw["metadata"], raw.get("status", {})
        if (metadata["namespace"], status.get("run")) in runs or _moves_with_its_app(raw):
            names.append(f"{metadata['namespace']}/{metadata['name']}")
    return sorted(names)


def _moves_with_its_app(raw: Object) -> bool:
    """Whether data and app are migrated together, in progress: the source may be locked although no worker runs, as while the app starts."""
    spec = raw["spec"]
    return bool(spec.get("data") and spec.get("app")) and phase_of(raw) in IN_PROGRESS


async def _wait_until_stopped(kube: Kube, namespace: str, operator: str) -> bool:
    """Scale the operator to 0 and wait until no pod is left, which could add the finalizer again."""
    workload = await kube.get("Workload", namespace, operator)
    if workload is None:
        return True
    await kube.patch("Workload", namespace, operator, [{"op": "add", "path": "/spec/replicas", "value": 0}])
    selector = ",".join(f"{label}={value}" for label, value in workload["spec"]["selector"]["matchLabels"].items())
    for _ in range(_TRIES):
        if not await kube.listed("Pod", namespace, selector):
            return True
        await asyncio.sleep(_PAUSE_SECONDS)
    return False


async def _freed(kube: Kube, namespace: str, name: str) -> None:
    """Remove the finalizer, and retry if the object is changed at the same time. Raises KubeError."""

    async def attempt() -> None:
        raw = await kube.get("Migration", namespace, name)
        if raw:
            await remove_finalizer(kube, raw)

    await with_retries(attempt, ConflictError, InvalidError, attempts=_PATCHES)
