"""Data and app as one move: what is decided between the copy and the switch, and when the writers of the source may go on."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from landfall.api.migration import Migration, MigrationStatus
from landfall.api.progress import AppMove, AppState
from landfall.api.run import RunStatus
from landfall.controllers.cutover_gate import Gate, governing
from landfall.controllers.job_state import JobSeen
from landfall.controllers.migration.observed import Observed
from landfall.controllers.migration.rules import decide
from landfall.controllers.migration.rules_app import AppSeen
from landfall.controllers.migration.rules_app_and_data import discards, move
from landfall.controllers.migration.run_settings import dials
from tests.support.lives import World
from tests.support.migrations import NOW, PLAN, PLANNED, RUNNING, migration

_WAITS = AppSeen("shop", there=True, ready=("False", "WaitingForData", "shop-2 is built"), live="shop-1")
_BUILDS = AppSeen("shop", there=True, ready=("False", "Building", "building shop-2"), live="shop-1")
_FAILS = AppSeen("shop", there=True, ready=("False", "CrashLoop", "release shop-2 failed"), stalled=True, live="shop-1")
_LIVE = AppSeen("shop", there=True, ready=("True", "Live", "shop-2 is live"), live="shop-2", drain_seconds=30)
_GONE = AppSeen("shop")
_LOCKED = PLAN.model_copy(update={"quiesce": "Engine"})
_HELD = JobSeen("shop-1-run-1", "run", 1, "i")


def joint(stood: AppMove | None = None, wanted: str = "Completed", **more: Any) -> Migration:
    """One that moves both, with its start written down."""
    app = more or {"deploymentRef": {"name": "shop"}}
    made = migration(app=app, desiredState=wanted)
    return made.model_copy(update={"status": MigrationStatus(run="shop-1", start_time=NOW, app=stood)})


def stood(state: AppState, message: str = "") -> AppMove:
    """How the app stood at the last look."""
    return AppMove(deployment="shop", state=state, release="shop-1", message=message)


def at(state: str, app: AppSeen, before: AppMove | None = None, *, held: bool = True, wanted: str = "Completed") -> Observed:
    """A move in a state of its ledger; `held`: its worker is there."""
    over = replace(_HELD, complete=True)
    base = RUNNING if state else PLANNED
    jobs = (*PLANNED.jobs, _HELD if held else over) if state else PLANNED.jobs
    run = RunStatus(plan=_LOCKED, state=state, rows=7, verdict="equal" if state == "cut_over" else "")
    return replace(base, migration=joint(before, wanted), run=run, jobs=jobs, app=app)


ROWS: dict[str, tuple[Observed, str, str, str]] = {
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
    "then the worker ends": (at("cut_over", _FAILS, stood("Failed", "x")), "RollingBack", "delete-job", "Failed"),
    "then the data goes back": (at("cut_over", _FAILS, stood("Failed", "x"), held=False), "RollingBack", "job", "Failed"),
    "a failure is not forgotten when a new commit comes": (
        at("cut_over", _BUILDS, stood("Failed", "x"), held=False),
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
        "delete-job",
        "Starting",
    ),
    "cancelled after": (
        at("cut_over", _LIVE, stood("Live"), wanted="Cancelled", held=False),
        "AlreadyCompleted",
        "",
        "Live",
    ),
    "rolled back on request": (
        at("cut_over", _LIVE, stood("Live"), wanted="RolledBack", held=False),
        "RollingBack",
        "job",
        "Live",
    ),
}


@pytest.mark.parametrize("row", ROWS)
def test_a_joint_move(row: str) -> None:
    seen, reason, verb, state = ROWS[row]
    found, stands = decide(seen), move(seen)
    assert (found.ready[1], found.act.verb if found.act else "") == (reason, verb)
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
    turned = dials(joint(before), NOW + timedelta(seconds=later))
    assert turned
    assert (turned.cutover_held, turned.hold) == (held, locked)
    alone = dials(migration(), NOW)
    assert alone
    assert (alone.cutover_held, alone.hold) == (False, False)


def test_only_what_nobody_was_served_with_is_discarded() -> None:
    assert discards(at("cut_over", _FAILS, stood("Starting")))
    assert discards(at("cut_over", _FAILS, stood("Failed")))
    assert not discards(at("cut_over", _LIVE, stood("Live")))
    assert not discards(replace(at("cut_over", _LIVE, stood("Failed")), migration=migration()))


def test_a_lock_that_ended_early_is_told() -> None:
    stands = move(at("cut_over", _LIVE, stood("Starting"), held=False))
    assert stands
    assert "look for rows" in stands.message


@pytest.mark.parametrize(
    ("states", "governs"),
    [
        ([], ""),
        (["Live"], "m0"),
        (["Live", "Building"], "m1"),
        (["Building", "Live"], "m0"),
        (["Live", "RolledBack"], "m1"),
        (["RolledBack", "Live"], "m1"),
        (["Live", "", "Starting"], "m1"),
    ],
)
def test_an_old_move_opens_no_gate_for_a_new_one(states: list[str], governs: str) -> None:
    gates = [(f"2026-01-0{n + 1}T00:00:00Z", Gate(f"m{n}", "run", state)) for n, state in enumerate(states)]
    found = governing(gates)
    assert (found.migration if found else "") == governs
    assert found == governing(gates[::-1])


class Together(RuleBasedStateMachine):
    """A move of both among builds that end or fail, pods that come up or do not, workers that die, and a person who changes their mind."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World(app=AppSeen("shop", there=True, ready=("False", "Building", "building shop-2"), live="shop-1"))
        self.live_of = ""

    def app(self, reason: str, *, status: str = "False", stalled: bool = False, live: str = "shop-1") -> None:
        """The Deployment says this of itself."""
        self.world.app = AppSeen("shop", there=True, ready=(status, reason, reason), stalled=stalled, live=live, drain_seconds=30)

    @property
    def stands(self) -> str:
        """What the Migration says of the app: the gate is made of it."""
        status = self.world.status
        return status.app.state if status and status.app else ""

    def deploys(self, *, well: bool) -> None:
        """The Deployment's next step, as its own rules take it."""
        seen = self.world.app
        assert seen
        if self.stands == "RolledBack":
            self.live_of = ""
            self.app("DataRolledBack", stalled=True)
        elif seen.ready[1] in {"Building", "DataRolledBack", "BuildFailed", "CrashLoop"}:
            self.app("WaitingForData" if well else "BuildFailed", stalled=not well)
        elif seen.ready[1] == "WaitingForData" and self.stands in {"Starting", "Live"}:
            self.app("Deploying")
        elif seen.ready[1] == "Deploying":
            if self.stands not in {"Starting", "Live"}:
                self.app("WaitingForData")
            elif well:
                assert self.world.status
                self.live_of = self.world.status.run
                assert self.world.ledger[self.live_of].state == "cut_over", "no release serves on data that is not there"
                self.app("Live", status="True", live="shop-2")
            else:
                self.app("CrashLoop", stalled=True)

    @rule(well=st.booleans())
    def app_goes_on(self, well: bool) -> None:  # noqa: FBT001  hypothesis'
        """Well or not."""
        self.deploys(well=well)

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

    @rule(wanted=st.sampled_from(["Completed", "Completed", "Cancelled", "RolledBack"]))
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
                assert self.stands in {"Live", "Failed", "RolledBack", "Building", "Built"} or pod.token != self.world.token

    def teardown(self) -> None:
        """Everything goes well from now on: it settles, and data and app are on the same side."""
        world = self.world
        for _ in range(300):
            before = (repr(world.pods), repr(world.ledger), repr(world.runs), repr(world.status), repr(world.app))
            decision = world.turn()
            for pod in world.alive():
                world.work(pod, told=True)
            self.deploys(well=True)
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
            assert (state, self.stands) == ("cut_over", "Live")
        if state == "rolled_back":
            assert self.live_of != token, "what was made for data that went back does not serve"
        assert state != "cut_over" or self.stands == "Live" or decision.stalled, decision


TestTogether = Together.TestCase
TestTogether.settings = settings(stateful_step_count=30)
