"""Data and app as one migration, in every order of what may happen: no release goes live on data that is rolled back."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from datetime import timedelta
from functools import partial

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from landfall.api.deployment import GateSeen
from landfall.api.progress import AppState
from landfall.controllers.migration.rules_app import ObservedApp
from tests.support.lives import World


class Both:
    """A world with an app that moves along: its Deployment looks at the gate, and acts on what it saw some time later."""

    def __init__(self) -> None:
        self.world = World(app=ObservedApp("shop", there=True, ready=("False", "Building", "building shop-2"), live="shop-1"))
        self.live_of = ""
        self.saw: tuple[str, str] = ("", "")
        self.served: set[str] = set()
        self.asked_back: set[str] = set()

    def app(self, reason: str, *, status: str = "False", stalled: bool = False, live: str = "shop-1") -> None:
        """The Deployment says this of itself."""
        self.world.app = ObservedApp(
            "shop",
            there=True,
            ready=(status, reason, reason),
            waits_for_data=reason == "WaitingForData",
            stalled=stalled,
            live=live,
            drain_seconds=30,
        )

    @property
    def stands(self) -> AppState | str:
        """What the Migration says of the app: the gate is made of it."""
        status = self.world.status
        return status.app.state if status and status.app else ""

    def looks(self) -> None:
        """The Deployment's loop reads the gate. What it does comes later, when the gate may say something else."""
        self.saw = (self.world.status.run if self.world.status else "", self.stands)

    def deploys(self, *, well: bool) -> None:
        """The Deployment's next step, as its own rules take it after what was last looked at; then it writes down what it saw."""
        run, state = self.saw
        serving = bool(run) and self.live_of == run
        self.steps(run, state, well=well)
        if self.live_of:
            self.served.add(self.live_of)
        assert self.world.app
        note = GateSeen(run=run, state=state, serving=serving, served=run in self.served)
        self.world.app = replace(self.world.app, gate=note)

    def steps(self, run: str, state: str, *, well: bool) -> None:
        """One of its steps."""
        app = self.world.app
        assert app
        reason = app.ready[1]
        if state in {"Failed", "RolledBack"} and (self.live_of == run or state == "RolledBack"):
            self.live_of = ""
            self.app("DataRolledBack", stalled=True)
        elif reason in {"Building", "DataRolledBack", "BuildFailed", "CrashLoop"}:
            self.app("WaitingForData" if well else "BuildFailed", stalled=not well)
        elif reason == "WaitingForData" and state in {"Starting", "Live"}:
            self.app("Deploying")
        elif reason == "Deploying" and state not in {"Starting", "Live"}:
            self.app("WaitingForData")
        elif reason == "Deploying" and well:
            self.goes_live(run)
        elif reason == "Deploying":
            self.app("CrashLoop", stalled=True)

    def goes_live(self, run: str) -> None:
        """The switch."""
        assert self.world.ledger[run].state == "cut_over", "no release serves on data that is not there"
        backs = [p for p in self.world.pods if p.token == run and p.job.verb == "back" and not p.job.over]
        assert not backs, "no release goes live on data that is being taken back"
        self.live_of = run
        self.app("Live", status="True", live="shop-2")

    def begun(self, until: str) -> None:
        """Everything goes well until the ledger says this."""
        for _ in range(60):
            token, _ = self.world.known_as()
            if token in self.world.ledger and self.world.ledger[token].state == until:
                return
            self.world.turn()
            for pod in self.world.alive():
                self.world.work(pod, reports=True)
            if self.world.app and self.world.app.ready[1] == "Building":
                self.deploys(well=True)

    def checked(self) -> None:
        """Only where a person asked for it is data taken back under an app that serves on it; and the app follows."""
        if self.world.status and self.stands == "RollingBack":
            self.asked_back.add(self.world.status.run)
        if self.live_of:
            assert self.world.ledger[self.live_of].state == "cut_over" or self.live_of in self.asked_back


def _works(both: Both) -> None:
    for pod in both.world.alive():
        both.world.work(pod, reports=True)


def _dies(both: Both) -> None:
    for pod in both.world.alive()[:1]:
        both.world.fail(pod, "Unreachable", transient=True, silent=True)


def _is_asked(both: Both, desired: str) -> None:
    both.world.desired = desired


_STEPS: dict[str, Callable[[Both], None]] = {
    "the operator looks": lambda both: both.world.turn() and None,
    "the Deployment looks": Both.looks,
    "the Deployment acts": lambda both: both.deploys(well=True),
    "the app fails": lambda both: both.deploys(well=False),
    "the worker works": _works,
    "the worker dies": _dies,
    "paused": partial(_is_asked, desired="Paused"),
    "goes on": partial(_is_asked, desired="Completed"),
    "cancelled": partial(_is_asked, desired="Cancelled"),
}
_DEPTH = 9


def test_going_live_and_going_back_exclude_each_other_in_every_order() -> None:
    """All orders of what may happen around the cutover, nine steps deep: no release goes live on data that is taken back."""
    first = Both()
    first.begun("cut_over")
    reached = {_known(first): (first, ("",))}
    edge = list(reached.values())
    for _ in range(_DEPTH):
        coming = []
        for both, trace in edge:
            for name, step in _STEPS.items():
                after = deepcopy(both)
                step(after)
                after.checked()
                if _known(after) not in reached:
                    reached[_known(after)] = next_state = (after, (*trace, name))
                    coming.append(next_state)
        edge = coming
    assert {both.stands for both, _ in reached.values()} >= {"Starting", "Live", "Failed", "RollingBack", "RolledBack"}


def _known(both: Both) -> str:
    world = both.world
    return repr((world.pods, world.ledger, world.runs, world.status, world.app, world.desired, both.saw, both.live_of))


class Together(RuleBasedStateMachine):
    """A move of both among builds that end or fail, pods that come up or do not, workers that die, and a person who changes their mind."""

    def __init__(self) -> None:
        super().__init__()
        self.both = Both()
        self.world = self.both.world

    @initialize(until=st.sampled_from(["", "comparing", "cut_over"]))
    def begins(self, until: str) -> None:
        """From the beginning, or from where it gets interesting."""
        if until:
            self.both.begun(until)

    @rule()
    def app_is_looked_at(self) -> None:
        """And nothing is done yet."""
        self.both.looks()

    @rule(well=st.booleans())
    def app_goes_on(self, well: bool) -> None:  # noqa: FBT001  hypothesis'
        """Well or not."""
        self.both.deploys(well=well)
        self.both.looks()

    @rule(times=st.integers(1, 4))
    def operate(self, times: int) -> None:
        """The operator looks."""
        for _ in range(times):
            self.world.turn()

    @precondition(lambda self: self.world.alive())
    @rule(reports=st.booleans(), times=st.integers(1, 5))
    def work(self, reports: bool, times: int) -> None:  # noqa: FBT001  hypothesis'
        """A worker does something."""
        for _ in range(times):
            for pod in self.world.alive():
                self.world.work(pod, reports=reports)

    @precondition(lambda self: self.world.alive())
    @rule(silent=st.booleans())
    def fail(self, silent: bool) -> None:  # noqa: FBT001  hypothesis'
        """A worker dies."""
        self.world.fail(self.world.alive()[0], "Unreachable", transient=True, silent=silent)

    @rule(desired=st.sampled_from(["Completed", "Completed", "Paused", "Cancelled", "RolledBack"]))
    def ask(self, desired: str) -> None:
        """Another desired state."""
        self.world.desired = desired

    @rule()
    def run_again(self) -> None:
        """Another token."""
        self.world.token = str(int(self.world.token) + 1)

    @rule(seconds=st.sampled_from([1, 60, 1000]))
    def wait(self, seconds: int) -> None:
        """Time passes."""
        self.world.now += timedelta(seconds=seconds)

    @invariant()
    def writers_are_let_go_only_when_it_is_settled(self) -> None:
        """A worker that ended well after the cutover left an app that had moved, or a move that was given up."""
        for pod in self.world.pods:
            if pod.holds and pod.job.complete:
                assert (
                    self.both.stands in {"Live", "Failed", "RollingBack", "RolledBack", "Building", "Built"}
                    or pod.token != self.world.token
                )

    @invariant()
    def what_serves_has_its_data(self) -> None:
        """Only where a person asked for it is data taken back under an app that serves on it; and the app follows."""
        self.both.checked()

    def teardown(self) -> None:
        """Everything goes well from now on: it settles, and data and app are on the same side."""
        world = self.world
        world.desired = "Completed" if world.desired == "Paused" else world.desired
        for _ in range(300):
            before = (repr(world.pods), repr(world.ledger), repr(world.runs), repr(world.status), repr(world.app))
            decision = world.turn()
            for pod in world.alive():
                world.work(pod, reports=True)
            self.both.looks()
            self.both.deploys(well=True)
            after = (repr(world.pods), repr(world.ledger), repr(world.runs), repr(world.status), repr(world.app))
            if before == after and (decision.again_seconds is None or decision.stalled):
                break
            world.now += timedelta(seconds=max(decision.again_seconds or 0, 1))
        else:
            message = f"it does not settle: {decision}"
            raise AssertionError(message)
        token, _ = world.known_as()
        state = world.ledger[token].state if token in world.ledger else ""
        if decision.ready == ("True", "Completed"):
            assert (state, self.both.stands) == ("cut_over", "Live")
        if state == "rolled_back":
            assert self.both.live_of != token, "what was made for data that went back does not serve"
        assert state != "cut_over" or self.both.stands == "Live" or decision.stalled, decision


TestTogether = Together.TestCase
TestTogether.settings = settings(stateful_step_count=30)
