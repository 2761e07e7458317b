"""A small PostgreSQL client for the data path: start-up, simple queries, COPY in and out, and the relay.

Everything else goes through psycopg. This exists because libpq hands out COPY rows one by one, which costs more than
both servers' work on a row, and because its socket cannot be taken over in mid-COPY. The rule: bytes of rows are
never looked into; only frame headers are read, to see where the rows end.
"""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import struct
from collections.abc import Iterator

from landfall.engine.clients import tls
from landfall.engine.clients.errors import from_postgresql
from landfall.engine.clients.postgresql_login import Login
from landfall.engine.clients.server_messages import PostgresMessage
from landfall.engine.errors import ConnectionLostError, EngineError, UnreachableError
from landfall.engine.model.options import Endpoint
from landfall.engine.model.rows import Moved, Row

_BLOCK = 512 * 1024
_PROTOCOL = 196608
_SSL_REQUEST = 80877103
_CONNECT_SECONDS = 10
_KEEPALIVE = (  # libpq's parameter, the socket's option, and its value in seconds or times; 0: the system's
    ("keepalives_idle", socket.TCP_KEEPIDLE, 30),
    ("keepalives_interval", socket.TCP_KEEPINTVL, 0),
    ("keepalives_count", socket.TCP_KEEPCNT, 0),
)
_HEADER = struct.Struct("!cI")
_LENGTH = struct.Struct("!I")


class PgWireConnection:
    """One connection. Not thread-safe, except `abort`, which any thread may call."""

    def __init__(self, endpoint: Endpoint, side: str, settings: dict[str, str] | None = None) -> None:
        self._endpoint = endpoint
        self._side = side
        self._buffer = b""
        self._aborted = False
        self._copying = False
        self.pid = 0
        try:
            self._socket = self._opened()
            self._start(settings or {})
        except ssl.SSLError as error:
            message = f"{side}: TLS to {endpoint.host} failed: {error.reason or 'handshake error'}"
            raise UnreachableError(message, advice="Check `tls` in the Connection.") from error
        except OSError as error:
            message = f"{side}: no PostgreSQL answers at {endpoint.host}:{endpoint.port}: {error.strerror or error}"
            raise UnreachableError(message, advice="Check host and port in the Connection.") from error

    # -- opening ----------------------------------------------------------------------------------------------------

    def _opened(self) -> socket.socket:
        endpoint, policy = self._endpoint, tls.policy(self._endpoint)
        if endpoint.host.startswith("/"):
            raw_socket = socket.socket(socket.AF_UNIX)
            raw_socket.connect(f"{endpoint.host}/.s.PGSQL.{endpoint.port}")
            return raw_socket
        raw_socket = self._dialled()
        context = tls.context(policy)
        if context is None:
            return raw_socket
        raw_socket.sendall(struct.pack("!II", 8, _SSL_REQUEST))
        if raw_socket.recv(1) == b"S":
            try:
                return context.wrap_socket(raw_socket, server_hostname=policy.server_name)
            except ssl.SSLError:
                if policy.encrypt is not tls.Encrypt.IF_OFFERED:
                    raise
                raw_socket.close()
                return self._dialled()  # as libpq does: TLS negotiation failed, and an unencrypted connection is allowed
        if policy.encrypt is tls.Encrypt.IF_OFFERED:
            return raw_socket
        message = f"{self._side}: the server at {endpoint.host} does not offer TLS"
        raise UnreachableError(message, advice="Enable TLS on the server, or set `tls.mode: Prefer`.")

    def _dialled(self) -> socket.socket:
        options = dict(self._endpoint.parameters)
        seconds = int(options.get("connect_timeout", _CONNECT_SECONDS))
        raw_socket = socket.create_connection((self._endpoint.host, self._endpoint.port), timeout=seconds)
        raw_socket.settimeout(None)
        raw_socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        raw_socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, option, usual in _KEEPALIVE:
            if name in options or usual:
                raw_socket.setsockopt(socket.IPPROTO_TCP, option, int(options.get(name, usual)))
        return raw_socket

    def _start(self, settings: dict[str, str]) -> None:
        words = {
            "user": self._endpoint.username,
            "database": self._endpoint.database,
            "client_encoding": "UTF8",
            "application_name": dict(self._endpoint.parameters).get("application_name", "landfall"),
            **settings,
        }
        body = b"".join(f"{k}\0{v}\0".encode() for k, v in words.items()) + b"\0"
        self._socket.sendall(_LENGTH.pack(len(body) + 8) + _LENGTH.pack(_PROTOCOL) + body)
        login = Login(self._endpoint, self._side, self._socket)
        for kind, body in self._messages():
            if kind == b"R":
                answer = login.answer(body)
                if answer is not None:
                    self._send(b"p", answer)
            elif kind == b"K":
                self.pid = int(_LENGTH.unpack_from(body)[0])
            elif kind == b"E":
                raise self._translated(body)
            elif kind == b"Z":
                login.must_be_complete()
                return

    # -- messages ---------------------------------------------------------------------------------------------------

    def _send(self, kind: bytes, body: bytes) -> None:
        self._write(_HEADER.pack(kind, len(body) + 4) + body)

    def _write(self, data: bytes | memoryview) -> None:
        try:
            self._socket.sendall(data)
        except OSError as error:
            raise self._lost_error() from error

    def _read(self, length: int) -> bytes:
        parts, have = [self._buffer], len(self._buffer)
        while have < length:
            try:
                part = self._socket.recv(max(65536, min(length - have, _BLOCK)))
            except OSError as error:
                raise self._lost_error() from error
            if not part:
                raise self._lost_error()
            parts.append(part)
            have += len(part)
        whole = b"".join(parts) if len(parts) > 1 else parts[0]
        self._buffer = whole[length:]
        return whole[:length]

    def _lost_error(self) -> EngineError:
        if self._aborted:
            return ConnectionLostError(f"{self._side}: connection closed on request")
        return ConnectionLostError(
            f"{self._side}: the connection was lost during an operation",
            advice="Run the same command again; it resumes where it stopped.",
        )

    def _messages(self) -> Iterator[tuple[bytes, bytes]]:
        while True:
            kind, length = _HEADER.unpack(self._read(5))
            yield kind, self._read(length - 4)

    def _translated(self, body: bytes) -> EngineError:
        fields = {part[:1]: part[1:].decode(errors="replace") for part in body.split(b"\0") if part}
        code, text, context, table, column, constraint = (fields.get(kind, "") for kind in (b"C", b"M", b"W", b"t", b"c", b"n"))
        return from_postgresql(
            PostgresMessage(code, text, context, table, column, constraint, positioned=b"P" in fields), self._side
        )

    # -- queries ----------------------------------------------------------------------------------------------------

    def rows(self, sql: str) -> list[Row]:
        """Run one or more statements. Return the rows of all of them as text. Raises the first error."""
        self._send(b"Q", sql.encode() + b"\0")
        rows: list[Row] = []
        failure: EngineError | None = None
        for kind, body in self._messages():
            if kind == b"D":
                rows.append(_row(body))
            elif kind == b"E":
                failure = failure or self._translated(body)
            elif kind == b"Z":
                break
        if failure:
            raise failure
        return rows

    def _begin_copy(self, sql: str, expected: bytes) -> None:
        self._send(b"Q", sql.encode() + b"\0")
        failure: EngineError | None = None
        for kind, body in self._messages():
            if kind == expected:
                return
            if kind == b"E":
                failure = self._translated(body)
            elif kind == b"Z":
                raise failure or EngineError(f"{self._side}: the statement is not a COPY")

    def copy_in(self, sql: str) -> None:
        """Start COPY … FROM STDIN."""
        self._begin_copy(sql, b"G")
        self._copying = True

    def copy_data(self, block: bytes) -> None:
        """Send one block of COPY input. An error of the server is detected early, between blocks."""
        self._write(_HEADER.pack(b"d", len(block) + 4) + block if len(block) < _BLOCK else _HEADER.pack(b"d", len(block) + 4))
        if len(block) >= _BLOCK:
            self._write(block)
        self.check_refusal()

    def check_refusal(self) -> None:
        """Raise the server's error if the server has sent one during the transfer."""
        if isinstance(self._socket, ssl.SSLSocket):
            return
        if self._buffer or select.select([self._socket], [], [], 0)[0]:
            kind, length = _HEADER.unpack(self._read(5))
            body = self._read(length - 4)
            if kind == b"E":
                error = self._translated(body)
                self._finish(b"f", b"stopped\0")
                raise error

    def copy_end(self) -> int:
        """End the COPY. Return the number of rows that the server stored."""
        return self._finish(b"c", b"")

    def copy_fail(self) -> None:
        """Abort the COPY and its transaction. Nothing is sent if the server has already ended the COPY."""
        if not self._copying:
            return
        with contextlib.suppress(EngineError):
            self._finish(b"f", b"stopped\0")

    def _finish(self, kind: bytes, body: bytes) -> int:
        self._copying = False
        self._send(kind, body)
        rows, failure = 0, None
        for answer, content in self._messages():
            if answer == b"C":
                rows = int(content.rstrip(b"\0").split()[-1])
            elif answer == b"E":
                failure = self._translated(content)
            elif answer == b"Z":
                break
        if failure:
            raise failure
        return rows

    # -- the relay --------------------------------------------------------------------------------------------------

    def copy_to(self, sql: str, target: PgWireConnection) -> Moved:
        """Run COPY … TO STDOUT on this connection and forward its frames to `target`, which is in COPY … FROM STDIN.

        Ends the target's COPY. Raises ConnectionLostError if the row counts of both servers differ.
        """
        try:
            self._begin_copy(sql, b"H")
            sent_bytes = self._relay(target)
            read_rows = self._end_of_copy()
        except EngineError:
            target.copy_fail()
            raise
        written_rows = target.copy_end()
        if read_rows != written_rows:
            message = f"{self._side}: {read_rows} rows were read, but {written_rows} were written"
            raise ConnectionLostError(message, advice="Run the same command again.")
        return Moved(written_rows, sent_bytes)

    def _relay(self, target: PgWireConnection) -> int:
        """Forward CopyData frames until another message arrives. Return the number of forwarded bytes."""
        space = bytearray(_BLOCK + 8)
        view = memoryview(space)
        have = len(self._buffer)
        if have > len(space):
            space = bytearray(have + _BLOCK)
            view = memoryview(space)
        view[:have] = self._buffer
        self._buffer = b""
        sent_bytes, remaining = 0, 0
        while True:
            ready, remaining, is_end = _frames_end(space, have, remaining)
            if ready:
                target._write(view[:ready])
                sent_bytes += ready
                target.check_refusal()
            if is_end:
                self._buffer = bytes(view[ready:have])
                return sent_bytes
            view[: have - ready] = bytes(view[ready:have])
            have -= ready
            have += self._received(view[have : have + _BLOCK])

    def _received(self, view: memoryview) -> int:
        try:
            count = self._socket.recv_into(view)
        except OSError as error:
            raise self._lost_error() from error
        if not count:
            raise self._lost_error()
        return count

    def _end_of_copy(self) -> int:
        rows, failure = 0, None
        for kind, body in self._messages():
            if kind == b"C":
                rows = int(body.rstrip(b"\0").split()[-1])
            elif kind == b"E":
                failure = self._translated(body)
            elif kind == b"Z":
                break
        if failure:
            raise failure
        return rows

    # -- closing ----------------------------------------------------------------------------------------------------

    def abort(self) -> None:
        """End the connection at once, from any thread. The thread that waits on it gets ConnectionLostError."""
        self._aborted = True
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Terminate the session and close the connection."""
        with contextlib.suppress(EngineError, OSError):
            self._send(b"X", b"")
        with contextlib.suppress(OSError):
            self._socket.close()


def _frames_end(space: bytearray, have: int, remaining: int) -> tuple[int, int, bool]:
    """Find the end of the bytes that can be forwarded.

    `remaining` bytes of the current frame are still missing. Returns how many bytes of `space[:have]` belong to CopyData frames, how many
    bytes of the last frame are missing, and whether another kind of message begins there.
    """
    if remaining >= have:
        return have, remaining - have, False
    at = remaining
    unpack = _LENGTH.unpack_from
    while have - at >= 5:
        if space[at] != 100:
            return at, 0, True
        after = at + 1 + unpack(space, at + 1)[0]
        if after > have:
            return have, after - have, False
        at = after
    return at, 0, False


def _row(body: bytes) -> Row:
    (count,) = struct.unpack_from("!H", body)
    at = 2
    values: list[str | None] = []
    for _ in range(count):
        (length,) = struct.unpack_from("!i", body, at)
        at += 4
        if length < 0:
            values.append(None)
        else:
            values.append(body[at : at + length].decode(errors="replace"))
            at += length
    return tuple(values)
