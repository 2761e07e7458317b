"""The journal, read through the operator's intake: log lines and measurements of an object."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlencode

from landfall.gateway.errors import ProblemError
from landfall.lib import outgoing
from landfall.lib.logs import event

TOKEN = Path("/var/run/landfall/token")
_FRESH_SECONDS = 0.2
_LOOKS_SECONDS = 0.1
_LIMITS = outgoing.Timeouts(total=10)
_LARGEST = 64 << 20
_SLOWLY = outgoing.Timeouts(total=3600, read=120, write=120)
_UPLOAD_CODES = {400: "invalid_request", 409: "invalid_state", 411: "invalid_request", 413: "too_large"}
Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class LogOwner:
    """The object whose log is read."""

    namespace: str
    kind: str
    name: str


class JournalClient(Protocol):
    """Reads logs and measurements."""

    async def lines(self, owner: LogOwner, **query: str) -> list[Object]:
        """Log lines, oldest first. Raises ProblemError.

        Args:
            owner: The object.
            query: `job`: of one Job. `after`: after a position. `levels`, `phases`: only these. `since`: from a time on. `limit`: at most so
                many. `newest`: the newest ones. `wait`: if there are none, wait so many seconds for new ones.
        """

    async def samples(self, owner: LogOwner) -> list[Object]:
        """Measurements of a run over time, oldest first. Raises ProblemError."""


def line_time(line: Object) -> str:
    """The time of a line in UTC, in the format of the contracts."""
    return str(line["at"]).replace("+00:00", "Z")


class Lines(list[Object]):
    """Lines for many followers, with their serialized form once it is computed."""

    serialized = ""


class SharedJournal:
    """Shares requests: followers of one log wait at the same position, so their requests are the same and all get its response."""

    def __init__(self, journal: JournalClient, ticks: Callable[[], float] = time.monotonic) -> None:
        self._journal = journal
        self._ticks = ticks
        self._tails: dict[tuple[object, ...], tuple[float, asyncio.Task[list[Object]]]] = {}

    async def lines(self, owner: LogOwner, **query: str) -> list[Object]:
        """See the protocol. Lines after a position, or waited for, may be some tenths of a second old."""
        if not {"after", "wait"} & set(query):
            return await self._journal.lines(owner, **query)
        tail, moment = (owner, *sorted(query.items())), self._ticks()
        pending = self._tails.get(tail)
        if pending is None or (pending[1].done() and moment - pending[0] >= _FRESH_SECONDS):
            self._forget(moment)
            pending = (moment, asyncio.ensure_future(self._request(owner, query)))
            self._tails[tail] = pending
        return await asyncio.shield(pending[1])  # a caller that disconnects does not cancel it for the others

    async def _request(self, owner: LogOwner, parameters: dict[str, str]) -> list[Object]:
        query = {name: value for name, value in parameters.items() if name != "wait"}
        until = self._ticks() + float(parameters.get("wait", "0"))
        while True:
            lines = Lines(await self._journal.lines(owner, **query))
            if lines or self._ticks() >= until:
                return lines
            await asyncio.sleep(_LOOKS_SECONDS)

    async def samples(self, owner: LogOwner) -> list[Object]:
        """See the protocol."""
        return await self._journal.samples(owner)

    def _forget(self, moment: float) -> None:
        """Remove positions that are not read any more."""
        old = [tail for tail, (at, task) in self._tails.items() if task.done() and moment - at >= _FRESH_SECONDS]
        for tail in old:
            del self._tails[tail]


class IntakeJournalClient:
    """Reads from the operator's intake, with the pod's own token."""

    def __init__(self, intake: str, token: Path = TOKEN) -> None:
        self._intake = intake
        self._token = token
        self._opens: outgoing.Client | None = None

    async def lines(self, owner: LogOwner, **query: str) -> list[Object]:
        """See the protocol."""
        return await self._request("lines", owner, query)

    async def samples(self, owner: LogOwner) -> list[Object]:
        """See the protocol."""
        return await self._request("samples", owner, {})

    async def upload(self, namespace: str, digest: str, size: int, body: AsyncIterator[bytes]) -> None:
        """Stream an archive to the intake. Raises ProblemError."""
        headers = {**self._opened(), "Content-Length": str(size), "Content-Type": "application/octet-stream"}
        url = f"{self._intake}/v1/uploads?{urlencode({'namespace': namespace, 'digest': digest})}"
        try:  # on a connection of its own: a streamed body cannot be sent again if a pooled connection has just been closed
            async with (
                outgoing.client() as client,
                outgoing.send(client, "POST", url, _SLOWLY, headers=headers, content=body) as answer,
            ):
                if answer.status_code == 201:
                    return
                message_text = str(json.loads(await outgoing.body(answer)).get("error", ""))
        except (outgoing.OutgoingError, ValueError) as error:
            event(logging.WARNING, "upload_forward_failed", namespace=namespace, error=repr(error))
            raise ProblemError(503, "unavailable", "the archive could not be forwarded. Try again", retry_seconds=5) from error
        if answer.status_code in _UPLOAD_CODES:
            raise ProblemError(answer.status_code, _UPLOAD_CODES[answer.status_code], message_text)
        raise ProblemError(503, "unavailable", message_text or "the archive could not be forwarded. Try again", retry_seconds=5)

    async def _request(self, resource: str, owner: LogOwner, parameters: dict[str, str]) -> list[Object]:
        query = urlencode({"namespace": owner.namespace, "kind": owner.kind, "name": owner.name, **parameters})
        try:
            url = f"{self._intake}/v1/{resource}?{query}"
            async with outgoing.send(self._client(), "GET", url, _LIMITS, headers=self._opened()) as answer:
                return list(json.loads(await outgoing.body(answer, _LARGEST))[resource])
        except (outgoing.OutgoingError, ValueError, KeyError) as error:
            raise ProblemError(503, "unavailable", "the log is not available. Try again", retry_seconds=5) from error

    async def close(self) -> None:
        """Close the client."""
        if self._opens:
            await self._opens.aclose()

    def _client(self) -> outgoing.Client:
        self._opens = self._opens or outgoing.client()
        return self._opens

    def _opened(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._token.read_text(encoding='ascii').strip()}"}
