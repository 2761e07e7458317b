"""Cancellation: stopping at the next checkpoint, or at once."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Stop:
    """How a person stops a run: `gently` at the next checkpoint, `now` in the middle of a chunk."""

    def __init__(self) -> None:
        self._gently = threading.Event()
        self._lock = threading.Lock()
        self._aborts: dict[int, Callable[[], None]] = {}
        self.forced = False

    def gently(self) -> None:
        """Take no further chunk."""
        self._gently.set()

    def now(self) -> None:
        """End every connection that is registered."""
        self._gently.set()
        self.forced = True
        with self._lock:
            aborts = list(self._aborts.values())
        for abort in aborts:
            abort()

    @property
    def asked(self) -> bool:
        """Whether anybody asked to stop."""
        return self._gently.is_set()

    def wait(self, seconds: float) -> None:
        """Sleep, but not past a request to stop."""
        self._gently.wait(seconds)

    def register(self, owner: object, abort: Callable[[], None]) -> None:
        """Have `abort` called by `now`."""
        with self._lock:
            self._aborts[id(owner)] = abort

    def forget(self, owner: object) -> None:
        """Undo `register`."""
        with self._lock:
            self._aborts.pop(id(owner), None)
