"""The policy of the write lock: when another round pays, how long the lock may be held, and what its limit ends."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from landfall.api.migration import CutoverSpec
from landfall.engine.copy.cancellation import CancellationToken
from landfall.engine.copy.run_context import Limit
from landfall.engine.model.options import Options
from landfall.engine.run.rounds import another, back_off, pause_limit
from landfall.engine.sources.base import HeldLock
from tests.support.plans import planned


class _Timer(threading.Timer):
    """A timer that a test lets pass."""

    def __init__(self, seconds: float, function: Callable[[], None]) -> None:
        super().__init__(3600, function)
        self.seconds = seconds

    def start(self) -> None:
        """Nothing runs by itself."""


def _limit(run: CancellationToken) -> tuple[Limit, Callable[[], None]]:
    timers: list[_Timer] = []

    def timer(seconds: float, function: Callable[[], None]) -> threading.Timer:
        timers.append(_Timer(seconds, function))
        return timers[0]

    limit = Limit(run, 5, timer)
    return limit, timers[0].function


@pytest.mark.parametrize(
    ("differed", "pays"),
    [
        ([], True),
        ([1_000_000], True),
        ([1_000_000, 400_000], True),
        ([1_000_000, 800_000], False),
        ([1_000_000, 400_000, 390_000], False),
        ([1_000_000, 9_000], False),
        ([10_000], False),
        ([0], False),
    ],
)
def test_another_round_pays_while_much_differs_and_it_shrinks(differed: list[int], *, pays: bool) -> None:
    assert another(differed, 1_000_000) is pays


@given(st.lists(st.integers(0, 10**12)), st.integers(0, 10**12))
def test_rounds_end(differed: list[int], total: int) -> None:
    rounds = 0
    while rounds < len(differed) and another(differed[:rounds], total):
        rounds += 1
    assert rounds <= 6


def test_the_lock_is_tried_a_few_times_with_a_longer_pause_each() -> None:
    pauses = [back_off(n) for n in range(1, 5)]
    tried = [p for p in pauses if p is not None]
    assert tried == sorted(tried)
    assert pauses[len(tried) :] == [None] * (4 - len(tried))


@pytest.mark.parametrize(("max_pause", "promised", "limit"), [(0, 7, 60), (0, 300, 600), (2, 300, 2), (90, 7, 90)])
def test_the_limit_is_what_is_said_else_twice_what_the_plan_promises(max_pause: int, promised: int, limit: int) -> None:
    assert pause_limit(Options(max_pause_seconds=max_pause), replace(planned(), freeze_seconds=promised)) == limit


@pytest.mark.parametrize(("text", "seconds"), [("60s", 60), ("5m", 300), ("2h", 7200)])
def test_a_pause_is_a_duration(text: str, seconds: int) -> None:
    assert CutoverSpec.model_validate({"maxPause": text}).max_pause_seconds == seconds


@pytest.mark.parametrize("text", ["60", "0s", "-1s", "1.5m", "1d", ""])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="maxPause"):
        CutoverSpec.model_validate({"maxPause": text})


def test_a_limit_that_passes_releases_first_and_leaves_the_run_alone() -> None:
    run, interrupted = CancellationToken(), []
    limit, passes = _limit(run)
    for name in ("lock", "reader", "wire"):
        limit.register(name, lambda name=name: interrupted.append(name))
    limit.start()
    assert not limit.requested
    passes()
    assert interrupted == ["lock", "reader", "wire"]
    assert (limit.requested, limit.passed, limit.end(), run.requested) == (True, True, False, False)


class _Session:
    """A session that counts how often it is closed."""

    closed = 0

    def rows(self, sql: str) -> list[tuple[str | None, ...]]:
        """Any statement is one row."""
        return [(sql,)]

    def close(self) -> None:
        """One more."""
        self.closed += 1


def test_a_write_lock_is_released_once() -> None:
    session = _Session()
    lock = HeldLock(session)
    threads = [threading.Thread(target=lock.release) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert session.closed == 1


def test_a_limit_that_has_ended_interrupts_nothing() -> None:
    limit, passes = _limit(CancellationToken())
    interrupted: list[str] = []
    limit.register("cutover", lambda: interrupted.append("cutover"))
    limit.start()
    assert limit.end()
    passes()
    assert (interrupted, limit.passed, limit.requested) == ([], False, False)


def test_a_stop_of_the_run_reaches_what_the_limit_guards() -> None:
    run, interrupted = CancellationToken(), []
    limit, _ = _limit(run)
    limit.register("reader", lambda: interrupted.append("reader"))
    limit.start()
    run.request()
    assert limit.requested
    run.abort()
    assert (interrupted, limit.passed) == (["reader"], False)
