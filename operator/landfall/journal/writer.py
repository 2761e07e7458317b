"""Access to the journal from an event loop: one call at a time, with a timeout, and a pause after a failure."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from landfall import metrics
from landfall.journal.store import Journal, LineFilter, LogSource, Sample, StoredLine
from landfall.kube.client import Object
from landfall.lib.digest import digest
from landfall.lib.logs import event
from landfall.lib.redact import redacted

_PATIENCE_SECONDS = 5.0
_REST_SECONDS = 10.0
_TIDY_SECONDS = 3600.0


class JournalWriter:
    """Stores and reads lines and samples without blocking the event loop.

    Entries are kept for `keep_days`, and at most `keep_lines` of each table.
    """

    def __init__(
        self,
        journal: Journal,
        keep_days: int,
        keep_lines: int,
        clock: Callable[[], datetime],
        *,
        patience_seconds: float = _PATIENCE_SECONDS,
        rest_seconds: float = _REST_SECONDS,
    ) -> None:
        self._patience = patience_seconds
        self._resting = rest_seconds
        self._journal = journal
        self._days = timedelta(days=keep_days)
        self._most = keep_lines
        self._clock = clock
        self._turn = asyncio.Lock()
        self._prepared = False
        self._rests_until = 0.0

    async def append(self, source: LogSource, lines: Sequence[StoredLine], samples: Sequence[Sample]) -> bool:
        """Store lines and samples.

        Never raises: the sender keeps them and sends them again.

        Returns:
            Whether all of them are stored.
        """
        if not lines and not samples:
            return True
        return await self._run(lambda: self._journal.append(source, lines, samples))

    async def note(self, raw: Object, level: str, phase: str, message: str) -> bool:
        """Store a line of the operator itself about an object; the same message is stored once."""
        metadata = raw["metadata"]
        source = LogSource(metadata["namespace"], raw["kind"], metadata["name"], "operator", digest(metadata["uid"], message))
        return await self.append(source, [StoredLine(0, self._clock(), level, phase, redacted(message))], [])

    async def lines(self, namespace: str, kind: str, name: str, selected: LineFilter) -> Sequence[tuple[int, StoredLine]] | None:
        """Return lines of an object, each with its position; None if the journal is down."""
        lines: list[tuple[int, StoredLine]] = []
        return lines if await self._run(lambda: lines.extend(self._journal.lines(namespace, kind, name, selected))) else None

    async def samples(self, namespace: str, kind: str, name: str, limit: int) -> Sequence[Sample] | None:
        """Return the newest samples of an object, oldest first; None if the journal is down."""
        samples: list[Sample] = []
        return (
            samples
            if await self._run(lambda: samples.extend(self._journal.samples(namespace, kind, name, limit=limit)))
            else None
        )

    async def delete(self, namespace: str, name: str, *, lines: bool, samples: bool) -> bool:
        """Delete lines, samples or both of a Migration's workers.

        Returns:
            Whether they are deleted. If the journal is down, they stay until they expire.
        """
        return await self._run(lambda: self._journal.delete(namespace, "Migration", name, lines=lines, samples=samples))

    async def expire_periodically(self) -> None:
        """Delete expired entries every hour, until cancelled."""
        while True:
            await self._run(lambda: self._journal.expire(self._clock() - self._days, self._most))
            await asyncio.sleep(_TIDY_SECONDS)

    async def _run(self, work: Callable[[], object]) -> bool:
        if time.monotonic() < self._rests_until:
            return False
        try:
            return await asyncio.wait_for(asyncio.shield(asyncio.create_task(self._in_turn(work))), self._patience)
        except TimeoutError:
            self._suspend("timeout")
            return False

    async def _in_turn(self, work: Callable[[], object]) -> bool:
        async with self._turn:
            if time.monotonic() < self._rests_until:
                return False
            try:
                await asyncio.to_thread(self._work, work)
            except Exception as error:  # noqa: BLE001  any error of a driver means that the journal is down; nothing else may fail
                self._suspend(redacted(f"{type(error).__name__}: {error}".splitlines()[0]))
                return False
            return True

    def _work(self, work: Callable[[], object]) -> None:
        if not self._prepared:
            self._journal.prepare()
            self._prepared = True
        work()

    def _suspend(self, cause: str) -> None:
        self._rests_until = time.monotonic() + self._resting
        metrics.JOURNAL_ERRORS.inc()
        event(logging.WARNING, "journal_unavailable", error=cause, retry_in_seconds=self._resting)
