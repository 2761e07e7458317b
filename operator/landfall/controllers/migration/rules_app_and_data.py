"""The rules of a Migration that moves data and app as one: one cutover, one way back.

The copy and the build run side by side. The cutover waits until the app's release is built, the release waits at a gate until the
cutover, and the writers of the source stay locked out until the release serves and the old one is drained: so nothing that anybody was
told is written gets lost between the two databases. What goes wrong between the cutover and the switch takes the data back.

Going live and going back exclude each other: that the data is to be taken back is written into the status first, which closes the gate; the
Deployment takes note of it, and puts back what went live meanwhile; only then a worker touches the data.
"""

from __future__ import annotations

from datetime import timedelta

from landfall.api.migration import Migration
from landfall.api.progress import AppMove, AppState
from landfall.controllers.actions import DeleteJob
from landfall.controllers.migration import outcomes
from landfall.controllers.migration.actions import CreateDeployment, MigrationDecision, ResumeJob
from landfall.controllers.migration.observed import ENDED, ObservedMigration
from landfall.controllers.migration.rules_app import ObservedApp
from landfall.lifecycle import Phase

# From the end of the drain until no pod of the old release can live any more: its grace of 35 seconds, and some.
_ENDING_SECONDS = 45
_LOST = "the worker that locked the writers of the source out ended before the app was live"
_PAUSED = "it was paused between the cutover and the app's going live, which let the writers of the source go on"


def is_joint(migration: Migration | None) -> bool:
    """Whether it moves both."""
    return migration is not None and migration.spec.data is not None and migration.spec.app is not None


def move(seen: ObservedMigration) -> AppMove | None:
    """How the app half stands, for status. What was once live, or failed after the cutover, stays so for this run."""
    app = seen.app
    if app is None:
        return None
    before = before_of(seen)
    state, message = _state(seen, app, before) if is_joint(seen.migration) else (_alone(app), app.ready[2])
    latched = was_live(before) and state in {"Live", "RollingBack"}
    drained = before.drained_at if before and latched else None
    if state == "Live" and not latched and is_joint(seen.migration):
        drained = seen.now + timedelta(seconds=app.drain_seconds + _ENDING_SECONDS)
    return AppMove(
        deployment=app.name,
        state=state,
        release=before.release if before and latched else app.live,
        url=app.url,
        message=message[:500],
        drained_at=drained,
    )


def before_of(seen: ObservedMigration) -> AppMove | None:
    """How it stood, in this run."""
    status = seen.migration.status if seen.migration else None
    return status.app if status and status.run == seen.run_name else None


def was_live(before: AppMove | None) -> bool:
    """Whether the app was live with the data of this run: from then on it is not cancelled, only rolled back on request."""
    return before is not None and (before.state == "Live" or (before.state == "RollingBack" and before.drained_at is not None))


def _alone(app: ObservedApp) -> AppState:
    if app.ready[0] == "True" and app.live:
        return "Live"
    return "Failed" if app.stalled else "Building"


def _state(seen: ObservedMigration, app: ObservedApp, before: AppMove | None) -> tuple[AppState, str]:
    told = app.ready[2]
    if seen.state in ENDED:
        return "RolledBack", before.message if before and before.state in {"Failed", "RolledBack"} else ""
    if seen.state == "cut_over":
        return _cut_over(seen, app, before)
    if app.on_source:
        return "Building", _on_source(app)
    built = app.there and not app.differs and (app.waits_for_data or _alone(app) == "Live")
    return ("Built" if built else "Building"), told


def _on_source(app: ObservedApp) -> str:
    return f"the Deployment {app.name} still points at the Connection {app.on_source}, which its data leaves. Have it name the target's"


def _asked_back(seen: ObservedMigration, before: AppMove | None) -> bool:
    """Whether a person wants the data back: by a rollback, or by cancelling before the app was ever live."""
    wanted = outcomes.wanted(seen)
    return wanted == "RolledBack" or (wanted == "Cancelled" and not was_live(before) and not _served(seen))


def _served(seen: ObservedMigration) -> bool:
    """Whether a release was live on the data of this run, as the Deployment says."""
    gate = seen.app.gate if seen.app else None
    return gate is not None and gate.run == seen.run_name and gate.served


def _cut_over(seen: ObservedMigration, app: ObservedApp, before: AppMove | None) -> tuple[AppState, str]:
    told = before.message if before else ""
    if before and before.state == "Failed":
        return "Failed", told
    if _asked_back(seen, before):
        return "RollingBack", ""
    if was_live(before):
        return "Live", told
    if seen.run and seen.run.adopted:  # another Migration brought it, who knows when: nothing is taken back for it
        return ("Live" if app.live else "Starting"), app.ready[2]
    return _coming(seen, app)


def _coming(seen: ObservedMigration, app: ObservedApp) -> tuple[AppState, str]:
    """How an app stands that was not live with its data yet."""
    lost, problem = _lost(seen), ""
    if not app.there:
        problem = f"the Deployment {app.name} is gone"
    elif app.on_source:
        problem = _on_source(app)
    elif _alone(app) == "Live":
        return "Live", f"{lost}: look for rows that were written there meanwhile" if lost else ""
    elif app.stalled:
        problem = f"{app.ready[1]}: {app.ready[2]}"
    return ("Failed", problem or lost) if problem or lost else ("Starting", app.ready[2])


def _lost(seen: ObservedMigration) -> str:
    """Why writers of the source are no longer locked out; empty where they are, or never were to be."""
    run, active = seen.run, seen.active
    if run is None or run.plan is None or run.plan.quiesce != "Engine":
        return ""
    if active and active.verb == "run" and active.suspended:
        return _PAUSED
    return "" if active and active.verb == "run" and not run.source_released else _LOST


# -- rules ------------------------------------------------------------------------------------------------------------


def impossible(seen: ObservedMigration) -> MigrationDecision | None:
    """There is no such Deployment, or another one: told before anything is planned."""
    app, spec = seen.app, seen.migration.spec.app if seen.migration else None
    if not is_joint(seen.migration) or app is None or seen.active or seen.state in ENDED | {"cut_over"}:
        return None
    return app.problem(made=bool(spec and spec.template))


def waiting(seen: ObservedMigration) -> MigrationDecision | None:
    """The Deployment is there before the copy begins, and its release is built before the cutover."""
    app, stands = seen.app, move(seen)
    if not is_joint(seen.migration) or app is None or stands is None or seen.state in ENDED | {"cut_over"}:
        return None
    if not app.there:
        action = CreateDeployment(app.name)
        return outcomes.working(Phase.APPROVED, "Starting", f"making the Deployment {app.name}", action, again=1)
    if seen.state != "comparing" or stands.state == "Built":
        return None
    if app.on_source:
        return outcomes.stalled(
            "WaitingForApp", f"everything is copied; the cutover waits: {stands.message}", phase=Phase.RUNNING, again=15
        )
    message = f"everything is copied; the cutover waits for the app: {stands.message or 'the Deployment begins'}"
    if app.stalled:
        return outcomes.stalled(app.ready[1], message, again=15)
    return outcomes.working(Phase.RUNNING, "WaitingForApp", message, again=2)


def unfinished(seen: ObservedMigration) -> MigrationDecision | None:
    """The data is cut over, and the app is not live: it comes up, or the data goes back."""
    stands = move(seen)
    if not is_joint(seen.migration) or stands is None or stands.state == "Live":
        return None
    if stands.state == "Starting":
        paused = outcomes.wanted(seen) == "Paused" or bool(seen.hold)
        but = (
            ". It cannot be paused between the cutover and the app's going live: the pause would let writers of the source go on"
            if paused
            else ""
        )
        return outcomes.working(
            Phase.RUNNING, "StartingApp", f"the data is cut over; {stands.message or 'the app starts'}{but}", again=1
        )
    return going_back(seen, Phase.ROLLING_BACK, f"the app did not come up, so the data goes back: {stands.message}")


def going_back(seen: ObservedMigration, phase: Phase, message: str) -> MigrationDecision:
    """The app is barred from going live; the worker ends, which lets the writers of the source go on; then another one undoes what was done to the target."""
    barred = _barred(seen, phase, message)
    if barred:
        return barred
    active = seen.active
    if active and active.verb != "back":
        return outcomes.working(phase, phase, "ending the worker", DeleteJob(active.name), again=2)
    if active:
        return outcomes.working(phase, phase, message, ResumeJob(active.name) if active.suspended else None, again=10)
    return outcomes.failed(seen, "back") or outcomes.working(phase, phase, message, outcomes.job(seen, "back"), again=10)


def _barred(seen: ObservedMigration, phase: Phase, message: str) -> MigrationDecision | None:
    """What has to come before the data of a joint move is taken back: that no release goes live on it any more."""
    stands, before = move(seen), before_of(seen)
    if not is_joint(seen.migration) or seen.state != "cut_over" or stands is None or (seen.run and seen.run.adopted):
        return None
    if before is None or before.state != stands.state:
        return outcomes.working(phase, phase, message, again=0.1)  # written down first: the gate closes
    app = seen.app
    if app is None or not app.there:
        return None
    gate = app.gate
    if gate is None or (gate.run, gate.state) != (seen.run_name, stands.state):
        told = f"{message}; waiting until the Deployment {app.name} has taken note, so that it does not go live on the data meanwhile"
        return outcomes.working(phase, phase, told, again=2)
    if stands.state == "Failed" and gate.serving:
        return outcomes.working(
            phase, phase, f"{message}; first the Deployment {app.name} goes back to the release before", again=2
        )
    return None


def discards(seen: ObservedMigration) -> bool:
    """Whether what the app wrote into the target may go with it: it never served anybody."""
    stands, before = move(seen), before_of(seen)
    going = stands is not None and stands.state in {"Starting", "Failed", "RollingBack"}
    return is_joint(seen.migration) and going and not was_live(before) and not _served(seen)


def failed_for_it(seen: ObservedMigration) -> MigrationDecision | None:
    """It went back by itself, and why."""
    before = before_of(seen)
    if seen.state != "rolled_back" or before is None or not before.message or not is_joint(seen.migration):
        return None
    message = (
        f"the app did not come up, so the data went back, and the old release serves on: {before.message}."
        " Mend it, then change spec.data.rerunToken to move again."
    )
    return outcomes.stalled("AppFailed", message)


def serving(seen: ObservedMigration) -> str:
    """What is told of the app of a move that is completed."""
    stands = move(seen)
    if not is_joint(seen.migration) or stands is None:
        return ""
    where = f" at {stands.url}" if stands.url else ""
    return f"; {stands.release} went live with it{where}{f' ({stands.message})' if stands.message else ''}"
