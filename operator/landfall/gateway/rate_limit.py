"""Rate limits: a token bucket for each caller. In memory, so each replica counts for itself."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from landfall.gateway.errors import ProblemError

_MOST = 10_000


@dataclass(frozen=True, slots=True)
class Rate:
    """Requests per second on average, and the size of a burst."""

    per_second: float
    burst: int


@dataclass(frozen=True, slots=True)
class Rates:
    """The limits for a key, and for an address without a valid key."""

    key: Rate = Rate(50, 200)
    address: Rate = Rate(2, 30)


USUAL = Rates()


class RateLimiter:
    """The buckets of all callers with the same limit."""

    def __init__(self, rate: Rate, clock: Callable[[], float]) -> None:
        self._rate = rate.per_second
        self._burst = rate.burst
        self._clock = clock
        self._left: dict[str, tuple[float, float]] = {}

    def take(self, caller: str) -> None:
        """Count a request. Raises ProblemError with the seconds after which to retry."""
        now = self._clock()
        tokens, since = self._left.get(caller, (float(self._burst), now))
        tokens = min(self._burst, tokens + (now - since) * self._rate)
        if tokens < 1:
            self._left[caller] = (tokens, now)
            wait = math.ceil((1 - tokens) / self._rate)
            raise ProblemError(429, "rate_limited", f"too many requests. Retry in {wait} s", retry_seconds=wait)
        if len(self._left) >= _MOST and caller not in self._left:  # a caller that is removed starts with a full bucket
            self._left.clear()
        self._left[caller] = (tokens - 1, now)
