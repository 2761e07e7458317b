"""Executes an action of a Deployment: one idempotent write, or a few that each prepare the next."""

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
from landfall.controllers.deployment.observe import PREVIOUS, RELEASE, SWITCHED, DeploymentObserver
from landfall.controllers.deployment.observed import ObservedDeployment
from landfall.controllers.objects import format_time, owned_by
from landfall.manifests import names
from landfall.manifests.ingress import ingress
from landfall.manifests.release import release
from landfall.manifests.workload import LABEL_WORKLOAD, REFRESHED, preview, service, workload


async def act(observer: DeploymentObserver, observed: ObservedDeployment, action: DeploymentAction) -> None:
    """Execute the chosen action. Raises KubeError."""
    match action:
        case MakeRelease():
            await _make_release(observer, observed)
        case MakeRollback(name):
            await _make_rollback(observer, observed, name)
        case BuildRelease(name, attempt):
            await build_jobs.start(observer.context, observer.builds, observer.releases[name], attempt)
        case ForgetRelease(name):
            await _forget(observer, observed, name)
        case DeleteJob(name):
            await jobs.delete(observer.context, observer.namespace, name)
        case FailRelease() | SupersedeRelease():
            return  # recorded in the Release's status, which is written next
        case _:
            await _act_on_traffic(observer, observed, action)


async def _act_on_traffic(observer: DeploymentObserver, observed: ObservedDeployment, action: TrafficAction) -> None:
    match action:
        case CreateWorkload(name, replicas):
            await _make_workload(observer, observed, name, replicas)
        case ScaleWorkload(name, replicas):
            await _scale(observer, name, replicas)
        case CoolWorkload(name):
            await _cool(observer, name)
        case RefreshWorkload(name, mark):
            await _refresh(observer, name, mark)
        case CreatePreview(name):
            await _preview(observer, observed, name)
        case SwitchTraffic(name):
            await _switch(observer, observed, name)
        case ApplyRoute():
            await _route(observer, observed)
        case DeleteRoute():
            await _unroute(observer)
        case _:
            assert_never(action)


async def _make_release(observer: DeploymentObserver, observed: ObservedDeployment) -> None:
    """Create the captured environment, then the Release that refers to it."""
    values, problem = await observer.captured(observed)
    if problem:
        return  # the next reconcile reports it
    secret_name = await environment.store(observer.context, observer.raw, values)
    spec = desired_release.declared_release(
        observed,
        names.release_name(observer.name, desired_release.revision(observed)),
        secret_name,
        observer.raw["metadata"]["generation"],
    )
    await observer.context.created("Release", release(observer.raw, spec))


async def _make_rollback(observer: DeploymentObserver, observed: ObservedDeployment, name: str) -> None:
    goal = observed.release(name)
    if goal:
        await observer.context.created("Release", release(observer.raw, desired_release.rollback_release(observed, goal)))


async def _make_workload(observer: DeploymentObserver, observed: ObservedDeployment, name: str, replicas: int) -> None:
    """Create the workload; for a rollback, that of the Release to which it rolls back."""
    at = observed.release(name)
    owner = observer.releases.get(at.spec.workload) if at else None
    if at is None or owner is None:
        return
    workload_object = workload(owner, at.spec, at.image, at.port, replicas, observer.builds.secret)
    await observer.context.created("Workload", workload_object)


async def _scale(observer: DeploymentObserver, name: str, replicas: int) -> None:
    change = [{"op": "replace", "path": "/spec/replicas", "value": replicas}]
    await observer.context.kube.patch("Workload", observer.namespace, name, change)


async def _cool(observer: DeploymentObserver, name: str) -> None:
    """Scale to 0 and delete the preview Service: nodes would update its routes before the app's when pods start again."""
    await _scale(observer, name, 0)
    service = await observer.context.kube.get("Service", observer.namespace, name)
    if service and owned_by(service, *(release["metadata"]["uid"] for release in observer.releases.values())):
        await observer.context.kube.delete("Service", observer.namespace, name, service["metadata"]["uid"])


async def _preview(observer: DeploymentObserver, observed: ObservedDeployment, name: str) -> None:
    """Create a Service that selects only the pods of this Release."""
    at = observed.release(name)
    owner = observer.releases.get(at.spec.workload) if at else None
    if at and owner:
        await observer.context.created("Service", preview(owner, at.spec))


async def _refresh(observer: DeploymentObserver, name: str, mark: str) -> None:
    """Replace pods that were live, which may hold old connections."""
    path = f"/spec/template/metadata/annotations/{REFRESHED.replace('/', '~1')}"
    await observer.context.kube.patch("Workload", observer.namespace, name, [{"op": "add", "path": path, "value": mark}])


async def _switch(observer: DeploymentObserver, observed: ObservedDeployment, name: str) -> None:
    """Switch traffic: one write, to exactly the version of the Service that was observed."""
    to = observed.release(name)
    if to is None:
        return
    before = observed.service.release if observed.service else ""
    if observed.service and before == to.name:
        before = observed.service.previous  # the same release is selected again and replaces none
    annotations = {RELEASE: to.name, PREVIOUS: before, SWITCHED: format_time(observed.now) or ""}
    if observer.service is None:
        await observer.context.created("Service", service(observer.raw, to.spec.workload, annotations))
        return
    metadata = observer.service["metadata"]
    change = [
        {"op": "test", "path": "/metadata/resourceVersion", "value": metadata["resourceVersion"]},
        {"op": "add", "path": "/spec/selector", "value": {LABEL_WORKLOAD: to.spec.workload}},
        {"op": "add", "path": "/metadata/annotations", "value": {**metadata.get("annotations", {}), **annotations}},
    ]
    await observer.context.kube.patch("Service", observer.namespace, observer.name, change)


async def _route(observer: DeploymentObserver, observed: ObservedDeployment) -> None:
    route = observed.deployment.spec.route
    if route is None:
        return
    wanted_now = ingress(observer.raw, route)
    if observer.ingress is None:
        await observer.context.created("Ingress", wanted_now)
        return
    annotations = {**observer.ingress["metadata"].get("annotations", {}), **wanted_now["metadata"]["annotations"]}
    change = [
        {"op": "add", "path": "/spec", "value": wanted_now["spec"]},
        {"op": "add", "path": "/metadata/annotations", "value": annotations},
    ]
    await observer.context.kube.patch("Ingress", observer.namespace, observer.name, change)


async def _unroute(observer: DeploymentObserver) -> None:
    if observer.ingress:
        await observer.context.kube.delete("Ingress", observer.namespace, observer.name, observer.ingress["metadata"]["uid"])


async def _forget(observer: DeploymentObserver, observed: ObservedDeployment, name: str) -> None:
    """Delete the environment, if no other Release uses it, then the Release; what it owns is deleted with it."""
    old = observed.release(name)
    if old is None:
        return
    environment_name = old.spec.environment
    if environment_name and not any(r.spec.environment == environment_name for r in observed.releases if r.name != old.name):
        secret = await observer.context.kube.get("Secret", observer.namespace, environment_name)
        if secret:
            await observer.context.kube.delete("Secret", observer.namespace, environment_name, secret["metadata"]["uid"])
    await observer.context.kube.delete("Release", observer.namespace, old.name, observer.releases[old.name]["metadata"]["uid"])
