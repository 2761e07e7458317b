"""Writers of a source that is migrated: random single-row updates at a rate, each of which is counted by its key when the source acknowledges it.

A write is an `UPDATE` that adds one to the row's column `qty`. The numbers that the source acknowledged and the ones that the target holds are then
compared for each key.
"""

from __future__ import annotations

import contextlib
import random
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import MySQLdb
import psycopg

THREADS = 4
_FENCED = "landfall: the data has moved to"
AFTER_SECONDS = 3
_BACK_OFF_SECONDS = 0.1


class Session(Protocol):
    """A connection of a writer."""

    def write(self, key: int) -> None:
        """Add one to a row and commit. Raises the driver's error."""

    def close(self) -> None:
        """End it."""


Connect = Callable[[], Session]


@dataclass
class Writers:
    """Threads that write until stopped. Totals are complete when `stop` has returned.

    `longest` is the longest wait of one write in seconds, acknowledged or not. `late` are the writes that began after `finished` was called
    and were acknowledged. `refused` is the number of writes that the fence refused, `errors` are the other errors.
    """

    connect: Connect
    rows: int
    rate: int
    after_seconds: float = AFTER_SECONDS
    acknowledged: Counter[int] = field(default_factory=Counter)
    longest: float = 0.0
    late: int = 0
    refused: int = 0
    errors: list[str] = field(default_factory=list)
    began: float = 0.0
    seconds: float = 0.0
    _ended: float = float("inf")
    _stop: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _threads: list[threading.Thread] = field(default_factory=list)

    def start(self) -> None:
        """Begin to write, unless the rate is zero."""
        self.began = time.monotonic()
        self._threads = [threading.Thread(target=self._body, args=(n,), daemon=True) for n in range(THREADS if self.rate else 0)]
        for thread in self._threads:
            thread.start()

    def finished(self) -> None:
        """Say that the migration is over: what is acknowledged from now on is an error. Lets writers try for a while."""
        self._ended = time.monotonic()
        self.seconds = self._ended - self.began
        if self.rate:
            time.sleep(self.after_seconds)

    def stop(self) -> None:
        """End all writers.

        Raises:
            RuntimeError: A writer still waits after ten minutes.
        """
        self._stop.set()
        for thread in self._threads:
            thread.join(600)
            if thread.is_alive():
                message = "a writer waits for the source and does not end"
                raise RuntimeError(message)

    def _body(self, number: int) -> None:
        choose, session, pause = random.Random(number), None, THREADS / self.rate
        while not self._stop.is_set():
            key, began = choose.randrange(1, self.rows + 1), time.monotonic()
            try:
                session = session or self.connect()
                session.write(key)
            except (psycopg.Error, MySQLdb.Error, sqlite3.Error) as error:
                self._failed(str(error), time.monotonic() - began)
                session = _closed(session)
                self._stop.wait(_BACK_OFF_SECONDS)
            else:
                took = time.monotonic() - began
                self._succeeded(key, began, took)
                self._stop.wait(max(0.0, pause - took))
        _closed(session)

    def _succeeded(self, key: int, began: float, took: float) -> None:
        with self._lock:
            self.acknowledged[key] += 1
            self.longest = max(self.longest, took)
            self.late += began > self._ended

    def _failed(self, text: str, took: float) -> None:
        with self._lock:
            self.longest = max(self.longest, took)
            if _FENCED in text:
                self.refused += 1
            else:
                self.errors.append(text)


def _closed(session: Session | None) -> None:
    if session:
        with contextlib.suppress(psycopg.Error, MySQLdb.Error, sqlite3.Error):
            session.close()


def missing(acknowledged: Mapping[int, int], before: Mapping[int, int], target: Mapping[int, int]) -> int:
    """Acknowledged writes that the target does not have.

    Args:
        acknowledged: Writes by key.
        before: What had been added to each key's row before the writers began; keys without additions may be absent.
        target: The same, in the target, in the end.
    """
    return sum(max(0, before.get(key, 0) + count - target.get(key, 0)) for key, count in acknowledged.items())


@dataclass
class _Driver:
    """A session through a driver with the usual interface."""

    connection: psycopg.Connection | sqlite3.Connection | MySQLdb.Connection
    statement: str

    def write(self, key: int) -> None:
        self.connection.cursor().execute(self.statement, (key,))

    def close(self) -> None:
        self.connection.close()


def session(connection: psycopg.Connection | sqlite3.Connection | MySQLdb.Connection, mark: str = "%s") -> Session:
    """A writer's session.

    Args:
        connection: A connection that commits each statement.
        mark: The driver's placeholder.
    """
    return _Driver(connection, f"UPDATE t SET qty=qty+1 WHERE id={mark}")
