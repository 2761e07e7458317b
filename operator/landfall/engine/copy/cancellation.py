"""Cancellation: stopping at the next checkpoint, or at once."""

from __future__ import annotations

import threading
from collections.abc import Callable


class CancellationToken:
    """Tells a run to stop: `request` at the next checkpoint, `abort` in the middle of a chunk."""

    def __init__(self) -> None:
        self._requested = threading.Event()
        self._lock = threading.Lock()
        self._aborts: dict[int, Callable[[], None]] = {}
        self.forced = False

    def request(self) -> None:
        """Stop after the current chunk."""
        self._requested.set()

    def abort(self) -> None:
        """Stop at once: end every registered connection."""
        self._requested.set()
        self.forced = True
        with self._lock:
            aborts = list(self._aborts.values())
        for abort in aborts:
            abort()

    @property
    def requested(self) -> bool:
        """Whether a stop was requested."""
        return self._requested.is_set()

    def wait(self, seconds: float) -> None:
        """Sleep for at most `seconds`; return earlier if a stop is requested."""
        self._requested.wait(seconds)

    def register(self, owner: object, abort: Callable[[], None]) -> None:
        """Register a function that `abort` calls."""
        with self._lock:
            self._aborts[id(owner)] = abort

    def forget(self, owner: object) -> None:
        """Undo `register`."""
        with self._lock:
            self._aborts.pop(id(owner), None)
