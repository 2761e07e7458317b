"""The rules of a Migration of data and app together: one cutover, one rollback.

The copy and the build run in parallel. The cutover waits until the app's release is built; the release waits at a gate until the cutover.
The source stays locked until the release is live and the old one is drained, so that no acknowledged write is lost between the two
databases. If something fails between the cutover and the switch of traffic, the data is rolled back.

Going live and rolling back exclude each other: the rollback is first recorded in the status, which closes the gate; the Deployment
acknowledges that and undoes a release that went live in the meantime; only then does a worker change the data.
"""

from __future__ import annotations

from datetime import timedelta

from landfall.api.migration import Migration
from landfall.api.progress import AppMove, AppState
from landfall.controllers.actions import DeleteJob
from landfall.controllers.migration import outcomes
from landfall.controllers.migration.actions import CreateDeployment, MigrationDecision, ResumeJob
from landfall.controllers.migration.observed import ObservedMigration
from landfall.controllers.migration.rules_app import ObservedApp
from landfall.ledger_states import State
from landfall.lifecycle import Desired, Phase

# After the drain, until no pod of the old release is left: its grace period of 35 s, and a margin.
_ENDING_SECONDS = 45
_LOST = "the worker that held the write lock on the source ended before the app was live"
_PAUSED = "the migration was paused between the cutover and the app going live, which released the write lock on the source"


def is_joint(migration: Migration | None) -> bool:
    """Whether it migrates data and app together."""
    return migration is not None and migration.spec.data is not None and migration.spec.app is not None


def move(observed: ObservedMigration) -> AppMove | None:
    """The state of the app half, for status. Once the app was live, or has failed after the cutover, that is final for this run."""
    app = observed.app
    if app is None:
        return None
    before = before_of(observed)
    state, message = _state(observed, app, before) if is_joint(observed.migration) else (_app_state(app), app.ready[2])
    latched = was_live(before) and state in {"Live", "RollingBack"}
    drained = before.drained_at if before and latched else None
    if state == "Live" and not latched and is_joint(observed.migration):
        drained = observed.now + timedelta(seconds=app.drain_seconds + _ENDING_SECONDS)
    return AppMove(
        deployment=app.name,
        state=state,
        release=before.release if before and latched else app.live,
        url=app.url,
        message=message[:500],
        drained_at=drained,
    )


def before_of(observed: ObservedMigration) -> AppMove | None:
    """The state of the app half of this run before this reconcile."""
    status = observed.migration.status if observed.migration else None
    return status.app if status and status.run == observed.run_name else None


def was_live(before: AppMove | None) -> bool:
    """Whether the app was live with this run's data: from then on it can only be rolled back, on request, and not be cancelled."""
    return before is not None and (before.state == "Live" or (before.state == "RollingBack" and before.drained_at is not None))


def _app_state(app: ObservedApp) -> AppState:
    if app.ready[0] == "True" and app.live:
        return "Live"
    return "Failed" if app.stalled else "Building"


def _state(observed: ObservedMigration, app: ObservedApp, before: AppMove | None) -> tuple[AppState, str]:
    message = app.ready[2]
    if observed.state and observed.state.ended:
        return "RolledBack", before.message if before and before.state in {"Failed", "RolledBack"} else ""
    if observed.state is State.CUT_OVER:
        return _cut_over(observed, app, before)
    if app.on_source:
        return "Building", _on_source(app)
    built = app.there and not app.differs and (app.waits_for_data or _app_state(app) == "Live")
    return ("Built" if built else "Building"), message


def _is_over(observed: ObservedMigration) -> bool:
    """Whether the data is cut over, or the run has ended."""
    return observed.state is not None and not observed.state.staged


def _on_source(app: ObservedApp) -> str:
    return f"Deployment {app.name} still uses Connection {app.on_source}, the source. Change it to the target's Connection"


def _rollback_requested(observed: ObservedMigration, before: AppMove | None) -> bool:
    """Whether a user requests a rollback of the data: by RolledBack, or by Cancelled before the app was ever live."""
    desired = outcomes.desired_state(observed)
    return desired is Desired.ROLLED_BACK or (desired is Desired.CANCELLED and not was_live(before) and not _served(observed))


def _served(observed: ObservedMigration) -> bool:
    """Whether a release was live on this run's data, according to the Deployment."""
    gate = observed.app.gate if observed.app else None
    return gate is not None and gate.run == observed.run_name and gate.served


def _cut_over(observed: ObservedMigration, app: ObservedApp, before: AppMove | None) -> tuple[AppState, str]:
    message = before.message if before else ""
    if before and before.state == "Failed":
        return "Failed", message
    if _rollback_requested(observed, before):
        return "RollingBack", ""
    if was_live(before):
        return "Live", message
    if (
        observed.run and observed.run.adopted
    ):  # another Migration migrated the data, possibly long ago: never roll it back for the app
        return ("Live" if app.live else "Starting"), app.ready[2]
    return _coming(observed, app)


def _coming(observed: ObservedMigration, app: ObservedApp) -> tuple[AppState, str]:
    """The state of an app that has not been live with its data yet."""
    lost, problem = _lost(observed), ""
    if not app.there:
        problem = f"the Deployment {app.name} was deleted"
    elif app.on_source:
        problem = _on_source(app)
    elif _app_state(app) == "Live":
        return "Live", f"{lost}: check the source for rows that were written after the cutover" if lost else ""
    elif app.stalled:
        problem = f"{app.ready[1]}: {app.ready[2]}"
    return ("Failed", problem or lost) if problem or lost else ("Starting", app.ready[2])


def _lost(observed: ObservedMigration) -> str:
    """Why the source is no longer locked; empty if it is, or never was meant to be."""
    run, active = observed.run, observed.active
    if run is None or run.plan is None or run.plan.quiesce != "Engine":
        return ""
    if active and active.verb == "run" and active.suspended:
        return _PAUSED
    return "" if active and active.verb == "run" and not run.source_released else _LOST


# -- rules ------------------------------------------------------------------------------------------------------------


def impossible(observed: ObservedMigration) -> MigrationDecision | None:
    """The Deployment does not exist or has another spec: reported before planning."""
    app, spec = observed.app, observed.migration.spec.app if observed.migration else None
    if not is_joint(observed.migration) or app is None or observed.active or _is_over(observed):
        return None
    return app.problem(has_template=bool(spec and spec.template))


def waiting(observed: ObservedMigration) -> MigrationDecision | None:
    """Create the Deployment before the copy begins; wait with the cutover until its release is built."""
    app, stands = observed.app, move(observed)
    if not is_joint(observed.migration) or app is None or stands is None or _is_over(observed):
        return None
    if not app.there:
        action = CreateDeployment(app.name)
        return outcomes.working(Phase.APPROVED, "Starting", f"creating the Deployment {app.name}", action, again=1)
    if observed.state is not State.COMPARING or stands.state == "Built":
        return None
    if app.on_source:
        return outcomes.stalled(
            "WaitingForApp", f"all rows are copied; the cutover waits: {stands.message}", phase=Phase.RUNNING, again=15
        )
    message = f"all rows are copied; the cutover waits for the app: {stands.message or 'the Deployment is starting'}"
    if app.stalled:
        return outcomes.stalled(app.ready[1], message, again=15)
    return outcomes.working(Phase.RUNNING, "WaitingForApp", message, again=2)


def unfinished(observed: ObservedMigration) -> MigrationDecision | None:
    """The data is cut over and the app is not live: wait for it, or roll the data back."""
    stands = move(observed)
    if not is_joint(observed.migration) or stands is None or stands.state == "Live":
        return None
    if stands.state == "Starting":
        paused = outcomes.desired_state(observed) is Desired.PAUSED or bool(observed.hold)
        but = (
            ". It cannot be paused between the cutover and the app going live: the pause would release the write lock on the source"
            if paused
            else ""
        )
        return outcomes.working(
            Phase.RUNNING, "StartingApp", f"the data is cut over; {stands.message or 'the app is starting'}{but}", again=1
        )
    return roll_back(observed, Phase.ROLLING_BACK, f"the app did not start, so the data is rolled back: {stands.message}")


def roll_back(observed: ObservedMigration, phase: Phase, message: str) -> MigrationDecision:
    """Prevent the app from going live; stop the worker, which releases the write lock; then undo the changes to the target."""
    barred = _barred(observed, phase, message)
    if barred:
        return barred
    active = observed.active
    if active and active.verb != "back":
        return outcomes.working(phase, phase, "stopping the worker", DeleteJob(active.name), again=2)
    if active:
        return outcomes.working(phase, phase, message, ResumeJob(active.name) if active.suspended else None, again=10)
    return outcomes.failed(observed, "back") or outcomes.working(phase, phase, message, outcomes.job(observed, "back"), again=10)


def _barred(observed: ObservedMigration, phase: Phase, message: str) -> MigrationDecision | None:
    """What must come before the data of a Migration with an app is rolled back: no release can go live on it any more."""
    stands, before = move(observed), before_of(observed)
    if (
        not is_joint(observed.migration)
        or observed.state is not State.CUT_OVER
        or stands is None
        or (observed.run and observed.run.adopted)
    ):
        return None
    if before is None or before.state != stands.state:
        return outcomes.working(phase, phase, message, again=0.1)  # recorded first: the gate closes
    app = observed.app
    if app is None or not app.there:
        return None
    gate = app.gate
    if gate is None or (gate.run, gate.state) != (observed.run_name, stands.state):
        waiting_message = (
            f"{message}; waiting until the Deployment {app.name} acknowledges it, so that no release goes live meanwhile"
        )
        return outcomes.working(phase, phase, waiting_message, again=2)
    if stands.state == "Failed" and gate.serving:
        return outcomes.working(
            phase, phase, f"{message}; waiting until the Deployment {app.name} is rolled back to the release before", again=2
        )
    return None


def discards(observed: ObservedMigration) -> bool:
    """Whether the app's writes to the target may be discarded: it was never live."""
    stands, before = move(observed), before_of(observed)
    going = stands is not None and stands.state in {"Starting", "Failed", "RollingBack"}
    return is_joint(observed.migration) and going and not was_live(before) and not _served(observed)


def failed_for_it(observed: ObservedMigration) -> MigrationDecision | None:
    """The data was rolled back because the app failed, and why."""
    before = before_of(observed)
    if observed.state is not State.ROLLED_BACK or before is None or not before.message or not is_joint(observed.migration):
        return None
    message = (
        f"the app did not start, so the data was rolled back and the old release stays live: {before.message}."
        " Fix it, then change spec.data.rerunToken to start a new run."
    )
    return outcomes.stalled("AppFailed", message)


def serving(observed: ObservedMigration) -> str:
    """The app's state in the message of a completed Migration."""
    stands = move(observed)
    if not is_joint(observed.migration) or stands is None:
        return ""
    where = f" at {stands.url}" if stands.url else ""
    return f"; {stands.release} went live with it{where}{f' ({stands.message})' if stands.message else ''}"
