"""Clients of outside services that the operator uses: GitHub, git hosts, Supabase, Appwrite, registries."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import partial
from typing import Self

from landfall.lib import outgoing
from landfall.providers.github import GitHub
from landfall.providers.outside import public_address


@dataclass(frozen=True, slots=True)
class Providers:
    """The addresses of outside services, and two HTTP clients: one for them, one for hosts that users name.

    Attributes:
        github: The client of GitHub's API.
        supabase: The URL of Supabase's API.
        private_hosts: Hosts of the cluster's own network that a spec may name.
        client: The HTTP client for services that the settings of the operator name.
        user_client: The HTTP client for hosts that users name: it connects to public addresses and `private_hosts` only.
    """

    github: GitHub
    supabase: str
    private_hosts: Collection[str]
    client: outgoing.Client
    user_client: outgoing.Client

    @classmethod
    def opened(cls, github: str, supabase: str, private_hosts: Collection[str] = ()) -> Self:
        """Open the HTTP clients. `github` and `supabase` are the URLs of their APIs. Close them with `close`."""
        client = outgoing.client()
        user_client = outgoing.client(address_of=partial(public_address, inside=private_hosts))
        return cls(GitHub(github, client), supabase, private_hosts, client, user_client)

    async def close(self) -> None:
        """Close the HTTP clients."""
        await self.client.aclose()
        await self.user_client.aclose()
