"""Which addresses the operator connects to for users, however they are written."""

from __future__ import annotations

import asyncio
import socket

import pytest

from landfall.lib import outgoing
from landfall.providers.outside import checked_addresses, is_public, public_address

_INSIDE = (
    *(
        "127.0.0.1",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",  # noqa: S104
        "198.18.0.1",
        "255.255.255.255",
    ),
    *(
        "224.0.0.1",
        "239.255.255.250",
        "::",
        "::1",
        "fd00::1",
        "fe80::1",
        "fe80::1%eth0",
        "fec0::1",
        "ff02::1",
        "::ffff:169.254.169.254",
    ),
    *(
        "64:ff9b::a9fe:a9fe",
        "64:ff9b::7f00:1",
        "64:ff9b:1::a00:1",
        "2002:7f00:1::",
        "2002:a9fe:a9fe::",
        "::127.0.0.1",
        "::ffff:0:7f00:1",
    ),
)
_PUBLIC = ("93.184.216.34", "2606:2800:220:1::1", "::ffff:93.184.216.34", "64:ff9b::5db8:d822", "2002:5db8:d822::1")


@pytest.mark.parametrize("address", _INSIDE)
def test_an_address_inside_is_refused(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", _PUBLIC)
def test_an_address_of_the_internet_is_accepted(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("host", ["2130706433", "0x7f.1", "127.1", "localhost", "::1"])
def test_other_spellings_are_resolved_first(host: str) -> None:
    with pytest.raises((outgoing.ForbiddenHostError, socket.gaierror)):
        asyncio.run(checked_addresses(host, ()))


def test_one_address_inside_among_others_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    entries = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0)) for address in ("93.184.216.34", "10.0.0.1")]
    monkeypatch.setattr("socket.getaddrinfo", lambda *_, **__: entries)
    with pytest.raises(outgoing.ForbiddenHostError) as refused:
        asyncio.run(public_address("both.example.com", 443, ()))
    assert refused.value.host == "both.example.com"
    assert asyncio.run(public_address("both.example.com", 443, ("both.example.com",))) == ""
    monkeypatch.setattr("socket.getaddrinfo", lambda *_, **__: entries[:1])
    assert asyncio.run(public_address("both.example.com", 443, ())) == "93.184.216.34"


def test_of_several_addresses_the_first_that_answers_is_connected_to(monkeypatch: pytest.MonkeyPatch) -> None:
    async def resolved(*_: object) -> list[str]:
        return ["127.0.0.3", "127.0.0.2"]

    monkeypatch.setattr("landfall.providers.outside.checked_addresses", resolved)
    with socket.create_server(("127.0.0.2", 0)) as listening:
        port = listening.getsockname()[1]
        assert asyncio.run(public_address("both.example.com", port, ())) == "127.0.0.2"
    assert asyncio.run(public_address("both.example.com", port, ())) == "127.0.0.3", "none answers: the first one is returned"
