"""The rules of a run's hours: it begins, works and cuts over only when its schedule says so."""

from __future__ import annotations

from landfall.core.migration import parts, schedule
from landfall.core.migration.observed import Observed
from landfall.core.outcome import Act, Decision


def closed(seen: Observed) -> Decision | None:
    """Outside its hours a run waits: one that works stops at the next checkpoint. Planning does not wait."""
    found = opening(seen)
    active = seen.active
    if found.open or not (seen.state or seen.started) or (active and active.verb != "run"):
        return None
    message, again = _closed(seen, found)
    if active and not active.suspended:
        return parts.working("Pausing", "WindowClosed", message, Act("suspend", active.name), again=2)
    return Decision("Paused", ("False", "WindowClosed"), message, again_seconds=again, facts=parts.planned(seen, approved=True))


def not_yet(seen: Observed) -> Decision | None:
    """Planned and approved, and its hour has not come."""
    found = opening(seen)
    if found.open:
        return None
    message, again = _closed(seen, found)
    return Decision("Approved", ("False", "Scheduled"), message, again_seconds=again, facts=parts.planned(seen, approved=True))


def opening(seen: Observed) -> schedule.Opening:
    """Whether it may work now."""
    return schedule.opening(seen.migration.spec.schedule if seen.migration else None, seen.now)


def _closed(seen: Observed, found: schedule.Opening) -> tuple[str, float]:
    """What is told of a wait, and when to look again: at its end, and now and then, for clocks are set."""
    if found.changes is None:
        return "outside its hours", parts.LONGEST_PAUSE
    left = (found.changes - seen.now).total_seconds()
    return f"waits until {found.changes:%Y-%m-%dT%H:%M:%SZ}", min(max(left, 1), parts.LONGEST_PAUSE)
