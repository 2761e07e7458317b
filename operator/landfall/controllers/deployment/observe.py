"""What is observed of a Deployment: read from the API server at each reconcile, with the latest reports of builds.

Nothing is written while it reads. What must be written before a decision is in `orphans`, `ended` and `key_missing`; see `record.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from landfall.api.annotations import ANNOTATION, deploy_requests
from landfall.api.connection import Connection
from landfall.api.deployment import Deployment
from landfall.api.fields import API_VERSION
from landfall.api.release import LABEL_DEPLOYMENT, ReleaseSpec, ReleaseStatus, request_of
from landfall.controllers import app_deployment, jobs
from landfall.controllers.context import Context
from landfall.controllers.deployment import (
    connection_environment,
    desired_release,
    environment,
    pod_diagnosis,
    provider_database,
    resolve_source,
)
from landfall.controllers.deployment.build_jobs import BuildSettings
from landfall.controllers.deployment.observed import (
    DeploymentProblem,
    ObservedDeployment,
    ObservedRelease,
    ObservedRoute,
    ObservedService,
    ObservedWorkload,
    next_request,
)
from landfall.controllers.deployment.reported_build import folded
from landfall.controllers.deployment.rules import current, release_missing
from landfall.controllers.objects import labelled, owned_by, owner_of, to_model_input
from landfall.kube.client import Object
from landfall.manifests.ingress import MADE_FROM, made_from
from landfall.manifests.parts import LABEL_KIND, LABEL_OWNER
from landfall.manifests.release import key_name
from landfall.manifests.workload import LABEL_WORKLOAD, REFRESHED, REGION

HOLD = "landfall.dev/hold"
RELEASE, PREVIOUS, SWITCHED = "landfall.dev/release", "landfall.dev/previous", "landfall.dev/switched-at"
_LISTENS_SECONDS = 2


@dataclass(frozen=True, slots=True)
class Orphan:
    """An object of Landfall without its owner reference, as after a restore from a backup."""

    kind: str
    name: str
    resource_version: str
    owner: Object


class DeploymentObserver:
    """One observation of a Deployment: the raw objects, and the value for the rules.

    `database`: the state of a database at a provider. `orphans`: objects to adopt, and `key_missing`: create the key for names of
    environments; both before a decision. `ended`: statuses of Releases to write before an action, so that a crash cannot lose why a build
    failed.
    """

    def __init__(self, context: Context, builds: BuildSettings, raw: Object) -> None:
        self.context = context
        self.builds = builds
        self.raw = raw
        self.uid: str = raw["metadata"]["uid"]
        self.name: str = raw["metadata"]["name"]
        self.namespace: str = raw["metadata"]["namespace"]
        self.deployment = Deployment.model_validate(to_model_input(raw))
        self.releases: dict[str, Object] = {}
        self.service: Object | None = None
        self.ingress: Object | None = None
        self.taken: list[str] = []
        self.database: provider_database.Prepared | None = None
        self.orphans: dict[tuple[str, str], Orphan] = {}
        self.ended: dict[str, ReleaseStatus] = {}
        self.key_missing = False
        self.wanted: ObservedRelease | None = None
        self._captured: tuple[dict[str, str], DeploymentProblem | None] | None = None

    async def observe(self) -> ObservedDeployment:
        """Read everything. Raises KubeError."""
        context, metadata = self.context, self.raw["metadata"]
        releases = await self._releases()
        running = await self._workloads()
        self.service = await self._of_its_name("Service", self.raw)
        queue, request_problem = deploy_requests(metadata.get("annotations", {}).get(ANNOTATION, ""))
        observed = ObservedDeployment(
            now=context.clock(),
            generation=metadata["generation"],
            uid=self.uid,
            deleting="deletionTimestamp" in metadata,
            conditions=self.deployment.status.conditions if self.deployment.status else (),
            deployment=self.deployment,
            releases=releases,
            service=self._served(),
            route=await self._routed(),
            hold=str(metadata.get("annotations", {}).get(HOLD, "")),
            request=next_request(queue, self._handled(), {request_of(r.spec.trigger) for r in releases}),
            queue=tuple(request.id for request in queue),
            request_problem=request_problem,
            regions=await self._regions(),
            claimed_by=await self._claimed_by(),
        )
        observed = await self._with_given_variables(await self._sourced(observed))
        observed = replace(observed, secrets=await self._secrets(observed))
        # Read after the Service, so that it is never older than what the Service selects.
        gate, migrated_gates = await app_deployment.gates(context, self.namespace, self.name)
        observed = replace(observed, gate=gate, left=migrated_gates)
        self.wanted = current(observed)
        observed = replace(observed, workloads={n: await self._running(observed, n, running[n]) for n in running})
        if release_missing(observed) and not self.deployment.spec.rollback_to:
            _, missing = await self.captured(observed)
            observed = replace(observed, environment_problem=observed.environment_problem or missing)
        return observed

    def _handled(self) -> str:
        return self.deployment.status.last_handled_request if self.deployment.status else ""

    async def _sourced(self, observed: ObservedDeployment) -> ObservedDeployment:
        """Add the resolved commit. A request for the newest commit waits until the source can be looked up."""
        pending = observed.pending
        newest = pending.id if pending and not pending.commit else ""
        resolved, problem = await resolve_source.resolved(
            self.context, self.namespace, self.deployment, self.builds.follow_seconds, newest
        )
        request = None if newest and problem else observed.request
        return replace(observed, resolved=resolved, source_problem=problem, request=request)

    # -- Releases and builders ----------------------------------------------------------------------------------------

    async def _releases(self) -> tuple[ObservedRelease, ...]:
        listed = await self.context.kube.listed("Release", self.namespace, f"{LABEL_DEPLOYMENT}={self.name}")
        whole = [
            {**raw_release, "apiVersion": API_VERSION, "kind": "Release"} for raw_release in listed
        ]  # items of a list have no kind
        own_releases = [
            raw_release
            for raw_release in [await self._release_of(raw_release) for raw_release in whole]
            if owned_by(raw_release, self.uid)
        ]
        self.releases = {raw_release["metadata"]["name"]: raw_release for raw_release in own_releases}
        observed_releases = [_release(raw_release) for raw_release in own_releases]
        if any(not r.image for r in observed_releases):
            builds = await self.context.kube.listed("Job", self.namespace, f"{LABEL_KIND}=Release")
            observed_releases = [await self._built(r, builds) if not r.image else r for r in observed_releases]
        return tuple(sorted(observed_releases, key=lambda r: r.spec.revision))

    async def _release_of(self, raw: Object) -> Object:
        """The Release, adopted together with its captured environment if it has lost its owner."""
        adopted = self._adopted("Release", raw, self.raw)
        if adopted is not raw:
            for name in filter(None, (raw["spec"].get("environment"), key_name(self.name))):
                secret = await self.context.kube.get("Secret", self.namespace, name)
                if secret:
                    self._adopted("Secret", secret, self.raw)
        return adopted

    async def _of_its_name(self, kind: str, owner: Object) -> Object | None:
        raw = await self.context.kube.get(kind, self.namespace, owner["metadata"]["name"])
        return self._adopted(kind, raw, owner) if raw else None

    def _adopted(self, kind: str, raw: Object, owner: Object) -> Object:
        """The object, adopted if it has lost its owner reference: its labels say which Deployment it belongs to."""
        if raw["metadata"].get("ownerReferences") or not labelled(raw, self.name):
            return raw
        metadata = raw["metadata"]
        self.orphans[kind, metadata["name"]] = Orphan(kind, metadata["name"], metadata["resourceVersion"], owner_of(owner))
        return {**raw, "metadata": {**metadata, "ownerReferences": [owner_of(owner)]}}

    async def _built(self, observed: ObservedRelease, listed: Sequence[Object]) -> ObservedRelease:
        """Add the newest build and its report."""
        jobs_of_release = [j for j in listed if j["metadata"]["labels"].get(LABEL_OWNER) == observed.name]
        observed_jobs = jobs.observed_jobs(jobs_of_release, self.releases[observed.name]["metadata"]["uid"], self.context.clock())
        job = max(observed_jobs, key=lambda j: j.attempt, default=None)
        if job is None or observed.over:
            return replace(observed, job=job)
        report = self.context.reports.of(self.namespace, job.name)
        if report and report.final:
            self.taken.append(job.name)
        if job.over and observed.status.finished != job.name:
            raw = next(j for j in jobs_of_release if j["metadata"]["name"] == job.name)
            late = pod_diagnosis.out_of_time(raw)
            found_pods = await self.context.kube.listed("Pod", self.namespace, f"job-name={job.name}")
            report = report if report and report.final else pod_diagnosis.final_report(found_pods)
            job = replace(job, problem=pod_diagnosis.build_problem(found_pods[0] if found_pods else None, deadline=late))
        if report is None:
            return replace(observed, job=job)
        status = folded(observed.status, job.name, job.attempt, report, self.context.clock())
        if status.finished != observed.status.finished:
            self.ended[observed.name] = status
        return replace(observed, status=status, job=job)

    # -- what runs ----------------------------------------------------------------------------------------------------

    async def _workloads(self) -> dict[str, Object]:
        labels = f"{LABEL_KIND}=Deployment,{LABEL_OWNER}={self.name}"
        listed = await self.context.kube.listed("Workload", self.namespace, labels)
        by_name = {}
        for raw_workload in listed:
            owner = self.releases.get(raw_workload["metadata"]["name"])
            if owner:
                by_name[raw_workload["metadata"]["name"]] = adopted = self._adopted("Workload", raw_workload, owner)
                if adopted is not raw_workload:
                    await self._of_its_name("Service", owner)
        owners = [raw_workload["metadata"]["uid"] for raw_workload in self.releases.values()]
        return {name: raw_workload for name, raw_workload in by_name.items() if owned_by(raw_workload, *owners)}

    async def _running(self, observed: ObservedDeployment, name: str, raw: Object) -> ObservedWorkload:
        """The state of a workload. Its pods are listed only if the decision depends on them."""
        spec, status = raw["spec"], raw.get("status", {})
        count = int(spec.get("replicas", 1))
        fresh = status.get("observedGeneration") == raw["metadata"]["generation"] and status.get("updatedReplicas", 0) >= count
        ready = int(status.get("readyReplicas", 0)) if fresh else 0
        workload = ObservedWorkload(
            name=name,
            wanted=count,
            ready=ready,
            refreshed=str(spec["template"]["metadata"].get("annotations", {}).get(REFRESHED, "")),
        )
        at, service = self.wanted, observed.service
        serves = service is not None and service.workload == name
        if not count or not (serves or (at and at.spec.workload == name)):
            return workload
        observation_seconds = self.deployment.spec.rollout.observe_seconds + 5
        young = (
            serves
            and service
            and service.switched_at
            and (observed.now - service.switched_at).total_seconds() < observation_seconds
        )
        if ready >= count and serves and not young:
            return workload
        listed = await self.context.kube.listed("Pod", self.namespace, f"{LABEL_WORKLOAD}={name}")
        current_pods = [p for p in listed if "deletionTimestamp" not in p["metadata"]]
        if not serves:
            workload = replace(workload, ready=min(ready, pod_diagnosis.ready(listed, workload.refreshed, observed.now)))
        if workload.ready >= count:
            return replace(workload, crashed=pod_diagnosis.crashed(current_pods) if young else None)
        port = int(spec["template"]["spec"]["containers"][0]["ports"][0]["containerPort"])
        problem = pod_diagnosis.problem(current_pods, raw, await self._unhealthy(current_pods), port)
        lasted = pod_diagnosis.running_seconds(current_pods, observed.now)
        new = pod_diagnosis.starting(current_pods, raw, observed.now, self.deployment.spec.rollout.progress_deadline_seconds)
        crash = pod_diagnosis.crashed(current_pods) if young else None
        return replace(workload, problem=problem, crashed=crash, running_seconds=lasted, starting=new)

    async def _unhealthy(self, listed: Sequence[Object]) -> str:
        """The kubelet's last message about a failed probe of a pod that runs and is not ready."""
        for pod in listed:
            started_at = pod.get("status", {}).get("startTime")
            if started_at and (self.context.clock() - datetime.fromisoformat(started_at)).total_seconds() > _LISTENS_SECONDS:
                name = pod["metadata"]["name"]
                fields = f"involvedObject.name={name},reason=Unhealthy"
                events = await self.context.kube.listed("Event", self.namespace, fields=fields)
                if events:
                    return str(max(events, key=lambda e: e.get("lastTimestamp") or "").get("message", ""))
        return ""

    # -- Service, route, region ---------------------------------------------------------------------------------------

    def _served(self) -> ObservedService | None:
        if self.service is None:
            return None
        metadata = self.service["metadata"]
        annotations = metadata.get("annotations", {})
        when = annotations.get(SWITCHED)
        return ObservedService(
            workload=str((self.service["spec"].get("selector") or {}).get(LABEL_WORKLOAD, "")),
            release=str(annotations.get(RELEASE, "")),
            previous=str(annotations.get(PREVIOUS, "")),
            switched_at=datetime.fromisoformat(when) if when else None,
            foreign=not owned_by(self.service, self.uid),
        )

    async def _routed(self) -> ObservedRoute | None:
        route = self.deployment.spec.route
        claimed = self.deployment.status.domain if self.deployment.status else ""
        if not route and not claimed:
            return None
        self.ingress = await self._of_its_name("Ingress", self.raw)
        if self.ingress is None:
            return None
        metadata = self.ingress["metadata"]
        return ObservedRoute(
            matches=route is not None and metadata.get("annotations", {}).get(MADE_FROM) == made_from(route),
            foreign=not owned_by(self.ingress, self.uid),
        )

    async def _claimed_by(self) -> str:
        """The Deployment that has the domain: the first to have claimed it; the oldest, if several have claimed it."""
        route, status = self.deployment.spec.route, self.deployment.status
        if route is None or (self.ingress and status and status.domain == route.domain):
            return ""  # routed already: a later claim does not take it away
        own_claim = _claim(self.raw, route.domain)
        rivals = [
            _claim(other_raw, route.domain)
            async for other_raw in self.context.kube.every("Deployment")
            if other_raw["metadata"]["uid"] != self.uid
        ]
        first = min((r for r in rivals if r), default=None)
        if not first or not own_claim or own_claim < first:
            return ""
        return f"{first[2]}/{first[3]}" if first[2] == self.namespace else "a Deployment of another namespace"

    async def _regions(self) -> tuple[str, ...] | None:
        """The regions that nodes are in; None if the spec names no region, or the operator may not list nodes."""
        if not self.deployment.spec.region or self.context.kube.namespaces:
            return None
        nodes = await self.context.kube.listed("Node")
        return tuple(
            sorted({str(n["metadata"].get("labels", {})[REGION]) for n in nodes if REGION in n["metadata"].get("labels", {})})
        )

    async def _with_given_variables(self, observed: ObservedDeployment) -> ObservedDeployment:
        """Add the environment that the database gives the app, or why it cannot."""
        wanted_now = self.deployment.spec.database
        if wanted_now is None:
            return observed
        if wanted_now.connection_ref:
            return await self._connected(observed, wanted_now.connection_ref.name)
        prepared = self.database or provider_database.Prepared()
        stands = ("False", *prepared.problem) if prepared.problem else ("True", "Ready", f"{wanted_now.type} is ready")
        return replace(
            observed,
            given=prepared.given,
            environment_problem=prepared.problem,
            database_ready=stands,
            database_again=prepared.again_seconds,
            database_project=prepared.project,
        )

    async def _connected(self, observed: ObservedDeployment, name: str) -> ObservedDeployment:
        raw = await self.context.kube.get("Connection", self.namespace, name)
        connection = Connection.model_validate(to_model_input(raw)) if raw else None
        opens = connection.spec.secret_ref if connection else None
        secret = await environment.content(self.context, self.namespace, opens.name) if opens else None
        problem = connection_environment.problem(connection, name, secret)
        given_variables = connection_environment.variables(connection, secret) if connection and secret and not problem else ()
        probed = connection.status.conditions if connection and connection.status else ()
        ready = next(((c.status, c.reason, c.message) for c in probed if c.type == "Ready"), None)
        return replace(observed, given=given_variables, environment_problem=problem, database_ready=ready)

    async def _secrets(self, observed: ObservedDeployment) -> str:
        """A keyed hash of the values to capture, if a changed Secret is to create a new Release; otherwise empty."""
        if self.deployment.spec.rollout.on_secret_change == "None":  # noqa: S105  a choice, no password
            return ""
        values, _ = await self.captured(observed)
        name = await environment.secret_name_of(self.context, self.raw, values)
        self.key_missing = name is None
        return name or ""

    async def captured(self, observed: ObservedDeployment) -> tuple[dict[str, str], DeploymentProblem | None]:
        """The values that a new Release would capture, read once; or why one is missing."""
        if self._captured is None:
            self._captured = await environment.captured(
                self.context, self.namespace, desired_release.captured_variables(observed)
            )
        return self._captured


def _claim(raw: Object, domain: str) -> tuple[int, str, str, str] | None:
    """A claim to a domain, sortable by precedence; None if the object does not claim this domain."""
    metadata, spec = raw["metadata"], raw["spec"]
    if (spec.get("route") or {}).get("domain") != domain or "deletionTimestamp" in metadata:
        return None
    has = raw.get("status", {}).get("domain") == domain
    return (0 if has else 1, f"{metadata['creationTimestamp']} {metadata['uid']}", metadata["namespace"], metadata["name"])


def _release(raw: Object) -> ObservedRelease:
    status = raw.get("status") or {}
    fields = {k: v for k, v in status.items() if k != "conditions"}
    return ObservedRelease(raw["metadata"]["name"], ReleaseSpec.model_validate(raw["spec"]), ReleaseStatus.model_validate(fields))
