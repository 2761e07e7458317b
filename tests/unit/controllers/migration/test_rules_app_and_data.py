"""Data and app as one move: what is decided between the copy and the switch, and when the writers of the source may go on."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from landfall.api.deployment import GateSeen
from landfall.api.migration import Migration, MigrationStatus
from landfall.api.progress import AppMove, AppState
from landfall.api.run import RunStatus
from landfall.controllers.cutover_gate import Gate, MigrationSide, governing
from landfall.controllers.job_state import ObservedJob
from landfall.controllers.migration.observed import ObservedMigration
from landfall.controllers.migration.rules import decide
from landfall.controllers.migration.rules_app import ObservedApp
from landfall.controllers.migration.rules_app_and_data import discards, move
from landfall.controllers.migration.run_settings import live_settings
from tests.support.lives import World
from tests.support.migrations import NOW, PLAN, PLANNED, RUNNING, migration

_WAITS = ObservedApp("shop", there=True, ready=("False", "WaitingForData", "shop-2 is built"), waits_for_data=True, live="shop-1")
_BUILDS = ObservedApp("shop", there=True, ready=("False", "Building", "building shop-2"), live="shop-1")
_FAILS = ObservedApp("shop", there=True, ready=("False", "CrashLoop", "release shop-2 failed"), stalled=True, live="shop-1")
_LIVE = ObservedApp("shop", there=True, ready=("True", "Live", "shop-2 is live"), live="shop-2", drain_seconds=30)
_GONE = ObservedApp("shop")
_LOCKED = PLAN.model_copy(update={"quiesce": "Engine"})
_HELD = ObservedJob("shop-1-run-1", "run", 1, "i")


def joint(stood: AppMove | None = None, wanted: str = "Completed", **more: Any) -> Migration:
    """One that moves both, with its start written down."""
    app = more or {"deploymentRef": {"name": "shop"}}
    made = migration(app=app, desiredState=wanted)
    return made.model_copy(update={"status": MigrationStatus(run="shop-1", start_time=NOW, app=stood)})


def stood(state: AppState, message: str = "") -> AppMove:
    """How the app stood at the last look."""
    return AppMove(deployment="shop", state=state, release="shop-1", message=message)


def noted(app: ObservedApp, state: AppState, **more: Any) -> ObservedApp:
    """The same, and it has taken note of how the move stands."""
    return replace(app, gate=GateSeen(run="shop-1", state=state, **more))


def was_live() -> AppMove:
    """It was live, and is asked to go back."""
    return stood("RollingBack").model_copy(update={"drained_at": NOW})


def released(seen: ObservedMigration) -> ObservedMigration:
    """The same; the writers of the source may go on."""
    return replace(seen, run=seen.run.model_copy(update={"source_released": True}) if seen.run else None)


def at(
    state: str, app: ObservedApp, before: AppMove | None = None, *, held: bool = True, wanted: str = "Completed"
) -> ObservedMigration:
    """A move in a state of its ledger; `held`: its worker is there."""
    over = replace(_HELD, complete=True)
    base = RUNNING if state else PLANNED
    jobs = (*PLANNED.jobs, _HELD if held else over) if state else PLANNED.jobs
    run = RunStatus(plan=_LOCKED, state=state, rows=7, verdict="equal" if state == "cut_over" else "")
    return replace(base, migration=joint(before, wanted), run=run, jobs=jobs, app=app)


ROWS: dict[str, tuple[ObservedMigration, str, str, str]] = {
    "the copy does not wait for the build": (at("", _BUILDS), "Running", "job", "Building"),
    "a Deployment from a template is made before the copy": (
        replace(at("", _GONE), migration=joint(template={"source": {"image": "r/a@sha256:" + "a" * 64}})),
        "Starting",
        "deployment",
        "Building",
    ),
    "one that is referred to must be there": (at("", _GONE), "DeploymentMissing", "", "Building"),
    "one that says something else is told at once": (
        at("", replace(_BUILDS, differs=True)),
        "DeploymentConflict",
        "",
        "Building",
    ),
    "the cutover waits for the build": (at("comparing", _BUILDS, held=False), "WaitingForApp", "", "Building"),
    "and says what is wrong with it": (at("comparing", _FAILS, held=False), "CrashLoop", "", "Building"),
    "it goes on once the release waits": (at("comparing", _WAITS, held=False), "Running", "job", "Built"),
    "and where nothing is to be released": (at("comparing", _LIVE, held=False), "Running", "job", "Built"),
    "after the cutover the app starts": (at("cut_over", _BUILDS, stood("Built")), "StartingApp", "", "Starting"),
    "its being live completes the move": (at("cut_over", _LIVE, stood("Starting")), "Completed", "", "Live"),
    "what fails afterwards takes nothing back": (at("cut_over", _FAILS, stood("Live"), held=False), "Completed", "", "Live"),
    "an app that does not come up: written down first": (at("cut_over", _FAILS, stood("Starting")), "RollingBack", "", "Failed"),
    "then the app takes note": (at("cut_over", _FAILS, stood("Failed", "x")), "RollingBack", "", "Failed"),
    "of this move, not of the one before": (
        at("cut_over", replace(_FAILS, gate=GateSeen(run="shop-0", state="Failed")), stood("Failed", "x")),
        "RollingBack",
        "",
        "Failed",
    ),
    "an app that went live meanwhile goes back first": (
        at("cut_over", noted(_LIVE, "Failed", serving=True, served=True), stood("Failed", "x"), held=False),
        "RollingBack",
        "",
        "Failed",
    ),
    "then the worker ends": (
        at("cut_over", noted(_FAILS, "Failed"), stood("Failed", "x")),
        "RollingBack",
        "delete_job",
        "Failed",
    ),
    "then the data goes back": (
        at("cut_over", noted(_FAILS, "Failed"), stood("Failed", "x"), held=False),
        "RollingBack",
        "job",
        "Failed",
    ),
    "a worker that finds the cutover done has no lock, and no app goes live on it": (
        released(at("cut_over", _WAITS, stood("Built"))),
        "RollingBack",
        "",
        "Failed",
    ),
    "paused between the cutover and going live": (
        replace(at("cut_over", _BUILDS, stood("Starting")), jobs=(*PLANNED.jobs, replace(_HELD, suspended=True))),
        "RollingBack",
        "",
        "Failed",
    ),
    "asked to pause there: it is told that it does not": (
        at("cut_over", _BUILDS, stood("Starting"), wanted="Paused"),
        "StartingApp",
        "",
        "Starting",
    ),
    "an app that still points at the source is not cut over": (
        at("comparing", replace(_LIVE, on_source="a"), held=False),
        "WaitingForApp",
        "",
        "Building",
    ),
    "nor completed": (at("cut_over", replace(_LIVE, on_source="a"), stood("Starting")), "RollingBack", "", "Failed"),
    "a failure is not forgotten when a new commit comes": (
        at("cut_over", noted(_BUILDS, "Failed"), stood("Failed", "x"), held=False),
        "RollingBack",
        "job",
        "Failed",
    ),
    "a worker that is lost before the app is live takes the data back": (
        at("cut_over", _BUILDS, stood("Starting"), held=False),
        "RollingBack",
        "",
        "Failed",
    ),
    "it went back, and why": (at("rolled_back", _FAILS, stood("Failed", "x"), held=False), "AppFailed", "", "RolledBack"),
    "cancelled before the app is live": (
        at("cut_over", _BUILDS, stood("Starting"), wanted="Cancelled"),
        "Cancelling",
        "",
        "RollingBack",
    ),
    "cancelled before the app is live, and it has taken note": (
        at("cut_over", noted(_BUILDS, "RollingBack"), stood("RollingBack"), wanted="Cancelled"),
        "Cancelling",
        "delete_job",
        "RollingBack",
    ),
    "cancelled after": (
        at("cut_over", _LIVE, stood("Live"), wanted="Cancelled", held=False),
        "AlreadyCompleted",
        "",
        "Live",
    ),
    "cancelled in the middle of the copy: the source has the data, and its app": (
        at("cancelled", _WAITS, stood("Built"), wanted="Cancelled", held=False),
        "Cancelled",
        "",
        "RolledBack",
    ),
    "cancelled, and no longer to be": (at("cancelled", _WAITS, stood("RolledBack"), held=False), "RunEnded", "", "RolledBack"),
    "rolled back on request": (
        at("cut_over", _LIVE, stood("Live"), wanted="RolledBack", held=False),
        "RollingBack",
        "",
        "RollingBack",
    ),
    "rolled back on request, and the app has taken note": (
        at("cut_over", noted(_LIVE, "RollingBack", serving=True, served=True), was_live(), wanted="RolledBack", held=False),
        "RollingBack",
        "job",
        "RollingBack",
    ),
    "a rollback that is no longer wanted": (at("cut_over", _LIVE, was_live(), held=False), "Completed", "", "Live"),
}


@pytest.mark.parametrize("row", ROWS)
def test_a_joint_move(row: str) -> None:
    seen, reason, verb, state = ROWS[row]
    found, stands = decide(seen), move(seen)
    assert (found.ready[1], found.action.log_name if found.action else "") == (reason, verb)
    assert stands
    assert stands.state == state


def test_what_another_migration_brought_is_not_taken_back() -> None:
    seen = at("cut_over", _FAILS, held=False)
    seen = replace(seen, run=seen.run.model_copy(update={"adopted": True}) if seen.run else None)
    stands = move(seen)
    assert stands
    assert stands.state == "Live"
    assert decide(seen).ready == ("True", "AlreadyCompleted")


@pytest.mark.parametrize(
    ("state", "later", "held", "locked"),
    [
        (None, 0, True, True),
        ("Building", 0, True, True),
        ("Built", 0, False, True),
        ("Starting", 0, True, True),
        ("Live", 0, True, True),
        ("Live", 74, True, True),
        ("Live", 75, True, False),
        ("Failed", 0, True, False),
        ("RolledBack", 0, True, False),
    ],
)
def test_the_cutover_waits_and_writers_are_let_go_in_time(
    state: AppState | None,
    later: int,
    held: bool,  # noqa: FBT001  a row
    locked: bool,  # noqa: FBT001  a row
) -> None:
    before = move(at("cut_over", _LIVE, stood("Starting"))) if state == "Live" else stood(state) if state else None
    turned = live_settings(joint(before), NOW + timedelta(seconds=later))
    assert turned
    assert (turned.cutover_held, turned.hold) == (held, locked)
    alone = live_settings(migration(), NOW)
    assert alone
    assert (alone.cutover_held, alone.hold) == (False, False)


def test_only_what_nobody_was_served_with_is_discarded() -> None:
    assert discards(at("cut_over", _FAILS, stood("Starting")))
    assert discards(at("cut_over", _FAILS, stood("Failed")))
    assert discards(at("cut_over", _BUILDS, stood("RollingBack"), wanted="Cancelled"))
    assert not discards(at("cut_over", _LIVE, stood("Live")))
    assert not discards(at("cut_over", _LIVE, was_live(), wanted="RolledBack"))
    assert not discards(at("cut_over", noted(_BUILDS, "Failed", served=True), stood("Failed"))), "it served, if only for a moment"
    assert not discards(replace(at("cut_over", _LIVE, stood("Failed")), migration=migration()))


def test_a_lock_that_ended_early_is_told() -> None:
    stands = move(at("cut_over", _LIVE, stood("Starting"), held=False))
    assert stands
    assert "check the source for rows" in stands.message


@pytest.mark.parametrize(
    ("states", "governs"),
    [
        ([], ""),
        (["Live"], "m0"),
        (["Live", "Building"], "m1"),
        (["Building", "Live"], "m0"),
        (["Live", "RolledBack"], "m1"),
        (["RolledBack", "Live"], "m1"),
        (["Live", "", "Starting"], "m2"),
        (["Building", "Starting"], "m1"),
        (["Built", "Live", "Building"], "m2"),
        (["RollingBack", "Building"], "m0"),
        (["Failed", "Starting"], "m0"),
        (["RollingBack", "Live"], "m0"),
    ],
)
def test_an_old_move_opens_no_gate_for_a_new_one(states: list[str], governs: str) -> None:
    gates = [(f"2026-01-0{n + 1}T00:00:00Z", Gate(f"m{n}", "run", state)) for n, state in enumerate(states)]
    found = governing(gates)
    assert (found.migration if found else "") == governs
    assert found == governing(gates[::-1])


@pytest.mark.parametrize(
    ("waits", "created", "governs"),
    [
        (Gate("old", "o-1", "Building", MigrationSide("a"), "c", begun=False), "1", "moved"),
        (Gate("old", "o-1", "Building", MigrationSide("a"), "c", begun=False), "3", "old"),
        (Gate("old", "o-1", "Building", MigrationSide("b"), "c", begun=False), "1", "old"),
        (Gate("old", "o-1", "Building", MigrationSide("a"), "c", begun=False, cancelled=True), "3", "moved"),
        (Gate("old", "o-1", "Built", MigrationSide("a"), "b", cancelled=True), "1", "moved"),
        (Gate("old", "o-1", "Building", MigrationSide("b"), "c", begun=False, cancelled=True), "3", "old"),
        (Gate("old", "o-1", "Building", MigrationSide("a"), "c"), "1", "old"),
    ],
)
def test_a_move_that_has_not_begun_or_is_cancelled_closes_no_gate_that_another_has_opened(
    waits: Gate, created: str, governs: str
) -> None:
    """One that was asked for later, or that goes on from where the app's data is now, is still waited for."""
    for state in ("Starting", "Live"):
        found = governing([(created, waits), ("2", Gate("moved", "m-1", state, MigrationSide("a"), "b"))])
        assert found
        assert found.migration == ("moved" if state == "Starting" else governs)
    alone = governing([(created, waits)])
    assert alone
    assert alone.migration == "old"


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
        seen = self.world.app
        assert seen
        reason = seen.ready[1]
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
                self.world.work(pod, told=True)
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
        both.world.work(pod, told=True)


def _dies(both: Both) -> None:
    for pod in both.world.alive()[:1]:
        both.world.fail(pod, "Unreachable", transient=True, silent=True)


def _is_asked(both: Both, wanted: str) -> None:
    both.world.wanted = wanted


_STEPS: dict[str, Callable[[Both], None]] = {
    "the operator looks": lambda both: both.world.turn() and None,
    "the Deployment looks": Both.looks,
    "the Deployment acts": lambda both: both.deploys(well=True),
    "the app fails": lambda both: both.deploys(well=False),
    "the worker works": _works,
    "the worker dies": _dies,
    "paused": partial(_is_asked, wanted="Paused"),
    "goes on": partial(_is_asked, wanted="Completed"),
    "cancelled": partial(_is_asked, wanted="Cancelled"),
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
                    reached[_known(after)] = found = (after, (*trace, name))
                    coming.append(found)
        edge = coming
    assert {both.stands for both, _ in reached.values()} >= {"Starting", "Live", "Failed", "RollingBack", "RolledBack"}


def _known(both: Both) -> str:
    world = both.world
    return repr((world.pods, world.ledger, world.runs, world.status, world.app, world.wanted, both.saw, both.live_of))


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
    @rule(told=st.booleans(), times=st.integers(1, 5))
    def work(self, told: bool, times: int) -> None:  # noqa: FBT001  hypothesis'
        """A worker does something."""
        for _ in range(times):
            for pod in self.world.alive():
                self.world.work(pod, told=told)

    @precondition(lambda self: self.world.alive())
    @rule(silent=st.booleans())
    def fail(self, silent: bool) -> None:  # noqa: FBT001  hypothesis'
        """A worker dies."""
        self.world.fail(self.world.alive()[0], "Unreachable", transient=True, silent=silent)

    @rule(wanted=st.sampled_from(["Completed", "Completed", "Paused", "Cancelled", "RolledBack"]))
    def ask(self, wanted: str) -> None:
        """Another desired state."""
        self.world.wanted = wanted

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
        world.wanted = "Completed" if world.wanted == "Paused" else world.wanted
        for _ in range(300):
            before = (repr(world.pods), repr(world.ledger), repr(world.runs), repr(world.status), repr(world.app))
            decision = world.turn()
            for pod in world.alive():
                world.work(pod, told=True)
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
