"""The rules of a Deployment, in order; the first that applies wins.

Most important: whatever fails on the way to a new Release, the Service keeps selecting the live one. It is switched when all pods of the
new Release are ready, and switched back when that Release has failed, which is recorded first.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from landfall.api import instance_types
from landfall.api.phases import DeploymentPhase
from landfall.controllers.cutover_gate import WAITS
from landfall.controllers.decision import Fact, ReconcileDecision
from landfall.controllers.deployment import desired_release, places, retention
from landfall.controllers.deployment.actions import (
    BuildRelease,
    CreateWorkload,
    DeploymentAction,
    DeploymentDecision,
    FailRelease,
    MakeRelease,
    MakeRollback,
    ScaleWorkload,
    SwitchTraffic,
)
from landfall.controllers.deployment.observed import ObservedDeployment, ObservedRelease, ObservedWorkload, PodReason
from landfall.errors import rule_of
from landfall.manifests import names

_NAME = re.compile(r"[a-z]([-a-z0-9]{0,50}[a-z0-9])?")
_ATTEMPTS = 5
_SOON, _AGAIN = 0.05, 15.0
# Problems that a kubelet may resolve by itself within seconds: a registry error, a Secret that it has not read yet.
_OF_PROBES = frozenset({PodReason.NOT_LISTENING, PodReason.HEALTH_CHECK_FAILED})
_STUBBORN, _PATIENCE_SECONDS = frozenset({PodReason.IMAGE_PULL_FAILED, PodReason.CONTAINER_REFUSED}), 30


def decide(seen: ObservedDeployment) -> DeploymentDecision:
    """The conditions and the next action: first towards the wanted Release, then the retention of the others."""
    found = next((d for d in (r(seen) for r in RULES) if d), None) or _serving(seen)
    found = replace(found, facts=(*found.facts, *_facts(seen)))
    if found.action is None:
        action, again = retention.next_action(seen, current(seen))
        soonest = min((t for t in (found.again_seconds, again) if t is not None), default=None)
        found = replace(found, action=action, again_seconds=_SOON if action else soonest)
    return _unrouted(seen, found)


# -- which Release ----------------------------------------------------------------------------------------------------


def current(seen: ObservedDeployment) -> ObservedRelease | None:
    """The Release of the current spec, if it exists: live, in progress, or failed."""
    newest, live = seen.newest, seen.live
    if newest is None:
        return None
    if seen.deployment.spec.rollback_to:
        return _gone_back(seen, newest, live)
    if seen.pending:
        return None
    declared = desired_release.inputs(seen)
    if newest.spec.inputs == declared and not newest.status.superseded and not _moved_anew(seen, newest):
        return newest
    return live if live and live.spec.inputs == declared and not live.status.failure else None


def _moved_anew(seen: ObservedDeployment, newest: ObservedRelease) -> bool:
    """Whether it failed with the data of one run, and another run is in progress."""
    gate = newest.status.gate
    return bool(newest.status.failure and gate and seen.gate and seen.gate.run not in {"", gate})


def _gone_back(seen: ObservedDeployment, newest: ObservedRelease, live: ObservedRelease | None) -> ObservedRelease | None:
    """The Release that rolls back to the named one; or the named one itself, if it is live."""
    goal = seen.goal
    if goal is None or newest.spec.rollback_to == goal.name:
        return newest if goal else None
    return live if live and goal.name in {live.name, live.spec.rollback_to} else None


# -- rules ------------------------------------------------------------------------------------------------------------


def name_unfit(seen: ObservedDeployment) -> DeploymentDecision | None:
    """The Deployment's name is not valid for a Service and labels."""
    name = seen.deployment.metadata.name
    if _NAME.fullmatch(name):
        return None
    message = f"name {name!r} is not valid for a Service: use at most 52 lower-case letters, digits and hyphens, a letter first. Rename it."
    return _stalled("NameUnfit", message)


def service_foreign(seen: ObservedDeployment) -> DeploymentDecision | None:
    """A Service of this name exists and is not owned by the Deployment."""
    if not seen.service or not seen.service.foreign:
        return None
    return _stalled("ServiceTaken", "a Service of this name exists and is not owned by this Deployment. Rename one of the two.")


def service_drifted(seen: ObservedDeployment) -> DeploymentDecision | None:
    """The Service was changed to select another workload than its annotations say."""
    live, service = seen.live, seen.service
    if not live or not service or service.workload == live.spec.workload or live.spec.workload not in seen.workloads:
        return None
    return _working(
        DeploymentPhase.DEPLOYING, "Restoring", f"making the Service select {live.name} again", SwitchTraffic(live.name), _SOON
    )


def data_went_back(seen: ObservedDeployment) -> DeploymentDecision | None:
    """The data that a Release was created for has been rolled back: the Release fails."""
    gate = seen.gate
    if not gate or not (gate.rolled_back or gate.failed):
        return None
    mine = [r for r in seen.releases if r.status.gate == gate.run and not r.status.failure]
    gone = next((r for r in mine if not places.points_at(seen, r, gate.source)), None)
    verb = "has rolled back" if gate.rolled_back else "is rolling back"
    return _failing(seen, gone, "DataRolledBack", f"Migration {gate.migration} {verb} its data") if gone else None


def live_failed(seen: ObservedDeployment) -> DeploymentDecision | None:
    """The live release has failed: roll back to the one before."""
    live, before = seen.live, seen.before
    if not live or not live.status.failure or not before:
        return None
    message = f"{live.name} failed: {live.status.failure.message}"
    return _towards(seen, before, f"{message}; rolling back to {before.name}", "RollingBack")


def request_invalid(seen: ObservedDeployment) -> DeploymentDecision | None:
    """The annotation does not contain a valid request."""
    return _stalled("RequestInvalid", seen.request_problem) if seen.request_problem else None


def rollback_impossible(seen: ObservedDeployment) -> DeploymentDecision | None:
    """`rollbackTo` does not name a Release that was live."""
    asked = seen.deployment.spec.rollback_to
    if asked is None:
        return None
    goal = seen.goal
    name = goal.name if goal else asked.release or str(asked.revision)
    wrong = rollback_problem(name, {r.name: bool(r.status.live_at and r.image) for r in seen.releases})
    return _stalled(*wrong) if wrong else None


def rollback_problem(goal: str, releases: Mapping[str, bool]) -> tuple[str, str] | None:
    """Why a Deployment cannot be rolled back to a release.

    Args:
        goal: The name of the release.
        releases: Whether each release of the Deployment was live.

    Returns:
        Reason and message; None if it can be rolled back to.
    """
    there = ", ".join(name for name, live in releases.items() if live) or "none"
    if goal not in releases:
        return "RollbackTargetMissing", f"release {goal} not found. Releases that were live: {there}."
    if not releases[goal]:
        return "RollbackTargetNeverLive", f"release {goal} was never live. Releases that were live: {there}."
    return None


def on_hold(seen: ObservedDeployment) -> DeploymentDecision | None:
    """Paused by the annotation: the live release stays live."""
    if not seen.hold:
        return None
    return ReconcileDecision(
        DeploymentPhase.PAUSED,
        ("True", "Paused"),
        f"held: {seen.hold}; no new release goes live until landfall.dev/hold is removed",
    )


def source_unresolved(seen: ObservedDeployment) -> DeploymentDecision | None:
    """The source is not resolved to a commit or an archive yet."""
    spec = seen.deployment.spec
    if spec.rollback_to or seen.resolved or spec.source.image:
        return None
    if seen.source_problem:
        reason, message = seen.source_problem
        return replace(_stalled(reason, message), again_seconds=30)
    return _working(DeploymentPhase.PENDING, "Resolving", "looking up the source", None, 2)


def spec_impossible(seen: ObservedDeployment) -> DeploymentDecision | None:
    """The spec cannot be released."""
    spec = seen.deployment.spec
    asked = spec.runtime.instance_type
    if asked and asked not in instance_types.TABLE:
        return _stalled(
            "InstanceTypeUnknown", f"instance type {asked!r} is unknown. Use one of {', '.join(instance_types.TABLE)}."
        )
    if spec.region and seen.regions is not None and spec.region not in seen.regions:
        there = ", ".join(seen.regions) or "none (no node has the label topology.kubernetes.io/region)"
        return replace(
            _stalled("RegionUnavailable", f"no node is in region {spec.region!r}. Regions of nodes: {there}."), again_seconds=30
        )
    return None


def release_missing(seen: ObservedDeployment) -> DeploymentDecision | None:
    """There is no Release of the current spec: create it."""
    if current(seen):
        return None
    goal = seen.goal
    if goal:
        message = f"rolling back to {goal.name}"
        return _working(DeploymentPhase.DEPLOYING, "RollingBack", message, MakeRollback(goal.name), _SOON)
    if seen.environment_problem:
        reason, message = seen.environment_problem
        if rule_of(reason).retry.by_itself:
            return _working(DeploymentPhase.PENDING, reason, message, None, seen.database_again or 5)
        return replace(_stalled(reason, message), again_seconds=15)
    name = names.release_name(seen.deployment.metadata.name, desired_release.revision(seen))
    return _working(DeploymentPhase.PENDING, "Releasing", f"creating release {name}", MakeRelease(name), _SOON)


def release_failed(seen: ObservedDeployment) -> DeploymentDecision | None:
    """The current release has failed; the live one stays live."""
    at = current(seen)
    if not at or not at.status.failure:
        return None
    return replace(_stalled(at.status.failure.reason, _failed(seen, at, at.status.failure.message)), phase=DeploymentPhase.FAILED)


def on_its_way(seen: ObservedDeployment) -> DeploymentDecision | None:
    """Build the current release, start it, and switch traffic when it is ready."""
    at = current(seen)
    if not at or (seen.live and seen.live.name == at.name):
        return None
    if not at.image:
        return _building(seen, at)
    left = places.migrated_away_message(seen, at)
    if left:
        return _stalled("DatabaseLeft", left)
    gate = places.gate_of(seen, at)
    if gate and gate.rolled_back:
        message = f"Migration {gate.migration} rolled back its data. Run it again (rerunToken), or delete it to go live without its data"
        return _stalled("DataRolledBack", message)
    if gate and not gate.open:
        message = f"{at.name} is built and waits for the data of Migration {gate.migration}. To go live without the data, delete that Migration or its spec.app"
        return _working(DeploymentPhase.DEPLOYING, WAITS, message, None, _AGAIN)
    return _towards(seen, at, f"starting {at.name}", "Deploying")


RULES: tuple[Callable[[ObservedDeployment], DeploymentDecision | None], ...] = (
    name_unfit,
    service_foreign,
    service_drifted,
    data_went_back,
    live_failed,
    request_invalid,
    rollback_impossible,
    on_hold,
    source_unresolved,
    spec_impossible,
    release_missing,
    release_failed,
    on_its_way,
)


# -- steps ------------------------------------------------------------------------------------------------------------


def _building(seen: ObservedDeployment, at: ObservedRelease) -> DeploymentDecision:
    job, status = at.job, at.status
    if status.retry_after and seen.now < status.retry_after:
        wait = (status.retry_after - seen.now).total_seconds()
        return _working(DeploymentPhase.BUILDING, "Building", "the build failed temporarily and is retried", None, max(wait, 0.5))
    attempt = max(status.attempts, job.attempt if job else 0) + 1
    if job and not job.over and status.finished != job.name:
        return _working(DeploymentPhase.BUILDING, "Building", f"building {at.name}{_found(at)}", None, _AGAIN)
    if job and job.problem and status.finished != job.name:
        return _failing(seen, at, *job.problem)
    if attempt > _ATTEMPTS:
        return _failing(seen, at, "BuildFailed", f"its builder was lost {_ATTEMPTS} times. Check the events of its pods.")
    return _working(DeploymentPhase.BUILDING, "Building", f"building {at.name}", BuildRelease(at.name, attempt), _AGAIN)


def _found(at: ObservedRelease) -> str:
    found = at.status.build
    return f", a {found.framework} app" if found and found.framework else ""


def _towards(seen: ObservedDeployment, at: ObservedRelease, message: str, reason: str) -> DeploymentDecision:
    """Start as many pods as are live now, and switch traffic when all of them are ready."""
    running = seen.workloads.get(at.spec.workload)
    count = needed(seen)
    if running is None:
        return _working(DeploymentPhase.DEPLOYING, reason, message, CreateWorkload(at.name, count), 1)
    if running.wanted < count:
        return _working(DeploymentPhase.DEPLOYING, reason, message, ScaleWorkload(running.name, count), 1)
    if running.ready >= count:
        return _working(DeploymentPhase.DEPLOYING, reason, f"{at.name} is ready", SwitchTraffic(at.name), _SOON)
    return _unready(seen, at, running, message, reason)


def needed(seen: ObservedDeployment) -> int:
    """The number of ready pods before the switch: at least 1, even for 0 replicas, to show that the app starts."""
    return max(seen.deployment.spec.replicas, 1)


def _unready(
    seen: ObservedDeployment, at: ObservedRelease, running: ObservedWorkload, goal: str, reason: str
) -> DeploymentDecision:
    """Wait for its pods: a running app must be healthy within the health check's timeout, and all within the progress deadline."""
    spent = (seen.now - (at.status.deploying_at or seen.now)).total_seconds()
    problem = running.problem
    going_back = seen.live and seen.live.status.failure and seen.before and seen.before.name == at.name
    if not going_back:  # a release that was live does not fail again
        healthy, whole = at.spec.runtime.health_check.timeout_seconds, seen.deployment.spec.rollout.progress_deadline_seconds
        if problem and (problem[0] is PodReason.CRASH_LOOP or (problem[0] in _STUBBORN and spent > _PATIENCE_SECONDS)):
            return _failing(seen, at, *problem)
        if running.running_seconds > healthy or spent > whole:
            why, message = problem or ("Unhealthy", "its pods were not ready in time")
            return _failing(
                seen, at, why, f"not healthy within {healthy if running.running_seconds > healthy else whole} s: {message}"
            )
    more = f"; {problem[1]}" if problem else ""
    return _working(
        DeploymentPhase.DEPLOYING,
        reason,
        f"{goal}: {running.ready} of {running.wanted} ready{more}",
        None,
        1 if spent < 60 else 5,
    )


def _starts(seen: ObservedDeployment, running: ObservedWorkload) -> bool:
    """Whether its pods are only starting, as after a scale-up from 0, and still within the health check's timeout."""
    if not running.wanted:
        return True
    pod_problem = running.problem
    patience = seen.deployment.spec.runtime.health_check.timeout_seconds
    return running.starting and running.running_seconds <= patience and (pod_problem is None or pod_problem[0] in _OF_PROBES)


def _serving(seen: ObservedDeployment) -> DeploymentDecision:
    """The wanted release is live: observe it for a while, then report its state."""
    at, service = seen.live, seen.service
    if at is None or service is None:
        return _working(DeploymentPhase.PENDING, "Pending", "starting", None, 1)
    running = seen.workloads.get(service.workload)
    if running is None:
        return _working(
            DeploymentPhase.DEPLOYING,
            "Restoring",
            f"the workload of {at.name} was deleted; creating it again",
            CreateWorkload(at.name, needed(seen)),
            1,
        )
    return _observed(seen, at, running, service.switched_at or seen.now)


def _observed(
    seen: ObservedDeployment, at: ObservedRelease, running: ObservedWorkload, switched_at: datetime
) -> DeploymentDecision:
    rollout, asked = seen.deployment.spec.rollout, seen.deployment.spec.replicas
    reason = "RolledBack" if at.spec.rollback_to else "Live"
    message = f"{at.name} is live{f' ({at.spec.commit[:12]})' if at.spec.commit else ''}"
    until = switched_at + timedelta(seconds=rollout.observe_seconds)
    ill = running.crashed or (
        running.problem or ("Unhealthy", "none of its pods is ready") if asked and not running.ready else None
    )
    if asked and not running.ready and _starts(seen, running):
        return _working(
            DeploymentPhase.LIVE, "Starting", f"{message}, and its pods are starting: none of {asked} is ready yet", None, 2
        )
    if ill and seen.now < until and rollout.automatic_rollback and _way_back(seen, at):
        return _failing(seen, at, ill[0], f"it failed within {rollout.observe_seconds} s of going live: {ill[1]}")
    if asked and not running.ready and ill:
        return replace(
            _stalled("NotServing", f"{message}, but none of its pods is ready: {ill[1]}"),
            phase=DeploymentPhase.LIVE,
            again_seconds=5,
        )
    if seen.now < until:
        again = (until - seen.now).total_seconds()
        return ReconcileDecision(
            DeploymentPhase.LIVE, ("True", reason), f"{message}; observed for {again:.0f} s more", again_seconds=min(again + 1, 5)
        )
    return ReconcileDecision(DeploymentPhase.LIVE, ("True", reason), f"{message}, {running.ready} of {asked} pods ready")


def _way_back(seen: ObservedDeployment, at: ObservedRelease) -> bool:
    """Whether an automatic rollback is possible: to a release on the same data, and not from a rollback that a user chose."""
    return bool(seen.before and not at.spec.rollback_to)


# -- decisions --------------------------------------------------------------------------------------------------------


def _stalled(reason: str, message: str) -> DeploymentDecision:
    return ReconcileDecision(DeploymentPhase.PENDING, ("False", reason), message, stalled=True)


def _working(
    phase: DeploymentPhase, reason: str, message: str, action: DeploymentAction | None, again: float
) -> DeploymentDecision:
    return ReconcileDecision(phase, ("False", reason), message, action, working=True, again_seconds=again)


def _failed(seen: ObservedDeployment, at: ObservedRelease, message: str) -> str:
    """The message about a failed release: why it failed, and which release stays live."""
    other = seen.live
    return f"release {at.name} failed: {message}" + (f"; {other.name} stays live" if other and other.name != at.name else "")


def _failing(seen: ObservedDeployment, at: ObservedRelease, reason: str, message: str) -> DeploymentDecision:
    action = FailRelease(at.name, reason, message)
    return ReconcileDecision(
        DeploymentPhase.FAILED, ("False", reason), _failed(seen, at, message), action, stalled=True, again_seconds=_SOON
    )


def _facts(seen: ObservedDeployment) -> tuple[Fact, ...]:
    """The conditions about the live release, independent of a release in progress."""
    service = seen.service
    running = seen.workloads.get(service.workload) if service else None
    spec = seen.deployment.spec
    if running and (running.ready or not spec.replicas):
        facts: list[Fact] = [("Available", ("True", "Serving"))]
    else:
        facts = [("Available", ("False", "NothingServes", "no pod of a live release is ready"))]
    at = current(seen)
    if at and at.image:
        facts.append(("Built", ("True", "Built")))
    elif at and at.status.failure:
        facts.append(("Built", ("False", at.status.failure.reason, at.status.failure.message)))
    if spec.route and service and seen.claimed_by == "":
        routed = ("True", "Routed") if seen.route and seen.route.matches else ("False", "Routing", "its Ingress is being created")
        facts.append(("Routed", routed))
    if seen.database_ready:
        facts.append(("DatabaseReady", seen.database_ready))
    if seen.source_problem and seen.resolved:
        facts.append(("SourceReachable", ("False", *seen.source_problem)))
    return tuple(facts)


def _unrouted(seen: ObservedDeployment, found: DeploymentDecision) -> DeploymentDecision:
    """Report that another Deployment has the domain; the app itself stays live without it."""
    route = seen.deployment.spec.route
    if not route or not seen.claimed_by:
        return found
    message = f"domain {route.domain} belongs to {seen.claimed_by}. Choose another domain, or remove it there."
    facts = (*found.facts, ("Routed", ("False", "DomainTaken", message)))
    if found.ready[0] == "True":
        return replace(found, ready=("False", "DomainTaken"), message=message, stalled=True, facts=facts, again_seconds=30)
    return replace(found, facts=facts)
