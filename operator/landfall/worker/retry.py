"""Trying once more what could not be asked for just now."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from landfall.lib.backoff import Backoff

_Result = TypeVar("_Result")
TIMES = 4
_BACKOFF = Backoff(2, 8)


async def tried(work: Callable[[], Awaitable[_Result]], *again: type[Exception]) -> _Result:
    """What the work gives; after an error of these kinds it is done again, three times at most, with a longer pause each time."""
    for attempt in range(1, TIMES):
        try:
            return await work()
        except again:
            await asyncio.sleep(_BACKOFF.pause(attempt))
    return await work()
