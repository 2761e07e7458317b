"""Servers that are others than they seem: no client gives a password away, or believes a server that has proven nothing."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from landfall.engine.clients.postgresql import PgSession
from landfall.engine.clients.postgresql_wire import PgWireConnection
from landfall.engine.errors import CredentialRefusedError, EngineError, UnreachableError
from landfall.engine.model.options import AuthMethod, Endpoint, LoginDemands, TlsMode
from landfall.engine.sources.mysql.session import MySqlSession

_PASSWORD = "s3cret-of-prod"  # noqa: S105  made up
_TLS_REQUESTS = {80877103, 80877104}
Talk = Callable[[socket.socket, list[bytes]], None]


@contextmanager
def server(talk: Talk) -> Iterator[tuple[int, list[bytes]]]:
    """A server that talks to every client alike; yields its port and all that clients sent."""
    got: list[bytes] = []

    def serve(listening: socket.socket) -> None:
        while True:
            try:
                client = listening.accept()[0]
            except OSError:
                return
            with client:
                try:
                    client.settimeout(10)
                    talk(client, got)
                except (OSError, struct.error):
                    continue

    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=serve, args=(listening,), daemon=True).start()
        yield listening.getsockname()[1], got


def _message(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!I", len(body) + 4) + body


def _request(code: int, body: bytes = b"") -> bytes:
    return _message(b"R", struct.pack("!I", code) + body)


_WELCOME = _request(0) + _message(b"K", struct.pack("!II", 7, 7)) + _message(b"Z", b"I")


def _begun(client: socket.socket) -> None:
    """Read the start of a session; TLS is not offered."""
    while True:
        length = struct.unpack("!I", client.recv(4))[0]
        if struct.unpack("!I", client.recv(length - 4)[:4])[0] not in _TLS_REQUESTS:
            return
        client.sendall(b"N")


def _asks(request: bytes, then: bytes = b"") -> Talk:
    def talk(client: socket.socket, got: list[bytes]) -> None:
        _begun(client)
        client.sendall(request)
        if request:
            got.append(client.recv(4096))
        client.sendall(then or _message(b"E", b"SFATAL\0C28P01\0Mpassword authentication failed\0\0"))
        got.append(client.recv(4096))

    return talk


def _forged_proof(client: socket.socket, got: list[bytes]) -> None:
    """SCRAM to its end, with a signature that only whoever knows the password can compute."""
    _begun(client)
    client.sendall(_request(10, b"SCRAM-SHA-256\0\0"))
    first = client.recv(4096)
    nonce = first[first.index(b",r=") + 3 :]
    client.sendall(_request(11, b"r=" + nonce + b"x,s=" + b"A" * 24 + b",i=4096"))
    client.recv(4096)
    client.sendall(_request(12, b"v=" + b"A" * 43 + b"=") + _WELCOME)
    got.append(client.recv(4096))


def endpoint(port: int, mode: TlsMode = TlsMode.PREFER, engine: str = "PostgreSQL") -> Endpoint:
    return Endpoint(engine, "127.0.0.1", port, "d", "u", _PASSWORD, mode)


_CLIENTS = pytest.mark.parametrize("client", [PgWireConnection, PgSession], ids=["wire", "psycopg"])
_MODES = pytest.mark.parametrize("mode", [TlsMode.PREFER, TlsMode.DISABLE])


@_CLIENTS
@_MODES
def test_no_password_is_sent_in_clear_text(client: type[PgWireConnection | PgSession], mode: TlsMode) -> None:
    with server(_asks(_request(3))) as (port, got):
        with pytest.raises(
            CredentialRefusedError, match=r"asks for the password in clear text.*tls.mode: Require.*require_auth=password"
        ):
            client(endpoint(port, mode), "source")
        assert _PASSWORD.encode() not in b"".join(got)
        demands = LoginDemands(frozenset({AuthMethod.PASSWORD}), clear_text=True)
        with pytest.raises(CredentialRefusedError, match="password authentication failed"):
            client(replace(endpoint(port, mode), login=demands), "source")
        assert _PASSWORD.encode() in b"".join(got)


@_CLIENTS
@pytest.mark.parametrize(
    "talk",
    [_asks(_request(10, b"SCRAM-SHA-256\0\0"), _WELCOME), _asks(_request(5, b"salt"), _request(3)), _forged_proof],
    ids=["amid SCRAM", "asks twice", "a forged proof"],
)
def test_a_server_that_proves_nothing_is_not_believed(client: type[PgWireConnection | PgSession], talk: Talk) -> None:
    with server(talk) as (port, got):
        with pytest.raises(EngineError):
            client(endpoint(port), "source")
        assert _PASSWORD.encode() not in b"".join(got)


@_CLIENTS
def test_an_address_may_demand_a_method(client: type[PgWireConnection | PgSession]) -> None:
    with server(_asks(b"", _WELCOME)) as (port, _):
        demands = LoginDemands(frozenset({AuthMethod.SCRAM}))
        with pytest.raises(CredentialRefusedError, match="did not prove that it knows the password"):
            client(replace(endpoint(port), login=demands), "source")
    message = "asks for authentication by md5, which the Connection does not accept"
    with server(_asks(_request(5, b"salt"))) as (port, _), pytest.raises(CredentialRefusedError, match=message):
        client(replace(endpoint(port), login=demands), "source")


@_CLIENTS
def test_channel_binding_that_is_demanded_is_not_waived(client: type[PgWireConnection | PgSession]) -> None:
    with server(_asks(_request(10, b"SCRAM-SHA-256\0\0"))) as (port, got):
        with pytest.raises(EngineError):
            client(replace(endpoint(port), login=LoginDemands(channel_binding=True)), "source")
        assert b"n,,n=" not in b"".join(got)


# -- MySQL and MariaDB ------------------------------------------------------------------------------------------------


def _packet(number: int, body: bytes) -> bytes:
    return len(body).to_bytes(3, "little") + bytes([number]) + body


def _received(client: socket.socket) -> tuple[int, bytes]:
    head = client.recv(4)
    if len(head) < 4:
        raise OSError
    return head[3], client.recv(int.from_bytes(head[:3], "little"))


def _plugin(name: bytes) -> Talk:
    """A server without TLS that asks for this plugin, and for whatever it needs to have the password."""

    def talk(client: socket.socket, got: list[bytes]) -> None:
        flags = 0xFFFFFFFF & ~0x800 & ~0x20
        low, high = struct.pack("<H", flags & 0xFFFF), struct.pack("<H", flags >> 16)
        tail = b"\x2d\2\0" + high + b"\x15" + b"\0" * 10 + b"B" * 12 + b"\0mysql_native_password\0"
        client.sendall(_packet(0, b"\x0a8.0.36\0\7\0\0\0" + b"A" * 8 + b"\0" + low + tail))
        number, login = _received(client)
        got.append(login)
        client.sendall(_packet(number + 1, b"\xfe" + name + b"\0" + b"C" * 20 + b"\0"))
        for answer in (b"\1\4", b"\1no key"):
            number, body = _received(client)
            got.append(body)
            client.sendall(_packet(number + 1, answer))

    return talk


@pytest.mark.parametrize("mode", [TlsMode.DISABLE, TlsMode.PREFER, TlsMode.REQUIRE, TlsMode.VERIFY_FULL])
@pytest.mark.parametrize("plugin", [b"mysql_clear_password", b"caching_sha2_password", b"sha256_password", b"dialog"])
def test_no_plugin_of_mysql_reveals_the_password_without_tls(plugin: bytes, mode: TlsMode) -> None:
    with server(_plugin(plugin)) as (port, got):
        expected = CredentialRefusedError if mode in {TlsMode.DISABLE, TlsMode.PREFER} else UnreachableError
        with pytest.raises(expected, match=r"allowPublicKeyRetrieval=true|TLS"):
            MySqlSession(endpoint(port, mode, "MySQL"))
    received = b"".join(got)
    assert _PASSWORD.encode() not in received
    assert b"\2" not in got, "nobody's public key is asked for"
    flags = struct.unpack("<I", got[0][:4])[0] if got else 0
    assert (flags & 0x80, flags & 0x10000) == (0, 0), "no local files, no several statements"


def test_mysql_may_be_told_to_reveal_it() -> None:
    with server(_plugin(b"mysql_clear_password")) as (port, got), pytest.raises(EngineError):
        MySqlSession(replace(endpoint(port, TlsMode.DISABLE, "MySQL"), login=LoginDemands(clear_text=True)))
    assert _PASSWORD.encode() in b"".join(got)
