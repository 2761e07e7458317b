"""Which hosts the operator asks on somebody else's word: those that everybody reaches, and those that its settings name."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Collection

from landfall.providers.errors import ProviderError


def outside(host: str, inside: Collection[str], reason: str) -> None:
    """Raises ProviderError, for that reason, for a host inside the network that `inside` does not name: nobody may ask in our name what only we can reach. Blocks. Raises OSError where its name is none."""
    if host in inside:
        return
    found = {str(one[4][0]) for one in socket.getaddrinfo(host, None)}
    if not all(ipaddress.ip_address(address).is_global for address in found):
        message = f"{host} is inside the network, where the operator asks nobody on somebody else's word: name it in the chart's builds.privateHosts."
        raise ProviderError(reason, message)
