"""The clients of outside providers that the operator uses: GitHub, git hosts, Supabase, Appwrite, registries."""

from __future__ import annotations

from collections.abc import Collection

import aiohttp

from landfall.providers.github import GitHub


class Providers:
    """How providers are asked: one session for all of them, opened with the first question, and their addresses."""

    def __init__(self, github: str, supabase: str, private_hosts: Collection[str] = ()) -> None:
        self.private_hosts = private_hosts
        self.github = GitHub(github, self.session)
        self.supabase = supabase
        self._session: aiohttp.ClientSession | None = None

    def session(self) -> aiohttp.ClientSession:
        """The session."""
        if self._session is None:
            self._session = aiohttp.ClientSession()
        return self._session

    async def close(self) -> None:
        """End it."""
        if self._session:
            await self._session.close()
            self._session = None
