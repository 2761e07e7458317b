"""Addresses as people write them: those that no resolver can be asked for and no library can read are told from the others.

Without it such an address ends in a UnicodeError or a ValueError, far from whoever wrote it and of no family that a caller awaits.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

# Regular expressions for schemas. Letters of other scripts are written as xn--…
_NAME = "[A-Za-z0-9_-]{1,63}([.][A-Za-z0-9_-]{1,63})*[.]?"
HOST = f"({_NAME}|[0-9A-Fa-f]*:[0-9A-Fa-f:.]+(%[A-Za-z0-9]+)?)"
HOST_AND_PORT = rf"({_NAME}|\[[0-9A-Fa-f:.]+\])(:[0-9]{{1,5}})?"


class AddressError(ValueError):
    """No address. Its words hold nothing of what surrounds a host: that may be a password."""


@dataclass(frozen=True, slots=True)
class Parts:
    """A URL, taken apart and read: what was escaped in it is not any more. Port 0 where it names none."""

    scheme: str = ""
    host: str = ""
    port: int = 0
    path: str = ""
    username: str = ""
    password: str = ""
    query: str = ""


NONE = Parts()


def checked(host: str) -> str:
    """A host's name or address, the same. Raises AddressError where no resolver can be asked for it."""
    try:
        host.encode("idna")
    except UnicodeError as error:
        message = f"{host[:80]!r} is no host name: between its dots there are 1 to 63 letters"
        raise AddressError(message) from error
    return host


def split(url: str) -> Parts:
    """A URL's parts. Raises AddressError."""
    try:
        found = urlsplit(url)
        port = found.port or 0
    except ValueError as error:
        message = "it is no URL: a letter of its user or password that means something in a URL is written in escapes, as %23 for #, %2F for /, %3F for ?, %40 for @, %5B for ["
        raise AddressError(message) from error
    return Parts(
        found.scheme,
        checked(found.hostname or ""),
        port,
        unquote(found.path),
        unquote(found.username or ""),
        unquote(found.password or ""),
        found.query,
    )
