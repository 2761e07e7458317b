"""When a run may work: weekdays, midnight, and the nights when the clock changes."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from landfall.api.migration import Schedule
from landfall.api.progress import Rehearsed
from landfall.api.run import RunStatus
from landfall.controllers.migration.maintenance_window import Opening, opening, problem, shortest
from landfall.controllers.migration.rules import decide
from tests.support.migrations import PLAN, PLANNED, migration


def _schedule(
    start: str, end: str, zone: str = "America/New_York", days: tuple[str, ...] = (), at: str | None = None
) -> Schedule:
    window = {"start": start, "end": end, "timeZone": zone, "weekdays": days}
    return Schedule.model_validate({"maintenanceWindow": window, "startAt": at})


def _utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


NIGHT = _schedule("02:00", "06:00")
ROWS = {
    "inside": (NIGHT, "2026-01-15T08:00", True, "2026-01-15T11:00"),
    "before": (NIGHT, "2026-01-15T06:59", False, "2026-01-15T07:00"),
    "its end is outside": (NIGHT, "2026-01-15T11:00", False, "2026-01-16T07:00"),
    "summer time": (NIGHT, "2026-07-15T06:00", True, "2026-07-15T10:00"),
    "over midnight, before it": (_schedule("23:00", "04:00", "UTC"), "2026-01-15T23:30", True, "2026-01-16T04:00"),
    "over midnight, after it": (_schedule("23:00", "04:00", "UTC"), "2026-01-15T03:00", True, "2026-01-15T04:00"),
    "a weekday is that of the beginning": (
        _schedule("23:00", "04:00", "UTC", ("Sat",)),
        "2026-01-18T03:00",
        True,
        "2026-01-18T04:00",
    ),
    "not on another day": (_schedule("02:00", "06:00", "UTC", ("Sat", "Sun")), "2026-01-15T03:00", False, "2026-01-17T02:00"),
    "the same day next week": (_schedule("02:00", "06:00", "UTC", ("Thu",)), "2026-01-15T07:00", False, "2026-01-22T02:00"),
    "all day": (_schedule("00:00", "00:00", "UTC"), "2026-01-15T12:00", True, "2026-01-16T00:00"),
    "the hour that is skipped in spring begins after the jump": (NIGHT, "2026-03-08T06:59", False, "2026-03-08T07:00"),
    "that night is an hour shorter": (NIGHT, "2026-03-08T09:59", True, "2026-03-08T10:00"),
    "the night in autumn ends by the wall clock": (_schedule("00:30", "06:00"), "2026-11-01T10:30", True, "2026-11-01T11:00"),
    "before the start": (
        _schedule("02:00", "06:00", "UTC", (), "2026-02-01T03:00:00Z"),
        "2026-01-15T03:00",
        False,
        "2026-02-01T03:00",
    ),
    "a start outside the window waits for it": (
        _schedule("02:00", "06:00", "UTC", (), "2026-02-01T12:00:00Z"),
        "2026-01-15T03:00",
        False,
        "2026-02-02T02:00",
    ),
    "no schedule": (None, "2026-01-15T03:00", True, None),
    "a start that has passed": (Schedule.model_validate({"startAt": "2026-01-01T00:00:00Z"}), "2026-01-15T03:00", True, None),
}


@pytest.mark.parametrize("row", ROWS)
def test_when_it_is_open(row: str) -> None:
    schedule, now, is_open, changes = ROWS[row]
    opening_hours = opening(schedule, _utc(now), cutover=False)
    assert (opening_hours.open, opening_hours.changes) == (is_open, _utc(changes) if changes else None)


@given(
    st.datetimes(datetime(2025, 1, 1), datetime(2028, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001  hypothesis adds the zone
    st.integers(0, 23),
    st.integers(0, 23),
    st.sampled_from(["UTC", "America/New_York", "Australia/Lord_Howe", "Europe/Berlin", "Asia/Kathmandu"]),
    st.lists(st.sampled_from(["Mon", "Wed", "Sat", "Sun"]), unique=True).map(tuple),
)
def test_what_it_says_of_the_next_change_is_true(now: datetime, start: int, end: int, zone: str, days: tuple[str, ...]) -> None:
    schedule = _schedule(f"{start:02}:00", f"{end:02}:30", zone, days)
    opening_hours = opening(schedule, now, cutover=False)
    assert opening_hours.changes is not None
    assert now < opening_hours.changes <= now + timedelta(days=8, hours=1)
    assert opening(schedule, opening_hours.changes - timedelta(microseconds=1), cutover=False).open == opening_hours.open
    if not opening_hours.open:
        assert opening(schedule, opening_hours.changes, cutover=False).open


def test_what_is_wrong_is_said() -> None:
    assert "(example: Europe/Berlin)" in problem(_schedule("02:00", "06:00", "America/Newyork"))
    assert problem(NIGHT) == ""


def test_a_window_for_the_cutover_holds_nothing_before_it() -> None:
    schedule = Schedule.model_validate({"maintenanceWindow": {"start": "02:00", "end": "06:00", "appliesTo": "Cutover"}})
    noon = _utc("2026-01-15T12:00")
    assert problem(schedule) == ""
    assert opening(schedule, noon, cutover=False).open
    assert opening(schedule, noon, cutover=True) == Opening(open=False, changes=_utc("2026-01-16T02:00"))
    later = Schedule.model_validate({**schedule.model_dump(by_alias=True), "startAt": "2026-02-01T00:00:00Z"})
    assert not opening(later, noon, cutover=False).open


@pytest.mark.parametrize(("start", "end", "hours"), [("02:00", "06:00", 4), ("23:00", "04:30", 5.5), ("00:00", "00:00", 24)])
def test_how_long_a_window_is(start: str, end: str, hours: float) -> None:
    window = _schedule(start, end, "UTC").maintenance_window
    assert window
    assert shortest(window) == timedelta(hours=hours)


@pytest.mark.parametrize(
    ("window", "plan", "measured", "expected"),
    [
        ("All", {"estimated_seconds": 100, "estimated_freeze_seconds": 9}, None, ("True", "Fits")),
        ("All", {"estimated_seconds": 9000, "estimated_freeze_seconds": 9}, None, ("False", "SeveralWindows")),
        ("Cutover", {"estimated_seconds": 9000, "estimated_freeze_seconds": 9}, None, ("True", "Fits")),
        ("Cutover", {"estimated_seconds": 9000, "estimated_freeze_seconds": 4000}, None, ("False", "TooShort")),
        ("All", {"estimated_seconds": 100, "estimated_freeze_seconds": 9}, 4000.0, ("False", "TooShort")),
        ("All", {"estimated_seconds": 100, "estimated_freeze_seconds": 4000}, 20.0, ("True", "Fits")),
    ],
)
def test_a_window_that_is_too_short_is_told(
    window: str, plan: dict[str, int], measured: float | None, expected: tuple[str, str]
) -> None:
    spec_migration = migration(
        desiredState="Planned", schedule={"maintenanceWindow": {"start": "22:00", "end": "23:00", "appliesTo": window}}
    )
    rehearsal = Rehearsed(request="1", validation_seconds=measured) if measured else None
    observed = replace(PLANNED, migration=spec_migration, run=RunStatus(plan=PLAN.model_copy(update=plan), rehearsal=rehearsal))
    assert dict(decide(observed).facts)["WindowFits"][:2] == expected
