"""When Releases that are not live are reduced: builds that are not wanted, pods after the drain, Releases beyond the history limit."""

from __future__ import annotations

from datetime import datetime, timedelta

from landfall.api.release import request_of
from landfall.controllers.actions import DeleteJob
from landfall.controllers.deployment.actions import (
    ApplyRoute,
    CoolWorkload,
    CreatePreview,
    DeleteRoute,
    DeploymentAction,
    ForgetRelease,
    RefreshWorkload,
    ScaleWorkload,
    SupersedeRelease,
)
from landfall.controllers.deployment.observed import ObservedDeployment, ObservedRelease, ObservedWorkload

_FAILED_KEPT = 3
_SETTLED_SECONDS = 3
Next = tuple[DeploymentAction | None, float | None]


def next_action(observed: ObservedDeployment, at: ObservedRelease | None) -> Next:
    """The first action due now, or the seconds until one is due. `at` is the wanted Release."""
    action = _nobody_waits(observed, at) or _scaled(observed) or _routed(observed)
    if action:
        return action, None
    action, soonest = _previewed(observed)
    if action:
        return action, None
    for workload in observed.workloads.values():
        action, again = _cooling(observed, at, workload)
        if action:
            return action, None
        soonest = min((t for t in (soonest, again) if t is not None), default=None)
    return _forgotten(observed, at), soonest


def _nobody_waits(observed: ObservedDeployment, at: ObservedRelease | None) -> DeploymentAction | None:
    """Supersede Releases in progress that are not the wanted one, and stop their builds."""
    live = observed.service.release if observed.service else ""
    newest = observed.newest
    if newest and at and observed.deployment.spec.rollback_to and _failed_once(newest) and newest.name not in {at.name, live}:
        return SupersedeRelease(newest.name, message=f"the requested deploy failed; {at.name} is the release of the spec again")
    for release in observed.releases:
        if at and release.name not in {at.name, live} and not release.over and not release.status.live_at:
            return SupersedeRelease(release.name, message=f"{at.name} is wanted")
        # The build of a failed Release ends by itself, and its log is kept.
        if release.status.superseded and release.job and not release.job.over:
            return DeleteJob(release.job.name)
    return None


def _failed_once(release: ObservedRelease) -> bool:
    """Whether it was created by a one-time request, which is not part of the spec, and failed."""
    return bool(request_of(release.spec.trigger) and release.status.failure and not release.status.superseded)


def _scaled(observed: ObservedDeployment) -> DeploymentAction | None:
    """Scale the live release to the replicas of the spec."""
    running = observed.workloads.get(observed.service.workload) if observed.service else None
    replicas = observed.deployment.spec.replicas
    return ScaleWorkload(running.name, replicas) if running and running.wanted != replicas else None


def _routed(observed: ObservedDeployment) -> DeploymentAction | None:
    """Write the Ingress of the spec once a release is live."""
    if not observed.live:
        return None
    if observed.deployment.spec.route is None:
        return DeleteRoute() if observed.route and not observed.route.foreign else None
    if observed.claimed_by or (observed.route and (observed.route.foreign or observed.route.matches)):
        return None
    return ApplyRoute()


def _previewed(observed: ObservedDeployment) -> Next:
    """Create the preview Service of the live release, some seconds after the switch: nodes update routes once a second, the switch first."""
    live, service = observed.live, observed.service
    if not live or not service or live.status.preview:
        return None, None
    remaining = _SETTLED_SECONDS - (observed.now - (service.switched_at or observed.now)).total_seconds()
    return (CreatePreview(live.name), None) if remaining <= 0 else (None, remaining)


def _cooling(observed: ObservedDeployment, at: ObservedRelease | None, running: ObservedWorkload) -> Next:
    """After the drain, replace pods that were live by new ones without old connections, kept for a rollback; or scale to 0."""
    service, rollout = observed.service, observed.deployment.spec.rollout
    coming = at is not None and not at.over and at.spec.workload == running.name
    serves = service is not None and service.workload == running.name
    if not running.wanted or coming or serves or _is_rollback_target(observed, running):
        return None, None
    left_at = _left_at(observed, running.name)
    if left_at is None:
        return CoolWorkload(running.name), None
    drained = left_at + timedelta(seconds=rollout.drain_seconds)
    if observed.now < drained:
        return None, (drained - observed.now).total_seconds()
    cold = drained + timedelta(seconds=rollout.keep_warm_seconds)
    if not _worth_keeping(observed, running.name) or observed.now >= cold:
        return CoolWorkload(running.name), None
    mark = left_at.strftime("%Y-%m-%dT%H:%M:%SZ")
    stale = running.refreshed != mark
    return (RefreshWorkload(running.name, mark=mark), None) if stale else (None, (cold - observed.now).total_seconds())


def _is_rollback_target(observed: ObservedDeployment, running: ObservedWorkload) -> bool:
    """Whether the live release has failed and this workload is the one to roll back to."""
    live, before = observed.live, observed.before
    return bool(live and live.status.failure and before and before.spec.workload == running.name)


def _left_at(observed: ObservedDeployment, workload: str) -> datetime | None:
    """When a workload was last replaced as the live release; None if it never was live."""
    of_workload = [r for r in observed.releases if r.spec.workload == workload]
    times = [r.status.left_at for r in of_workload if r.status.left_at]
    service = observed.service
    if service and service.switched_at and any(r.name == service.previous for r in of_workload):
        times.append(service.switched_at)
    return max(times, default=None)


def _worth_keeping(observed: ObservedDeployment, workload: str) -> bool:
    """Whether to keep pods for a rollback: only of the last live release, unless it was just rolled back or its data was migrated."""
    before, live = observed.previous, observed.live
    if not before or before.spec.workload != workload or before.status.failure:
        return False
    return live is None or (live.spec.rollback_from != before.name and live.status.gate == before.status.gate)


def _forgotten(observed: ObservedDeployment, at: ObservedRelease | None) -> DeploymentAction | None:
    """Delete Releases beyond the history limit, the oldest first."""
    if not observed.live:
        return None
    kept_names = {r.name for r in (at, observed.goal, observed.live, observed.previous, observed.newest) if r}
    removable = [r for r in reversed(observed.releases) if r.name not in kept_names]
    kept_names |= {r.name for r in [r for r in removable if r.status.live_at][: observed.deployment.spec.release_history_limit]}
    kept_names |= {r.name for r in [r for r in removable if not r.status.live_at][:_FAILED_KEPT]}
    kept_names |= {r.spec.workload for r in observed.releases if r.name in kept_names}  # the Release that owns the workload
    return next((ForgetRelease(r.name) for r in observed.releases if r.name not in kept_names), None)
