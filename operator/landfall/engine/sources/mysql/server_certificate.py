"""The certificate that a server of MySQL or MariaDB shows, learned before the login.

If the client library has to require TLS and to verify nothing, and the server offers no TLS, it logs in without TLS, and its method
`caching_sha2_password` sends the password in clear text. It insists on TLS if it knows the fingerprint of the certificate. So the certificate is read on a connection of its own first, which sends no user name and no password.
"""

from __future__ import annotations

import hashlib
import socket
import ssl
import struct

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

_known: dict[Endpoint, str] = {}


def fingerprint(endpoint: Endpoint, side: str, seconds: int) -> str:
    """Return the certificate's SHA-1 in hexadecimal digits, as the client library takes it; empty if the server offers no TLS.

    Args:
        endpoint: The server, and what is required of its certificate.
        side: `source`, `target` or `connection`; messages begin with it.
        seconds: The time limit of each step of the connection.

    Raises:
        UnreachableError: No server answers, or TLS is required and cannot be negotiated.
    """
    if endpoint not in _known:
        found = _read(endpoint, side, seconds)
        if not found:
            return ""
        _known[endpoint] = found
    return _known[endpoint]


def forget(endpoint: Endpoint) -> bool:
    """Forget the certificate, because the server has another one now. Return whether it was known."""
    return _known.pop(endpoint, None) is not None


def _read(endpoint: Endpoint, side: str, seconds: int) -> str:
    wanted = tls.policy(endpoint)
    context = tls.context(wanted)
    if context is None:
        return ""
    try:
        with socket.create_connection((endpoint.host, endpoint.port), timeout=seconds) as plain:
            if not _offers_tls(plain):
                return ""
            plain.sendall(_request())
            with context.wrap_socket(plain, server_hostname=wanted.server_name) as secure:
                certificate = secure.getpeercert(binary_form=True) or b""
    except ssl.SSLError as error:
        if wanted.encrypt is tls.Encrypt.IF_OFFERED:
            return ""
        message = f"TLS to {endpoint.host} failed: {error.reason or 'handshake error'}"
        raise from_mysql(_TLS_FAILED, message, side) from error
    except OSError as error:
        message = f"cannot connect to {endpoint.host}:{endpoint.port}: {error.strerror or error}"
        raise from_mysql(_UNREACHABLE, message, side) from error
    return hashlib.sha1(certificate, usedforsecurity=False).hexdigest()


def _offers_tls(plain: socket.socket) -> bool:
    """Whether the greeting of the server says that it can use TLS. A refusal in its place offers nothing; the login gets it again."""
    head = _octets(plain, 4)
    body = _octets(plain, int.from_bytes(head[:3], "little"))
    end = body.find(b"\0")
    if len(head) < 4 or body[:1] != b"\x0a" or len(body) < end + 1 + _GREETING_REST:
        return False
    return bool(struct.unpack_from("<H", body, end + 14)[0] & _CLIENT_SSL)


def _octets(plain: socket.socket, wanted: int) -> bytes:
    found = b""
    while len(found) < wanted and (part := plain.recv(wanted - len(found))):
        found += part
    return found


def _request() -> bytes:
    flags = _PROTOCOL_41 | _SECURE_CONNECTION | _CLIENT_SSL
    body = struct.pack("<IIB23x", flags, _LARGEST, _UTF8)
    return len(body).to_bytes(3, "little") + b"\1" + body
