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


def next_action(seen: ObservedDeployment, at: ObservedRelease | None) -> Next:
    """The first action due now, or the seconds until one is due. `at` is the wanted Release."""
    action = _nobody_waits(seen, at) or _scaled(seen) or _routed(seen)
    if action:
        return action, None
    action, soonest = _previewed(seen)
    if action:
        return action, None
    for workload in seen.workloads.values():
        action, again = _cooling(seen, at, workload)
        if action:
            return action, None
        soonest = min((t for t in (soonest, again) if t is not None), default=None)
    return _forgotten(seen, at), soonest


def _nobody_waits(seen: ObservedDeployment, at: ObservedRelease | None) -> DeploymentAction | None:
    """Supersede Releases in progress that are not the wanted one, and stop their builds."""
    live = seen.service.release if seen.service else ""
    newest = seen.newest
    if newest and at and seen.deployment.spec.rollback_to and _failed_once(newest) and newest.name not in {at.name, live}:
        return SupersedeRelease(newest.name, message=f"the requested deploy failed; {at.name} is the release of the spec again")
    for release in seen.releases:
        if at and release.name not in {at.name, live} and not release.over and not release.status.live_at:
            return SupersedeRelease(release.name, message=f"{at.name} is wanted")
        # The build of a failed Release ends by itself, and its log is kept.
        if release.status.superseded and release.job and not release.job.over:
            return DeleteJob(release.job.name)
    return None


def _failed_once(release: ObservedRelease) -> bool:
    """Whether it was created by a one-time request, which is not part of the spec, and failed."""
    return bool(request_of(release.spec.trigger) and release.status.failure and not release.status.superseded)


def _scaled(seen: ObservedDeployment) -> DeploymentAction | None:
    """Scale the live release to the replicas of the spec."""
    running = seen.workloads.get(seen.service.workload) if seen.service else None
    asked = seen.deployment.spec.replicas
    return ScaleWorkload(running.name, asked) if running and running.wanted != asked else None


def _routed(seen: ObservedDeployment) -> DeploymentAction | None:
    """Write the Ingress of the spec once a release is live."""
    if not seen.live:
        return None
    if seen.deployment.spec.route is None:
        return DeleteRoute() if seen.route and not seen.route.foreign else None
    if seen.claimed_by or (seen.route and (seen.route.foreign or seen.route.matches)):
        return None
    return ApplyRoute()


def _previewed(seen: ObservedDeployment) -> Next:
    """Create the preview Service of the live release, some seconds after the switch: nodes update routes once a second, the switch first."""
    live, service = seen.live, seen.service
    if not live or not service or live.status.preview:
        return None, None
    left = _SETTLED_SECONDS - (seen.now - (service.switched_at or seen.now)).total_seconds()
    return (CreatePreview(live.name), None) if left <= 0 else (None, left)


def _cooling(seen: ObservedDeployment, at: ObservedRelease | None, running: ObservedWorkload) -> Next:
    """After the drain, replace pods that were live by new ones without old connections, kept for a rollback; or scale to 0."""
    service, rollout = seen.service, seen.deployment.spec.rollout
    coming = at is not None and not at.over and at.spec.workload == running.name
    serves = service is not None and service.workload == running.name
    if not running.wanted or coming or serves or _is_rollback_target(seen, running):
        return None, None
    left = _left(seen, running.name)
    if left is None:
        return CoolWorkload(running.name), None
    drained = left + timedelta(seconds=rollout.drain_seconds)
    if seen.now < drained:
        return None, (drained - seen.now).total_seconds()
    cold = drained + timedelta(seconds=rollout.keep_warm_seconds)
    if not _worth_keeping(seen, running.name) or seen.now >= cold:
        return CoolWorkload(running.name), None
    mark = left.strftime("%Y-%m-%dT%H:%M:%SZ")
    stale = running.refreshed != mark
    return (RefreshWorkload(running.name, mark=mark), None) if stale else (None, (cold - seen.now).total_seconds())


def _is_rollback_target(seen: ObservedDeployment, running: ObservedWorkload) -> bool:
    """Whether the live release has failed and this workload is the one to roll back to."""
    live, before = seen.live, seen.before
    return bool(live and live.status.failure and before and before.spec.workload == running.name)


def _left(seen: ObservedDeployment, workload: str) -> datetime | None:
    """When a workload was last replaced as the live release; None if it never was live."""
    mine = [r for r in seen.releases if r.spec.workload == workload]
    times = [r.status.left_at for r in mine if r.status.left_at]
    service = seen.service
    if service and service.switched_at and any(r.name == service.previous for r in mine):
        times.append(service.switched_at)
    return max(times, default=None)


def _worth_keeping(seen: ObservedDeployment, workload: str) -> bool:
    """Whether to keep pods for a rollback: only of the last live release, unless it was just rolled back or its data was migrated."""
    before, live = seen.previous, seen.live
    if not before or before.spec.workload != workload or before.status.failure:
        return False
    return live is None or (live.spec.rollback_from != before.name and live.status.gate == before.status.gate)


def _forgotten(seen: ObservedDeployment, at: ObservedRelease | None) -> DeploymentAction | None:
    """Delete Releases beyond the history limit, the oldest first."""
    if not seen.live:
        return None
    kept = {r.name for r in (at, seen.goal, seen.live, seen.previous, seen.newest) if r}
    rest = [r for r in reversed(seen.releases) if r.name not in kept]
    kept |= {r.name for r in [r for r in rest if r.status.live_at][: seen.deployment.spec.release_history_limit]}
    kept |= {r.name for r in [r for r in rest if not r.status.live_at][:_FAILED_KEPT]}
    kept |= {r.spec.workload for r in seen.releases if r.name in kept}  # the Release that owns the workload
    return next((ForgetRelease(r.name) for r in seen.releases if r.name not in kept), None)
