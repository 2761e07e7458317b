"""Passwords and certificates, on both clients of PostgreSQL: our own for the rows and psycopg for the rest."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from landfall.engine.connect.postgresql import Control
from landfall.engine.connect.wire import Wire
from landfall.engine.errors import CredentialRefusedError, UnreachableError
from landfall.engine.options import Endpoint, Engine, TlsMode
from tests.support.servers import _PG15, PostgreSql

_PASSWORD = "pässwörd 'of' the test"  # noqa: S105  made up
_HBA = "local all postgres trust\nhostssl all scram 127.0.0.1/32 scram-sha-256\nhostssl all old 127.0.0.1/32 md5\n"


def _certificate(folder: Path, name: str) -> str:
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"),
            *(
                "-addext",
                "subjectAltName=IP:127.0.0.1,DNS:localhost",
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
    wire = Wire(endpoint, "source")
    try:
        return wire.rows("SELECT current_user,ssl::text FROM pg_stat_ssl WHERE pid=pg_backend_pid()")
    finally:
        wire.close()


def _by_control(endpoint: Endpoint) -> list[tuple[str | None, ...]]:
    control = Control(endpoint, "source")
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
    endpoint = Endpoint(Engine.POSTGRESQL, "127.0.0.1", server.port, "postgres", role, _PASSWORD, mode, ca)
    assert client(endpoint) == [(role, "true")]


@pytest.mark.parametrize("client", [_by_wire, _by_control], ids=["wire", "psycopg"])
def test_what_is_refused_is_said(
    guarded: tuple[PostgreSql, str], client: Callable[[Endpoint], list[tuple[str | None, ...]]], tmp_path: Path
) -> None:
    server, authority = guarded
    good = Endpoint(Engine.POSTGRESQL, "127.0.0.1", server.port, "postgres", "scram", _PASSWORD, TlsMode.VERIFY_FULL, authority)
    with pytest.raises(CredentialRefusedError) as refused:
        client(replace(good, password="wrong"))  # noqa: S106  that is the point
    assert _PASSWORD not in str(refused.value)
    with pytest.raises(UnreachableError):
        client(replace(good, ca=_certificate(tmp_path, "other")))
    with pytest.raises(CredentialRefusedError):
        client(replace(good, tls=TlsMode.DISABLE))
