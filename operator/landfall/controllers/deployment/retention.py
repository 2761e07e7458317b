"""What the Releases that do not serve may give up, and when: builds that nobody waits for, pods after the drain, records beyond the history."""

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
    """The first thing to do now, or in how many seconds there will be one. `at` is the Release that is wanted."""
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
    """On its way, while another one is wanted; or a builder of what is over."""
    live = seen.service.release if seen.service else ""
    newest = seen.newest
    if newest and at and seen.deployment.spec.rollback_to and _failed_once(newest) and newest.name not in {at.name, live}:
        return SupersedeRelease(newest.name, message=f"it was asked for once, failed, and was taken back: {at.name} is wanted")
    for release in seen.releases:
        if at and release.name not in {at.name, live} and not release.over and not release.status.live_at:
            return SupersedeRelease(release.name, message=f"{at.name} is wanted")
        if (
            release.status.superseded and release.job and not release.job.over
        ):  # one that failed ends by itself, and its log is wanted
            return DeleteJob(release.job.name)
    return None


def _failed_once(release: ObservedRelease) -> bool:
    """Whether it was asked for by a request, which is no part of the spec, and failed."""
    return bool(request_of(release.spec.trigger) and release.status.failure and not release.status.superseded)


def _scaled(seen: ObservedDeployment) -> DeploymentAction | None:
    """What serves has as many pods as the spec says."""
    running = seen.workloads.get(seen.service.workload) if seen.service else None
    asked = seen.deployment.spec.replicas
    return ScaleWorkload(running.name, asked) if running and running.wanted != asked else None


def _routed(seen: ObservedDeployment) -> DeploymentAction | None:
    """The Ingress says what the spec says, once something serves."""
    if not seen.live:
        return None
    if seen.deployment.spec.route is None:
        return DeleteRoute() if seen.route and not seen.route.foreign else None
    if seen.claimed_by or (seen.route and (seen.route.foreign or seen.route.matches)):
        return None
    return ApplyRoute()


def _previewed(seen: ObservedDeployment) -> Next:
    """What serves gets a Service of its own, a moment later: nodes route at most once a second, and the switch goes first."""
    live, service = seen.live, seen.service
    if not live or not service or live.status.preview:
        return None, None
    left = _SETTLED_SECONDS - (seen.now - (service.switched_at or seen.now)).total_seconds()
    return (CreatePreview(live.name), None) if left <= 0 else (None, left)


def _cooling(seen: ObservedDeployment, at: ObservedRelease | None, running: ObservedWorkload) -> Next:
    """After the drain, pods that served are replaced by fresh ones, which hold no old connections and wait for a way back; or they go."""
    service, rollout = seen.service, seen.deployment.spec.rollout
    coming = at is not None and not at.over and at.spec.workload == running.name
    serves = service is not None and service.workload == running.name
    if not running.wanted or coming or serves or _going_back_to(seen, running):
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


def _going_back_to(seen: ObservedDeployment, running: ObservedWorkload) -> bool:
    """What serves has failed, and this is what will serve again."""
    live, before = seen.live, seen.before
    return bool(live and live.status.failure and before and before.spec.workload == running.name)


def _left(seen: ObservedDeployment, workload: str) -> datetime | None:
    """When it last ceased to serve; None where it never served."""
    mine = [r for r in seen.releases if r.spec.workload == workload]
    times = [r.status.left_at for r in mine if r.status.left_at]
    service = seen.service
    if service and service.switched_at and any(r.name == service.previous for r in mine):
        times.append(service.switched_at)
    return max(times, default=None)


def _worth_keeping(seen: ObservedDeployment, workload: str) -> bool:
    """Only what served last, and only where nobody has just gone back from it; nor where its data has moved away from it."""
    before, live = seen.previous, seen.live
    if not before or before.spec.workload != workload or before.status.failure:
        return False
    return live is None or (live.spec.rollback_from != before.name and live.status.gate == before.status.gate)


def _forgotten(seen: ObservedDeployment, at: ObservedRelease | None) -> DeploymentAction | None:
    """Beyond the history: the oldest first."""
    if not seen.live:
        return None
    kept = {r.name for r in (at, seen.goal, seen.live, seen.previous, seen.newest) if r}
    rest = [r for r in reversed(seen.releases) if r.name not in kept]
    kept |= {r.name for r in [r for r in rest if r.status.live_at][: seen.deployment.spec.release_history_limit]}
    kept |= {r.name for r in [r for r in rest if not r.status.live_at][:_FAILED_KEPT]}
    kept |= {r.spec.workload for r in seen.releases if r.name in kept}  # who runs it owns its workload
    return next((ForgetRelease(r.name) for r in seen.releases if r.name not in kept), None)
