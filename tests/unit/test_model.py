"""A Migration's life as a model: a person who changes their mind, workers that die, answers that are lost, time that passes.

The rules decide over a small world that stands for the API server, the target's ledger and the workers. Whatever happens,
two workers never write one target, nothing is cut over unapproved or uncompared, and in the end it settles as asked.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from landfall.api.connection import Connection
from landfall.api.migration import Migration, MigrationStatus, PlanSummary, Rehearsed
from landfall.api.request import Request
from landfall.api.run import RunFailure, RunStatus
from landfall.core.job import JobSeen
from landfall.core.migration.approval import approval
from landfall.core.migration.decide import decide
from landfall.core.migration.observed import ENDED, Observed
from landfall.core.migration.requests import handled
from landfall.core.outcome import Act, Decision

_NEXT = {"": "schema", "schema": "copying", "copying": "indexing", "indexing": "comparing", "comparing": "cut_over"}
_WRITERS = {"run", "back", "rehearse"}
_LONG = 400
EXAMPLES = int(os.environ.get("LANDFALL_EXAMPLES", "500"))


@dataclass
class _Entry:
    """One run in the target's ledger: what is true, whatever has been told."""

    state: str = ""
    digest: str = ""
    compared: bool = False


@dataclass
class _Pod:
    """A worker. `may`: a person had approved the plan that it was made for, or nobody had to."""

    job: JobSeen
    token: str
    digest: str
    may: bool
    request: str = ""
    ended_at: datetime | None = None


@dataclass
class _World:
    """Everything that is there."""

    now: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    exists: bool = True
    deleting: bool = False
    finalizer: bool = False
    wanted: str = "Completed"
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
    pods: list[_Pod] = field(default_factory=list)
    ledger: dict[str, _Entry] = field(default_factory=dict)

    @property
    def plan(self) -> PlanSummary:
        """What planning finds now: every other set of decisions needs a word."""
        points = ((), ("a",), ("b",), ("a", "b"))[self.decisions % 4]
        return PlanSummary(digest=f"sha256:{self.decisions:064x}", tables=1, rows=9, to_review=len(points), points=points)

    @property
    def migration(self) -> Migration:
        """The object as it is now."""
        data: dict[str, object] = {
            "source": {"connectionRef": {"name": "a"}},
            "target": {"connectionRef": {"name": "b"}},
            "rerunToken": self.token,
            "approval": {"planDigest": self.approved or None},
        }
        spec = {"desiredState": self.wanted, "data": data, "schedule": {"startAt": self.start_at} if self.start_at else None}
        made = Migration.model_validate({"metadata": {"name": "shop"}, "spec": spec})
        return made.model_copy(update={"status": self.status})

    @property
    def inputs(self) -> str:
        """What workers are made from."""
        asked = self.request
        return f"{self.decisions}/{asked.id if asked and asked.verb == 'plan' else ''}.{int(self.secret)}/{asked.id if asked else ''}"

    def known_as(self) -> tuple[str, bool]:
        """The token of the Run that is looked at, and whether the spec asks for another one."""
        before = self.status.run if self.status else ""
        held = self.runs.get(before)
        if held is None or before == self.token:
            return self.token, False
        begun = bool(held.state or (self.status and self.status.start_time))
        back = any(p.token == before and p.job.verb == "back" and not p.job.over for p in self.pods)
        if (begun and held.state not in ENDED | {"cut_over"}) or back:
            return before, True
        return self.token, False

    def look(self) -> Observed:
        """As the operator sees it."""
        token, differs = self.known_as()
        jobs = [
            replace(p.job, ended_seconds=(self.now - p.ended_at).total_seconds() if p.ended_at else 0.0)
            for p in self.pods
            if p.token == token
        ]
        run = self.runs.get(token)
        end = Connection.model_validate({"metadata": {"name": "x"}, "spec": {"type": "PostgreSQL", "host": "h"}})
        return Observed(
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
        )

    # -- the operator -------------------------------------------------------------------------------------------------

    def turn(self) -> Decision:
        """One look, one act, one report."""
        seen = self.look()
        decision = decide(seen)
        if decision.act:
            self.act(seen, decision.act)
        if self.exists:
            same = self.status if self.status and self.status.run == seen.run_name else None
            started = (same.start_time if same else None) or (self.now if decision.starts or seen.state else None)
            self.status = MigrationStatus(
                run=seen.run_name, start_time=started, last_handled_request=handled(seen), approval=approval(seen)
            )
        return decision

    def act(self, seen: Observed, act: Act) -> None:
        """Carry it out."""
        if act.verb == "finalize":
            self.finalizer = True
        elif act.verb == "release":
            self.exists = self.finalizer = False
        elif act.verb == "run":
            self.runs[seen.run_name] = RunStatus()
        elif act.verb == "job":
            plan = seen.run.plan if seen.run else None
            job = JobSeen(f"{seen.run_name}-{act.name}-{act.attempt}", act.name, act.attempt, seen.inputs)
            assert all(p.job.name != job.name for p in self.pods), "a name is used once"
            asked = seen.pending
            free = asked is not None and asked.verb == "start" and asked.skip_approval
            may = bool(plan and (free or self.words.get(self.approved, frozenset()).issuperset(plan.points))) or bool(seen.state)
            self.pods.append(_Pod(job, seen.run_name, plan.digest if plan else "", may, self.request.id if self.request else ""))
        elif act.verb == "delete-job":
            self.pods = [p for p in self.pods if p.job.name != act.name]
        else:
            for pod in self.pods:
                if pod.job.name == act.name:
                    pod.job = replace(pod.job, suspended=act.verb == "suspend")

    # -- the workers --------------------------------------------------------------------------------------------------

    def alive(self) -> list[_Pod]:
        """Those that may do something."""
        return [p for p in self.pods if not p.job.over and not p.job.suspended]

    def work(self, pod: _Pod, *, told: bool) -> None:
        """The next thing that this worker does; `told`: its word of it arrives."""
        entry = self.ledger.get(pod.token, _Entry())
        if pod.job.verb == "plan":
            plan = self.plan if not entry.state else PlanSummary(digest=entry.digest, tables=1, rows=9)
            self.stored.add(plan.digest)
            self.tell(pod, told=told, plan=plan, state=entry.state, finished=pod.job.name)
            self.end(pod, told=told)
        elif pod.job.verb == "rehearse":
            assert not entry.state, "a rehearsal comes before the run"
            self.tell(pod, told=told, rehearsal=Rehearsed(request=pod.request))
            self.end(pod, told=told)
        elif pod.job.verb == "run":
            if entry.state in ENDED | {"cut_over"}:
                self.tell(pod, told=told, state=entry.state, verdict="equal")
                self.end(pod, told=told)
                return
            if not entry.state:
                assert pod.may, "nothing begins unapproved"
            compared = entry.state == "comparing"
            self.ledger[pod.token] = _Entry(_NEXT[entry.state], entry.digest or pod.digest, compared)
            self.tell(pod, told=told, state=_NEXT[entry.state], verdict="equal" if compared else "")
        else:
            self.back(pod, entry, told=told)

    def back(self, pod: _Pod, entry: _Entry, *, told: bool) -> None:
        """As the engine goes back: what is completed stays where the object is being deleted."""
        state = "cancelled"
        if entry.state == "cut_over":
            state = "cut_over" if self.deleting else "rolled_back"
        elif entry.state in ENDED:
            state = entry.state
        if entry.state:
            self.ledger[pod.token] = _Entry("" if self.deleting and state == "cancelled" else state, entry.digest)
        self.tell(pod, told=told, state=state)
        self.end(pod, told=told)

    def tell(self, pod: _Pod, *, told: bool, **fields: object) -> None:
        """What of it reaches the Run."""
        if told and pod.token in self.runs:
            kept = {name: value for name, value in fields.items() if value}
            self.runs[pod.token] = self.runs[pod.token].model_copy(update={**kept, "failure": None, "reported_by": pod.job.name})

    def end(self, pod: _Pod, *, told: bool) -> None:
        """It is over: complete where its last word arrived, else to be started again by its Job."""
        if told:
            pod.job = replace(pod.job, complete=True)
            pod.ended_at = self.now

    def fail(self, pod: _Pod, reason: str, *, transient: bool, silent: bool) -> None:
        """It fails, with a word or without one."""
        if not silent:
            failure = RunFailure(job=pod.job.name, reason=reason, message="m", transient=transient)
            self.runs[pod.token] = self.runs[pod.token].model_copy(update={"failure": failure})
        pod.job = replace(pod.job, failed=True)
        pod.ended_at = self.now


class Life(RuleBasedStateMachine):
    """What may happen, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.world = _World()
        self.cut_over_under: dict[str, bool] = {}

    # -- a person -----------------------------------------------------------------------------------------------------

    @rule(wanted=st.sampled_from(["Planned", "Completed", "Paused", "Cancelled", "RolledBack"]))
    def ask(self, wanted: str) -> None:
        """Another desired state."""
        self.world.wanted = wanted

    @rule()
    def approve(self) -> None:
        """Commit the digest that is shown."""
        run = self.world.runs.get(self.world.token)
        if run and run.plan:
            self.world.approved = run.plan.digest
            self.world.words[run.plan.digest] = frozenset(run.plan.points)

    @rule()
    def decide_anew(self) -> None:
        """Decisions that change the plan."""
        self.world.decisions += 1

    @rule()
    def run_again(self) -> None:
        """Another token."""
        self.world.token = str(int(self.world.token) + 1)

    @rule(verb=st.sampled_from(["plan", "rehearse", "start"]), skip=st.booleans(), phase=st.sampled_from([None, "validation"]))
    def request(self, verb: str, skip: bool, phase: str | None) -> None:  # noqa: FBT001
        """A one-shot request."""
        number = int(self.world.request.id) + 1 if self.world.request else 1
        told = {
            "id": str(number),
            "verb": verb,
            "skipApproval": skip and verb == "start",
            "from": phase if verb == "start" else None,
        }
        self.world.request = Request.model_validate(told)

    @rule(hours=st.sampled_from([None, 1, 100]))
    def schedule(self, hours: int | None) -> None:
        """Not before then."""
        self.world.start_at = self.world.now + timedelta(hours=hours) if hours else None

    @rule()
    def lose_or_mend_the_secret(self) -> None:
        """It is gone, or there again."""
        self.world.secret = not self.world.secret

    @precondition(lambda self: self.world.exists)
    @rule(really=st.integers(0, 9))
    def delete(self, really: int) -> None:
        """Now and then."""
        self.world.deleting = self.world.deleting or really == 0
        self.world.exists = self.world.finalizer or not self.world.deleting

    # -- the rest of the world ----------------------------------------------------------------------------------------

    @precondition(lambda self: self.world.exists)
    @rule(times=st.integers(1, 4))
    def operate(self, times: int) -> None:
        """The operator looks."""
        for _ in range(times):
            if self.world.exists:
                self.world.turn()

    @precondition(lambda self: self.world.alive())
    @rule(told=st.booleans(), times=st.integers(1, 5))
    def work(self, told: bool, times: int) -> None:  # noqa: FBT001
        """A worker does something."""
        for _ in range(times):
            for pod in self.world.alive():
                self.world.work(pod, told=told)

    @precondition(lambda self: self.world.alive())
    @rule(silent=st.booleans(), transient=st.booleans(), reason=st.sampled_from(["Unreachable", "DiskFull", "SourceChanged"]))
    def fail(self, silent: bool, transient: bool, reason: str) -> None:  # noqa: FBT001
        """A worker fails."""
        self.world.fail(self.world.alive()[0], reason, transient=transient, silent=silent)

    @rule(seconds=st.sampled_from([1, 60, 1000, 90_000]))
    def wait(self, seconds: int) -> None:
        """Time passes, and Jobs that are long over are collected."""
        self.world.now += timedelta(seconds=seconds)
        self.world.pods = [p for p in self.world.pods if not p.ended_at or (self.world.now - p.ended_at).days < 1]

    # -- what always holds --------------------------------------------------------------------------------------------

    @invariant()
    def at_most_one_writer(self) -> None:
        """Of one target, whatever its runs are called."""
        assert sum(p.job.verb in _WRITERS and not p.job.over for p in self.world.pods) <= 1

    @invariant()
    def only_compared_rows_are_cut_over(self) -> None:
        """The verdict comes first."""
        assert all(entry.compared for entry in self.world.ledger.values() if entry.state == "cut_over")

    @invariant()
    def one_run_at_a_time(self) -> None:
        """Two runs that have begun and not ended would be two hands at one target."""
        under_way = [t for t, e in self.world.ledger.items() if e.state and e.state not in ENDED | {"cut_over"}]
        assert len(under_way) <= 1

    def teardown(self) -> None:
        """Nothing goes wrong any more: it settles, and as asked."""
        world = self.world
        world.secret, world.start_at = True, None
        decision = None
        for _ in range(_LONG):
            if not world.exists:
                break
            before = (repr(world.pods), repr(world.ledger), repr(world.runs), world.finalizer, repr(world.status))
            decision = world.turn()
            for pod in world.alive():
                world.work(pod, told=True)
            after = (repr(world.pods), repr(world.ledger), repr(world.runs), world.finalizer, repr(world.status))
            if before == after and decision.again_seconds is None:
                break
            world.now += timedelta(seconds=max(decision.again_seconds or 0, 1))
        else:
            message = f"it does not settle: {decision}"
            raise AssertionError(message)
        self.as_asked(decision)

    def as_asked(self, decision: Decision | None) -> None:
        """What it came to."""
        world = self.world
        if world.deleting:
            assert not world.exists
            assert not [e for e in world.ledger.values() if e.state and e.state not in ENDED | {"cut_over"}]
            return
        assert decision is not None
        token, differs = world.known_as()
        state = world.ledger.get(token, _Entry()).state
        if decision.stalled:
            return
        if world.wanted == "Completed" and decision.ready[0] == "True":
            assert state == "cut_over"
        if world.wanted in {"Cancelled", "RolledBack"} and decision.ready[0] == "True":
            assert state in {"", *ENDED}
            assert not differs
        if world.wanted == "Planned":
            assert decision.ready == ("True", "Planned") or state


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=EXAMPLES, stateful_step_count=30, deadline=None, derandomize=True)
