"""The loop of a Deployment: observe it, its Releases and workloads; decide; act once; write the status once."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import Any

from landfall.api.deployment import Deployment
from landfall.api.phases import DeploymentPhase
from landfall.api.release import BuildSummary, ReleaseFailure, ReleaseStatus
from landfall.controllers.actions import DeleteJob
from landfall.controllers.context import Context, kept_status, log_action, minimal_observed
from landfall.controllers.decision import ObservedObject, ReconcileDecision, conditions
from landfall.controllers.deployment import commit_status, desired_release, provider_database
from landfall.controllers.deployment.act import act
from landfall.controllers.deployment.actions import (
    ApplyRoute,
    BuildRelease,
    CoolWorkload,
    CreatePreview,
    CreateWorkload,
    DeleteRoute,
    DeploymentAction,
    DeploymentDecision,
    FailRelease,
    ForgetRelease,
    MakeRelease,
    MakeRollback,
    RefreshWorkload,
    ScaleWorkload,
    SupersedeRelease,
    SwitchTraffic,
)
from landfall.controllers.deployment.build_jobs import BuildSettings
from landfall.controllers.deployment.observe import DeploymentObserver
from landfall.controllers.deployment.observed import ObservedDeployment, ObservedRelease
from landfall.controllers.deployment.record import keep, prepare, record_builds
from landfall.controllers.deployment.rules import decide
from landfall.controllers.deployment.status import begun, observed_gate, release_ready, release_status
from landfall.controllers.objects import format_time, invalid
from landfall.kube.client import Object
from landfall.kube.errors import KubeError, NotFoundError
from landfall.manifests.workload import LABEL_WORKLOAD

_SOON_SECONDS = 0.05


async def reconcile(context: Context, raw: Object, builds: BuildSettings) -> float | None:
    """Observe, decide, act, write the status; returns the seconds until the next reconcile. `builds`: how apps are built."""
    if "deletionTimestamp" in raw["metadata"]:
        return None  # everything created has an owner reference and is deleted with it
    problem = invalid(Deployment, raw)
    if problem:
        await context.report(raw, minimal_observed(raw, context), problem, kept_status(raw))
        return None
    observer = DeploymentObserver(context, builds, raw)
    database = observer.deployment.spec.database
    if database and not database.connection_ref:
        observer.database = await provider_database.prepared(context, raw, database)
    seen = await observer.observe()
    if await prepare(observer):
        return _SOON_SECONDS
    await record_builds(observer)
    decision = decide(seen)
    if isinstance(decision.action, BuildRelease) and not (builds.registry and builds.builder and builds.images):
        message = "builds are disabled: the operator has no registry or no builder (the chart's `builds`). Configure both, or deploy an image."
        decision = ReconcileDecision(
            DeploymentPhase.PENDING, ("False", "BuildsDisabled"), message, stalled=True, again_seconds=60
        )
    if decision.action:
        await _act_or_report(observer, seen, decision)
        log_action(raw, decision.action)
    await _write_release_statuses(observer, seen, decision.action)
    await context.report(raw, seen, decision, _status(observer, seen, decision.action))
    if decision.action is None:
        await commit_status.report_next(context, observer.namespace, seen, observer.releases, _url(observer, seen))
    for job in observer.taken:
        context.reports.forget(observer.namespace, job)
    repository = seen.deployment.spec.source.repository
    follows = repository and not repository.commit
    times = [t for t in (decision.again_seconds, float(builds.follow_seconds) if follows else None) if t is not None]
    return min(times, default=None)


async def _act_or_report(observer: DeploymentObserver, seen: ObservedDeployment, decision: DeploymentDecision) -> None:
    """Execute the action. If the API server rejects it, write the status first: a Migration waits for the gate in it. Raises KubeError."""
    if decision.action is None:
        return
    try:
        await act(observer, seen, decision.action)
    except KubeError:
        with contextlib.suppress(KubeError):  # the rejected action is the error to report
            await observer.context.report(observer.raw, seen, decision, _status(observer, seen, None))
        raise


# -- status ----------------------------------------------------------------------------------------------------------


def follows(raw: Object, repository: str, branch: str) -> bool:
    """Whether a Deployment follows a branch of a repository. One that names no branch may follow any."""
    github = (raw["spec"].get("source") or {}).get("github") or {}
    named = str(github.get("repository", "")).lower() == repository.lower() and github.get("branch", branch) == branch
    return named and not github.get("commit") and (raw["spec"].get("rollout") or {}).get("follow", True)


async def _write_release_statuses(
    observer: DeploymentObserver, seen: ObservedDeployment, action: DeploymentAction | None
) -> None:
    """Write the statuses of Releases that have changed."""
    for one in seen.releases:
        if action == ForgetRelease(one.name):
            continue
        status = release_status(seen, _acted(observer, seen, one, action))
        raw = observer.releases[one.name]
        decision = release_ready(one, status)
        before = raw.get("status") or {}
        stood = ObservedObject(now=seen.now, generation=1, conditions=_conditions(before))
        listed = [c.model_dump(mode="json", by_alias=True) for c in conditions(stood, decision)]
        with contextlib.suppress(NotFoundError):
            await keep(observer, one.name, status, listed)


def _conditions(status: Object) -> tuple[Any, ...]:
    return ReleaseStatus.model_validate({"conditions": status.get("conditions", [])}).conditions


def _acted(
    observer: DeploymentObserver, seen: ObservedDeployment, one: ObservedRelease, action: DeploymentAction | None
) -> ObservedRelease:
    """The Release with what the action records in its status, and with the build that its image comes from."""
    status = one.status
    more = _recorded(observer, seen, one, action)
    at = observer.wanted
    running = seen.workloads.get(one.spec.workload)
    if at and at.name == one.name and one.image and (running or isinstance(action, CreateWorkload)):
        more |= begun(seen, one)
    if one.spec.image and status.build is None:
        origin = next((r for r in seen.releases if r.image == one.spec.image and r.status.build and r.name != one.name), None)
        found = origin.status.build if origin else None
        more["build"] = found.model_copy(update={"reused": found.reused or origin.name}) if found and origin else BuildSummary()
    return replace(one, status=status.model_copy(update=more)) if more else one


def _recorded(  # noqa: PLR0911  a table of actions
    observer: DeploymentObserver, seen: ObservedDeployment, one: ObservedRelease, action: DeploymentAction | None
) -> dict[str, object]:
    """The fields of a Release's status that an action changes."""
    match action:
        case CoolWorkload(name):
            return {"preview": ""} if name == one.spec.workload else {}
        case SwitchTraffic(name):
            return {"preview": ""} if name == one.name else {}
        case CreatePreview(name):
            return {"preview": f"http://{one.spec.workload}.{observer.namespace}.svc"} if name == one.name else {}
        case FailRelease(name, reason, message):
            failure = ReleaseFailure(reason=reason, message=message[:1000], at=seen.now)
            return {"failure": failure} if name == one.name else {}
        case SupersedeRelease(name, message):
            return {"superseded": message} if name == one.name else {}
        case BuildRelease(name, attempt):
            return {"attempts": attempt, "retry_after": None} if name == one.name else {}
        case None | MakeRelease() | MakeRollback() | ForgetRelease() | DeleteJob() | CreateWorkload() | ScaleWorkload():
            return {}
        case RefreshWorkload() | ApplyRoute() | DeleteRoute():
            return {}


def _status(observer: DeploymentObserver, seen: ObservedDeployment, action: DeploymentAction | None) -> dict[str, Any]:
    """The Deployment's own status fields, according to the Service."""
    spec, before = observer.deployment.spec, observer.deployment.status
    live, served = seen.live, seen.service
    running = seen.workloads.get(served.workload) if served else None
    highest = max((r.spec.revision for r in seen.releases), default=0)
    return {
        "commit": live.spec.commit if live else "",
        "live": live.name if live else "",
        "previous": served.previous if served else "",
        "revision": max(
            highest,
            before.revision if before else 0,
            desired_release.revision(seen) if isinstance(action, MakeRelease | MakeRollback) else 0,
        ),
        "resolved": _resolved(seen),
        "replicas": running.ready if running else 0,
        "selector": f"{LABEL_WORKLOAD}={served.workload}" if served else "",
        "url": _url(observer, seen) if live else "",
        "domain": spec.route.domain if spec.route and not seen.claimed_by else "",
        "databaseProject": seen.database_project,
        "lastHandledRequest": seen.handled(before.last_handled_request if before else ""),
        "gate": _gate(seen),
    }


def _gate(seen: ObservedDeployment) -> dict[str, Any] | None:
    found = observed_gate(seen)
    return found.model_dump(mode="json", by_alias=True) if found else None


def _url(observer: DeploymentObserver, seen: ObservedDeployment) -> str:
    """The app's URL: its domain, if it has one, otherwise its Service."""
    route = observer.deployment.spec.route
    if route is None or seen.claimed_by:
        return f"http://{observer.name}.{observer.namespace}.svc"
    return f"{'https' if route.tls else 'http'}://{route.domain}"


def _resolved(seen: ObservedDeployment) -> dict[str, Any] | None:
    if seen.resolved is None:
        return None
    found = seen.resolved.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    return {**found, "resolvedAt": format_time(seen.resolved.resolved_at)}
