"""Clients of outside services that the operator uses: GitHub, git hosts, Supabase, Appwrite, registries."""

from __future__ import annotations

from collections.abc import Collection
from functools import partial

from landfall.lib import outgoing
from landfall.providers.github import GitHub
from landfall.providers.outside import public_address


class Providers:
    """The addresses of outside services, and two HTTP clients, opened on first use: one for them, one for hosts that users name."""

    def __init__(self, github: str, supabase: str, private_hosts: Collection[str] = ()) -> None:
        self.private_hosts = private_hosts
        self.github = GitHub(github, self.client)
        self.supabase = supabase
        self._client: outgoing.Client | None = None
        self._user_client: outgoing.Client | None = None

    def client(self) -> outgoing.Client:
        """The HTTP client for services that the settings of the operator name."""
        if self._client is None:
            self._client = outgoing.client()
        return self._client

    def user_client(self) -> outgoing.Client:
        """The HTTP client for hosts that users name: it connects to public addresses and `private_hosts` only."""
        if self._user_client is None:
            self._user_client = outgoing.client(address_of=partial(public_address, inside=self.private_hosts))
        return self._user_client

    async def close(self) -> None:
        """Close the HTTP clients."""
        for client in (self._client, self._user_client):
            if client:
                await client.aclose()
        self._client = self._user_client = None
