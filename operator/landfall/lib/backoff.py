"""Exponential back-off: how long to wait before the next attempt. Pure: the caller sleeps, and passes the random number."""

from __future__ import annotations

from dataclasses import dataclass

_HIGHEST_POWER = 60  # a much higher power would overflow a float; the pause is `longest` long before


@dataclass(frozen=True, slots=True)
class Backoff:
    """Pauses in seconds that grow from `first` up to `longest`: each is `factor` times the one before."""

    first: float
    longest: float
    factor: float = 2.0

    def pause(self, attempt: int) -> float:
        """Return the pause after an attempt.

        Args:
            attempt: The number of the attempt that failed; the first one is 1.

        Returns:
            Seconds to wait.
        """
        return min(self.longest, self.first * self.factor ** min(max(attempt - 1, 0), _HIGHEST_POWER))

    def jittered(self, attempt: int, chance: float) -> float:
        """Return the pause with jitter, so that many callers do not retry at the same time.

        Args:
            attempt: The number of the attempt that failed; the first one is 1.
            chance: A random number from 0 to 1.

        Returns:
            Seconds to wait: from half of the pause to the whole pause.
        """
        return self.pause(attempt) * (0.5 + chance / 2)

    def after(self, failing_seconds: float) -> float:
        """Return the pause for a caller that knows how long it has been failing, but not how often.

        Args:
            failing_seconds: Seconds since the first failure.

        Returns:
            Seconds to wait: a quarter of that time, at least `first` and at most `longest`.
        """
        return min(max(failing_seconds / 4, self.first), self.longest)
