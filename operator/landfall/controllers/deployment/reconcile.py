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
    observed = await observer.observe()
    if await prepare(observer):
        return _SOON_SECONDS
    await record_builds(observer)
    decision = decide(observed)
    if isinstance(decision.action, BuildRelease) and not (builds.registry and builds.builder and builds.images):
        message = "builds are disabled: the operator has no registry or no builder (the chart's `builds`). Configure both, or deploy an image."
        decision = ReconcileDecision(
            DeploymentPhase.PENDING, ("False", "BuildsDisabled"), message, stalled=True, again_seconds=60
        )
    if decision.action:
        await _act_or_report(observer, observed, decision)
        log_action(raw, decision.action)
    await _write_release_statuses(observer, observed, decision.action)
    await context.report(raw, observed, decision, _status(observer, observed, decision.action))
    if decision.action is None:
        await commit_status.report_next(context, observer.namespace, observed, observer.releases, _url(observer, observed))
    for job in observer.taken:
        context.reports.forget(observer.namespace, job)
    repository = observed.deployment.spec.source.repository
    follows = repository and not repository.commit
    times = [t for t in (decision.again_seconds, float(builds.follow_seconds) if follows else None) if t is not None]
    return min(times, default=None)


async def _act_or_report(observer: DeploymentObserver, observed: ObservedDeployment, decision: DeploymentDecision) -> None:
    """Execute the action. If the API server rejects it, write the status first: a Migration waits for the gate in it. Raises KubeError."""
    if decision.action is None:
        return
    try:
        await act(observer, observed, decision.action)
    except KubeError:
        with contextlib.suppress(KubeError):  # the rejected action is the error to report
            await observer.context.report(observer.raw, observed, decision, _status(observer, observed, None))
        raise


# -- status ----------------------------------------------------------------------------------------------------------


def follows(raw: Object, repository: str, branch: str) -> bool:
    """Whether a Deployment follows a branch of a repository. One that names no branch may follow any."""
    github = (raw["spec"].get("source") or {}).get("github") or {}
    is_source = str(github.get("repository", "")).lower() == repository.lower() and github.get("branch", branch) == branch
    return is_source and not github.get("commit") and (raw["spec"].get("rollout") or {}).get("follow", True)


async def _write_release_statuses(
    observer: DeploymentObserver, observed: ObservedDeployment, action: DeploymentAction | None
) -> None:
    """Write the statuses of Releases that have changed."""
    for release in observed.releases:
        if action == ForgetRelease(release.name):
            continue
        status = release_status(observed, _acted(observer, observed, release, action))
        raw = observer.releases[release.name]
        decision = release_ready(release, status)
        before = raw.get("status") or {}
        stood = ObservedObject(now=observed.now, generation=1, conditions=_conditions(before))
        listed = [c.model_dump(mode="json", by_alias=True) for c in conditions(stood, decision)]
        with contextlib.suppress(NotFoundError):
            await keep(observer, release.name, status, listed)


def _conditions(status: Object) -> tuple[Any, ...]:
    return ReleaseStatus.model_validate({"conditions": status.get("conditions", [])}).conditions


def _acted(
    observer: DeploymentObserver, observed: ObservedDeployment, release: ObservedRelease, action: DeploymentAction | None
) -> ObservedRelease:
    """The Release with what the action records in its status, and with the build that its image comes from."""
    status = release.status
    more = _recorded(observer, observed, release, action)
    at = observer.wanted
    running = observed.workloads.get(release.spec.workload)
    if at and at.name == release.name and release.image and (running or isinstance(action, CreateWorkload)):
        more |= begun(observed, release)
    if release.spec.image and status.build is None:
        origin = next(
            (r for r in observed.releases if r.image == release.spec.image and r.status.build and r.name != release.name), None
        )
        summary = origin.status.build if origin else None
        more["build"] = (
            summary.model_copy(update={"reused": summary.reused or origin.name}) if summary and origin else BuildSummary()
        )
    return replace(release, status=status.model_copy(update=more)) if more else release


def _recorded(  # noqa: PLR0911  a table of actions
    observer: DeploymentObserver, observed: ObservedDeployment, release: ObservedRelease, action: DeploymentAction | None
) -> dict[str, object]:
    """The fields of a Release's status that an action changes."""
    match action:
        case CoolWorkload(name):
            return {"preview": ""} if name == release.spec.workload else {}
        case SwitchTraffic(name):
            return {"preview": ""} if name == release.name else {}
        case CreatePreview(name):
            return {"preview": f"http://{release.spec.workload}.{observer.namespace}.svc"} if name == release.name else {}
        case FailRelease(name, reason, message):
            failure = ReleaseFailure(reason=reason, message=message[:1000], at=observed.now)
            return {"failure": failure} if name == release.name else {}
        case SupersedeRelease(name, message):
            return {"superseded": message} if name == release.name else {}
        case BuildRelease(name, attempt):
            return {"attempts": attempt, "retry_after": None} if name == release.name else {}
        case None | MakeRelease() | MakeRollback() | ForgetRelease() | DeleteJob() | CreateWorkload() | ScaleWorkload():
            return {}
        case RefreshWorkload() | ApplyRoute() | DeleteRoute():
            return {}


def _status(observer: DeploymentObserver, observed: ObservedDeployment, action: DeploymentAction | None) -> dict[str, Any]:
    """The Deployment's own status fields, according to the Service."""
    spec, before = observer.deployment.spec, observer.deployment.status
    live, served = observed.live, observed.service
    running = observed.workloads.get(served.workload) if served else None
    highest = max((r.spec.revision for r in observed.releases), default=0)
    return {
        "commit": live.spec.commit if live else "",
        "live": live.name if live else "",
        "previous": served.previous if served else "",
        "revision": max(
            highest,
            before.revision if before else 0,
            desired_release.revision(observed) if isinstance(action, MakeRelease | MakeRollback) else 0,
        ),
        "resolved": _resolved(observed),
        "replicas": running.ready if running else 0,
        "selector": f"{LABEL_WORKLOAD}={served.workload}" if served else "",
        "url": _url(observer, observed) if live else "",
        "domain": spec.route.domain if spec.route and not observed.claimed_by else "",
        "databaseProject": observed.database_project,
        "lastHandledRequest": observed.handled(before.last_handled_request if before else ""),
        "gate": _gate(observed),
    }


def _gate(observed: ObservedDeployment) -> dict[str, Any] | None:
    gate = observed_gate(observed)
    return gate.model_dump(mode="json", by_alias=True) if gate else None


def _url(observer: DeploymentObserver, observed: ObservedDeployment) -> str:
    """The app's URL: its domain, if it has one, otherwise its Service."""
    route = observer.deployment.spec.route
    if route is None or observed.claimed_by:
        return f"http://{observer.name}.{observer.namespace}.svc"
    return f"{'https' if route.tls else 'http'}://{route.domain}"


def _resolved(observed: ObservedDeployment) -> dict[str, Any] | None:
    if observed.resolved is None:
        return None
    resolved = observed.resolved.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    return {**resolved, "resolvedAt": format_time(observed.resolved.resolved_at)}
