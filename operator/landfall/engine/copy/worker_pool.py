"""Threads that work off queues together: the first failure, or a request to stop, ends them all at their next task."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from landfall.engine.copy.cancellation import Stop
from landfall.engine.errors import EngineError, InterruptedRunError

_Task = TypeVar("_Task")


def stopped() -> InterruptedRunError:
    """A person asked for it."""
    return InterruptedRunError("stopped on request", advice="Run the same command again; it goes on where it stopped.")


class Crew:
    """One piece of work that several threads share."""

    def __init__(self, stop: Stop) -> None:
        self._stop = stop
        self._lock = threading.Lock()
        self._failure: Exception | None = None
        self._threads: list[threading.Thread] = []

    @property
    def ended(self) -> bool:
        """Whether no further task is to be taken."""
        return self._failure is not None or self._stop.asked

    def each(self, tasks: queue.SimpleQueue[_Task]) -> Iterator[_Task]:
        """The tasks that are left, until they are done or the crew has ended."""
        while not self.ended:
            try:
                task = tasks.get_nowait()
            except queue.Empty:
                return
            yield task

    def run(self, bodies: Sequence[Callable[[], None]]) -> None:
        """Run every body in a thread of its own. Raises the first failure, or InterruptedRunError when asked to stop."""
        for body in bodies:
            self.add(body)
        joined = 0
        while joined < len(self._threads):  # it may grow
            self._threads[joined].join()
            joined += 1
        if self._failure:
            raise self._failure
        if self._stop.asked:
            raise stopped()

    def add(self, body: Callable[[], None]) -> None:
        """One more thread; called by `run`, or by a body that it runs."""
        thread = threading.Thread(target=self._guarded, args=(body,), daemon=True)
        self._threads.append(thread)
        thread.start()

    def _guarded(self, body: Callable[[], None]) -> None:
        try:
            body()
        except EngineError as error:
            self._keep(stopped() if self._stop.asked else error)  # what fails because a person stopped the run is no failure
        except Exception as error:  # noqa: BLE001  `run` raises it in the thread that asked
            self._keep(error)

    def _keep(self, error: Exception) -> None:
        with self._lock:
            self._failure = self._failure or error
