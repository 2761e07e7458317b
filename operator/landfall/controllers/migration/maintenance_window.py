"""When a run may start and work: a start time, and recurring windows, across midnight and daylight-saving changes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from landfall.api.migration import MaintenanceWindow, Schedule

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_AHEAD = 9


@dataclass(frozen=True, slots=True)
class Opening:
    """Whether a run may work now, and when that changes; None if never."""

    open: bool
    changes: datetime | None


def problem(schedule: Schedule) -> str:
    """What is wrong with a schedule that the CRD's schema cannot detect; empty if nothing is."""
    window = schedule.maintenance_window
    if window is None:
        return ""
    try:
        ZoneInfo(window.time_zone)
    except (ZoneInfoNotFoundError, ValueError):
        return (
            f"spec.schedule.maintenanceWindow.timeZone: {window.time_zone!r} is not an IANA time zone (example: Europe/Berlin)."
        )
    return ""


def opening(schedule: Schedule | None, now: datetime, *, cutover: bool) -> Opening:
    """Whether the window is open at a time, for the cutover or for the steps before it. It is closed before `startAt`."""
    if schedule is None:
        return Opening(open=True, changes=None)
    start = schedule.start_at
    if start is not None and now < start:
        first = opening(schedule.model_copy(update={"start_at": None}), start, cutover=cutover)
        return Opening(open=False, changes=start if first.open else first.changes)
    window = schedule.maintenance_window
    if window is None or (window.applies_to == "Cutover" and not cutover):
        return Opening(open=True, changes=None)
    spans = list(_spans(window, now))
    until = max((end for begin, end in spans if begin <= now < end), default=None)
    if until is not None:
        return Opening(open=True, changes=until)
    return Opening(open=False, changes=min(begin for begin, _ in spans if begin > now))


def shortest(window: MaintenanceWindow) -> timedelta:
    """The length of a window by the wall clock."""
    start, end = (datetime.combine(date.min, time.fromisoformat(t)) for t in (window.start, window.end))
    return end - start if end > start else end - start + timedelta(days=1)


def _spans(window: MaintenanceWindow, now: datetime) -> Iterator[tuple[datetime, datetime]]:
    """The windows around a time, as (begin, end) in UTC. An end at or before the beginning is on the next day."""
    zone = ZoneInfo(window.time_zone)
    start, end = time.fromisoformat(window.start), time.fromisoformat(window.end)
    today = now.astimezone(zone).date()
    for offset in range(-1, _AHEAD):
        day = today + timedelta(days=offset)
        if not window.weekdays or _DAYS[day.weekday()] in window.weekdays:
            last = day if end > start else day + timedelta(days=1)
            yield _at(day, start, zone), _at(last, end, zone)


def _at(day: date, moment: time, zone: ZoneInfo) -> datetime:
    """A wall-clock time in UTC. A time skipped in spring is as long after the change as it would be after the last full hour before it."""
    return datetime.combine(day, moment, zone).astimezone(UTC)
