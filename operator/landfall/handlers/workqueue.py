"""Work queue of keys: each is processed by one worker at a time, retried with exponential back-off, and requeued on request."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass

from landfall.lib.backoff import Backoff

_BACKOFF = Backoff(0.4, 30)


@dataclass(frozen=True, slots=True, order=True)
class ObjectKey:
    """One object: its kind, namespace and name."""

    kind: str
    namespace: str
    name: str


class Queue:
    """A deduplicating queue. A key that is added while it is processed is processed again afterwards."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._due: dict[ObjectKey, float] = {}
        self._heap: list[tuple[float, int, ObjectKey]] = []
        self._busy: set[ObjectKey] = set()
        self._failures: dict[ObjectKey, int] = {}
        self._numbers = itertools.count()
        self._changed = asyncio.Event()

    def add(self, key: ObjectKey, after: float = 0.0) -> None:
        """Add a key, to be processed after at most `after` seconds."""
        at = self._clock() + after
        if at < self._due.get(key, float("inf")):
            self._due[key] = at
            heapq.heappush(self._heap, (at, next(self._numbers), key))
            self._changed.set()

    def __len__(self) -> int:
        """Number of waiting keys, due or not."""
        return len(self._due)

    async def get(self) -> ObjectKey:
        """The next key that is due and not being processed."""
        while True:
            self._changed.clear()
            pause = self._next_pause()
            if isinstance(pause, ObjectKey):
                return pause
            try:
                await asyncio.wait_for(self._changed.wait(), pause)
            except TimeoutError:
                continue

    def _next_pause(self) -> ObjectKey | float | None:
        now = self._clock()
        waiting: list[tuple[float, int, ObjectKey]] = []
        next_up: ObjectKey | float | None = None
        while self._heap:
            at, number, key = self._heap[0]
            if self._due.get(key) != at:
                heapq.heappop(self._heap)
            elif at > now:
                next_up = at - now
                break
            elif key in self._busy:
                waiting.append(heapq.heappop(self._heap))
            else:
                heapq.heappop(self._heap)
                del self._due[key]
                self._busy.add(key)
                next_up = key
                break
            del number
        for entry in waiting:
            heapq.heappush(self._heap, entry)
        return next_up

    def done(self, key: ObjectKey, again: float | None = None) -> None:
        """Record success, and requeue the key after `again` seconds, if given."""
        self._busy.discard(key)
        self._failures.pop(key, None)
        if again is not None:
            self.add(key, again)
        self._changed.set()

    def failed(self, key: ObjectKey) -> float:
        """Record a failure and requeue the key with exponential back-off; returns the delay in seconds."""
        self._busy.discard(key)
        count = self._failures[key] = self._failures.get(key, 0) + 1
        pause = _BACKOFF.jittered(count, random.random())  # noqa: S311  no secret
        self.add(key, pause)
        self._changed.set()
        return pause
