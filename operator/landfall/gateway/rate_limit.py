"""How often somebody may ask: a bucket each, which fills again with time. In memory, so each replica counts for itself."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from landfall.gateway.errors import ProblemError

_MOST = 10_000


@dataclass(frozen=True, slots=True)
class Rate:
    """So many requests a second on average, and so many at once."""

    per_second: float
    burst: int


@dataclass(frozen=True, slots=True)
class Rates:
    """What the holder of a key may do, and an address without one."""

    key: Rate = Rate(50, 200)
    address: Rate = Rate(2, 30)


USUAL = Rates()


class Limits:
    """One bucket for everybody who is counted."""

    def __init__(self, rate: Rate, clock: Callable[[], float]) -> None:
        self._rate = rate.per_second
        self._burst = rate.burst
        self._clock = clock
        self._left: dict[str, tuple[float, float]] = {}

    def take(self, who: str) -> None:
        """Count one. Raises ProblemError with the seconds after which there is room again."""
        now = self._clock()
        left, since = self._left.get(who, (float(self._burst), now))
        left = min(self._burst, left + (now - since) * self._rate)
        if left < 1:
            self._left[who] = (left, now)
            wait = math.ceil((1 - left) / self._rate)
            raise ProblemError(429, "rate_limited", f"too many requests: again in {wait} s", retry_seconds=wait)
        if len(self._left) >= _MOST and who not in self._left:  # whoever was forgotten begins with a full bucket
            self._left.clear()
        self._left[who] = (left - 1, now)
