"""The certificate that a server of MySQL or MariaDB shows, learned before the login.

If the client library has to require TLS and to verify nothing, and the server offers no TLS, it logs in without TLS, and its method
`caching_sha2_password` sends the password in clear text. It insists on TLS if it knows the fingerprint of the
certificate. So the certificate is read on a connection of its own first, which sends no user name and no password.
"""

from __future__ import annotations

import hashlib
import socket
import ssl
import struct
import time

from landfall.engine.clients import tls
from landfall.engine.clients.errors import from_mysql
from landfall.engine.model.options import Endpoint

_CLIENT_SSL = 0x800
_PROTOCOL_41 = 0x200
_SECURE_CONNECTION = 0x8000
_GREETING_REST = 15  # octets from the end of the version to the end of the lower capabilities
_UTF8 = 45
_LARGEST = 1 << 24
_UNREACHABLE, _TLS_FAILED = 2003, 2026

_KNOWN_FOR_S = 60.0
"""How long a server that offers no TLS, where none is required, is not asked again."""

_known: dict[Endpoint, frozenset[str]] = {}
_without_tls: dict[Endpoint, float] = {}


def fingerprints(endpoint: Endpoint, side: str, seconds: int, *, more: bool = False) -> frozenset[str]:
    """Return the certificates that the servers at an address show, as SHA-1 in hexadecimal digits; empty if they offer no TLS.

    Several servers behind one address may have a certificate each, and a server may get another one.

    Args:
        endpoint: The address, and what is required of a certificate.
        side: `source`, `target` or `connection`; messages begin with it.
        seconds: The time limit of each step of the connection.
        more: Look for others than those that are known, because a server showed none of them.

    Raises:
        UnreachableError: No server answers, or TLS is required and cannot be negotiated.
    """
    pins = _known.get(endpoint, frozenset())
    if (pins and not more) or _without_tls.get(endpoint, 0.0) > time.monotonic():
        return pins
    # Twice, because an address that alternates between two servers would show the same one before each login.
    read = {_read(endpoint, side, seconds) for _ in range(2 if more else 1)} - {""}
    if read:
        _known[endpoint] = pins | read
    else:
        _known.pop(endpoint, None)
    return _known.get(endpoint, frozenset())


def _read(endpoint: Endpoint, side: str, seconds: int) -> str:
    policy = tls.policy(endpoint)
    context = tls.context(policy)
    if context is None:
        return ""
    try:
        with socket.create_connection((endpoint.host, endpoint.port), timeout=seconds) as raw_socket:
            offered = _offers_tls(raw_socket)
            if offered is False and policy.encrypt is tls.Encrypt.IF_OFFERED:
                _without_tls[endpoint] = time.monotonic() + _KNOWN_FOR_S
            if not offered:
                return ""
            raw_socket.sendall(_request())
            with context.wrap_socket(raw_socket, server_hostname=policy.server_name) as secure:
                certificate = secure.getpeercert(binary_form=True) or b""
    except ssl.SSLError as error:
        if policy.encrypt is tls.Encrypt.IF_OFFERED:
            return ""
        message = f"TLS to {endpoint.host} failed: {error.reason or 'handshake error'}"
        raise from_mysql(_TLS_FAILED, message, side) from error
    except OSError as error:
        message = f"cannot connect to {endpoint.host}:{endpoint.port}: {error.strerror or error}"
        raise from_mysql(_UNREACHABLE, message, side) from error
    return hashlib.sha1(certificate, usedforsecurity=False).hexdigest()


def _offers_tls(raw_socket: socket.socket) -> bool | None:
    """Whether the greeting of the server says that it can use TLS; None for a refusal in its place, which the login gets again."""
    head = _octets(raw_socket, 4)
    body = _octets(raw_socket, int.from_bytes(head[:3], "little"))
    end = body.find(b"\0")
    if len(head) < 4 or body[:1] != b"\x0a" or len(body) < end + 1 + _GREETING_REST:
        return None
    return bool(struct.unpack_from("<H", body, end + 14)[0] & _CLIENT_SSL)


def _octets(raw_socket: socket.socket, length: int) -> bytes:
    received = b""
    while len(received) < length and (part := raw_socket.recv(length - len(received))):
        received += part
    return received


def _request() -> bytes:
    flags = _PROTOCOL_41 | _SECURE_CONNECTION | _CLIENT_SSL
    body = struct.pack("<IIB23x", flags, _LARGEST, _UTF8)
    return len(body).to_bytes(3, "little") + b"\1" + body
