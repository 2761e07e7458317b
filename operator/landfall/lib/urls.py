"""Validation of host names and URLs that users write.

Without it, an invalid address causes a UnicodeError or a ValueError in a library, which callers do not expect.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

# Regular expressions for schemas. International domain names are written in Punycode (xn--…).
_NAME = "[A-Za-z0-9_-]{1,63}([.][A-Za-z0-9_-]{1,63})*[.]?"
HOST = f"({_NAME}|[0-9A-Fa-f]*:[0-9A-Fa-f:.]+(%[A-Za-z0-9]+)?)"
HOST_AND_PORT = rf"({_NAME}|\[[0-9A-Fa-f:.]+\])(:[0-9]{{1,5}})?"


class AddressError(ValueError):
    """The address is invalid. The message contains at most the host, because the rest may contain a password."""


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of a URL, with percent-encoding decoded. `port` is 0 if the URL has none."""

    scheme: str = ""
    host: str = ""
    port: int = 0
    path: str = ""
    username: str = ""
    password: str = ""
    query: str = ""


NONE = Parts()


def checked(host: str) -> str:
    """Return the host name or address unchanged.

    Args:
        host: A host name or IP address.

    Raises:
        AddressError: The host name cannot be resolved, because a label is empty or longer than 63 characters.
    """
    try:
        host.encode("idna")
    except UnicodeError as error:
        message = f"{host[:80]!r} is not a valid host name: each label between dots must have 1 to 63 characters"
        raise AddressError(message) from error
    return host


def split(url: str) -> Parts:
    """Split a URL into its parts.

    Args:
        url: A URL; user, password and path may be percent-encoded.

    Raises:
        AddressError: The URL or its host name is invalid. The message does not contain the URL.
    """
    try:
        parts = urlsplit(url)
        port = parts.port or 0
    except ValueError as error:
        message = "not a valid URL: percent-encode special characters in user and password, for example %23 for #, %2F for /, %3F for ?, %40 for @, %5B for ["
        raise AddressError(message) from error
    return Parts(
        parts.scheme,
        checked(parts.hostname or ""),
        port,
        unquote(parts.path),
        unquote(parts.username or ""),
        unquote(parts.password or ""),
        parts.query,
    )
