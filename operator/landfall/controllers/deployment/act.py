"""What a Deployment's loop does: each an idempotent write, or a few of which each prepares the next."""

from __future__ import annotations

from landfall.controllers import jobs
from landfall.controllers.decision import Act
from landfall.controllers.deployment import build_jobs, desired_release, environment
from landfall.controllers.deployment.observe import PREVIOUS, RELEASE, SWITCHED, Look
from landfall.controllers.deployment.observed import Observed
from landfall.controllers.objects import owned_by, told
from landfall.manifests import names
from landfall.manifests.ingress import ingress
from landfall.manifests.release import release
from landfall.manifests.workload import LABEL_WORKLOAD, REFRESHED, preview, service, workload


async def act(look: Look, seen: Observed, asked: Act) -> None:
    """Do the one thing that was decided."""
    verbs = {
        "release": _make_release,
        "rollback": _make_rollback,
        "build": _build,
        "workload": _make_workload,
        "scale": _scale,
        "cool": _cool,
        "preview": _preview,
        "refresh": _refresh,
        "switch": _switch,
        "route": _route,
        "unroute": _unroute,
        "forget": _forget,
        "delete-job": _delete_job,
        "fail": _written_down,
        "supersede": _written_down,
    }
    await verbs[asked.verb](look, seen, asked)


async def _make_release(look: Look, seen: Observed, act: Act) -> None:
    """The environment first, then the Release that names it."""
    del act
    values, problem = await look.captured(seen)
    if problem:
        return  # the next look says so
    name = names.release_name(look.name, desired_release.revision(seen))
    kept = await environment.kept(look.hands, look.raw, values)
    spec = desired_release.wanted(seen, name, kept, look.raw["metadata"]["generation"])
    await look.hands.created("Release", release(look.raw, spec))


async def _make_rollback(look: Look, seen: Observed, act: Act) -> None:
    goal = seen.release(act.name)
    if goal:
        await look.hands.created("Release", release(look.raw, desired_release.going_back(seen, goal)))


async def _build(look: Look, seen: Observed, act: Act) -> None:
    del seen
    await build_jobs.start(look.hands, look.builds, look.releases[act.name], act.attempt)


async def _make_workload(look: Look, seen: Observed, act: Act) -> None:
    """Where it is a rollback's, it is that of the Release that it goes back to."""
    asked = seen.release(act.name)
    owner = look.releases.get(asked.spec.workload) if asked else None
    if asked is None or owner is None:
        return
    made = workload(owner, asked.spec, asked.image, asked.port, act.attempt, look.builds.secret)
    await look.hands.created("Workload", made)


async def _scale(look: Look, seen: Observed, act: Act) -> None:
    del seen
    change = [{"op": "replace", "path": "/spec/replicas", "value": act.attempt}]
    await look.hands.kube.patch("Workload", look.namespace, act.name, change)


async def _cool(look: Look, seen: Observed, act: Act) -> None:
    """Its pods go, and the Service that nobody would answer at: pods that come back would have nodes route to it first."""
    await _scale(look, seen, act)
    held = await look.hands.kube.get("Service", look.namespace, act.name)
    if held and owned_by(held, *(one["metadata"]["uid"] for one in look.releases.values())):
        await look.hands.kube.delete("Service", look.namespace, act.name, held["metadata"]["uid"])


async def _preview(look: Look, seen: Observed, act: Act) -> None:
    """A Service of the Release alone."""
    asked = seen.release(act.name)
    owner = look.releases.get(asked.spec.workload) if asked else None
    if asked and owner:
        await look.hands.created("Service", preview(owner, asked.spec))


async def _refresh(look: Look, seen: Observed, act: Act) -> None:
    """Fresh pods take the place of those that served, which may hold old connections."""
    del seen
    path = f"/spec/template/metadata/annotations/{REFRESHED.replace('/', '~1')}"
    await look.hands.kube.patch("Workload", look.namespace, act.name, [{"op": "add", "path": path, "value": act.message}])


async def _switch(look: Look, seen: Observed, act: Act) -> None:
    """The moment of going live: one write, of exactly the Service that was seen."""
    to = seen.release(act.name)
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


async def _route(look: Look, seen: Observed, act: Act) -> None:
    del act
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


async def _unroute(look: Look, seen: Observed, act: Act) -> None:
    del seen, act
    if look.ingress:
        await look.hands.kube.delete("Ingress", look.namespace, look.name, look.ingress["metadata"]["uid"])


async def _forget(look: Look, seen: Observed, act: Act) -> None:
    """The environment that nobody else names, then the Release; what it owns goes with it."""
    old = seen.release(act.name)
    if old is None:
        return
    name = old.spec.environment
    if name and not any(r.spec.environment == name for r in seen.releases if r.name != old.name):
        held = await look.hands.kube.get("Secret", look.namespace, name)
        if held:
            await look.hands.kube.delete("Secret", look.namespace, name, held["metadata"]["uid"])
    await look.hands.kube.delete("Release", look.namespace, old.name, look.releases[old.name]["metadata"]["uid"])


async def _delete_job(look: Look, seen: Observed, act: Act) -> None:
    del seen
    await jobs.end(look.hands, look.namespace, act.name)


async def _written_down(look: Look, seen: Observed, act: Act) -> None:
    """The act is in the Release's status, which is written next."""
    del look, seen, act
