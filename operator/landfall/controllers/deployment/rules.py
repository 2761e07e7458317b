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


def decide(observed: ObservedDeployment) -> DeploymentDecision:
    """The conditions and the next action: first towards the wanted Release, then the retention of the others."""
    decision = next((d for d in (r(observed) for r in RULES) if d), None) or _serving(observed)
    decision = replace(decision, facts=(*decision.facts, *_facts(observed)))
    if decision.action is None:
        action, again = retention.next_action(observed, current(observed))
        soonest = min((t for t in (decision.again_seconds, again) if t is not None), default=None)
        decision = replace(decision, action=action, again_seconds=_SOON if action else soonest)
    return _unrouted(observed, decision)


# -- which Release ----------------------------------------------------------------------------------------------------


def current(observed: ObservedDeployment) -> ObservedRelease | None:
    """The Release of the current spec, if it exists: live, in progress, or failed."""
    newest, live = observed.newest, observed.live
    if newest is None:
        return None
    if observed.deployment.spec.rollback_to:
        return _gone_back(observed, newest, live)
    if observed.pending:
        return None
    declared = desired_release.inputs(observed)
    if newest.spec.inputs == declared and not newest.status.superseded and not _moved_anew(observed, newest):
        return newest
    return live if live and live.spec.inputs == declared and not live.status.failure else None


def _moved_anew(observed: ObservedDeployment, newest: ObservedRelease) -> bool:
    """Whether it failed with the data of one run, and another run is in progress."""
    gate = newest.status.gate
    return bool(newest.status.failure and gate and observed.gate and observed.gate.run not in {"", gate})


def _gone_back(observed: ObservedDeployment, newest: ObservedRelease, live: ObservedRelease | None) -> ObservedRelease | None:
    """The Release that rolls back to the named one; or the named one itself, if it is live."""
    goal = observed.goal
    if goal is None or newest.spec.rollback_to == goal.name:
        return newest if goal else None
    return live if live and goal.name in {live.name, live.spec.rollback_to} else None


# -- rules ------------------------------------------------------------------------------------------------------------


def name_unfit(observed: ObservedDeployment) -> DeploymentDecision | None:
    """The Deployment's name is not valid for a Service and labels."""
    name = observed.deployment.metadata.name
    if _NAME.fullmatch(name):
        return None
    message = f"name {name!r} is not valid for a Service: use at most 52 lower-case letters, digits and hyphens, a letter first. Rename it."
    return _stalled("NameUnfit", message)


def service_foreign(observed: ObservedDeployment) -> DeploymentDecision | None:
    """A Service of this name exists and is not owned by the Deployment."""
    if not observed.service or not observed.service.foreign:
        return None
    return _stalled("ServiceTaken", "a Service of this name exists and is not owned by this Deployment. Rename one of the two.")


def service_drifted(observed: ObservedDeployment) -> DeploymentDecision | None:
    """The Service was changed to select another workload than its annotations say."""
    live, service = observed.live, observed.service
    if not live or not service or service.workload == live.spec.workload or live.spec.workload not in observed.workloads:
        return None
    return _working(
        DeploymentPhase.DEPLOYING, "Restoring", f"making the Service select {live.name} again", SwitchTraffic(live.name), _SOON
    )


def data_went_back(observed: ObservedDeployment) -> DeploymentDecision | None:
    """The data that a Release was created for has been rolled back: the Release fails."""
    gate = observed.gate
    if not gate or not (gate.rolled_back or gate.failed):
        return None
    of_gate = [r for r in observed.releases if r.status.gate == gate.run and not r.status.failure]
    on_target = next((r for r in of_gate if not places.points_at(observed, r, gate.source)), None)
    verb = "has rolled back" if gate.rolled_back else "is rolling back"
    return _failing(observed, on_target, "DataRolledBack", f"Migration {gate.migration} {verb} its data") if on_target else None


def live_failed(observed: ObservedDeployment) -> DeploymentDecision | None:
    """The live release has failed: roll back to the one before."""
    live, before = observed.live, observed.before
    if not live or not live.status.failure or not before:
        return None
    message = f"{live.name} failed: {live.status.failure.message}"
    return _towards(observed, before, f"{message}; rolling back to {before.name}", "RollingBack")


def request_invalid(observed: ObservedDeployment) -> DeploymentDecision | None:
    """The annotation does not contain a valid request."""
    return _stalled("RequestInvalid", observed.request_problem) if observed.request_problem else None


def rollback_impossible(observed: ObservedDeployment) -> DeploymentDecision | None:
    """`rollbackTo` does not name a Release that was live."""
    target = observed.deployment.spec.rollback_to
    if target is None:
        return None
    goal = observed.goal
    name = goal.name if goal else target.release or str(target.revision)
    wrong = rollback_problem(name, {r.name: bool(r.status.live_at and r.image) for r in observed.releases})
    return _stalled(*wrong) if wrong else None


def rollback_problem(goal: str, releases: Mapping[str, bool]) -> tuple[str, str] | None:
    """Why a Deployment cannot be rolled back to a release.

    Args:
        goal: The name of the release.
        releases: Whether each release of the Deployment was live.

    Returns:
        Reason and message; None if it can be rolled back to.
    """
    live_names = ", ".join(name for name, live in releases.items() if live) or "none"
    if goal not in releases:
        return "RollbackTargetMissing", f"release {goal} not found. Releases that were live: {live_names}."
    if not releases[goal]:
        return "RollbackTargetNeverLive", f"release {goal} was never live. Releases that were live: {live_names}."
    return None


def on_hold(observed: ObservedDeployment) -> DeploymentDecision | None:
    """Paused by the annotation: the live release stays live."""
    if not observed.hold:
        return None
    return ReconcileDecision(
        DeploymentPhase.PAUSED,
        ("True", "Paused"),
        f"held: {observed.hold}; no new release goes live until landfall.dev/hold is removed",
    )


def source_unresolved(observed: ObservedDeployment) -> DeploymentDecision | None:
    """The source is not resolved to a commit or an archive yet."""
    spec = observed.deployment.spec
    if spec.rollback_to or observed.resolved or spec.source.image:
        return None
    if observed.source_problem:
        reason, message = observed.source_problem
        return replace(_stalled(reason, message), again_seconds=30)
    return _working(DeploymentPhase.PENDING, "Resolving", "looking up the source", None, 2)


def spec_impossible(observed: ObservedDeployment) -> DeploymentDecision | None:
    """The spec cannot be released."""
    spec = observed.deployment.spec
    instance_type = spec.runtime.instance_type
    if instance_type and instance_type not in instance_types.TABLE:
        return _stalled(
            "InstanceTypeUnknown", f"instance type {instance_type!r} is unknown. Use one of {', '.join(instance_types.TABLE)}."
        )
    if spec.region and observed.regions is not None and spec.region not in observed.regions:
        regions = ", ".join(observed.regions) or "none (no node has the label topology.kubernetes.io/region)"
        return replace(
            _stalled("RegionUnavailable", f"no node is in region {spec.region!r}. Regions of nodes: {regions}."), again_seconds=30
        )
    return None


def release_missing(observed: ObservedDeployment) -> DeploymentDecision | None:
    """There is no Release of the current spec: create it."""
    if current(observed):
        return None
    goal = observed.goal
    if goal:
        message = f"rolling back to {goal.name}"
        return _working(DeploymentPhase.DEPLOYING, "RollingBack", message, MakeRollback(goal.name), _SOON)
    if observed.environment_problem:
        reason, message = observed.environment_problem
        if rule_of(reason).retry.by_itself:
            return _working(DeploymentPhase.PENDING, reason, message, None, observed.database_again or 5)
        return replace(_stalled(reason, message), again_seconds=15)
    name = names.release_name(observed.deployment.metadata.name, desired_release.revision(observed))
    return _working(DeploymentPhase.PENDING, "Releasing", f"creating release {name}", MakeRelease(name), _SOON)


def release_failed(observed: ObservedDeployment) -> DeploymentDecision | None:
    """The current release has failed; the live one stays live."""
    at = current(observed)
    if not at or not at.status.failure:
        return None
    return replace(
        _stalled(at.status.failure.reason, _failed(observed, at, at.status.failure.message)), phase=DeploymentPhase.FAILED
    )


def on_its_way(observed: ObservedDeployment) -> DeploymentDecision | None:
    """Build the current release, start it, and switch traffic when it is ready."""
    at = current(observed)
    if not at or (observed.live and observed.live.name == at.name):
        return None
    if not at.image:
        return _building(observed, at)
    migrated_away = places.migrated_away_message(observed, at)
    if migrated_away:
        return _stalled("DatabaseLeft", migrated_away)
    gate = places.gate_of(observed, at)
    if gate and gate.rolled_back:
        message = f"Migration {gate.migration} rolled back its data. Run it again (rerunToken), or delete it to go live without its data"
        return _stalled("DataRolledBack", message)
    if gate and not gate.open:
        message = f"{at.name} is built and waits for the data of Migration {gate.migration}. To go live without the data, delete that Migration or its spec.app"
        return _working(DeploymentPhase.DEPLOYING, WAITS, message, None, _AGAIN)
    return _towards(observed, at, f"starting {at.name}", "Deploying")


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


def _building(observed: ObservedDeployment, at: ObservedRelease) -> DeploymentDecision:
    job, status = at.job, at.status
    if status.retry_after and observed.now < status.retry_after:
        wait = (status.retry_after - observed.now).total_seconds()
        return _working(DeploymentPhase.BUILDING, "Building", "the build failed temporarily and is retried", None, max(wait, 0.5))
    attempt = max(status.attempts, job.attempt if job else 0) + 1
    if job and not job.over and status.finished != job.name:
        return _working(DeploymentPhase.BUILDING, "Building", f"building {at.name}{_framework_text(at)}", None, _AGAIN)
    if job and job.problem and status.finished != job.name:
        return _failing(observed, at, *job.problem)
    if attempt > _ATTEMPTS:
        return _failing(observed, at, "BuildFailed", f"its builder was lost {_ATTEMPTS} times. Check the events of its pods.")
    return _working(DeploymentPhase.BUILDING, "Building", f"building {at.name}", BuildRelease(at.name, attempt), _AGAIN)


def _framework_text(at: ObservedRelease) -> str:
    build = at.status.build
    return f", a {build.framework} app" if build and build.framework else ""


def _towards(observed: ObservedDeployment, at: ObservedRelease, message: str, reason: str) -> DeploymentDecision:
    """Start as many pods as are live now, and switch traffic when all of them are ready."""
    running = observed.workloads.get(at.spec.workload)
    count = needed(observed)
    if running is None:
        return _working(DeploymentPhase.DEPLOYING, reason, message, CreateWorkload(at.name, count), 1)
    if running.wanted < count:
        return _working(DeploymentPhase.DEPLOYING, reason, message, ScaleWorkload(running.name, count), 1)
    if running.ready >= count:
        return _working(DeploymentPhase.DEPLOYING, reason, f"{at.name} is ready", SwitchTraffic(at.name), _SOON)
    return _unready(observed, at, running, message, reason)


def needed(observed: ObservedDeployment) -> int:
    """The number of ready pods before the switch: at least 1, even for 0 replicas, to show that the app starts."""
    return max(observed.deployment.spec.replicas, 1)


def _unready(
    observed: ObservedDeployment, at: ObservedRelease, running: ObservedWorkload, goal: str, reason: str
) -> DeploymentDecision:
    """Wait for its pods: a running app must be healthy within the health check's timeout, and all within the progress deadline."""
    elapsed = (observed.now - (at.status.deploying_at or observed.now)).total_seconds()
    problem = running.problem
    going_back = observed.live and observed.live.status.failure and observed.before and observed.before.name == at.name
    if not going_back:  # a release that was live does not fail again
        healthy, whole = at.spec.runtime.health_check.timeout_seconds, observed.deployment.spec.rollout.progress_deadline_seconds
        if problem and (problem[0] is PodReason.CRASH_LOOP or (problem[0] in _STUBBORN and elapsed > _PATIENCE_SECONDS)):
            return _failing(observed, at, *problem)
        if running.running_seconds > healthy or elapsed > whole:
            reason_of_failure, message = problem or ("Unhealthy", "its pods were not ready in time")
            return _failing(
                observed,
                at,
                reason_of_failure,
                f"not healthy within {healthy if running.running_seconds > healthy else whole} s: {message}",
            )
    more = f"; {problem[1]}" if problem else ""
    return _working(
        DeploymentPhase.DEPLOYING,
        reason,
        f"{goal}: {running.ready} of {running.wanted} ready{more}",
        None,
        1 if elapsed < 60 else 5,
    )


def _starts(observed: ObservedDeployment, running: ObservedWorkload) -> bool:
    """Whether its pods are only starting, as after a scale-up from 0, and still within the health check's timeout."""
    if not running.wanted:
        return True
    pod_problem = running.problem
    patience = observed.deployment.spec.runtime.health_check.timeout_seconds
    return running.starting and running.running_seconds <= patience and (pod_problem is None or pod_problem[0] in _OF_PROBES)


def _serving(observed: ObservedDeployment) -> DeploymentDecision:
    """The wanted release is live: observe it for a while, then report its state."""
    at, service = observed.live, observed.service
    if at is None or service is None:
        return _working(DeploymentPhase.PENDING, "Pending", "starting", None, 1)
    running = observed.workloads.get(service.workload)
    if running is None:
        return _working(
            DeploymentPhase.DEPLOYING,
            "Restoring",
            f"the workload of {at.name} was deleted; creating it again",
            CreateWorkload(at.name, needed(observed)),
            1,
        )
    return _observed(observed, at, running, service.switched_at or observed.now)


def _observed(
    observed: ObservedDeployment, at: ObservedRelease, running: ObservedWorkload, switched_at: datetime
) -> DeploymentDecision:
    rollout, replicas = observed.deployment.spec.rollout, observed.deployment.spec.replicas
    reason = "RolledBack" if at.spec.rollback_to else "Live"
    message = f"{at.name} is live{f' ({at.spec.commit[:12]})' if at.spec.commit else ''}"
    until = switched_at + timedelta(seconds=rollout.observe_seconds)
    ill = running.crashed or (
        running.problem or ("Unhealthy", "none of its pods is ready") if replicas and not running.ready else None
    )
    if replicas and not running.ready and _starts(observed, running):
        return _working(
            DeploymentPhase.LIVE, "Starting", f"{message}, and its pods are starting: none of {replicas} is ready yet", None, 2
        )
    if ill and observed.now < until and rollout.automatic_rollback and _way_back(observed, at):
        return _failing(observed, at, ill[0], f"it failed within {rollout.observe_seconds} s of going live: {ill[1]}")
    if replicas and not running.ready and ill:
        return replace(
            _stalled("NotServing", f"{message}, but none of its pods is ready: {ill[1]}"),
            phase=DeploymentPhase.LIVE,
            again_seconds=5,
        )
    if observed.now < until:
        again = (until - observed.now).total_seconds()
        return ReconcileDecision(
            DeploymentPhase.LIVE, ("True", reason), f"{message}; observed for {again:.0f} s more", again_seconds=min(again + 1, 5)
        )
    return ReconcileDecision(DeploymentPhase.LIVE, ("True", reason), f"{message}, {running.ready} of {replicas} pods ready")


def _way_back(observed: ObservedDeployment, at: ObservedRelease) -> bool:
    """Whether an automatic rollback is possible: to a release on the same data, and not from a rollback that a user chose."""
    return bool(observed.before and not at.spec.rollback_to)


# -- decisions --------------------------------------------------------------------------------------------------------


def _stalled(reason: str, message: str) -> DeploymentDecision:
    return ReconcileDecision(DeploymentPhase.PENDING, ("False", reason), message, stalled=True)


def _working(
    phase: DeploymentPhase, reason: str, message: str, action: DeploymentAction | None, again: float
) -> DeploymentDecision:
    return ReconcileDecision(phase, ("False", reason), message, action, working=True, again_seconds=again)


def _failed(observed: ObservedDeployment, at: ObservedRelease, message: str) -> str:
    """The message about a failed release: why it failed, and which release stays live."""
    other = observed.live
    return f"release {at.name} failed: {message}" + (f"; {other.name} stays live" if other and other.name != at.name else "")


def _failing(observed: ObservedDeployment, at: ObservedRelease, reason: str, message: str) -> DeploymentDecision:
    action = FailRelease(at.name, reason, message)
    return ReconcileDecision(
        DeploymentPhase.FAILED, ("False", reason), _failed(observed, at, message), action, stalled=True, again_seconds=_SOON
    )


def _facts(observed: ObservedDeployment) -> tuple[Fact, ...]:
    """The conditions about the live release, independent of a release in progress."""
    service = observed.service
    running = observed.workloads.get(service.workload) if service else None
    spec = observed.deployment.spec
    if running and (running.ready or not spec.replicas):
        facts: list[Fact] = [("Available", ("True", "Serving"))]
    else:
        facts = [("Available", ("False", "NothingServes", "no pod of a live release is ready"))]
    at = current(observed)
    if at and at.image:
        facts.append(("Built", ("True", "Built")))
    elif at and at.status.failure:
        facts.append(("Built", ("False", at.status.failure.reason, at.status.failure.message)))
    if spec.route and service and observed.claimed_by == "":
        routed = (
            ("True", "Routed")
            if observed.route and observed.route.matches
            else ("False", "Routing", "its Ingress is being created")
        )
        facts.append(("Routed", routed))
    if observed.database_ready:
        facts.append(("DatabaseReady", observed.database_ready))
    if observed.source_problem and observed.resolved:
        facts.append(("SourceReachable", ("False", *observed.source_problem)))
    return tuple(facts)


def _unrouted(observed: ObservedDeployment, decision: DeploymentDecision) -> DeploymentDecision:
    """Report that another Deployment has the domain; the app itself stays live without it."""
    route = observed.deployment.spec.route
    if not route or not observed.claimed_by:
        return decision
    message = f"domain {route.domain} belongs to {observed.claimed_by}. Choose another domain, or remove it there."
    facts = (*decision.facts, ("Routed", ("False", "DomainTaken", message)))
    if decision.ready[0] == "True":
        return replace(decision, ready=("False", "DomainTaken"), message=message, stalled=True, facts=facts, again_seconds=30)
    return replace(decision, facts=facts)
