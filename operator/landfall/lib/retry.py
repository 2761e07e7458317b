"""Runs an operation again after errors that can pass. Every retry within one operation is here: how often, and after which pauses.

Two other kinds of retry exist. The work queue and the rules decide from what they observe when an object is reconciled or a worker is
started again, with `Backoff`. The streams of a copy and the last report of a worker wait for an event instead of sleeping, also with
`Backoff`. Whether an error can pass is decided by its class: `landfall.errors.REASONS`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from landfall.lib.backoff import Backoff

_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class Attempts:
    """How often an operation is tried, the first time included, and the pauses in between.

    Args:
        times: Number of attempts, at least 1.
        backoff: The pause after each failed attempt but the last.
    """

    times: int
    backoff: Backoff


# For requests of a builder to a registry or a source.
REMOTE = Attempts(4, Backoff(2, 8))


async def with_retries(
    work: Callable[[], Awaitable[_Result]], *again: type[Exception], attempts: Attempts | None = None
) -> _Result:
    """Run an asynchronous operation until it succeeds.

    Args:
        work: The operation. It is called for each attempt.
        again: Error types after which it is tried again; every other error is raised at once.
        attempts: How often, and after which pauses. Default: `REMOTE`.

    Returns:
        The result of the first attempt that succeeds.

    Raises:
        Exception: The error of the last attempt.
    """
    limits = attempts or REMOTE
    for attempt in range(1, limits.times):
        try:
            return await work()
        except again:
            await asyncio.sleep(limits.backoff.pause(attempt))
    return await work()


def retried(
    work: Callable[[], _Result],
    *again: type[Exception],
    attempts: Attempts,
    sleep: Callable[[float], None] = time.sleep,
) -> _Result:
    """Run an operation until it succeeds. As `with_retries`, for threads.

    Args:
        work: The operation. It is called for each attempt.
        again: Error types after which it is tried again; every other error is raised at once.
        attempts: How often, and after which pauses.
        sleep: Waits for so many seconds.

    Returns:
        The result of the first attempt that succeeds.

    Raises:
        Exception: The error of the last attempt.
    """
    for attempt in range(1, attempts.times):
        try:
            return work()
        except again:
            sleep(attempts.backoff.pause(attempt))
    return work()
