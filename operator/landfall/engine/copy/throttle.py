"""Limits on rows per second and on memory."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from landfall.engine.model.run_settings import Dials


class Budget:
    """Memory budget for rows in transfer: a stream waits until its largest row fits in the free memory. Sizes are in bytes."""

    def __init__(self, size: int) -> None:
        self._size = max(size, 1)
        self._free = self._size
        self._changed = threading.Condition()

    def take(self, size: int) -> int:
        """Wait for free memory and reserve it. Return the reserved size, which the caller releases with `give`."""
        granted = min(size, self._size)
        with self._changed:
            self._changed.wait_for(lambda: self._free >= granted)
            self._free -= granted
        return granted

    def give(self, size: int) -> None:
        """Release reserved memory."""
        with self._changed:
            self._free += size
            self._changed.notify_all()


class Throttle:
    """Delays streams between chunks so that the run stays below its current rate limits. Zero means no limit.

    Copied amounts are released at the rate of the limit; a stream waits until its own amount is released.
    """

    def __init__(self, dials: Dials, clock: Callable[[], float] = time.monotonic) -> None:
        self._dials = dials
        self._clock = clock
        self._lock = threading.Lock()
        self._taken = (0.0, 0.0)
        self._served = (0.0, 0.0)
        self._at = clock()

    def take(self, rows: int, size: int) -> tuple[float, float]:
        """Count copied rows and bytes. Return a ticket for `left`."""
        with self._lock:
            self._serve()
            self._taken = (self._taken[0] + rows, self._taken[1] + size)
            return self._taken

    def left(self, ticket: tuple[float, float]) -> float:
        """Return the remaining time to wait, in seconds."""
        with self._lock:
            limits = self._serve()
            waits = [
                (ticketed - served) / limit for ticketed, served, limit in zip(ticket, self._served, limits, strict=True) if limit
            ]
            return max(0.0, *waits, 0.0)

    def _serve(self) -> tuple[int, int]:
        now, limits = self._clock(), (self._dials.rows_per_second, self._dials.bytes_per_second)
        elapsed, self._at = now - self._at, now
        served = [
            min(requested, newly_served + limit * elapsed) if limit else requested
            for requested, newly_served, limit in zip(self._taken, self._served, limits, strict=True)
        ]
        self._served = (served[0], served[1])
        return limits
