"""Data and app as one move: what is decided between the copy and the switch, and when the writers of the source may go on."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

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
from tests.support.migrations import NOW, PLAN, PLANNED, RUNNING, migration

_WAITS = ObservedApp("shop", there=True, ready=("False", "WaitingForData", "shop-2 is built"), waits_for_data=True, live="shop-1")
_BUILDS = ObservedApp("shop", there=True, ready=("False", "Building", "building shop-2"), live="shop-1")
_FAILS = ObservedApp("shop", there=True, ready=("False", "CrashLoop", "release shop-2 failed"), stalled=True, live="shop-1")
_LIVE = ObservedApp("shop", there=True, ready=("True", "Live", "shop-2 is live"), live="shop-2", drain_seconds=30)
_GONE = ObservedApp("shop")
_LOCKED = PLAN.model_copy(update={"quiesce": "Engine"})
_HELD = ObservedJob("shop-1-run-1", "run", 1, "i")


def joint(stood: AppMove | None = None, desired: str = "Completed", **more: Any) -> Migration:
    """One that moves both, with its start written down."""
    app = more or {"deploymentRef": {"name": "shop"}}
    joint_migration = migration(app=app, desiredState=desired)
    return joint_migration.model_copy(update={"status": MigrationStatus(run="shop-1", start_time=NOW, app=stood)})


def stood(state: AppState, message: str = "") -> AppMove:
    """How the app stood at the last look."""
    return AppMove(deployment="shop", state=state, release="shop-1", message=message)


def noted(app: ObservedApp, state: AppState, **more: Any) -> ObservedApp:
    """The same, and it has taken note of how the move stands."""
    return replace(app, gate=GateSeen(run="shop-1", state=state, **more))


def was_live() -> AppMove:
    """It was live, and is asked to go back."""
    return stood("RollingBack").model_copy(update={"drained_at": NOW})


def released(observed: ObservedMigration) -> ObservedMigration:
    """The same; the writers of the source may go on."""
    return replace(observed, run=observed.run.model_copy(update={"source_released": True}) if observed.run else None)


def at(
    state: str, app: ObservedApp, before: AppMove | None = None, *, holds_lock: bool = True, desired: str = "Completed"
) -> ObservedMigration:
    """A move in a state of its ledger; `holds_lock`: its worker is there."""
    over = replace(_HELD, complete=True)
    base = RUNNING if state else PLANNED
    jobs = (*PLANNED.jobs, _HELD if holds_lock else over) if state else PLANNED.jobs
    run = RunStatus(plan=_LOCKED, state=state, rows=7, verdict="equal" if state == "cut_over" else "")
    return replace(base, migration=joint(before, desired), run=run, jobs=jobs, app=app)


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
    "the cutover waits for the build": (at("comparing", _BUILDS, holds_lock=False), "WaitingForApp", "", "Building"),
    "and says what is wrong with it": (at("comparing", _FAILS, holds_lock=False), "CrashLoop", "", "Building"),
    "it goes on once the release waits": (at("comparing", _WAITS, holds_lock=False), "Running", "job", "Built"),
    "and where nothing is to be released": (at("comparing", _LIVE, holds_lock=False), "Running", "job", "Built"),
    "after the cutover the app starts": (at("cut_over", _BUILDS, stood("Built")), "StartingApp", "", "Starting"),
    "its being live completes the move": (at("cut_over", _LIVE, stood("Starting")), "Completed", "", "Live"),
    "what fails afterwards takes nothing back": (
        at("cut_over", _FAILS, stood("Live"), holds_lock=False),
        "Completed",
        "",
        "Live",
    ),
    "an app that does not come up: written down first": (at("cut_over", _FAILS, stood("Starting")), "RollingBack", "", "Failed"),
    "then the app takes note": (at("cut_over", _FAILS, stood("Failed", "x")), "RollingBack", "", "Failed"),
    "of this move, not of the one before": (
        at("cut_over", replace(_FAILS, gate=GateSeen(run="shop-0", state="Failed")), stood("Failed", "x")),
        "RollingBack",
        "",
        "Failed",
    ),
    "an app that went live meanwhile goes back first": (
        at("cut_over", noted(_LIVE, "Failed", serving=True, served=True), stood("Failed", "x"), holds_lock=False),
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
        at("cut_over", noted(_FAILS, "Failed"), stood("Failed", "x"), holds_lock=False),
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
        at("cut_over", _BUILDS, stood("Starting"), desired="Paused"),
        "StartingApp",
        "",
        "Starting",
    ),
    "an app that still points at the source is not cut over": (
        at("comparing", replace(_LIVE, on_source="a"), holds_lock=False),
        "WaitingForApp",
        "",
        "Building",
    ),
    "nor completed": (at("cut_over", replace(_LIVE, on_source="a"), stood("Starting")), "RollingBack", "", "Failed"),
    "a failure is not forgotten when a new commit comes": (
        at("cut_over", noted(_BUILDS, "Failed"), stood("Failed", "x"), holds_lock=False),
        "RollingBack",
        "job",
        "Failed",
    ),
    "a worker that is lost before the app is live takes the data back": (
        at("cut_over", _BUILDS, stood("Starting"), holds_lock=False),
        "RollingBack",
        "",
        "Failed",
    ),
    "it went back, and why": (at("rolled_back", _FAILS, stood("Failed", "x"), holds_lock=False), "AppFailed", "", "RolledBack"),
    "cancelled before the app is live": (
        at("cut_over", _BUILDS, stood("Starting"), desired="Cancelled"),
        "Cancelling",
        "",
        "RollingBack",
    ),
    "cancelled before the app is live, and it has taken note": (
        at("cut_over", noted(_BUILDS, "RollingBack"), stood("RollingBack"), desired="Cancelled"),
        "Cancelling",
        "delete_job",
        "RollingBack",
    ),
    "cancelled after": (
        at("cut_over", _LIVE, stood("Live"), desired="Cancelled", holds_lock=False),
        "AlreadyCompleted",
        "",
        "Live",
    ),
    "cancelled in the middle of the copy: the source has the data, and its app": (
        at("cancelled", _WAITS, stood("Built"), desired="Cancelled", holds_lock=False),
        "Cancelled",
        "",
        "RolledBack",
    ),
    "cancelled, and no longer to be": (
        at("cancelled", _WAITS, stood("RolledBack"), holds_lock=False),
        "RunEnded",
        "",
        "RolledBack",
    ),
    "rolled back on request": (
        at("cut_over", _LIVE, stood("Live"), desired="RolledBack", holds_lock=False),
        "RollingBack",
        "",
        "RollingBack",
    ),
    "rolled back on request, and the app has taken note": (
        at(
            "cut_over", noted(_LIVE, "RollingBack", serving=True, served=True), was_live(), desired="RolledBack", holds_lock=False
        ),
        "RollingBack",
        "job",
        "RollingBack",
    ),
    "a rollback that is no longer wanted": (at("cut_over", _LIVE, was_live(), holds_lock=False), "Completed", "", "Live"),
}


@pytest.mark.parametrize("row", ROWS)
def test_a_joint_move(row: str) -> None:
    observed, reason, verb, state = ROWS[row]
    decision, stands = decide(observed), move(observed)
    assert (decision.ready[1], decision.action.log_name if decision.action else "") == (reason, verb)
    assert stands
    assert stands.state == state


def test_what_another_migration_brought_is_not_taken_back() -> None:
    observed = at("cut_over", _FAILS, holds_lock=False)
    observed = replace(observed, run=observed.run.model_copy(update={"adopted": True}) if observed.run else None)
    stands = move(observed)
    assert stands
    assert stands.state == "Live"
    assert decide(observed).ready == ("True", "AlreadyCompleted")


@pytest.mark.parametrize(
    ("state", "later", "holds_lock", "locked"),
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
    holds_lock: bool,  # noqa: FBT001  a row
    locked: bool,  # noqa: FBT001  a row
) -> None:
    before = move(at("cut_over", _LIVE, stood("Starting"))) if state == "Live" else stood(state) if state else None
    turned = live_settings(joint(before), NOW + timedelta(seconds=later))
    assert turned
    assert (turned.cutover_held, turned.hold) == (holds_lock, locked)
    alone = live_settings(migration(), NOW)
    assert alone
    assert (alone.cutover_held, alone.hold) == (False, False)


def test_only_what_nobody_was_served_with_is_discarded() -> None:
    assert discards(at("cut_over", _FAILS, stood("Starting")))
    assert discards(at("cut_over", _FAILS, stood("Failed")))
    assert discards(at("cut_over", _BUILDS, stood("RollingBack"), desired="Cancelled"))
    assert not discards(at("cut_over", _LIVE, stood("Live")))
    assert not discards(at("cut_over", _LIVE, was_live(), desired="RolledBack"))
    assert not discards(at("cut_over", noted(_BUILDS, "Failed", served=True), stood("Failed"))), "it served, if only for a moment"
    assert not discards(replace(at("cut_over", _LIVE, stood("Failed")), migration=migration()))


def test_a_lock_that_ended_early_is_told() -> None:
    stands = move(at("cut_over", _LIVE, stood("Starting"), holds_lock=False))
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
    gate = governing(gates)
    assert (gate.migration if gate else "") == governs
    assert gate == governing(gates[::-1])


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
        gate = governing([(created, waits), ("2", Gate("moved", "m-1", state, MigrationSide("a"), "b"))])
        assert gate
        assert gate.migration == ("moved" if state == "Starting" else governs)
    alone = governing([(created, waits)])
    assert alone
    assert alone.migration == "old"
