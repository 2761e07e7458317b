"""Threads that share queues of tasks: the first failure, or a stop request, ends all of them before their next task."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from landfall.engine.copy.cancellation import CancellationToken
from landfall.engine.errors import EngineError, InterruptedRunError

_Task = TypeVar("_Task")


def stopped() -> InterruptedRunError:
    """Return the error for a run that was stopped on request."""
    return InterruptedRunError("stopped on request", advice="Run the same command again; it resumes where it stopped.")


class ThreadGroup:
    """Threads that work on one operation together."""

    def __init__(self, stop: CancellationToken) -> None:
        self._stop = stop
        self._lock = threading.Lock()
        self._failure: Exception | None = None
        self._threads: list[threading.Thread] = []

    @property
    def ended(self) -> bool:
        """Whether the threads take no further task."""
        return self._failure is not None or self._stop.requested

    def each(self, tasks: queue.SimpleQueue[_Task]) -> Iterator[_Task]:
        """Yield the remaining tasks until none is left or the group has ended."""
        while not self.ended:
            try:
                task = tasks.get_nowait()
            except queue.Empty:
                return
            yield task

    def run(self, bodies: Sequence[Callable[[], None]]) -> None:
        """Run each body in a separate thread. Raises the first failure, or InterruptedRunError if a stop is requested."""
        for body in bodies:
            self.add(body)
        joined = 0
        while joined < len(self._threads):  # it may grow
            self._threads[joined].join()
            joined += 1
        if self._failure:
            raise self._failure
        if self._stop.requested:
            raise stopped()

    def add(self, body: Callable[[], None]) -> None:
        """Start another thread; called by `run`, or by a body that it runs."""
        thread = threading.Thread(target=self._guarded, args=(body,), daemon=True)
        self._threads.append(thread)
        thread.start()

    def _guarded(self, body: Callable[[], None]) -> None:
        try:
            body()
        except EngineError as error:
            self._keep(stopped() if self._stop.requested else error)  # an error that the stop request caused is not a failure
        except Exception as error:  # noqa: BLE001  `run` raises it in the calling thread
            self._keep(error)

    def _keep(self, error: Exception) -> None:
        with self._lock:
            self._failure = self._failure or error
