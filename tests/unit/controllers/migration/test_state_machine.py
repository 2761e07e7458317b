"""A Migration's life as a model: a person who changes their mind, workers that die, answers that are lost, time that passes.

The rules decide over a small world that stands for the API server, the target's ledger and the workers. Whatever happens,
two workers never write one target, nothing is cut over unapproved or uncompared, and in the end it settles as asked.
"""

from __future__ import annotations

from datetime import timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from landfall.api.annotations import Request
from landfall.controllers.decision import ReconcileDecision
from landfall.ledger_states import State
from tests.support.examples import SAME
from tests.support.lives import Entry, World

_WRITERS = {"run", "back", "rehearse"}
_LONG = 400


class Life(RuleBasedStateMachine):
    """What may happen, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.cut_over_under: dict[str, bool] = {}

    # -- a person -----------------------------------------------------------------------------------------------------

    @rule(desired=st.sampled_from(["Planned", "Completed", "Paused", "Cancelled", "RolledBack"]))
    def ask(self, desired: str) -> None:
        """Another desired state."""
        self.world.desired = desired

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
        fields = {
            "id": str(number),
            "verb": verb,
            "skipApproval": skip and verb == "start",
            "from": phase if verb == "start" else None,
        }
        self.world.request = Request.model_validate(fields)

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
    @rule(reports=st.booleans(), times=st.integers(1, 5))
    def work(self, reports: bool, times: int) -> None:  # noqa: FBT001
        """A worker does something."""
        for _ in range(times):
            for pod in self.world.alive():
                self.world.work(pod, reports=reports)

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
        assert all(entry.compared for entry in self.world.ledger.values() if entry.state is State.CUT_OVER)

    @invariant()
    def one_run_at_a_time(self) -> None:
        """Two runs that have begun and not ended would be two hands at one target."""
        under_way = [t for t, e in self.world.ledger.items() if e.state and e.state.staged]
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
                world.work(pod, reports=True)
            after = (repr(world.pods), repr(world.ledger), repr(world.runs), world.finalizer, repr(world.status))
            if before == after and decision.again_seconds is None:
                break
            world.now += timedelta(seconds=max(decision.again_seconds or 0, 1))
        else:
            message = f"it does not settle: {decision}"
            raise AssertionError(message)
        self.as_asked(decision)

    def as_asked(self, decision: ReconcileDecision | None) -> None:
        """What it came to."""
        world = self.world
        if world.deleting:
            assert not world.exists
            assert not [e for e in world.ledger.values() if e.state and e.state.staged]
            return
        assert decision is not None
        token, differs = world.known_as()
        state = world.ledger.get(token, Entry()).state
        if decision.stalled:
            return
        if world.desired == "Completed" and decision.ready[0] == "True":
            assert state is State.CUT_OVER
        if world.desired in {"Cancelled", "RolledBack"} and decision.ready[0] == "True":
            assert not state or state.ended
            assert not differs
        if world.desired == "Planned":
            assert decision.ready == ("True", "Planned") or state


TestLife = Life.TestCase
TestLife.settings = settings(stateful_step_count=30, derandomize=SAME)
