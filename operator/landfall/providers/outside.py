"""Which hosts the operator accesses for users: public ones, and internal ones that its settings allow."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Collection

from landfall.providers.errors import ProviderError


def outside(host: str, inside: Collection[str], reason: str) -> None:
    """Check that a host may be accessed for a user. Blocks.

    Args:
        host: The host's name.
        inside: Internal hosts that may be accessed.
        reason: The reason of the error.

    Raises:
        ProviderError: The host is in the internal network and not in `inside`: a user could use the operator to access it.
        OSError: The name cannot be resolved.
    """
    if host in inside:
        return
    addresses = {str(address_info[4][0]) for address_info in socket.getaddrinfo(host, None)}
    if not all(ipaddress.ip_address(address).is_global for address in addresses):
        message = f"{host} is in the internal network, which the operator does not access for users. Add it to builds.privateHosts of the chart."
        raise ProviderError(reason, message)
