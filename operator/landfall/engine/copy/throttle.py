"""Limits on rows per second and on memory."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from landfall.engine.model.run_settings import Dials


class Budget:
    """Memory for rows in flight: a stream waits until its largest row fits beside those of the others."""

    def __init__(self, size: int) -> None:
        self._size = max(size, 1)
        self._free = self._size
        self._changed = threading.Condition()

    def take(self, size: int) -> int:
        """Wait for room; what was taken, to be given back."""
        wanted = min(size, self._size)
        with self._changed:
            self._changed.wait_for(lambda: self._free >= wanted)
            self._free -= wanted
        return wanted

    def give(self, size: int) -> None:
        """Give room back."""
        with self._changed:
            self._free += size
            self._changed.notify_all()


class Throttle:
    """Holds streams back between chunks so that the run stays under its limits, whatever these are by now. Zero is no limit.

    What was taken is served at the limit's pace; a stream waits until its own amount is.
    """

    def __init__(self, dials: Dials, clock: Callable[[], float] = time.monotonic) -> None:
        self._dials = dials
        self._clock = clock
        self._lock = threading.Lock()
        self._taken = (0.0, 0.0)
        self._served = (0.0, 0.0)
        self._at = clock()

    def take(self, rows: int, size: int) -> tuple[float, float]:
        """Count what was moved; a ticket for `left`."""
        with self._lock:
            self._serve()
            self._taken = (self._taken[0] + rows, self._taken[1] + size)
            return self._taken

    def left(self, ticket: tuple[float, float]) -> float:
        """How long to wait yet, in seconds."""
        with self._lock:
            limits = self._serve()
            waits = [(mine - done) / limit for mine, done, limit in zip(ticket, self._served, limits, strict=True) if limit]
            return max(0.0, *waits, 0.0)

    def _serve(self) -> tuple[int, int]:
        now, limits = self._clock(), (self._dials.rows_per_second, self._dials.bytes_per_second)
        spent, self._at = now - self._at, now
        served = [
            min(taken, done + limit * spent) if limit else taken
            for taken, done, limit in zip(self._taken, self._served, limits, strict=True)
        ]
        self._served = (served[0], served[1])
        return limits
