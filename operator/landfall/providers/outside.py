"""Which hosts the operator accesses for users: public ones, and internal ones that its settings allow."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Collection, Iterator

from landfall.lib import outgoing

# Networks of IPv6 addresses whose last 32 bits are an IPv4 address: NAT64, translated and compatible ones.
_EMBEDDING = tuple(map(ipaddress.IPv6Network, ("64:ff9b::/96", "64:ff9b:1::/48", "::ffff:0:0:0/96", "::ffff:0:0/96", "::/96")))
_LOW = 0xFFFFFFFF
_CONNECT_SECONDS = 3
_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def is_public(text: str) -> bool:
    """Return whether an IP address is one of the internet. IPv4 addresses inside of IPv6 addresses count, too: a gateway forwards to them."""
    return all(address.is_global and not address.is_multicast for address in _all(ipaddress.ip_address(text.partition("%")[0])))


def _all(address: _Address) -> Iterator[_Address]:
    yield address
    if isinstance(address, ipaddress.IPv4Address):
        return
    if any(address in network for network in _EMBEDDING):
        yield ipaddress.IPv4Address(int(address) & _LOW)
    if address.sixtofour:
        yield address.sixtofour
    if address.teredo:
        yield from address.teredo
    if address.is_site_local:
        yield ipaddress.IPv6Address("::1")


async def checked_addresses(host: str, inside: Collection[str]) -> list[str]:
    """Resolve a host that a user names, and return its addresses; none if the host may be anywhere.

    Args:
        host: The host's name or address.
        inside: Internal hosts that may be accessed.

    Raises:
        ForbiddenHostError: The host is in the internal network and not in `inside`: a user could use the operator to access it.
        OSError: The name cannot be resolved.
    """
    if host in inside:
        return []
    found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    resolved = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    if not all(is_public(address) for address in resolved):
        raise outgoing.ForbiddenHostError(host)
    return resolved


async def public_address(host: str, port: int, inside: Collection[str]) -> str:
    """Return the address to connect to: of several checked ones, the first that accepts a connection; empty if the host may be anywhere.

    Raises:
        ForbiddenHostError, OSError: As `checked_addresses`.
    """
    addresses = await checked_addresses(host, inside)
    for address in addresses if len(addresses) > 1 else ():
        if await _answers(address, port):
            return address
    return addresses[0] if addresses else ""


async def _answers(address: str, port: int) -> bool:
    try:
        async with asyncio.timeout(_CONNECT_SECONDS):
            _, writer = await asyncio.open_connection(address, port)
    except OSError:  # a TimeoutError is one
        return False
    writer.close()
    return True


def forbidden(host: str) -> str:
    """The message about a host in the internal network."""
    return f"{host} is in the internal network, which the operator does not access for users. Add it to builds.privateHosts of the chart."
