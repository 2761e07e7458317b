"""A small world for a Deployment's rules: an API server's objects, pods that come up or do not, builders that end well or do not."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from landfall.api.annotations import DeployRequest
from landfall.api.deployment import Deployment, Resolved
from landfall.api.release import BuildSummary, ReleaseFailure, request_of
from landfall.controllers.cutover_gate import Gate
from landfall.controllers.decision import Act, Decision
from landfall.controllers.deployment import desired_release as wanted
from landfall.controllers.deployment import places
from landfall.controllers.deployment.observed import Observed, ReleaseSeen, ServiceSeen, WorkloadSeen, next_request
from landfall.controllers.deployment.rules import current, decide
from landfall.controllers.deployment.status import begun, release_status
from landfall.controllers.job_state import JobSeen
from landfall.manifests import names

DIGEST = "sha256:" + "a" * 64
DRAIN, WARM, OBSERVE = 30, 300, 30


@dataclass
class Pods:
    """A workload: how many pods it is to have, how many are ready, and what ails them."""

    wanted: int
    ready: int = 0
    refreshed: str = ""
    ails: tuple[str, str] | None = None
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
    releases: dict[str, ReleaseSeen] = field(default_factory=dict)
    workloads: dict[str, Pods] = field(default_factory=dict)
    service: ServiceSeen | None = None
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

    def look(self) -> Observed:
        """As the operator sees it."""
        found = {
            name: WorkloadSeen(
                name,
                p.wanted,
                p.ready,
                p.ails if p.ready < p.wanted else None,
                ("CrashLoop", "x") if p.crashed else None,
                p.refreshed,
            )
            for name, p in self.workloads.items()
        }
        queue = self.queue or ((self.request,) if self.request else ())
        made = {request_of(r.spec.trigger) for r in self.releases.values()}
        return Observed(
            now=self.now,
            generation=1,
            deployment=self.deployment,
            releases=tuple(sorted(self.releases.values(), key=lambda r: r.spec.revision)),
            workloads=found,
            service=self.service,
            resolved=Resolved(key="k", commit=self.commit, resolved_at=self.now),
            request=next_request(queue, self.handled, made),
            queue=tuple(one.id for one in queue),
            hold=self.hold,
            gate=self.gate,
            left=self.left,
        )

    def turn(self, *, killed: bool = False) -> Decision:
        """One look, one act, one report; `killed`: the operator dies between the act and the report."""
        seen = self.look()
        decision = decide(seen)
        noted = self._act(seen, decision.act) if decision.act else {}
        if killed:
            return decision
        for name, release in list(self.releases.items()):
            if name in {r.name for r in seen.releases}:
                told = replace(release, status=release.status.model_copy(update=noted.get(name, {})))
                at = current(seen)
                if at and at.name == name and told.image and told.spec.workload in self.workloads:
                    told = replace(told, status=told.status.model_copy(update=begun(seen, told)))
                self.releases[name] = replace(told, status=release_status(seen, told))
        self.revision = max([self.revision, *(r.spec.revision for r in self.releases.values())])
        self.handled = seen.handled(self.handled)
        return decision

    def _act(self, seen: Observed, act: Act) -> dict[str, dict[str, object]]:
        if act.verb in {"release", "rollback"}:
            name = names.release_name("shop", wanted.revision(seen))
            goal = self.releases.get(act.name)
            spec = wanted.going_back(seen, goal) if act.verb == "rollback" and goal else wanted.wanted(seen, name, "", 1)
            self.releases[name] = ReleaseSeen(name, spec)
        elif act.verb == "build":
            job = JobSeen(f"{act.name}-build-{act.attempt}", "build", act.attempt, "")
            self.releases[act.name] = replace(self.releases[act.name], job=job)
            self.built.append(self.releases[act.name].spec.build_key)
        elif act.verb == "workload":
            name = self.releases[act.name].spec.workload
            assert name not in self.workloads
            assert name in self.releases, "its owner is kept"
            self.workloads[name] = Pods(act.attempt)
        elif act.verb in {"scale", "cool"}:
            self._scale(act.name, act.attempt)
        elif act.verb == "refresh":
            self.workloads[act.name].refreshed = act.message
            self.workloads[act.name].served_until = None
        elif act.verb == "switch":
            self._switch(seen, act.name)
        elif act.verb == "forget":
            self._forget(act.name)
        elif act.verb == "delete-job":
            self.releases = {n: replace(r, job=None) if r.job and r.job.name == act.name else r for n, r in self.releases.items()}
        return self._written(act)

    def _written(self, act: Act) -> dict[str, dict[str, object]]:
        """What an act leaves in the status of Releases."""
        failure = ReleaseFailure(reason=act.reason, message=act.message, at=self.now)
        left: dict[str, dict[str, object]] = {
            "fail": {"failure": failure},
            "supersede": {"superseded": act.message},
            "preview": {"preview": "http://x"},
            "switch": {"preview": ""},
        }
        if act.verb == "cool":
            return {name: {"preview": ""} for name, r in self.releases.items() if r.spec.workload == act.name}
        return {act.name: left[act.verb]} if act.verb in left else {}

    def _scale(self, name: str, count: int) -> None:
        pods = self.workloads[name]
        if self.service and self.service.workload == name:
            assert count == self.deployment.spec.replicas, "what serves has as many as the spec says"
        elif count < pods.wanted and pods.served_until:
            assert self.now >= pods.served_until + timedelta(seconds=DRAIN), "pods that served are drained before they go"
        pods.wanted, pods.ready = count, min(pods.ready, count)
        if not count:
            pods.crashed, pods.served_until = False, None

    def _switch(self, seen: Observed, name: str) -> None:
        to = self.releases[name]
        pods = self.workloads[to.spec.workload]
        served = bool(to.status.live_at) or bool(to.spec.rollback_to)
        has_its_data = self.gate is None or self.gate.open or places.points_at(seen, to, self.gate.source)
        assert served or has_its_data, "what waits for data goes live with it"
        assert pods.ready >= max(self.deployment.spec.replicas, 1), "what goes live is ready, all of it"
        before = seen.service.release if seen.service else ""
        if seen.service and before == name:
            before = seen.service.previous
        if self.service:
            self.workloads[self.service.workload].served_until = self.now
        pods.served_until = None
        self.service = ServiceSeen(to.spec.workload, name, before, self.now)
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
                told = {
                    "image": f"r/shop@{DIGEST}",
                    "build": BuildSummary(framework="node-express", port=3000),
                    "finished": job.name,
                }
                status = status.model_copy(update=told)
            elif outcome == "bad":
                failure = ReleaseFailure(reason="BuildFailed", message="npm", at=self.now)
                status = status.model_copy(update={"failure": failure, "finished": job.name})
            reason = "PodLost: lost" if outcome == "lost" else ""
            ended = replace(job, failed=outcome != "good", complete=outcome == "good", reason=reason)
            self.releases[name] = replace(release, status=status, job=ended)

    def pods_come_up(self) -> None:
        """All that nothing ails."""
        for pods in self.workloads.values():
            if pods.ails is None:
                pods.ready = pods.wanted

    def settle(self, turns: int = 400) -> Decision:
        """Time passes, builds end well, pods come up, until nothing is done any more."""
        decision = self.turn()
        for _ in range(turns):
            self.build_ends("good")
            self.pods_come_up()
            self.now += timedelta(seconds=5)
            decision = self.turn()
        return decision
