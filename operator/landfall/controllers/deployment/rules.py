"""The rules of a Deployment: an ordered list; the first with an opinion wins.

The one that matters most: whatever goes wrong on the way to a new Release, the Service goes on selecting the one that serves. It is
switched when the new one's pods are ready, all of them, and back when the new one was found to have failed, which is written down first.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from landfall.api import instance_types
from landfall.controllers.cutover_gate import WAITS
from landfall.controllers.decision import Decision, Fact
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
from landfall.controllers.phases import DeploymentPhase
from landfall.errors import rule_of
from landfall.manifests import names

_NAME = re.compile(r"[a-z]([-a-z0-9]{0,50}[a-z0-9])?")
_ATTEMPTS = 5
_SOON, _AGAIN = 0.05, 15.0
# What a kubelet may get over by itself within a moment: a registry that hiccups, a Secret that it has not seen yet.
_OF_PROBES = frozenset({PodReason.NOT_LISTENING, PodReason.HEALTH_CHECK_FAILED})
_STUBBORN, _PATIENCE_SECONDS = frozenset({PodReason.IMAGE_PULL_FAILED, PodReason.CONTAINER_REFUSED}), 30


def decide(seen: ObservedDeployment) -> DeploymentDecision:
    """How it stands and the one thing to do next: towards the Release that is wanted first, then what others may give up."""
    found = next((d for d in (r(seen) for r in RULES) if d), None) or _serving(seen)
    found = replace(found, facts=(*found.facts, *_facts(seen)))
    if found.action is None:
        action, again = retention.next_action(seen, current(seen))
        soonest = min((t for t in (found.again_seconds, again) if t is not None), default=None)
        found = replace(found, action=action, again_seconds=_SOON if action else soonest)
    return _unrouted(seen, found)


# -- which Release ----------------------------------------------------------------------------------------------------


def current(seen: ObservedDeployment) -> ObservedRelease | None:
    """The Release that the spec asks for, if there is one already; be it live, on its way, or failed."""
    newest, live = seen.newest, seen.live
    if newest is None:
        return None
    if seen.deployment.spec.rollback_to:
        return _gone_back(seen, newest, live)
    if seen.pending:
        return None
    asked = desired_release.inputs(seen)
    if newest.spec.inputs == asked and not newest.status.superseded and not _moved_anew(seen, newest):
        return newest
    return live if live and live.spec.inputs == asked and not live.status.failure else None


def _moved_anew(seen: ObservedDeployment, newest: ObservedRelease) -> bool:
    """It failed with the data of one move, and another one is under way."""
    gate = newest.status.gate
    return bool(newest.status.failure and gate and seen.gate and seen.gate.run not in {"", gate})


def _gone_back(seen: ObservedDeployment, newest: ObservedRelease, live: ObservedRelease | None) -> ObservedRelease | None:
    """The Release that goes back to the one that is named; itself, where it serves."""
    goal = seen.goal
    if goal is None or newest.spec.rollback_to == goal.name:
        return newest if goal else None
    return live if live and goal.name in {live.name, live.spec.rollback_to} else None


# -- rules ------------------------------------------------------------------------------------------------------------


def name_unfit(seen: ObservedDeployment) -> DeploymentDecision | None:
    """Services and labels are named after it."""
    name = seen.deployment.metadata.name
    if _NAME.fullmatch(name):
        return None
    message = f"the name {name!r} cannot be that of a Service: at most 52 characters, a letter first, then letters, digits and hyphens. Rename it."
    return _stalled("NameUnfit", message)


def service_foreign(seen: ObservedDeployment) -> DeploymentDecision | None:
    """Somebody else's Service has the name."""
    if not seen.service or not seen.service.foreign:
        return None
    return _stalled("ServiceTaken", "a Service of this name is there, and it is not this Deployment's. Rename one of the two.")


def service_drifted(seen: ObservedDeployment) -> DeploymentDecision | None:
    """Somebody made the Service select something else than what its own words say is live."""
    live, service = seen.live, seen.service
    if not live or not service or service.workload == live.spec.workload or live.spec.workload not in seen.workloads:
        return None
    return _working(
        DeploymentPhase.DEPLOYING, "Restoring", f"the Service selects {live.name} again", SwitchTraffic(live.name), _SOON
    )


def data_went_back(seen: ObservedDeployment) -> DeploymentDecision | None:
    """What was made for data that is there no more goes with it."""
    gate = seen.gate
    if not gate or not (gate.back or gate.failed):
        return None
    mine = [r for r in seen.releases if r.status.gate == gate.run and not r.status.failure]
    gone = next((r for r in mine if not places.points_at(seen, r, gate.source)), None)
    took = "took" if gate.back else "takes"
    return _failing(seen, gone, "DataRolledBack", f"the Migration {gate.migration} {took} its data back") if gone else None


def live_failed(seen: ObservedDeployment) -> DeploymentDecision | None:
    """What serves was found to have failed: the one before it serves again."""
    live, before = seen.live, seen.before
    if not live or not live.status.failure or not before:
        return None
    told = f"{live.name} failed: {live.status.failure.message}"
    return _towards(seen, before, f"{told}; going back to {before.name}", "RollingBack")


def request_invalid(seen: ObservedDeployment) -> DeploymentDecision | None:
    """An annotation that is no request."""
    return _stalled("RequestInvalid", seen.request_problem) if seen.request_problem else None


def rollback_impossible(seen: ObservedDeployment) -> DeploymentDecision | None:
    """Only what was live can be gone back to."""
    asked = seen.deployment.spec.rollback_to
    if asked is None:
        return None
    goal = seen.goal
    name = goal.name if goal else asked.release or str(asked.revision)
    wrong = rollback_problem(name, {r.name: bool(r.status.live_at and r.image) for r in seen.releases})
    return _stalled(*wrong) if wrong else None


def rollback_problem(goal: str, releases: Mapping[str, bool]) -> tuple[str, str] | None:
    """Why a release cannot be gone back to, as (reason, message). `releases` are those of the Deployment, and whether each was live."""
    there = ", ".join(name for name, live in releases.items() if live) or "none"
    if goal not in releases:
        return "RollbackTargetMissing", f"there is no release {goal}. Those that were live: {there}."
    if not releases[goal]:
        return "RollbackTargetNeverLive", f"{goal} was never live. Those that were: {there}."
    return None


def held(seen: ObservedDeployment) -> DeploymentDecision | None:
    """Frozen by the annotation: what serves, serves on."""
    if not seen.hold:
        return None
    return Decision(
        DeploymentPhase.PAUSED, ("True", "Paused"), f"held: {seen.hold}; nothing new goes live until landfall.dev/hold is removed"
    )


def source_unresolved(seen: ObservedDeployment) -> DeploymentDecision | None:
    """Nobody knows yet which commit, or archive, it is."""
    spec = seen.deployment.spec
    if spec.rollback_to or seen.resolved or spec.source.image:
        return None
    if seen.source_problem:
        reason, message = seen.source_problem
        return replace(_stalled(reason, message), again_seconds=30)
    return _working(DeploymentPhase.PENDING, "Resolving", "looking up the source", None, 2)


def spec_impossible(seen: ObservedDeployment) -> DeploymentDecision | None:
    """What no release could be made with."""
    spec = seen.deployment.spec
    asked = spec.runtime.instance_type
    if asked and asked not in instance_types.TABLE:
        return _stalled(
            "InstanceTypeUnknown", f"there is no instance type {asked!r}. There are {', '.join(instance_types.TABLE)}."
        )
    if spec.region and seen.regions is not None and spec.region not in seen.regions:
        there = ", ".join(seen.regions) or "none that a node is labelled with (topology.kubernetes.io/region)"
        return replace(
            _stalled("RegionUnavailable", f"no node is in the region {spec.region!r}. There are {there}."), again_seconds=30
        )
    return None


def release_missing(seen: ObservedDeployment) -> DeploymentDecision | None:
    """The spec asks for something that there is no Release of."""
    if current(seen):
        return None
    goal = seen.goal
    if goal:
        return _working(DeploymentPhase.DEPLOYING, "RollingBack", f"going back to {goal.name}", MakeRollback(goal.name), _SOON)
    if seen.environment_problem:
        reason, message = seen.environment_problem
        if rule_of(reason).retry.by_itself:
            return _working(DeploymentPhase.PENDING, reason, message, None, seen.database_again or 5)
        return replace(_stalled(reason, message), again_seconds=15)
    name = names.release_name(seen.deployment.metadata.name, desired_release.revision(seen))
    return _working(DeploymentPhase.PENDING, "Releasing", f"making release {name}", MakeRelease(name), _SOON)


def release_failed(seen: ObservedDeployment) -> DeploymentDecision | None:
    """It does not go live, and what served before serves on."""
    at = current(seen)
    if not at or not at.status.failure:
        return None
    return replace(_stalled(at.status.failure.reason, _failed(seen, at, at.status.failure.message)), phase=DeploymentPhase.FAILED)


def on_its_way(seen: ObservedDeployment) -> DeploymentDecision | None:
    """Build it, start it, and switch when it is ready."""
    at = current(seen)
    if not at or (seen.live and seen.live.name == at.name):
        return None
    if not at.image:
        return _building(seen, at)
    left = places.left(seen, at)
    if left:
        return _stalled("DatabaseLeft", left)
    gate = places.gate_of(seen, at)
    if gate and gate.back:
        message = (
            f"the Migration {gate.migration} took its data back: have it move again (rerunToken), or delete it to go live without"
        )
        return _stalled("DataRolledBack", message)
    if gate and not gate.open:
        message = f"{at.name} is built, and waits for the data that the Migration {gate.migration} moves; delete that, or its spec.app, to go live without"
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
    held,
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
        return _working(
            DeploymentPhase.BUILDING, "Building", "the build failed for the moment and is tried again", None, max(wait, 0.5)
        )
    attempt = max(status.attempts, job.attempt if job else 0) + 1
    if job and not job.over and status.finished != job.name:
        return _working(DeploymentPhase.BUILDING, "Building", f"building {at.name}{_found(at)}", None, _AGAIN)
    if job and job.problem and status.finished != job.name:
        return _failing(seen, at, *job.problem)
    if attempt > _ATTEMPTS:
        return _failing(seen, at, "BuildFailed", f"its builder was lost {_ATTEMPTS} times. Look at the events of its pods.")
    return _working(DeploymentPhase.BUILDING, "Building", f"building {at.name}", BuildRelease(at.name, attempt), _AGAIN)


def _found(at: ObservedRelease) -> str:
    found = at.status.build
    return f", a {found.framework} app" if found and found.framework else ""


def _towards(seen: ObservedDeployment, at: ObservedRelease, told: str, reason: str) -> DeploymentDecision:
    """Have it run, as many as serve now, and switch when all of them are ready."""
    running = seen.workloads.get(at.spec.workload)
    count = needed(seen)
    if running is None:
        return _working(DeploymentPhase.DEPLOYING, reason, told, CreateWorkload(at.name, count), 1)
    if running.wanted < count:
        return _working(DeploymentPhase.DEPLOYING, reason, told, ScaleWorkload(running.name, count), 1)
    if running.ready >= count:
        return _working(DeploymentPhase.DEPLOYING, reason, f"{at.name} is ready", SwitchTraffic(at.name), _SOON)
    return _unready(seen, at, running, told, reason)


def needed(seen: ObservedDeployment) -> int:
    """How many pods must be ready before the switch. With none asked for, one shows that it starts."""
    return max(seen.deployment.spec.replicas, 1)


def _unready(
    seen: ObservedDeployment, at: ObservedRelease, running: ObservedWorkload, told: str, reason: str
) -> DeploymentDecision:
    """Wait for its pods; an app that runs has the health check's time to answer, and all of it together the rollout's."""
    spent = (seen.now - (at.status.deploying_at or seen.now)).total_seconds()
    problem = running.problem
    going_back = seen.live and seen.live.status.failure and seen.before and seen.before.name == at.name
    if not going_back:  # what served before is not judged
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
        f"{told}: {running.ready} of {running.wanted} ready{more}",
        None,
        1 if spent < 60 else 5,
    )


def _starts(seen: ObservedDeployment, running: ObservedWorkload) -> bool:
    """Whether it is only new pods that have not come up yet, as after it was scaled to none and up again, or that are still to be asked for; they have the health check's time."""
    if not running.wanted:
        return True
    told = running.problem
    patience = seen.deployment.spec.runtime.health_check.timeout_seconds
    return running.starting and running.running_seconds <= patience and (told is None or told[0] in _OF_PROBES)


def _serving(seen: ObservedDeployment) -> DeploymentDecision:
    """What is wanted is live: observe it for a while, and then tell how it is."""
    at, service = seen.live, seen.service
    if at is None or service is None:
        return _working(DeploymentPhase.PENDING, "Pending", "looking", None, 1)
    running = seen.workloads.get(service.workload)
    if running is None:
        return _working(
            DeploymentPhase.DEPLOYING,
            "Restoring",
            f"the workload of {at.name} is gone and made again",
            CreateWorkload(at.name, needed(seen)),
            1,
        )
    return _observed(seen, at, running, service.switched_at or seen.now)


def _observed(
    seen: ObservedDeployment, at: ObservedRelease, running: ObservedWorkload, switched_at: datetime
) -> DeploymentDecision:
    rollout, asked = seen.deployment.spec.rollout, seen.deployment.spec.replicas
    word = "RolledBack" if at.spec.rollback_to else "Live"
    told = f"{at.name} is live{f' ({at.spec.commit[:12]})' if at.spec.commit else ''}"
    until = switched_at + timedelta(seconds=rollout.observe_seconds)
    ill = running.crashed or (
        running.problem or ("Unhealthy", "none of its pods is ready") if asked and not running.ready else None
    )
    if asked and not running.ready and _starts(seen, running):
        return _working(DeploymentPhase.LIVE, "Starting", f"{told}, and its pods start: none of {asked} is ready yet", None, 2)
    if ill and seen.now < until and rollout.automatic_rollback and _way_back(seen, at):
        return _failing(seen, at, ill[0], f"it failed within {rollout.observe_seconds} s of going live: {ill[1]}")
    if asked and not running.ready and ill:
        return replace(
            _stalled("NotServing", f"{told}, and no pod of it is ready: {ill[1]}"), phase=DeploymentPhase.LIVE, again_seconds=5
        )
    if seen.now < until:
        again = (until - seen.now).total_seconds()
        return Decision(
            DeploymentPhase.LIVE, ("True", word), f"{told}; observed for {again:.0f} s more", again_seconds=min(again + 1, 5)
        )
    return Decision(DeploymentPhase.LIVE, ("True", word), f"{told}, {running.ready} of {asked} pods ready")


def _way_back(seen: ObservedDeployment, at: ObservedRelease) -> bool:
    """Whether there is one that served before, on the same data. From a rollback nothing goes back by itself: a person has chosen it."""
    return bool(seen.before and not at.spec.rollback_to)


# -- words ------------------------------------------------------------------------------------------------------------


def _stalled(reason: str, message: str) -> DeploymentDecision:
    return Decision(DeploymentPhase.PENDING, ("False", reason), message, stalled=True)


def _working(
    phase: DeploymentPhase, reason: str, message: str, action: DeploymentAction | None, again: float
) -> DeploymentDecision:
    return Decision(phase, ("False", reason), message, action, working=True, again_seconds=again)


def _failed(seen: ObservedDeployment, at: ObservedRelease, message: str) -> str:
    """What is told of a release that failed, from the first moment on: why, and what serves all the same."""
    other = seen.live
    return f"release {at.name} failed: {message}" + (f"; {other.name} serves on" if other and other.name != at.name else "")


def _failing(seen: ObservedDeployment, at: ObservedRelease, reason: str, message: str) -> DeploymentDecision:
    action = FailRelease(at.name, reason, message)
    return Decision(
        DeploymentPhase.FAILED, ("False", reason), _failed(seen, at, message), action, stalled=True, again_seconds=_SOON
    )


def _facts(seen: ObservedDeployment) -> tuple[Fact, ...]:
    """What holds of what serves, whatever becomes of what is on its way."""
    service = seen.service
    running = seen.workloads.get(service.workload) if service else None
    spec = seen.deployment.spec
    if running and (running.ready or not spec.replicas):
        told: list[Fact] = [("Available", ("True", "Serving"))]
    else:
        told = [("Available", ("False", "NothingServes", "no pod of a live release is ready"))]
    at = current(seen)
    if at and at.image:
        told.append(("Built", ("True", "Built")))
    elif at and at.status.failure:
        told.append(("Built", ("False", at.status.failure.reason, at.status.failure.message)))
    if spec.route and service and seen.claimed_by == "":
        told.append(
            ("Routed", ("True", "Routed") if seen.route and seen.route.matches else ("False", "Routing", "its Ingress is made"))
        )
    if seen.database_ready:
        told.append(("DatabaseReady", seen.database_ready))
    if seen.source_problem and seen.resolved:
        told.append(("SourceReachable", ("False", *seen.source_problem)))
    return tuple(told)


def _unrouted(seen: ObservedDeployment, found: DeploymentDecision) -> DeploymentDecision:
    """A domain that another one has is a person's to settle; the app itself is served all the same."""
    route = seen.deployment.spec.route
    if not route or not seen.claimed_by:
        return found
    message = f"the domain {route.domain} is that of {seen.claimed_by}. Choose another, or take it away there."
    facts = (*found.facts, ("Routed", ("False", "DomainTaken", message)))
    if found.ready[0] == "True":
        return replace(found, ready=("False", "DomainTaken"), message=message, stalled=True, facts=facts, again_seconds=30)
    return replace(found, facts=facts)
