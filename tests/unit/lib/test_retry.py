"""Retries of one operation: how often, after which pauses, and for which errors."""

from __future__ import annotations

import asyncio

import pytest

from landfall.lib import retry
from landfall.lib.backoff import Backoff
from landfall.lib.retry import Attempts, retried, with_retries

_FOUR = Attempts(4, Backoff(1, 3))


class _Work:
    """Fails so many times, then returns the number of its calls."""

    def __init__(self, failures: int, error: Exception) -> None:
        self._failures, self._error = failures, error
        self.calls = 0

    def __call__(self) -> int:
        self.calls += 1
        if self.calls <= self._failures:
            raise self._error
        return self.calls

    async def later(self) -> int:
        return self()


@pytest.mark.parametrize("failures", [0, 1, 2, 3])
def test_an_error_that_can_pass_is_tried_again_with_growing_pauses(failures: int, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    work = _Work(failures, OSError("busy"))
    assert retried(work, OSError, attempts=_FOUR, sleep=pauses.append) == failures + 1
    assert pauses == [1, 2, 3][:failures]

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    pauses.clear()
    assert asyncio.run(with_retries(_Work(failures, OSError("busy")).later, OSError, attempts=_FOUR)) == failures + 1
    assert pauses == [1, 2, 3][:failures]


def test_the_last_error_is_raised_without_a_pause_after_it() -> None:
    pauses: list[float] = []
    work = _Work(9, OSError("busy"))
    with pytest.raises(OSError, match="busy"):
        retried(work, OSError, attempts=_FOUR, sleep=pauses.append)
    assert (work.calls, pauses) == (4, [1, 2, 3])


@pytest.mark.parametrize("again", [(), (OSError,), (OSError, KeyError)])
def test_any_other_error_is_raised_at_once(again: tuple[type[Exception], ...]) -> None:
    work = _Work(1, ValueError("wrong"))
    with pytest.raises(ValueError, match="wrong"):
        retried(work, *again, attempts=_FOUR, sleep=lambda _: pytest.fail("no pause"))
    assert work.calls == 1
    with pytest.raises(ValueError, match="wrong"):
        asyncio.run(with_retries(_Work(1, ValueError("wrong")).later, *again, attempts=_FOUR))


def test_one_attempt_is_no_retry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "REMOTE", Attempts(1, Backoff(2, 8)))
    work = _Work(1, OSError("busy"))
    with pytest.raises(OSError, match="busy"):
        asyncio.run(with_retries(work.later, OSError))
    assert work.calls == 1
