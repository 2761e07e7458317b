"""Retries of an asynchronous operation with exponential back-off."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from landfall.lib.backoff import Backoff

_Result = TypeVar("_Result")
TIMES = 4
_BACKOFF = Backoff(2, 8)


async def with_retries(work: Callable[[], Awaitable[_Result]], *again: type[Exception]) -> _Result:
    """Run an operation and return its result; retry it at most three times after an error of these types."""
    for attempt in range(1, TIMES):
        try:
            return await work()
        except again:
            await asyncio.sleep(_BACKOFF.pause(attempt))
    return await work()
