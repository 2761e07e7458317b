"""Exponential back-off: how long to wait before the next attempt. Pure; the caller sleeps, and brings the randomness."""

from __future__ import annotations

from dataclasses import dataclass

_HIGHEST_POWER = 60  # beyond it every pause is the longest, and a float would overflow


@dataclass(frozen=True, slots=True)
class Backoff:
    """Pauses in seconds that double from `first` up to `longest`."""

    first: float
    longest: float

    def pause(self, attempt: int) -> float:
        """Seconds to wait after the attempt of this number; the first attempt is 1."""
        return min(self.longest, self.first * 2.0 ** min(max(attempt - 1, 0), _HIGHEST_POWER))

    def jittered(self, attempt: int, chance: float) -> float:
        """Between half of the pause and all of it, so that many callers do not come at once. `chance` is from 0 to 1."""
        return self.pause(attempt) * (0.5 + chance / 2)

    def pauses(self, times: int) -> tuple[float, ...]:
        """The first so many pauses."""
        return tuple(self.pause(attempt) for attempt in range(1, times + 1))

    def after(self, failing_seconds: float) -> float:
        """The pause for a caller that knows since when it has failed, and not how often: a quarter of that time, within the bounds."""
        return min(max(failing_seconds / 4, self.first), self.longest)
