"""Clients of outside services that the operator uses: GitHub, git hosts, Supabase, Appwrite, registries."""

from __future__ import annotations

from collections.abc import Collection

from landfall.lib import outgoing
from landfall.providers.github import GitHub


class Providers:
    """The addresses of outside services, and one HTTP client for all of them, opened on first use."""

    def __init__(self, github: str, supabase: str, private_hosts: Collection[str] = ()) -> None:
        self.private_hosts = private_hosts
        self.github = GitHub(github, self.client)
        self.supabase = supabase
        self._client: outgoing.Client | None = None

    def client(self) -> outgoing.Client:
        """The HTTP client, opened on first use."""
        if self._client is None:
            self._client = outgoing.client()
        return self._client

    async def close(self) -> None:
        """Close the HTTP client."""
        if self._client:
            await self._client.aclose()
            self._client = None
