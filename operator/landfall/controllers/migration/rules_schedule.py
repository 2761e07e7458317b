"""The rules of the schedule: a run starts, works and cuts over only within its maintenance window."""

from __future__ import annotations

from landfall.controllers.decision import Fact, ReconcileDecision
from landfall.controllers.migration import maintenance_window, outcomes
from landfall.controllers.migration.actions import MigrationDecision, SuspendJob
from landfall.controllers.migration.observed import ObservedMigration
from landfall.ledger_states import State
from landfall.lifecycle import Phase


def closed(observed: ObservedMigration) -> MigrationDecision | None:
    """The window is closed: the run waits, and a running worker stops at the next checkpoint. Planning does not wait."""
    hours = opening(observed)
    active = observed.active
    if hours.open or not (observed.state or observed.started) or (active and active.verb != "run"):
        return None
    message, again = _closed(observed, hours)
    if active and not active.suspended:
        return outcomes.working(Phase.PAUSING, "WindowClosed", message, SuspendJob(active.name), again=2)
    return ReconcileDecision(
        Phase.PAUSED, ("False", "WindowClosed"), message, again_seconds=again, facts=outcomes.plan_facts(observed, approved=True)
    )


def not_yet(observed: ObservedMigration) -> MigrationDecision | None:
    """Planned and approved, but the start time or window has not come."""
    hours = opening(observed)
    if hours.open:
        return None
    message, again = _closed(observed, hours)
    facts = (*outcomes.plan_facts(observed, approved=True), *too_short(observed))
    return ReconcileDecision(Phase.APPROVED, ("False", "Scheduled"), message, again_seconds=again, facts=facts)


def too_short(observed: ObservedMigration) -> tuple[Fact, ...]:
    """Whether the steps that must be done within one window fit into it, by the rehearsal or else by the plan's estimate."""
    schedule = observed.migration.spec.schedule if observed.migration else None
    plan, measured = (observed.run.plan, observed.run.rehearsal) if observed.run else (None, None)
    if not schedule or not schedule.maintenance_window or not plan:
        return ()
    room = maintenance_window.shortest(schedule.maintenance_window).total_seconds()
    end = measured.validation_seconds if measured else plan.estimated_freeze_seconds
    how = "rehearsed" if measured else "estimated"
    if end > room:
        message = f"verification and cutover take about {end:.0f} s ({how}), longer than the window of {room:.0f} s: the run could never complete"
        return (("WindowFits", ("False", "TooShort", message)),)
    if schedule.maintenance_window.applies_to == "All" and plan.estimated_seconds > room:
        nights = -(-plan.estimated_seconds // int(room))
        message = f"the run takes about {plan.estimated_seconds} s, that is about {nights} windows of {room:.0f} s"
        return (("WindowFits", ("False", "SeveralWindows", message)),)
    return (("WindowFits", ("True", "Fits")),)


def opening(observed: ObservedMigration) -> maintenance_window.Opening:
    """Whether the next step of the run is allowed now."""
    schedule = observed.migration.spec.schedule if observed.migration else None
    return maintenance_window.opening(schedule, observed.now, cutover=observed.state is State.COMPARING)


def _closed(observed: ObservedMigration, hours: maintenance_window.Opening) -> tuple[str, float]:
    """The message of a wait, and the seconds until the next reconcile; at most some minutes, in case the clock is changed."""
    if hours.changes is None:
        return "the maintenance window does not open again", outcomes.LONGEST_PAUSE
    subject = "all rows are copied; the cutover waits" if observed.state is State.COMPARING else "waiting"
    remaining = (hours.changes - observed.now).total_seconds()
    return f"{subject} until {hours.changes:%Y-%m-%dT%H:%M:%SZ}", min(max(remaining, 1), outcomes.LONGEST_PAUSE)
