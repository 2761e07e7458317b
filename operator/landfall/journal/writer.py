"""The journal beside an event loop: one writer at a time, never waited for longer than a moment, left alone for a while after it failed."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from landfall import metrics
from landfall.journal.store import Chosen, Journal, Line, Sample, Teller
from landfall.kube.client import Object
from landfall.lib.digest import digest
from landfall.lib.logs import event
from landfall.lib.redact import redacted

_PATIENCE_SECONDS = 5.0
_REST_SECONDS = 10.0
_TIDY_SECONDS = 3600.0


class Keeper:
    """Keeps for `keep_days`, and at most `keep_lines` of each table."""

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

    async def keep(self, teller: Teller, lines: Sequence[Line], samples: Sequence[Sample]) -> bool:
        """Whether all of it is in the journal now. Never raises: who tells keeps it and tells it again."""
        if not lines and not samples:
            return True
        return await self._done(lambda: self._journal.keep(teller, lines, samples))

    async def note(self, raw: Object, level: str, phase: str, message: str) -> bool:
        """A line of the operator's own about an object; the same thing is told once."""
        metadata = raw["metadata"]
        teller = Teller(metadata["namespace"], raw["kind"], metadata["name"], "operator", digest(metadata["uid"], message))
        return await self.keep(teller, [Line(0, self._clock(), level, phase, redacted(message))], [])

    async def lines(self, namespace: str, kind: str, name: str, chosen: Chosen) -> Sequence[tuple[int, Line]] | None:
        """Lines of an object, each with its position; None where the journal is down."""
        found: list[tuple[int, Line]] = []
        return found if await self._done(lambda: found.extend(self._journal.lines(namespace, kind, name, chosen))) else None

    async def samples(self, namespace: str, kind: str, name: str, limit: int) -> Sequence[Sample] | None:
        """The newest numbers of an object, oldest first; None where the journal is down."""
        found: list[Sample] = []
        return (
            found if await self._done(lambda: found.extend(self._journal.samples(namespace, kind, name, limit=limit))) else None
        )

    async def forget(self, namespace: str, name: str, *, lines: bool, samples: bool) -> bool:
        """Forget what a Migration's workers told; whether it is forgotten. A journal that is down keeps it until it is too old."""
        return await self._done(lambda: self._journal.forget(namespace, "Migration", name, lines=lines, samples=samples))

    async def tidy(self) -> None:
        """Forget what is too old, every hour, until cancelled."""
        while True:
            await self._done(lambda: self._journal.expire(self._clock() - self._days, self._most))
            await asyncio.sleep(_TIDY_SECONDS)

    async def _done(self, work: Callable[[], object]) -> bool:
        if time.monotonic() < self._rests_until:
            return False
        try:
            return await asyncio.wait_for(asyncio.shield(asyncio.create_task(self._in_turn(work))), self._patience)
        except TimeoutError:
            self._rest("it does not answer")
            return False

    async def _in_turn(self, work: Callable[[], object]) -> bool:
        async with self._turn:
            if time.monotonic() < self._rests_until:
                return False
            try:
                await asyncio.to_thread(self._work, work)
            except Exception as error:  # noqa: BLE001  whatever a driver raises: the journal is down, and nothing else is
                self._rest(redacted(f"{type(error).__name__}: {error}".splitlines()[0]))
                return False
            return True

    def _work(self, work: Callable[[], object]) -> None:
        if not self._prepared:
            self._journal.prepare()
            self._prepared = True
        work()

    def _rest(self, why: str) -> None:
        self._rests_until = time.monotonic() + self._resting
        metrics.JOURNAL_ERRORS.inc()
        event(logging.WARNING, "journal_unavailable", error=why, retry_in_seconds=self._resting)
