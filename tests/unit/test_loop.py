"""The process of the operator: what it says about its health, and what its gauges count."""

from __future__ import annotations

from typing import Any, cast

import pytest
from aiohttp import web
from prometheus_client import REGISTRY

from landfall.handlers import operator as handlers
from landfall.handlers.operator import Operator
from landfall.metrics import loop
from landfall.reconcile.queue import Key
from landfall.settings import Settings


class _Clock:
    now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> _Clock:
    """A clock that stands still."""
    made = _Clock()
    monkeypatch.setattr(handlers, "time", made)
    return made


def _operator() -> Operator:
    settings = Settings(image="i", intake_url="u", journal_url="sqlite://")
    return Operator(cast("Any", None), settings, lambda *_: web.Application())


def test_a_dead_watch_is_noticed(clock: _Clock) -> None:
    operator = _operator()
    assert operator.ill() == ""
    clock.now += 290
    assert operator.ill() == ""
    clock.now += 140
    operator._resynced = clock.now  # noqa: SLF001  listing goes on, the watch does not
    assert operator.ill() == "the watch of Jobs is dead"


def test_a_listing_that_stopped_is_noticed(clock: _Clock) -> None:
    operator = _operator()
    clock.now += 430
    assert operator.ill() == "objects have not been listed for too long"


def test_a_stuck_key_is_noticed(clock: _Clock) -> None:
    operator = _operator()
    operator._busy[Key("Migration", "store", "shop")] = clock.now  # noqa: SLF001  as its worker does
    clock.now += 119
    assert operator.ill() == ""
    clock.now += 2
    assert operator.ill() == "Migration store/shop is stuck"


def test_objects_are_counted_where_they_stand() -> None:
    def counted(phase: str) -> float:
        return REGISTRY.get_sample_value("landfall_objects", {"kind": "Migration", "phase": phase}) or 0

    before = counted("Copying"), counted("Done")
    loop.stands("Migration", "store", "a", "Copying")
    loop.stands("Migration", "store", "a", "Copying")
    loop.stands("Migration", "store", "b", "Copying")
    loop.stands("Migration", "store", "a", "Done")
    assert (counted("Copying"), counted("Done")) == (before[0] + 1, before[1] + 1)
    loop.stands("Migration", "store", "a", "")
    loop.stands("Migration", "store", "b", "")
    assert (counted("Copying"), counted("Done")) == before
