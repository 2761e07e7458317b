"""The rules of a Migration that moves data and app as one: one cutover, one way back.

The copy and the build run side by side. The cutover waits until the app's release is built, the release waits at a gate until the
cutover, and the writers of the source stay locked out until the release serves and the old one is drained: so nothing that anybody was
told is written gets lost between the two databases. What goes wrong between the cutover and the switch takes the data back.
"""

from __future__ import annotations

from datetime import timedelta

from landfall.api.migration import Migration
from landfall.api.progress import AppMove, AppState
from landfall.controllers.cutover_gate import WAITS
from landfall.controllers.decision import Act, Decision
from landfall.controllers.migration import outcomes
from landfall.controllers.migration.observed import ENDED, Observed
from landfall.controllers.migration.rules_app import AppSeen

# From the end of the drain until no pod of the old release can live any more: its grace of 35 seconds, and some.
_ENDING_SECONDS = 45
_LOST = "the worker that locked the writers of the source out ended before the app was live"


def is_joint(migration: Migration | None) -> bool:
    """Whether it moves both."""
    return migration is not None and migration.spec.data is not None and migration.spec.app is not None


def move(seen: Observed) -> AppMove | None:
    """How the app half stands, for status. What was once live, or failed after the cutover, stays so for this run."""
    app = seen.app
    if app is None:
        return None
    before = before_of(seen)
    state, message = _state(seen, app, before) if is_joint(seen.migration) else (_alone(app), app.ready[2])
    latched = before is not None and before.state == state == "Live"
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


def before_of(seen: Observed) -> AppMove | None:
    """How it stood, in this run."""
    status = seen.migration.status if seen.migration else None
    return status.app if status and status.run == seen.run_name else None


def _alone(app: AppSeen) -> AppState:
    if app.ready[0] == "True" and app.live:
        return "Live"
    return "Failed" if app.stalled else "Building"


def _state(seen: Observed, app: AppSeen, before: AppMove | None) -> tuple[AppState, str]:
    told = app.ready[2]
    if seen.state == "rolled_back":
        return "RolledBack", before.message if before and before.state in {"Failed", "RolledBack"} else ""
    if seen.state == "cut_over":
        return _cut_over(seen, app, before)
    built = app.there and not app.differs and (app.ready[1] == WAITS or _alone(app) == "Live")
    return ("Built" if built else "Building"), told


def _cut_over(seen: Observed, app: AppSeen, before: AppMove | None) -> tuple[AppState, str]:
    if before and before.state in {"Live", "Failed"}:
        return before.state, before.message
    if seen.run and seen.run.adopted:  # another Migration brought it, who knows when: nothing is taken back for it
        return ("Live" if app.live else "Starting"), app.ready[2]
    locked = seen.run is not None and seen.run.plan is not None and seen.run.plan.quiesce == "Engine"
    lost = locked and not (seen.active and seen.active.verb == "run")
    if _alone(app) == "Live":
        return "Live", f"{_LOST}: look for rows that were written there meanwhile" if lost else ""
    if not app.there:
        return "Failed", f"the Deployment {app.name} is gone"
    if app.stalled:
        return "Failed", f"{app.ready[1]}: {app.ready[2]}"
    return ("Failed", _LOST) if lost else ("Starting", app.ready[2])


# -- rules ------------------------------------------------------------------------------------------------------------


def impossible(seen: Observed) -> Decision | None:
    """There is no such Deployment, or another one: told before anything is planned."""
    app, spec = seen.app, seen.migration.spec.app if seen.migration else None
    if not is_joint(seen.migration) or app is None or seen.active or seen.state in ENDED | {"cut_over"}:
        return None
    return app.problem(made=bool(spec and spec.template))


def waiting(seen: Observed) -> Decision | None:
    """The Deployment is there before the copy begins, and its release is built before the cutover."""
    app, stands = seen.app, move(seen)
    if not is_joint(seen.migration) or app is None or stands is None or seen.state in ENDED | {"cut_over"}:
        return None
    if not app.there:
        act = Act("deployment", app.name)
        return outcomes.working("Approved", "Starting", f"making the Deployment {app.name}", act, again=1)
    if seen.state != "comparing" or stands.state == "Built":
        return None
    message = f"everything is copied; the cutover waits for the app: {stands.message or 'the Deployment begins'}"
    if app.stalled:
        return outcomes.stalled(app.ready[1], message, again=15)
    return outcomes.working("Running", "WaitingForApp", message, again=2)


def unfinished(seen: Observed) -> Decision | None:
    """The data is cut over, and the app is not live: it comes up, or the data goes back."""
    stands, before = move(seen), before_of(seen)
    if not is_joint(seen.migration) or stands is None or stands.state == "Live":
        return None
    if stands.state == "Starting":
        message = f"the data is cut over; {stands.message or 'the app starts'}"
        return outcomes.working("Running", "StartingApp", message, again=1)
    message = f"the app did not come up, so the data goes back: {stands.message}"
    if before is None or before.state != "Failed":
        return outcomes.working("RollingBack", "RollingBack", message, again=0.1)  # written down first: the gate closes
    return going_back(seen, "RollingBack", message)


def going_back(seen: Observed, phase: str, message: str) -> Decision:
    """The worker ends, which lets the writers of the source go on; then another one undoes what was done to the target."""
    active = seen.active
    if active and active.verb != "back":
        return outcomes.working(phase, phase, "ending the worker", Act("delete-job", active.name), again=2)
    if active:
        return outcomes.working(phase, phase, message, Act("resume", active.name) if active.suspended else None, again=10)
    return outcomes.failed(seen, "back") or outcomes.working(phase, phase, message, outcomes.job(seen, "back"), again=10)


def discards(seen: Observed) -> bool:
    """Whether what the app wrote into the target may go with it: it never served anybody."""
    before = before_of(seen)
    return is_joint(seen.migration) and before is not None and before.state in {"Starting", "Failed"}


def failed_for_it(seen: Observed) -> Decision | None:
    """It went back by itself, and why."""
    before = before_of(seen)
    if seen.state != "rolled_back" or before is None or not before.message or not is_joint(seen.migration):
        return None
    message = (
        f"the app did not come up, so the data went back, and the old release serves on: {before.message}."
        " Mend it, then change spec.data.rerunToken to move again."
    )
    return outcomes.stalled("AppFailed", message)


def serving(seen: Observed) -> str:
    """What is told of the app of a move that is completed."""
    stands = move(seen)
    if not is_joint(seen.migration) or stands is None:
        return ""
    where = f" at {stands.url}" if stands.url else ""
    return f"; {stands.release} is live{where}{f' ({stands.message})' if stands.message else ''}"
