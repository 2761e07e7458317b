"""What a Deployment's loop does: each an idempotent write, or a few of which each prepares the next."""

from __future__ import annotations

from typing import assert_never

from landfall.controllers import jobs
from landfall.controllers.actions import DeleteJob
from landfall.controllers.deployment import build_jobs, desired_release, environment
from landfall.controllers.deployment.actions import (
    ApplyRoute,
    BuildRelease,
    CoolWorkload,
    CreatePreview,
    CreateWorkload,
    DeleteRoute,
    DeploymentAction,
    FailRelease,
    ForgetRelease,
    MakeRelease,
    MakeRollback,
    RefreshWorkload,
    ScaleWorkload,
    SupersedeRelease,
    SwitchTraffic,
    TrafficAction,
)
from landfall.controllers.deployment.observe import PREVIOUS, RELEASE, SWITCHED, Look
from landfall.controllers.deployment.observed import Observed
from landfall.controllers.objects import owned_by, told
from landfall.manifests import names
from landfall.manifests.ingress import ingress
from landfall.manifests.release import release
from landfall.manifests.workload import LABEL_WORKLOAD, REFRESHED, preview, service, workload


async def act(look: Look, seen: Observed, action: DeploymentAction) -> None:
    """Do the one thing that was decided. Raises KubeError."""
    match action:
        case MakeRelease():
            await _make_release(look, seen)
        case MakeRollback(name):
            await _make_rollback(look, seen, name)
        case BuildRelease(name, attempt):
            await build_jobs.start(look.hands, look.builds, look.releases[name], attempt)
        case ForgetRelease(name):
            await _forget(look, seen, name)
        case DeleteJob(name):
            await jobs.end(look.hands, look.namespace, name)
        case FailRelease() | SupersedeRelease():
            return  # it is in the Release's status, which is written next
        case _:
            await _act_on_traffic(look, seen, action)


async def _act_on_traffic(look: Look, seen: Observed, action: TrafficAction) -> None:
    match action:
        case CreateWorkload(name, replicas):
            await _make_workload(look, seen, name, replicas)
        case ScaleWorkload(name, replicas):
            await _scale(look, name, replicas)
        case CoolWorkload(name):
            await _cool(look, name)
        case RefreshWorkload(name, mark):
            await _refresh(look, name, mark)
        case CreatePreview(name):
            await _preview(look, seen, name)
        case SwitchTraffic(name):
            await _switch(look, seen, name)
        case ApplyRoute():
            await _route(look, seen)
        case DeleteRoute():
            await _unroute(look)
        case _:
            assert_never(action)


async def _make_release(look: Look, seen: Observed) -> None:
    """The environment first, then the Release that names it."""
    values, problem = await look.captured(seen)
    if problem:
        return  # the next look says so
    kept = await environment.kept(look.hands, look.raw, values)
    spec = desired_release.wanted(
        seen, names.release_name(look.name, desired_release.revision(seen)), kept, look.raw["metadata"]["generation"]
    )
    await look.hands.created("Release", release(look.raw, spec))


async def _make_rollback(look: Look, seen: Observed, name: str) -> None:
    goal = seen.release(name)
    if goal:
        await look.hands.created("Release", release(look.raw, desired_release.going_back(seen, goal)))


async def _make_workload(look: Look, seen: Observed, name: str, replicas: int) -> None:
    """Where it is a rollback's, it is that of the Release that it goes back to."""
    asked = seen.release(name)
    owner = look.releases.get(asked.spec.workload) if asked else None
    if asked is None or owner is None:
        return
    made = workload(owner, asked.spec, asked.image, asked.port, replicas, look.builds.secret)
    await look.hands.created("Workload", made)


async def _scale(look: Look, name: str, replicas: int) -> None:
    change = [{"op": "replace", "path": "/spec/replicas", "value": replicas}]
    await look.hands.kube.patch("Workload", look.namespace, name, change)


async def _cool(look: Look, name: str) -> None:
    """Its pods go, and the Service that nobody would answer at: pods that come back would have nodes route to it first."""
    await _scale(look, name, 0)
    held = await look.hands.kube.get("Service", look.namespace, name)
    if held and owned_by(held, *(one["metadata"]["uid"] for one in look.releases.values())):
        await look.hands.kube.delete("Service", look.namespace, name, held["metadata"]["uid"])


async def _preview(look: Look, seen: Observed, name: str) -> None:
    """A Service of the Release alone."""
    asked = seen.release(name)
    owner = look.releases.get(asked.spec.workload) if asked else None
    if asked and owner:
        await look.hands.created("Service", preview(owner, asked.spec))


async def _refresh(look: Look, name: str, mark: str) -> None:
    """Fresh pods take the place of those that served, which may hold old connections."""
    path = f"/spec/template/metadata/annotations/{REFRESHED.replace('/', '~1')}"
    await look.hands.kube.patch("Workload", look.namespace, name, [{"op": "add", "path": path, "value": mark}])


async def _switch(look: Look, seen: Observed, name: str) -> None:
    """The moment of going live: one write, of exactly the Service that was seen."""
    to = seen.release(name)
    if to is None:
        return
    before = seen.service.release if seen.service else ""
    if seen.service and before == to.name:
        before = seen.service.previous  # it is selected once more, and replaces nobody
    annotations = {RELEASE: to.name, PREVIOUS: before, SWITCHED: told(seen.now) or ""}
    if look.service is None:
        await look.hands.created("Service", service(look.raw, to.spec.workload, annotations))
        return
    metadata = look.service["metadata"]
    change = [
        {"op": "test", "path": "/metadata/resourceVersion", "value": metadata["resourceVersion"]},
        {"op": "add", "path": "/spec/selector", "value": {LABEL_WORKLOAD: to.spec.workload}},
        {"op": "add", "path": "/metadata/annotations", "value": {**metadata.get("annotations", {}), **annotations}},
    ]
    await look.hands.kube.patch("Service", look.namespace, look.name, change)


async def _route(look: Look, seen: Observed) -> None:
    route = seen.deployment.spec.route
    if route is None:
        return
    wanted_now = ingress(look.raw, route)
    if look.ingress is None:
        await look.hands.created("Ingress", wanted_now)
        return
    annotations = {**look.ingress["metadata"].get("annotations", {}), **wanted_now["metadata"]["annotations"]}
    change = [
        {"op": "add", "path": "/spec", "value": wanted_now["spec"]},
        {"op": "add", "path": "/metadata/annotations", "value": annotations},
    ]
    await look.hands.kube.patch("Ingress", look.namespace, look.name, change)


async def _unroute(look: Look) -> None:
    if look.ingress:
        await look.hands.kube.delete("Ingress", look.namespace, look.name, look.ingress["metadata"]["uid"])


async def _forget(look: Look, seen: Observed, name: str) -> None:
    """The environment that nobody else names, then the Release; what it owns goes with it."""
    old = seen.release(name)
    if old is None:
        return
    kept = old.spec.environment
    if kept and not any(r.spec.environment == kept for r in seen.releases if r.name != old.name):
        held = await look.hands.kube.get("Secret", look.namespace, kept)
        if held:
            await look.hands.kube.delete("Secret", look.namespace, kept, held["metadata"]["uid"])
    await look.hands.kube.delete("Release", look.namespace, old.name, look.releases[old.name]["metadata"]["uid"])
