"""A small world for a Deployment's rules: an API server's objects, pods that come up or do not, builders that end well or do not."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, assert_never

from landfall.api.annotations import DeployRequest
from landfall.api.deployment import Deployment, Resolved
from landfall.api.release import BuildSummary, ReleaseFailure, request_of
from landfall.controllers.actions import DeleteJob
from landfall.controllers.cutover_gate import Gate
from landfall.controllers.deployment import desired_release as wanted
from landfall.controllers.deployment import places
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
from landfall.controllers.deployment.observed import (
    ObservedDeployment,
    ObservedRelease,
    ObservedService,
    ObservedWorkload,
    PodProblem,
    PodReason,
    next_request,
)
from landfall.controllers.deployment.rules import current, decide
from landfall.controllers.deployment.status import begun, release_status
from landfall.controllers.job_state import ObservedJob
from landfall.manifests import names

DIGEST = "sha256:" + "a" * 64
DRAIN, WARM, OBSERVE = 30, 300, 30


@dataclass
class Pods:
    """A workload: how many pods it is to have, how many are ready, and what ails them."""

    wanted: int
    ready: int = 0
    refreshed: str = ""
    ails: PodProblem | None = None
    crashed: bool = False
    served_until: datetime | None = None


@dataclass
class World:
    """Everything that is there. `commit` is the branch's; `healthy` says whether a commit's pods come up."""

    now: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    commit: str = "1" * 40
    spec: dict[str, Any] = field(default_factory=dict)
    request: DeployRequest | None = None
    queue: tuple[DeployRequest, ...] = ()
    hold: str = ""
    gate: Gate | None = None
    left: tuple[Gate, ...] = ()
    releases: dict[str, ObservedRelease] = field(default_factory=dict)
    workloads: dict[str, Pods] = field(default_factory=dict)
    service: ObservedService | None = None
    revision: int = 0
    handled: str = ""
    built: list[str] = field(default_factory=list)
    switches: list[tuple[str, bool]] = field(default_factory=list)

    @property
    def deployment(self) -> Deployment:
        """The object as it is now."""
        rollout = {"drainSeconds": DRAIN, "keepWarmSeconds": WARM, "observeSeconds": OBSERVE, **self.spec.get("rollout", {})}
        source = {"github": {"repository": "org/shop", "branch": "main"}}
        spec = {"source": source, **self.spec, "rollout": rollout}
        status = {"revision": self.revision, "lastHandledRequest": self.handled}
        return Deployment.model_validate({"metadata": {"name": "shop"}, "spec": spec, "status": status})

    def look(self) -> ObservedDeployment:
        """As the operator sees it."""
        workloads = {
            name: ObservedWorkload(
                name,
                p.wanted,
                p.ready,
                p.ails if p.ready < p.wanted else None,
                (PodReason.CRASH_LOOP, "x") if p.crashed else None,
                p.refreshed,
            )
            for name, p in self.workloads.items()
        }
        queue = self.queue or ((self.request,) if self.request else ())
        handled_requests = {request_of(r.spec.trigger) for r in self.releases.values()}
        return ObservedDeployment(
            now=self.now,
            generation=1,
            deployment=self.deployment,
            releases=tuple(sorted(self.releases.values(), key=lambda r: r.spec.revision)),
            workloads=workloads,
            service=self.service,
            resolved=Resolved(key="k", commit=self.commit, resolved_at=self.now),
            request=next_request(queue, self.handled, handled_requests),
            queue=tuple(deploy.id for deploy in queue),
            hold=self.hold,
            gate=self.gate,
            left=self.left,
        )

    def turn(self, *, killed: bool = False) -> DeploymentDecision:
        """One look, one act, one report; `killed`: the operator dies between the act and the report."""
        observed = self.look()
        decision = decide(observed)
        noted = self._act(observed, decision.action) if decision.action else {}
        if killed:
            return decision
        for name, release in list(self.releases.items()):
            if name in {r.name for r in observed.releases}:
                changed = replace(release, status=release.status.model_copy(update=noted.get(name, {})))
                at = current(observed)
                if at and at.name == name and changed.image and changed.spec.workload in self.workloads:
                    changed = replace(changed, status=changed.status.model_copy(update=begun(observed, changed)))
                self.releases[name] = replace(changed, status=release_status(observed, changed))
        self.revision = max([self.revision, *(r.spec.revision for r in self.releases.values())])
        self.handled = observed.handled(self.handled)
        return decision

    def _act(self, observed: ObservedDeployment, action: DeploymentAction) -> dict[str, dict[str, object]]:
        match action:
            case MakeRelease(name):
                self.releases[name] = ObservedRelease(name, wanted.declared_release(observed, name, "", 1))
            case MakeRollback(name):
                release_name = names.release_name("shop", wanted.revision(observed))
                self.releases[release_name] = ObservedRelease(
                    release_name, wanted.rollback_release(observed, self.releases[name])
                )
            case BuildRelease(name, attempt):
                job = ObservedJob(f"{name}-build-{attempt}", "build", attempt, "")
                self.releases[name] = replace(self.releases[name], job=job)
                self.built.append(self.releases[name].spec.build_key)
            case ForgetRelease(name):
                self._forget(name)
            case DeleteJob(name):
                self.releases = {n: replace(r, job=None) if r.job and r.job.name == name else r for n, r in self.releases.items()}
            case SwitchTraffic(name):
                self._switch(observed, name)
            case FailRelease() | SupersedeRelease() | CreatePreview() | ApplyRoute() | DeleteRoute():
                pass
            case _:
                self._act_on_workload(action)
        return self._status_fields(action)

    def _act_on_workload(self, action: CreateWorkload | ScaleWorkload | CoolWorkload | RefreshWorkload) -> None:
        match action:
            case CreateWorkload(release, replicas):
                name = self.releases[release].spec.workload
                assert name not in self.workloads
                assert name in self.releases, "its owner is kept"
                self.workloads[name] = Pods(replicas)
            case ScaleWorkload(name, replicas):
                self._scale(name, replicas)
            case CoolWorkload(name):
                self._scale(name, 0)
            case RefreshWorkload(name, mark):
                self.workloads[name].refreshed = mark
                self.workloads[name].served_until = None
            case _:
                assert_never(action)

    def _status_fields(self, action: DeploymentAction) -> dict[str, dict[str, object]]:
        """What an action leaves in the status of Releases."""
        match action:
            case FailRelease(name, reason, message):
                return {name: {"failure": ReleaseFailure(reason=reason, message=message, at=self.now)}}
            case SupersedeRelease(name, message):
                return {name: {"superseded": message}}
            case CreatePreview(name):
                return {name: {"preview": "http://x"}}
            case SwitchTraffic(name):
                return {name: {"preview": ""}}
            case CoolWorkload(workload):
                return {name: {"preview": ""} for name, r in self.releases.items() if r.spec.workload == workload}
        return {}

    def _scale(self, name: str, count: int) -> None:
        pods = self.workloads[name]
        if self.service and self.service.workload == name:
            assert count == self.deployment.spec.replicas, "what serves has as many as the spec says"
        elif count < pods.wanted and pods.served_until:
            assert self.now >= pods.served_until + timedelta(seconds=DRAIN), "pods that served are drained before they go"
        pods.wanted, pods.ready = count, min(pods.ready, count)
        if not count:
            pods.crashed, pods.served_until = False, None

    def _switch(self, observed: ObservedDeployment, name: str) -> None:
        to = self.releases[name]
        pods = self.workloads[to.spec.workload]
        served = bool(to.status.live_at) or bool(to.spec.rollback_to)
        has_its_data = self.gate is None or self.gate.open or places.points_at(observed, to, self.gate.source)
        assert served or has_its_data, "what waits for data goes live with it"
        assert pods.ready >= max(self.deployment.spec.replicas, 1), "what goes live is ready, all of it"
        before = observed.service.release if observed.service else ""
        if observed.service and before == name:
            before = observed.service.previous
        if self.service:
            self.workloads[self.service.workload].served_until = self.now
        pods.served_until = None
        self.service = ObservedService(to.spec.workload, name, before, self.now)
        self.switches.append((name, bool(to.spec.rollback_to)))

    def _forget(self, name: str) -> None:
        assert not self.service or name not in {self.service.release, self.service.workload, self.service.previous}
        del self.releases[name]
        self.workloads.pop(name, None)

    # -- what happens by itself ---------------------------------------------------------------------------------------

    def build_ends(self, outcome: str) -> None:
        """The builder that works, if one does: `good`, `bad`, `lost`."""
        for name, release in self.releases.items():
            job = release.job
            if job is None or job.over or release.over:
                continue
            status = release.status
            if outcome == "good":
                fields = {
                    "image": f"r/shop@{DIGEST}",
                    "build": BuildSummary(framework="node-express", port=3000),
                    "finished": job.name,
                }
                status = status.model_copy(update=fields)
            elif outcome == "bad":
                failure = ReleaseFailure(reason="BuildFailed", message="npm", at=self.now)
                status = status.model_copy(update={"failure": failure, "finished": job.name})
            finished = replace(job, failed=outcome != "good", complete=outcome == "good")
            self.releases[name] = replace(release, status=status, job=finished)

    def pods_come_up(self) -> None:
        """All that nothing ails."""
        for pods in self.workloads.values():
            if pods.ails is None:
                pods.ready = pods.wanted

    def settle(self, turns: int = 400) -> DeploymentDecision:
        """Time passes, builds end well, pods come up, until nothing is done any more."""
        decision = self.turn()
        for _ in range(turns):
            self.build_ends("good")
            self.pods_come_up()
            self.now += timedelta(seconds=5)
            decision = self.turn()
        return decision
