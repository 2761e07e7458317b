"""A small world for a Migration's rules: an API server's objects, the target's ledger, workers that do the next thing or fail."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import assert_never

from landfall.api.annotations import Request
from landfall.api.connection import Connection
from landfall.api.migration import Migration, MigrationStatus, PlanSummary
from landfall.api.progress import Rehearsed
from landfall.api.run import RunFailure, RunStatus
from landfall.controllers.actions import DeleteJob
from landfall.controllers.job_state import ObservedJob
from landfall.controllers.migration.actions import (
    AddFinalizer,
    CreateDeployment,
    CreateJob,
    DeclareRun,
    MigrationAction,
    MigrationDecision,
    ReleaseFinalizer,
    ResumeJob,
    ScaleJob,
    SuspendJob,
)
from landfall.controllers.migration.approval import approval
from landfall.controllers.migration.observed import ObservedMigration
from landfall.controllers.migration.rules import decide
from landfall.controllers.migration.rules_app import ObservedApp
from landfall.controllers.migration.rules_app_and_data import move
from landfall.controllers.migration.rules_requests import handled
from landfall.controllers.migration.run_settings import live_settings
from landfall.ledger_states import ORDER, State, StateName

_NEXT: dict[StateName, State] = dict(zip(("", *ORDER), ORDER, strict=False))


@dataclass
class Entry:
    """One run in the target's ledger: what is true, whatever has been told."""

    state: StateName = ""
    digest: str = ""
    compared: bool = False


@dataclass
class Pod:
    """A worker. `may`: a person had approved the plan that it was made for, or nobody had to; `holds`: it keeps the writers of the source locked out."""

    job: ObservedJob
    token: str
    digest: str
    may: bool
    request: str = ""
    holds: bool = False
    ended_at: datetime | None = None


@dataclass
class World:
    """Everything that is there. With an `app`, it moves along."""

    now: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    exists: bool = True
    deleting: bool = False
    finalizer: bool = False
    desired: str = "Completed"
    token: str = "1"  # noqa: S105  a counter
    approved: str = ""
    words: dict[str, frozenset[str]] = field(default_factory=dict)
    decisions: int = 0
    start_at: datetime | None = None
    secret: bool = True
    request: Request | None = None
    status: MigrationStatus | None = None
    runs: dict[str, RunStatus] = field(default_factory=dict)
    stored: set[str] = field(default_factory=set)
    pods: list[Pod] = field(default_factory=list)
    ledger: dict[str, Entry] = field(default_factory=dict)
    app: ObservedApp | None = None

    @property
    def plan(self) -> PlanSummary:
        """What planning finds now: every other set of decisions needs a word."""
        points = ((), ("a",), ("b",), ("a", "b"))[self.decisions % 4]
        digest = f"sha256:{self.decisions:064x}"
        return PlanSummary(
            digest=digest, tables=1, rows=9, to_review=len(points), points=points, quiesce="Engine" if self.app else ""
        )

    @property
    def migration(self) -> Migration:
        """The object as it is now."""
        data: dict[str, object] = {
            "source": {"connectionRef": {"name": "a"}},
            "target": {"connectionRef": {"name": "b"}},
            "rerunToken": self.token,
            "approval": {"planDigest": self.approved or None},
        }
        spec = {"desiredState": self.desired, "data": data, "schedule": {"startAt": self.start_at} if self.start_at else None}
        if self.app:
            spec["app"] = {"deploymentRef": {"name": self.app.name}}
        result = Migration.model_validate({"metadata": {"name": "shop"}, "spec": spec})
        return result.model_copy(update={"status": self.status})

    @property
    def inputs(self) -> str:
        """What workers are made from."""
        request = self.request
        return f"{self.decisions}/{request.id if request and request.verb == 'plan' else ''}.{int(self.secret)}/{request.id if request else ''}"

    def known_as(self) -> tuple[str, bool]:
        """The token of the Run that is looked at, and whether the spec asks for another one."""
        before = self.status.run if self.status else ""
        run = self.runs.get(before)
        if run is None or before == self.token:
            return self.token, False
        under_way = run.state.staged if run.state else bool(self.status and self.status.start_time)
        back = any(p.token == before and p.job.verb == "back" and not p.job.over for p in self.pods)
        if under_way or back:
            return before, True
        return self.token, False

    def look(self) -> ObservedMigration:
        """As the operator sees it."""
        token, differs = self.known_as()
        jobs = [
            replace(p.job, ended_seconds=(self.now - p.ended_at).total_seconds() if p.ended_at else 0.0)
            for p in self.pods
            if p.token == token
        ]
        run = self.runs.get(token)
        end = Connection.model_validate({"metadata": {"name": "x"}, "spec": {"type": "PostgreSQL", "host": "h"}})
        return ObservedMigration(
            now=self.now,
            generation=1,
            deleting=self.deleting,
            migration=self.migration,
            finalizer=self.finalizer,
            connections={"a": end, "b": end},
            missing_secrets=() if self.secret else ("s",),
            inputs=self.inputs,
            request=self.request,
            run_name=token,
            run=run,
            run_differs=differs,
            plan_stored=bool(run and run.plan and run.plan.digest in self.stored),
            jobs=tuple(jobs),
            app=self.app,
        )

    # -- the operator -------------------------------------------------------------------------------------------------

    def turn(self) -> MigrationDecision:
        """One look, one act, one report."""
        observed = self.look()
        decision = decide(observed)
        if decision.action:
            self.act(observed, decision.action)
        if self.exists:
            same = self.status if self.status and self.status.run == observed.run_name else None
            started = (same.start_time if same else None) or (self.now if decision.starts or observed.state else None)
            self.status = MigrationStatus(
                run=observed.run_name,
                start_time=started,
                last_handled_request=handled(observed),
                approval=approval(observed),
                app=move(observed),
            )
        return decision

    def act(self, observed: ObservedMigration, action: MigrationAction) -> None:
        """Carry it out."""
        match action:
            case AddFinalizer():
                self.finalizer = True
            case ReleaseFinalizer():
                self.exists = self.finalizer = False
            case DeclareRun():
                self.runs[observed.run_name] = RunStatus()
            case CreateJob():
                self._create(observed, action)
            case DeleteJob(name):
                self.pods = [p for p in self.pods if p.job.name != name]
            case SuspendJob(name) | ResumeJob(name):
                for pod in (p for p in self.pods if p.job.name == name):
                    pod.job, pod.holds = replace(pod.job, suspended=isinstance(action, SuspendJob)), False
            case CreateDeployment() | ScaleJob():
                return
            case _:
                assert_never(action)

    def _create(self, observed: ObservedMigration, action: CreateJob) -> None:
        plan = observed.run.plan if observed.run else None
        job = ObservedJob(f"{observed.run_name}-{action.verb}-{action.attempt}", action.verb, action.attempt, observed.inputs)
        assert all(p.job.name != job.name for p in self.pods), "a name is used once"
        pending = observed.pending
        free = pending is not None and pending.verb == "start" and pending.skip_approval
        may = bool(plan and (free or self.words.get(self.approved, frozenset()).issuperset(plan.points))) or bool(observed.state)
        self.pods.append(Pod(job, observed.run_name, plan.digest if plan else "", may, self.request.id if self.request else ""))

    # -- the workers --------------------------------------------------------------------------------------------------

    def alive(self) -> list[Pod]:
        """Those that may do something."""
        return [p for p in self.pods if not p.job.over and not p.job.suspended]

    def work(self, pod: Pod, *, reports: bool) -> None:
        """The next thing that this worker does; `reports`: its word of it arrives."""
        entry = self.ledger.get(pod.token, Entry())
        if pod.job.verb == "plan":
            plan = self.plan if not entry.state else PlanSummary(digest=entry.digest, tables=1, rows=9)
            self.stored.add(plan.digest)
            self.tell(pod, reports=reports, plan=plan, state=entry.state, finished=pod.job.name)
            self.end(pod, reports=reports)
        elif pod.job.verb == "rehearse":
            assert not entry.state, "a rehearsal comes before the run"
            self.tell(pod, reports=reports, rehearsal=Rehearsed(request=pod.request))
            self.end(pod, reports=reports)
        elif pod.job.verb == "run":
            turned = live_settings(self.migration, self.now)
            if entry.state and not entry.state.staged:
                holds = bool(turned and turned.hold and pod.holds)
                self.tell(pod, reports=reports, state=entry.state, verdict="equal", source_released=not holds)
                if not holds:
                    pod.holds = pod.holds and reports  # a pod after it never held the lock
                    self.end(pod, reports=reports)
                return
            if entry.state is State.COMPARING and turned and turned.cutover_held:
                self.tell(pod, reports=reports, state=entry.state)
                self.end(pod, reports=reports)
                return
            if not entry.state:
                assert pod.may, "nothing begins unapproved"
            compared = entry.state is State.COMPARING
            self.ledger[pod.token] = Entry(_NEXT[entry.state], entry.digest or pod.digest, compared)
            pod.holds = self.app is not None and _NEXT[entry.state] is State.CUT_OVER
            self.tell(pod, reports=reports, state=_NEXT[entry.state], verdict="equal" if compared else "")
        else:
            self.back(pod, entry, reports=reports)

    def back(self, pod: Pod, entry: Entry, *, reports: bool) -> None:
        """As the engine goes back: what is completed stays where the object is being deleted."""
        state = State.CANCELLED
        if entry.state is State.CUT_OVER:
            state = State.CUT_OVER if self.deleting else State.ROLLED_BACK
        elif entry.state and entry.state.ended:
            state = entry.state
        if entry.state:
            self.ledger[pod.token] = Entry("" if self.deleting and state is State.CANCELLED else state, entry.digest)
        self.tell(pod, reports=reports, state=state)
        self.end(pod, reports=reports)

    def tell(self, pod: Pod, *, reports: bool, **fields: object) -> None:
        """What of it reaches the Run."""
        if reports and pod.token in self.runs:
            values = {name: value for name, value in fields.items() if value}
            self.runs[pod.token] = self.runs[pod.token].model_copy(
                update={**values, "failure": None, "reported_by": pod.job.name}
            )

    def end(self, pod: Pod, *, reports: bool) -> None:
        """It is over: complete where its last word arrived, else to be started again by its Job."""
        if reports:
            pod.job = replace(pod.job, complete=True)
            pod.ended_at = self.now

    def fail(self, pod: Pod, reason: str, *, transient: bool, silent: bool) -> None:
        """It fails, with a word or without one."""
        if not silent:
            failure = RunFailure(job=pod.job.name, reason=reason, message="m", transient=transient)
            self.runs[pod.token] = self.runs[pod.token].model_copy(update={"failure": failure})
        pod.job = replace(pod.job, failed=True)
        pod.ended_at = self.now
