"""The login of our own client of PostgreSQL: what a server may ask for, and the answers.

The rule: a session begins only after a complete exchange. A server that lets a session in amid SCRAM has not shown that it knows the
password, so it may be another one.
"""

from __future__ import annotations

import hashlib
import socket
import ssl
import struct

from scramp import ScramClient, ScramException

from landfall.engine.clients import authentication
from landfall.engine.errors import CredentialRefusedError
from landfall.engine.model.options import AuthMethod, Endpoint

_OK, _CLEAR, _MD5, _SASL, _SASL_MORE, _SASL_END = 0, 3, 5, 10, 11, 12
_METHODS = {_CLEAR: AuthMethod.PASSWORD, _MD5: AuthMethod.MD5, _SASL: AuthMethod.SCRAM}
_LENGTH = struct.Struct("!I")
_PLUS = "SCRAM-SHA-256-PLUS"


class Login:
    """One login. Not reusable."""

    def __init__(self, endpoint: Endpoint, side: str, connection: socket.socket) -> None:
        self._endpoint = endpoint
        self._side = side
        self._tls = connection if isinstance(connection, ssl.SSLSocket) else None
        private = self._tls is not None or endpoint.host.startswith("/")
        self._accepted = authentication.accepted(endpoint, private=private)
        self._scram: ScramClient | None = None
        self._proven = False
        self._asked = False
        self._complete = False

    def answer(self, body: bytes) -> bytes | None:
        """Return the answer to a request of the server; None if it expects none.

        Raises:
            CredentialRefusedError: The method is not accepted, or the server does not prove that it knows the password.
        """
        try:
            return self._answer(int(_LENGTH.unpack_from(body)[0]), body[4:])
        except (ScramException, UnicodeDecodeError) as error:
            raise authentication.unproven(self._endpoint, self._side) from error

    def must_be_complete(self) -> None:
        """Raise CredentialRefusedError if the server has not ended the login."""
        if not self._complete:
            raise authentication.unproven(self._endpoint, self._side)

    def _answer(self, code: int, content: bytes) -> bytes | None:
        if code == _OK:
            self._end()
            return None
        if code == _SASL_MORE and self._scram:
            self._scram.set_server_first(content.decode())
            return str(self._scram.get_client_final()).encode()
        if code == _SASL_END and self._scram:
            self._scram.set_server_final(content.decode())
            self._proven = True
            return None
        method = _METHODS.get(code)
        if method not in self._accepted or self._asked:
            raise authentication.not_accepted(method, self._endpoint, self._side)
        self._asked = True
        return self._first(code, content)

    def _first(self, code: int, content: bytes) -> bytes:
        user, password = self._endpoint.username, self._endpoint.password
        if code == _CLEAR:
            return password.encode() + b"\0"
        if code == _MD5:
            inner = hashlib.md5((password + user).encode(), usedforsecurity=False).hexdigest()
            outer = hashlib.md5(inner.encode() + content[:4], usedforsecurity=False).hexdigest()
            return f"md5{outer}".encode() + b"\0"
        self._scram = self._client([name.decode() for name in content.split(b"\0") if name])
        first = str(self._scram.get_client_first()).encode()
        return str(self._scram.mechanism_name).encode() + b"\0" + _LENGTH.pack(len(first)) + first

    def _client(self, offered: list[str]) -> ScramClient:
        """A client of the strongest mechanism. Over TLS, a server that hides that it can bind the login to TLS is found out."""
        user, password = self._endpoint.username, self._endpoint.password
        mechanisms = [name for name in offered if name in {"SCRAM-SHA-256", _PLUS}]
        demanded = self._endpoint.login.channel_binding
        if not mechanisms or (demanded and (self._tls is None or _PLUS not in mechanisms)):
            raise self._unbound() if mechanisms else authentication.not_accepted(None, self._endpoint, self._side)
        try:
            if self._tls is not None:
                return ScramClient(mechanisms, user, password, channel_binding=("tls-server-end-point", self._tls))
        except ScramException as error:  # a certificate whose algorithm names no digest has no end point to bind to
            if demanded:
                raise self._unbound() from error
        return ScramClient([name for name in mechanisms if name != _PLUS], user, password)

    def _unbound(self) -> CredentialRefusedError:
        message = f"{self._side}: the server at {self._endpoint.host} does not bind the login to TLS, which the address demands"
        advice = "Enable TLS and scram-sha-256 on the server, or remove channel_binding from the Secret's `url`."
        return CredentialRefusedError(message, advice=advice)

    def _end(self) -> None:
        if self._scram and not self._proven:
            raise authentication.unproven(self._endpoint, self._side)
        if not self._asked and AuthMethod.NONE not in self._accepted:
            raise authentication.not_accepted(AuthMethod.NONE, self._endpoint, self._side)
        self._complete = True
