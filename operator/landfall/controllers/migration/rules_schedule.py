"""The rules of the schedule: a run starts, works and cuts over only within its maintenance window."""

from __future__ import annotations

from landfall.controllers.decision import Fact, ReconcileDecision
from landfall.controllers.migration import maintenance_window, outcomes
from landfall.controllers.migration.actions import MigrationDecision, SuspendJob
from landfall.controllers.migration.observed import ObservedMigration
from landfall.ledger_states import State
from landfall.lifecycle import Phase


def closed(seen: ObservedMigration) -> MigrationDecision | None:
    """The window is closed: the run waits, and a running worker stops at the next checkpoint. Planning does not wait."""
    found = opening(seen)
    active = seen.active
    if found.open or not (seen.state or seen.started) or (active and active.verb != "run"):
        return None
    message, again = _closed(seen, found)
    if active and not active.suspended:
        return outcomes.working(Phase.PAUSING, "WindowClosed", message, SuspendJob(active.name), again=2)
    return ReconcileDecision(
        Phase.PAUSED, ("False", "WindowClosed"), message, again_seconds=again, facts=outcomes.planned(seen, approved=True)
    )


def not_yet(seen: ObservedMigration) -> MigrationDecision | None:
    """Planned and approved, but the start time or window has not come."""
    found = opening(seen)
    if found.open:
        return None
    message, again = _closed(seen, found)
    facts = (*outcomes.planned(seen, approved=True), *too_short(seen))
    return ReconcileDecision(Phase.APPROVED, ("False", "Scheduled"), message, again_seconds=again, facts=facts)


def too_short(seen: ObservedMigration) -> tuple[Fact, ...]:
    """Whether the steps that must be done within one window fit into it, by the rehearsal or else by the plan's estimate."""
    wanted = seen.migration.spec.schedule if seen.migration else None
    plan, measured = (seen.run.plan, seen.run.rehearsal) if seen.run else (None, None)
    if not wanted or not wanted.maintenance_window or not plan:
        return ()
    room = maintenance_window.shortest(wanted.maintenance_window).total_seconds()
    end = measured.validation_seconds if measured else plan.estimated_freeze_seconds
    how = "rehearsed" if measured else "estimated"
    if end > room:
        message = f"verification and cutover take about {end:.0f} s ({how}), longer than the window of {room:.0f} s: the run could never complete"
        return (("WindowFits", ("False", "TooShort", message)),)
    if wanted.maintenance_window.applies_to == "All" and plan.estimated_seconds > room:
        nights = -(-plan.estimated_seconds // int(room))
        message = f"the run takes about {plan.estimated_seconds} s, that is about {nights} windows of {room:.0f} s"
        return (("WindowFits", ("False", "SeveralWindows", message)),)
    return (("WindowFits", ("True", "Fits")),)


def opening(seen: ObservedMigration) -> maintenance_window.Opening:
    """Whether the next step of the run is allowed now."""
    wanted = seen.migration.spec.schedule if seen.migration else None
    return maintenance_window.opening(wanted, seen.now, cutover=seen.state is State.COMPARING)


def _closed(seen: ObservedMigration, found: maintenance_window.Opening) -> tuple[str, float]:
    """The message of a wait, and the seconds until the next reconcile; at most some minutes, in case the clock is changed."""
    if found.changes is None:
        return "the maintenance window does not open again", outcomes.LONGEST_PAUSE
    what = "all rows are copied; the cutover waits" if seen.state is State.COMPARING else "waiting"
    left = (found.changes - seen.now).total_seconds()
    return f"{what} until {found.changes:%Y-%m-%dT%H:%M:%SZ}", min(max(left, 1), outcomes.LONGEST_PAUSE)
