"""Many followers of one log cost the journal as much as one: what many ask at once is asked once, and a failure is everybody's."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from landfall.gateway.errors import ProblemError
from landfall.gateway.journal_client import LogOwner, SharedJournal

_OF = LogOwner("shop", "Migration", "shop")
Object = dict[str, Any]


class Slow:
    """A journal that answers when it is let, and counts what it is asked."""

    def __init__(self) -> None:
        self.asked: list[dict[str, str]] = []
        self.let = asyncio.Event()
        self.fails = False

    async def lines(self, owner: LogOwner, **query: str) -> list[Object]:
        """One line, of how often it was asked."""
        assert owner == _OF
        self.asked.append(query)
        await self.let.wait()
        if self.fails:
            raise ProblemError(503, "unavailable", "not now")
        return [{"position": len(self.asked)}]

    async def samples(self, owner: LogOwner) -> list[Object]:
        """None."""
        assert owner == _OF
        return []


def test_followers_at_one_place_ask_once() -> None:
    async def check() -> None:
        now, journal = [0.0], Slow()
        shared = SharedJournal(journal, lambda: now[0])
        many = [asyncio.ensure_future(shared.lines(_OF, after="7")) for _ in range(500)]
        other = asyncio.ensure_future(shared.lines(_OF, after="7", levels="error"))
        await asyncio.sleep(0)
        many.pop().cancel()
        await asyncio.sleep(0)
        journal.let.set()
        assert await asyncio.gather(*many) == [[{"position": 2}]] * 499, "who hangs up takes it from nobody else"
        assert await other == [{"position": 2}]
        assert journal.asked == [{"after": "7"}, {"after": "7", "levels": "error"}]
        now[0] = 0.1
        await shared.lines(_OF, after="7")
        assert len(journal.asked) == 2
        now[0] = 0.2
        assert await shared.lines(_OF, after="7") == [{"position": 3}], "and what is new is asked for"

    asyncio.run(check())


def test_what_is_not_followed_is_asked_each_time_and_a_failure_is_told_to_all() -> None:
    async def check() -> None:
        now, journal = [0.0], Slow()
        journal.let.set()
        shared = SharedJournal(journal, lambda: now[0])
        assert [await shared.lines(_OF, newest="true") for _ in range(2)] == [[{"position": 1}], [{"position": 2}]]
        journal.fails = True
        for _ in range(2):
            with pytest.raises(ProblemError):
                await shared.lines(_OF, after="1")
        assert len(journal.asked) == 3
        journal.fails, now[0] = False, 1.0
        assert await shared.lines(_OF, after="1") == [{"position": 4}]
        assert await shared.samples(_OF) == []

    asyncio.run(check())


def test_whoever_waits_is_told_as_soon_as_there_is_something() -> None:
    class Filling(Slow):
        """Nothing twice, then a line."""

        async def lines(self, owner: LogOwner, **query: str) -> list[Object]:
            """As the protocol says."""
            actual_lines = await super().lines(owner, **query)
            return actual_lines if len(self.asked) > 2 else []

    async def check() -> None:
        journal = Filling()
        journal.let.set()
        shared = SharedJournal(journal)
        many = [shared.lines(_OF, after="7", wait="20") for _ in range(3)]
        assert await asyncio.gather(*many) == [[{"position": 3}]] * 3
        assert journal.asked == [{"after": "7"}] * 3, "and nobody else is told to wait"
        started = Slow()
        started.let.set()
        shared = SharedJournal(started)
        assert (
            await asyncio.gather(*(shared.lines(_OF, newest="true", wait="0") for _ in range(500))) == [[{"position": 1}]] * 500
        )
        empty = Filling()
        empty.let.set()
        assert await SharedJournal(empty).lines(_OF, after="7", wait="0.05") == []
        assert 1 <= len(empty.asked) <= 2

    asyncio.run(check())
