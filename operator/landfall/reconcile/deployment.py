"""The loop of a Deployment: look at it, its Releases and what runs them; take in builders' reports; decide; act once; report once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from landfall.api.deployment import Deployment
from landfall.api.release import BuildSummary, ReleaseFailure, ReleaseSpec, ReleaseStatus
from landfall.api.report import Report
from landfall.api.request import ANNOTATION, deploy_requested
from landfall.core.deployment import wanted
from landfall.core.deployment.decide import current, decide, release_missing
from landfall.core.deployment.observed import Observed, ReleaseSeen, RouteSeen, ServiceSeen, WorkloadSeen
from landfall.core.deployment.status import release_ready, release_status
from landfall.core.outcome import Act, Decision, Seen, conditions
from landfall.kube.client import Object
from landfall.kube.errors import NotFoundError
from landfall.manifests.ingress import MADE_FROM, ingress, made_from
from landfall.manifests.job import LABEL_KIND, LABEL_OWNER
from landfall.manifests.release import LABEL_DEPLOYMENT, release
from landfall.manifests.workload import LABEL_WORKLOAD, REFRESHED, REGION, preview, service, workload
from landfall.reconcile import builders, environment, jobs, pods, sources
from landfall.reconcile.builders import BuildSettings
from landfall.reconcile.hands import Hands, bare, invalid, plain, told

HOLD = "landfall.dev/hold"
_RELEASE, _PREVIOUS, _SWITCHED = "landfall.dev/release", "landfall.dev/previous", "landfall.dev/switched-at"
_RETRY_SECONDS = (5, 15, 45, 120, 300)
_LISTENS_SECONDS = 2


class Look:
    """One look at a Deployment: the raw objects, and what is seen in them."""

    def __init__(self, hands: Hands, builds: BuildSettings, raw: Object) -> None:
        self.hands = hands
        self.builds = builds
        self.raw = raw
        self.uid: str = raw["metadata"]["uid"]
        self.name: str = raw["metadata"]["name"]
        self.namespace: str = raw["metadata"]["namespace"]
        self.deployment = Deployment.model_validate(plain(raw))
        self.releases: dict[str, Object] = {}
        self.service: Object | None = None
        self.ingress: Object | None = None
        self.taken: list[str] = []

    async def take(self) -> Observed:
        """Look at everything."""
        hands, metadata = self.hands, self.raw["metadata"]
        releases = await self._releases()
        running = await self._workloads()
        self.service = await hands.kube.get("Service", self.namespace, self.name)
        resolved, problem = await sources.resolved(hands, self.namespace, self.deployment, self.builds.follow_seconds)
        request, request_problem = deploy_requested(metadata.get("annotations", {}).get(ANNOTATION, ""))
        seen = Observed(
            now=hands.clock(),
            generation=metadata["generation"],
            uid=self.uid,
            deleting="deletionTimestamp" in metadata,
            conditions=self.deployment.status.conditions if self.deployment.status else (),
            deployment=self.deployment,
            releases=releases,
            service=self._served(),
            route=await self._routed(),
            resolved=resolved,
            source_problem=problem,
            hold=str(metadata.get("annotations", {}).get(HOLD, "")),
            request=request,
            request_problem=request_problem,
            regions=await self._regions(),
            claimed_by=await self._claimed_by(),
        )
        seen = replace(seen, secrets=await self._secrets(seen))
        seen = replace(seen, workloads={n: await self._running(seen, n, running[n]) for n in running})
        if release_missing(seen) and not self.deployment.spec.rollback_to:
            _, missing = await environment.captured(hands, self.namespace, wanted.captured_variables(seen))
            seen = replace(seen, environment_problem=missing)
        return seen

    # -- Releases and builders ----------------------------------------------------------------------------------------

    async def _releases(self) -> tuple[ReleaseSeen, ...]:
        listed = await self.hands.kube.listed("Release", self.namespace, f"{LABEL_DEPLOYMENT}={self.name}")
        mine = [one for one in listed if any(r["uid"] == self.uid for r in one["metadata"].get("ownerReferences", []))]
        self.releases = {one["metadata"]["name"]: one for one in mine}
        found = [_release(one) for one in mine]
        if any(not r.image for r in found):
            told = await self.hands.kube.listed("Job", self.namespace, f"{LABEL_KIND}=Release")
            found = [await self._built(r, told) if not r.image else r for r in found]
        return tuple(sorted(found, key=lambda r: r.spec.revision))

    async def _built(self, seen: ReleaseSeen, listed: Sequence[Object]) -> ReleaseSeen:
        """With its newest builder, and what that has told."""
        mine = [j for j in listed if j["metadata"]["labels"].get(LABEL_OWNER) == seen.name]
        found = jobs.seen_jobs(mine, self.releases[seen.name]["metadata"]["uid"], self.hands.clock())
        job = max(found, key=lambda j: j.attempt, default=None)
        if job is None or seen.over:
            return replace(seen, job=job)
        report = self.hands.reports.of(self.namespace, job.name)
        status = _folded(seen.status, job.name, job.attempt, report, self.hands.clock()) if report else seen.status
        if report and report.final:
            self.taken.append(job.name)
        if job.over and status.finished != job.name:
            raw = next(j for j in mine if j["metadata"]["name"] == job.name)
            late = any(c.get("reason") == "DeadlineExceeded" for c in raw.get("status", {}).get("conditions", []))
            found_pods = await self.hands.kube.listed("Pod", self.namespace, f"job-name={job.name}")
            job = replace(job, reason=pods.build_problem(found_pods[0] if found_pods else None, late))
        return replace(seen, status=status, job=job)

    # -- what runs ----------------------------------------------------------------------------------------------------

    async def _workloads(self) -> dict[str, Object]:
        labels = f"{LABEL_KIND}=Deployment,{LABEL_OWNER}={self.name}"
        listed = await self.hands.kube.listed("Workload", self.namespace, labels)
        owners = {one["metadata"]["uid"] for one in self.releases.values()}
        return {
            one["metadata"]["name"]: one
            for one in listed
            if any(r["uid"] in owners for r in one["metadata"].get("ownerReferences", []))
        }

    async def _running(self, seen: Observed, name: str, raw: Object) -> WorkloadSeen:
        """How it runs; its pods are looked at only where something depends on them."""
        spec, status = raw["spec"], raw.get("status", {})
        count = int(spec.get("replicas", 1))
        fresh = status.get("observedGeneration") == raw["metadata"]["generation"] and status.get("updatedReplicas", 0) >= count
        ready = int(status.get("readyReplicas", 0)) if fresh else 0
        found = WorkloadSeen(
            name=name,
            wanted=count,
            ready=ready,
            refreshed=str(spec["template"]["metadata"].get("annotations", {}).get(REFRESHED, "")),
        )
        at, service_seen = current(seen), seen.service
        serves = service_seen is not None and service_seen.workload == name
        if not count or not (serves or (at and at.spec.workload == name)):
            return found
        observed = self.deployment.spec.rollout.observe_seconds + 5
        young = (
            serves
            and service_seen
            and service_seen.switched_at
            and (seen.now - service_seen.switched_at).total_seconds() < observed
        )
        if ready >= count and not young:
            return found
        listed = await self.hands.kube.listed("Pod", self.namespace, f"{LABEL_WORKLOAD}={name}")
        mine = [p for p in listed if "deletionTimestamp" not in p["metadata"]]
        if ready >= count:
            return replace(found, crashed=pods.crashed(mine))
        port = int(spec["template"]["spec"]["containers"][0]["ports"][0]["containerPort"])
        problem = pods.problem(mine, raw, await self._unhealthy(mine), port)
        return replace(found, problem=problem, crashed=pods.crashed(mine) if young else None)

    async def _unhealthy(self, listed: Sequence[Object]) -> str:
        """What the kubelet said last of a probe of a pod that runs and is not ready."""
        for pod in listed:
            begun = pod.get("status", {}).get("startTime")
            if begun and (self.hands.clock() - datetime.fromisoformat(begun)).total_seconds() > _LISTENS_SECONDS:
                name = pod["metadata"]["name"]
                fields = f"involvedObject.name={name},reason=Unhealthy"
                events = await self.hands.kube.listed("Event", self.namespace, fields=fields)
                if events:
                    return str(max(events, key=lambda e: e.get("lastTimestamp") or "").get("message", ""))
        return ""

    # -- Service, route, region ---------------------------------------------------------------------------------------

    def _served(self) -> ServiceSeen | None:
        if self.service is None:
            return None
        metadata = self.service["metadata"]
        annotations = metadata.get("annotations", {})
        when = annotations.get(_SWITCHED)
        return ServiceSeen(
            workload=str((self.service["spec"].get("selector") or {}).get(LABEL_WORKLOAD, "")),
            release=str(annotations.get(_RELEASE, "")),
            previous=str(annotations.get(_PREVIOUS, "")),
            switched_at=datetime.fromisoformat(when) if when else None,
            foreign=not any(r["uid"] == self.uid for r in metadata.get("ownerReferences", [])),
        )

    async def _routed(self) -> RouteSeen | None:
        route = self.deployment.spec.route
        claimed = self.deployment.status.domain if self.deployment.status else ""
        if not route and not claimed:
            return None
        self.ingress = await self.hands.kube.get("Ingress", self.namespace, self.name)
        if self.ingress is None:
            return None
        metadata = self.ingress["metadata"]
        return RouteSeen(
            matches=route is not None and metadata.get("annotations", {}).get(MADE_FROM) == made_from(route),
            foreign=not any(r["uid"] == self.uid for r in metadata.get("ownerReferences", [])),
        )

    async def _claimed_by(self) -> str:
        """Who has the domain already: whoever claimed it first, and of those who did so at once, the oldest."""
        route = self.deployment.spec.route
        if route is None:
            return ""
        mine = _claim(self.raw, route.domain)
        rivals = [
            _claim(one, route.domain) async for one in self.hands.kube.every("Deployment") if one["metadata"]["uid"] != self.uid
        ]
        first = min((r for r in rivals if r), default=None)
        return f"{first[2]}/{first[3]}" if first and mine and first < mine else ""

    async def _regions(self) -> tuple[str, ...] | None:
        if not self.deployment.spec.region:
            return None
        nodes = await self.hands.kube.listed("Node")
        return tuple(
            sorted({str(n["metadata"].get("labels", {})[REGION]) for n in nodes if REGION in n["metadata"].get("labels", {})})
        )

    async def _secrets(self, seen: Observed) -> str:
        """A keyed name of the values that a Snapshot would take, where a changed one is to make a Release."""
        if self.deployment.spec.rollout.on_secret_change == "None":  # noqa: S105  a choice, no password
            return ""
        values, _ = await environment.captured(self.hands, self.namespace, wanted.captured_variables(seen))
        return await environment.named(self.hands, self.raw, values)


def _claim(raw: Object, domain: str) -> tuple[int, str, str, str] | None:
    """A claim to a domain, which sorts by who comes first; None for an object that has none to this one."""
    metadata, spec = raw["metadata"], raw["spec"]
    if (spec.get("route") or {}).get("domain") != domain or "deletionTimestamp" in metadata:
        return None
    has = raw.get("status", {}).get("domain") == domain
    return (0 if has else 1, f"{metadata['creationTimestamp']} {metadata['uid']}", metadata["namespace"], metadata["name"])


def _release(raw: Object) -> ReleaseSeen:
    status = raw.get("status") or {}
    kept = {k: v for k, v in status.items() if k != "conditions"}
    return ReleaseSeen(raw["metadata"]["name"], ReleaseSpec.model_validate(raw["spec"]), ReleaseStatus.model_validate(kept))


def _folded(before: ReleaseStatus, job: str, attempt: int, report: Report, now: datetime) -> ReleaseStatus:
    """With what its builder has told."""
    told_now: dict[str, object] = {"build": report.build or before.build, "attempts": max(before.attempts, attempt)}
    failure = report.failure
    if report.final and before.finished != job:
        told_now |= {"finished": job, "image": report.image}
        if failure and failure.transient and attempt <= len(_RETRY_SECONDS):
            told_now["retry_after"] = now + timedelta(seconds=_RETRY_SECONDS[attempt - 1])
        elif failure:
            told_now["failure"] = ReleaseFailure(reason=failure.reason, message=failure.message[:1000], at=now)
    return before.model_copy(update=told_now)


# -- acting -----------------------------------------------------------------------------------------------------------


async def reconcile(hands: Hands, builds: BuildSettings, raw: Object) -> float | None:
    """Look, decide, act, report; when to look again, in seconds."""
    if "deletionTimestamp" in raw["metadata"]:
        return None  # all that was made is owned, and goes with it
    problem = invalid(Deployment, raw)
    if problem:
        await hands.report(raw, bare(raw, hands), problem, {})
        return None
    look = Look(hands, builds, raw)
    seen = await look.take()
    decision = decide(seen)
    if decision.act and decision.act.verb == "build" and not (builds.registry and builds.builder and builds.images):
        message = "nothing can be built here: the operator knows no registry, or no builder (the chart's `builds`). Give it both, or deploy an image."
        decision = Decision("Pending", ("False", "BuildsDisabled"), message, stalled=True, again_seconds=60)
    if decision.act:
        await _act(look, seen, decision.act)
    await _tell_releases(look, seen, decision.act)
    await hands.report(raw, seen, decision, _status(look, seen, decision.act))
    for job in look.taken:
        hands.reports.forget(look.namespace, job)
    follows = seen.deployment and seen.deployment.spec.source.github and not seen.deployment.spec.source.github.commit
    times = [t for t in (decision.again_seconds, float(builds.follow_seconds) if follows else None) if t is not None]
    return min(times, default=None)


async def _act(look: Look, seen: Observed, act: Act) -> None:
    verbs = {
        "release": _make_release,
        "rollback": _make_rollback,
        "build": _build,
        "workload": _make_workload,
        "scale": _scale,
        "cool": _scale,
        "refresh": _refresh,
        "switch": _switch,
        "route": _route,
        "unroute": _unroute,
        "forget": _forget,
        "delete-job": _delete_job,
        "fail": _written_down,
        "supersede": _written_down,
    }
    await verbs[act.verb](look, seen, act)


async def _make_release(look: Look, seen: Observed, act: Act) -> None:
    """The environment first, then the Release that names it."""
    del act
    values, problem = await environment.captured(look.hands, look.namespace, wanted.captured_variables(seen))
    if problem:
        return  # it went in between; the next look says so
    name = wanted.release_name(look.name, wanted.revision(seen))
    kept = await environment.kept(look.hands, look.raw, values)
    spec = wanted.wanted(seen, name, kept, look.raw["metadata"]["generation"])
    await look.hands.created("Release", release(look.raw, spec))


async def _make_rollback(look: Look, seen: Observed, act: Act) -> None:
    goal = seen.release(act.name)
    if goal:
        await look.hands.created("Release", release(look.raw, wanted.going_back(seen, goal)))


async def _build(look: Look, seen: Observed, act: Act) -> None:
    del seen
    await builders.start(look.hands, look.builds, look.releases[act.name], act.attempt)


async def _make_workload(look: Look, seen: Observed, act: Act) -> None:
    """With its preview. Where it is a rollback's, it is that of the Release that it goes back to."""
    asked = seen.release(act.name)
    owner = look.releases.get(asked.spec.workload) if asked else None
    if asked is None or owner is None:
        return
    await look.hands.created("Service", preview(owner, asked.spec))
    made = workload(owner, asked.spec, asked.image, asked.port, act.attempt, look.builds.secret)
    await look.hands.created("Workload", made)


async def _scale(look: Look, seen: Observed, act: Act) -> None:
    del seen
    change = [{"op": "replace", "path": "/spec/replicas", "value": act.attempt}]
    await look.hands.kube.patch("Workload", look.namespace, act.name, change)


async def _refresh(look: Look, seen: Observed, act: Act) -> None:
    """Fresh pods take the place of those that served, which may hold old connections."""
    del seen
    path = f"/spec/template/metadata/annotations/{REFRESHED.replace('/', '~1')}"
    await look.hands.kube.patch("Workload", look.namespace, act.name, [{"op": "add", "path": path, "value": act.message}])


async def _switch(look: Look, seen: Observed, act: Act) -> None:
    """The moment of going live: one write, of exactly the Service that was seen."""
    to = seen.release(act.name)
    if to is None:
        return
    before = seen.service.release if seen.service else ""
    annotations = {_RELEASE: to.name, _PREVIOUS: before, _SWITCHED: told(seen.now) or ""}
    if look.service is None:
        await look.hands.created("Service", service(look.raw, to.spec.workload, annotations))
        return
    metadata = look.service["metadata"]
    change = [
        {"op": "test", "path": "/metadata/resourceVersion", "value": metadata["resourceVersion"]},
        {"op": "add", "path": "/spec/selector", "value": {LABEL_WORKLOAD: to.spec.workload}},
        {"op": "add", "path": "/metadata/annotations", "value": {**metadata.get("annotations", {}), **annotations}},
    ]
    await look.hands.kube.patch("Service", look.namespace, look.name, change)


async def _route(look: Look, seen: Observed, act: Act) -> None:
    del act
    route = seen.deployment.spec.route if seen.deployment else None
    if route is None:
        return
    wanted_now = ingress(look.raw, route)
    if look.ingress is None:
        await look.hands.created("Ingress", wanted_now)
        return
    annotations = {**look.ingress["metadata"].get("annotations", {}), **wanted_now["metadata"]["annotations"]}
    change = [
        {"op": "add", "path": "/spec", "value": wanted_now["spec"]},
        {"op": "add", "path": "/metadata/annotations", "value": annotations},
    ]
    await look.hands.kube.patch("Ingress", look.namespace, look.name, change)


async def _unroute(look: Look, seen: Observed, act: Act) -> None:
    del seen, act
    if look.ingress:
        await look.hands.kube.delete("Ingress", look.namespace, look.name, look.ingress["metadata"]["uid"])


async def _forget(look: Look, seen: Observed, act: Act) -> None:
    """The environment that nobody else names, then the Release; what it owns goes with it."""
    old = seen.release(act.name)
    if old is None:
        return
    name = old.spec.environment
    if name and not any(r.spec.environment == name for r in seen.releases if r.name != old.name):
        held = await look.hands.kube.get("Secret", look.namespace, name)
        if held:
            await look.hands.kube.delete("Secret", look.namespace, name, held["metadata"]["uid"])
    await look.hands.kube.delete("Release", look.namespace, old.name, look.releases[old.name]["metadata"]["uid"])


async def _delete_job(look: Look, seen: Observed, act: Act) -> None:
    del seen
    await jobs.end(look.hands, look.namespace, act.name)


async def _written_down(look: Look, seen: Observed, act: Act) -> None:
    """The act is in the Release's status, which is written next."""
    del look, seen, act


# -- telling ----------------------------------------------------------------------------------------------------------


async def _tell_releases(look: Look, seen: Observed, act: Act | None) -> None:
    """Write how each of them stands, where that has changed."""
    for one in seen.releases:
        if act and act.verb == "forget" and act.name == one.name:
            continue
        status = release_status(seen, _acted(seen, one, act))
        raw = look.releases[one.name]
        decision = release_ready(one, status)
        before = raw.get("status") or {}
        stood = Seen(now=seen.now, generation=1, conditions=_conditions(before))
        now_told = status.model_dump(mode="json", by_alias=True, exclude_none=True, exclude_defaults=True)
        listed = [c.model_dump(mode="json", by_alias=True) for c in conditions(stood, decision)]
        body = {
            **now_told,
            "observedGeneration": 1,
            "conditions": listed,
            "preview": f"http://{one.spec.workload}.{look.namespace}.svc",
        }
        if body != before:
            try:
                look.releases[one.name] = await look.hands.kube.replace_status("Release", {**raw, "status": body})
            except NotFoundError:
                continue


def _conditions(status: Object) -> tuple[Any, ...]:
    return ReleaseStatus.model_validate({"conditions": status.get("conditions", [])}).conditions


def _acted(seen: Observed, one: ReleaseSeen, act: Act | None) -> ReleaseSeen:
    """With what the act writes down of it, and with the build that its image comes from."""
    status = one.status
    more: dict[str, object] = {}
    if act and act.name == one.name:
        if act.verb == "fail":
            more["failure"] = ReleaseFailure(reason=act.reason, message=act.message[:1000], at=seen.now)
        elif act.verb == "supersede":
            more["superseded"] = act.message
        elif act.verb == "build":
            more |= {"attempts": act.attempt, "retry_after": None}
    at = current(seen)
    running = seen.workloads.get(one.spec.workload)
    if at and at.name == one.name and one.image and status.deploying_at is None and (running or (act and act.verb == "workload")):
        more["deploying_at"] = seen.now
    if one.spec.image and status.build is None:
        origin = next((r for r in seen.releases if r.image == one.spec.image and r.status.build and r.name != one.name), None)
        found = origin.status.build if origin else None
        more["build"] = found.model_copy(update={"reused": found.reused or origin.name}) if found and origin else BuildSummary()
    return replace(one, status=status.model_copy(update=more)) if more else one


def _status(look: Look, seen: Observed, act: Act | None) -> dict[str, Any]:
    """The Deployment's own numbers: as the Service has it, so that nothing is told that is not so."""
    spec, before = look.deployment.spec, look.deployment.status
    live, served = seen.live, seen.service
    running = seen.workloads.get(served.workload) if served else None
    asked = {r.spec.trigger.removeprefix("request ") for r in seen.releases if r.spec.trigger.startswith("request ")}
    request = seen.request.id if seen.request and seen.request.id in asked else (before.last_handled_request if before else "")
    scheme = "https" if spec.route and spec.route.tls else "http"
    mine = spec.route is not None and not seen.claimed_by
    address = f"{scheme}://{spec.route.domain}" if spec.route and mine else f"http://{look.name}.{look.namespace}.svc"
    highest = max((r.spec.revision for r in seen.releases), default=0)
    return {
        "commit": live.spec.commit if live else "",
        "live": live.name if live else "",
        "previous": served.previous if served else "",
        "revision": max(
            highest, before.revision if before else 0, wanted.revision(seen) if act and act.verb in {"release", "rollback"} else 0
        ),
        "resolved": _resolved(seen),
        "replicas": running.ready if running else 0,
        "selector": f"{LABEL_WORKLOAD}={served.workload}" if served else "",
        "url": address if live else "",
        "domain": spec.route.domain if spec.route and mine else "",
        "lastHandledRequest": request,
    }


def _resolved(seen: Observed) -> dict[str, Any] | None:
    if seen.resolved is None:
        return None
    found = seen.resolved.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    return {**found, "checkedAt": told(seen.resolved.checked_at)}
