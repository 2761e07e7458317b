"""Passwords and certificates, on both clients of PostgreSQL: our own for the rows and psycopg for the rest."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from landfall.engine.clients.ca_file import authority_file
from landfall.engine.clients.postgresql import PgSession
from landfall.engine.clients.postgresql_wire import PgWireConnection
from landfall.engine.errors import ConnectionLostError, CredentialRefusedError, UnreachableError
from landfall.engine.model.options import Endpoint, TlsMode
from landfall.engine.sources.mysql.session import MySqlSession
from landfall.engine.sources.registry import source_of
from tests.support import engine as run
from tests.support.servers import _PG15, MariaDb, PostgreSql, free_port

_PASSWORD = "pässwörd 'of' the test"  # noqa: S105  made up
_HBA = "local all postgres trust\nhostssl all scram 127.0.0.0/8 scram-sha-256\nhostssl all old 127.0.0.0/8 md5\n"


def _certificate(folder: Path, name: str, names: str = "IP:127.0.0.1,DNS:localhost") -> str:
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"),
            *(
                "-addext",
                f"subjectAltName={names}",
                "-keyout",
                f"{folder}/{name}.key",
                "-out",
                f"{folder}/{name}.crt",
            ),
        ],
        check=True,
        capture_output=True,
    )
    return (folder / f"{name}.crt").read_text()


@pytest.fixture(scope="module")
def guarded() -> Iterator[tuple[PostgreSql, str]]:
    """A server that wants TLS and a password, and the certificate of its authority."""
    server = PostgreSql(_PG15)
    authority = _certificate(server.folder, "server")
    (server.folder / "server.key").chmod(0o600)
    server.settings = (
        *server.settings,
        "listen_addresses='127.0.0.1,127.0.0.2'",
        "ssl=on",
        f"ssl_cert_file='{server.folder}/server.crt'",
        f"ssl_key_file='{server.folder}/server.key'",
    )
    if os.getuid() == 0:
        shutil.chown(server.folder / "server.key", "postgres")
        shutil.chown(server.folder / "server.crt", "postgres")
    server.start()
    with server.connect() as connection:
        quoted = _PASSWORD.replace("'", "''")
        connection.execute(f"CREATE ROLE scram LOGIN PASSWORD '{quoted}'".encode())
        connection.execute(b"SET password_encryption=md5")
        connection.execute(f"CREATE ROLE old LOGIN PASSWORD '{quoted}'".encode())
    (server.folder / "data" / "pg_hba.conf").write_text(_HBA)
    with server.connect() as connection:
        connection.execute(b"SELECT pg_reload_conf()")
    yield server, authority
    server.stop()


def _by_wire(endpoint: Endpoint) -> list[tuple[str | None, ...]]:
    wire = PgWireConnection(endpoint, "source")
    try:
        return wire.rows("SELECT current_user,ssl::text FROM pg_stat_ssl WHERE pid=pg_backend_pid()")
    finally:
        wire.close()


def _by_control(endpoint: Endpoint) -> list[tuple[str | None, ...]]:
    control = PgSession(endpoint, "source")
    try:
        return control.rows("SELECT current_user,ssl::text FROM pg_stat_ssl WHERE pid=pg_backend_pid()")
    finally:
        control.close()


@pytest.mark.parametrize("client", [_by_wire, _by_control], ids=["wire", "psycopg"])
@pytest.mark.parametrize("role", ["scram", "old"])
@pytest.mark.parametrize("mode", [TlsMode.PREFER, TlsMode.REQUIRE, TlsMode.VERIFY_FULL])
def test_a_password_over_tls(
    guarded: tuple[PostgreSql, str], client: Callable[[Endpoint], list[tuple[str | None, ...]]], role: str, mode: TlsMode
) -> None:
    server, authority = guarded
    ca = authority if mode is TlsMode.VERIFY_FULL else ""
    endpoint = Endpoint("PostgreSQL", "127.0.0.1", server.port, "postgres", role, _PASSWORD, mode, ca)
    assert client(endpoint) == [(role, "true")]


@pytest.mark.parametrize("client", [_by_wire, _by_control], ids=["wire", "psycopg"])
def test_what_is_refused_is_said(
    guarded: tuple[PostgreSql, str], client: Callable[[Endpoint], list[tuple[str | None, ...]]], tmp_path: Path
) -> None:
    server, authority = guarded
    good = Endpoint("PostgreSQL", "127.0.0.1", server.port, "postgres", "scram", _PASSWORD, TlsMode.VERIFY_FULL, authority)
    with pytest.raises(CredentialRefusedError) as refused:
        client(replace(good, password="wrong"))  # noqa: S106  that is the point
    assert _PASSWORD not in str(refused.value)
    with pytest.raises(UnreachableError):
        client(replace(good, ca=_certificate(tmp_path, "other")))
    with pytest.raises(CredentialRefusedError):
        client(replace(good, tls=TlsMode.DISABLE))


@pytest.mark.parametrize("client", [_by_wire, _by_control], ids=["wire", "psycopg"])
def test_required_tls_with_an_authority_checks_it_and_not_the_name(
    guarded: tuple[PostgreSql, str], client: Callable[[Endpoint], list[tuple[str | None, ...]]], tmp_path: Path
) -> None:
    server, authority = guarded
    good = Endpoint("PostgreSQL", "127.0.0.2", server.port, "postgres", "scram", _PASSWORD, TlsMode.REQUIRE, authority)
    assert client(good) == [("scram", "true")]
    with pytest.raises(UnreachableError):
        client(replace(good, ca=_certificate(tmp_path, "other")))
    with pytest.raises(UnreachableError):
        client(replace(good, tls=TlsMode.VERIFY_FULL))


@pytest.mark.parametrize("client", [_by_wire, _by_control], ids=["wire", "psycopg"])
def test_why_nobody_answers_is_said(client: Callable[[Endpoint], list[tuple[str | None, ...]]]) -> None:
    nobody = Endpoint("PostgreSQL", "127.0.0.1", free_port(), "postgres", "scram", _PASSWORD, TlsMode.DISABLE, "")
    with pytest.raises(UnreachableError, match=r"[Cc]onnection refused\. Check host"):
        client(nobody)


# -- MariaDB ------------------------------------------------------------------------------------------------------------


def _encrypted(names: str) -> Iterator[tuple[MariaDb, str]]:
    server = MariaDb()
    authority = _certificate(server.folder, "server", names)
    for name in ("server.key", "server.crt"):
        (server.folder / name).chmod(0o644)
    server.settings = (f"--ssl-cert={server.folder}/server.crt", f"--ssl-key={server.folder}/server.key")
    server.start()
    quoted = _PASSWORD.replace("'", "''")
    server.sql(f"CREATE USER mover@'127.0.0.1' IDENTIFIED BY '{quoted}' REQUIRE SSL")
    server.sql(f"CREATE USER plain@'127.0.0.1' IDENTIFIED BY '{quoted}'")
    yield server, authority
    server.stop()


@pytest.fixture(scope="module")
def encrypted() -> Iterator[tuple[MariaDb, str]]:
    """A server that wants TLS of one user, and the certificate of its authority."""
    yield from _encrypted("IP:127.0.0.1,DNS:localhost")


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[tuple[MariaDb, str]]:
    """A server with the certificate of another host."""
    yield from _encrypted("DNS:elsewhere.example.com")


def _cipher(endpoint: Endpoint) -> str | None:
    session = MySqlSession(endpoint, "source")
    try:
        return session.rows("SHOW SESSION STATUS LIKE 'Ssl_cipher'")[0][1]
    finally:
        session.close()


@pytest.mark.parametrize("mode", [TlsMode.PREFER, TlsMode.REQUIRE, TlsMode.VERIFY_FULL])
def test_mariadb_over_tls(encrypted: tuple[MariaDb, str], mode: TlsMode) -> None:
    server, authority = encrypted
    ca = authority if mode is TlsMode.VERIFY_FULL else ""
    assert _cipher(Endpoint("MariaDB", "127.0.0.1", server.port, "information_schema", "mover", _PASSWORD, mode, ca))


def test_mariadb_refuses_and_is_refused(
    encrypted: tuple[MariaDb, str], elsewhere: tuple[MariaDb, str], maria: MariaDb, tmp_path: Path
) -> None:
    server, authority = encrypted
    good = Endpoint("MariaDB", "127.0.0.1", server.port, "information_schema", "mover", _PASSWORD, TlsMode.VERIFY_FULL, authority)
    with pytest.raises(CredentialRefusedError):
        _cipher(replace(good, tls=TlsMode.DISABLE))
    assert _cipher(replace(good, tls=TlsMode.DISABLE, username="plain")) == ""
    with pytest.raises(UnreachableError, match="tls"):
        _cipher(replace(good, ca=_certificate(tmp_path, "other")))
    with pytest.raises(UnreachableError, match="tls"):  # an authority of everybody's knows nothing of it
        _cipher(replace(good, ca=""))
    other, its = elsewhere
    with pytest.raises(UnreachableError, match="tls"):
        _cipher(replace(good, port=other.port, ca=its))
    assert _cipher(replace(good, tls=TlsMode.REQUIRE, port=other.port, ca=its))
    with pytest.raises(UnreachableError, match="tls"):
        _cipher(replace(good, tls=TlsMode.REQUIRE, ca=_certificate(tmp_path, "third")))
    root = replace(good, port=maria.port, username="root", password="", ca="")
    offered = maria.sql("SELECT @@have_ssl").stdout == b"YES\n"  # MariaDB 11.4 and later make a certificate of their own
    assert bool(_cipher(replace(root, tls=TlsMode.PREFER))) == offered
    for mode, ca in ((TlsMode.VERIFY_FULL, authority), *(() if offered else ((TlsMode.REQUIRE, ""),))):
        with pytest.raises(UnreachableError, match=r"(?i)tls"):
            _cipher(replace(root, tls=mode, ca=ca))


def _alternating(listening: socket.socket, ports: Sequence[int]) -> None:
    """Forward each connection to the next of these ports."""
    for port in itertools.cycle(ports):
        try:
            client = listening.accept()[0]
        except OSError:
            return
        server = socket.create_connection(("127.0.0.1", port))
        for read, write in ((client, server), (server, client)):
            threading.Thread(target=_forward, args=(read, write), daemon=True).start()


def _forward(read: socket.socket, write: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := read.recv(65536):
            write.sendall(data)
        write.shutdown(socket.SHUT_WR)


@pytest.mark.parametrize("mode", [TlsMode.PREFER, TlsMode.REQUIRE])
def test_servers_with_a_certificate_each_behind_one_address(
    encrypted: tuple[MariaDb, str], elsewhere: tuple[MariaDb, str], mode: TlsMode
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        ports = (encrypted[0].port, elsewhere[0].port)
        threading.Thread(target=_alternating, args=(listening, ports), daemon=True).start()
        port = listening.getsockname()[1]
        endpoint = Endpoint("MariaDB", "127.0.0.1", port, "information_schema", "mover", _PASSWORD, mode)
        try:
            assert all(_cipher(endpoint) for _ in range(7))
        finally:
            listening.shutdown(socket.SHUT_RDWR)  # ends the thread


def test_an_authority_is_written_once_and_to_no_disk(
    encrypted: tuple[MariaDb, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, authority = encrypted
    authority_file.cache_clear()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    ends = [
        Endpoint("MariaDB", "127.0.0.1", server.port, "information_schema", "mover", _PASSWORD, TlsMode.VERIFY_FULL, authority)
    ]
    assert all(_cipher(end) for end in ends * 3)
    assert list(tmp_path.iterdir()) == []
    assert authority_file.cache_info().misses == 1
    assert Path(authority_file(authority)).read_text() == authority


@pytest.mark.parametrize("name", ["landfall", "the shop's migration", "ä" * 70, ""], ids=["ours", "quoted", "long", "none"])
def test_sessions_left_behind_are_ended_by_whatever_name_the_address_gives_them(pg15: PostgreSql, name: str) -> None:
    source = source_of(replace(run.postgresql(pg15, "postgres"), parameters=(("application_name", name),)))
    left = source.reader()
    source.kill([left.backend])
    with pytest.raises(ConnectionLostError):
        left.rows("SELECT 1")
