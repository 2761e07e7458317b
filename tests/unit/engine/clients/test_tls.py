"""One TLS policy, and the same demands by every client of it."""

from __future__ import annotations

import shutil
import socket
import ssl
import struct
import subprocess
import threading
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from landfall.engine.clients import tls
from landfall.engine.clients.postgresql_wire import PgWireConnection
from landfall.engine.clients.tls import Encrypt, Verify
from landfall.engine.model.options import Endpoint, TlsMode


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A certificate, as PEM."""
    folder, openssl = tmp_path_factory.mktemp("ca"), shutil.which("openssl")
    assert openssl
    request = ("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=ca")
    subprocess.run([openssl, *request, "-keyout", f"{folder}/k", "-out", f"{folder}/c"], check=True, capture_output=True)
    return (folder / "c").read_text()


# mode, whether an authority is given, then what follows: the policy, libpq's mode and whether it has a root, ssl's (verify, check of the host), MySQL's mode
_TABLE = [
    (TlsMode.DISABLE, False, Encrypt.NEVER, Verify.NOTHING, "disable", "", None, "DISABLED"),
    (TlsMode.DISABLE, True, Encrypt.NEVER, Verify.NOTHING, "disable", "", None, "DISABLED"),
    (TlsMode.PREFER, False, Encrypt.IF_OFFERED, Verify.NOTHING, "prefer", "", (ssl.CERT_NONE, False), "PREFERRED"),
    (TlsMode.PREFER, True, Encrypt.IF_OFFERED, Verify.NOTHING, "prefer", "", (ssl.CERT_NONE, False), "PREFERRED"),
    (TlsMode.REQUIRE, False, Encrypt.ALWAYS, Verify.NOTHING, "require", "", (ssl.CERT_NONE, False), "REQUIRED"),
    (TlsMode.REQUIRE, True, Encrypt.ALWAYS, Verify.AUTHORITY, "verify-ca", "given", (ssl.CERT_REQUIRED, False), "REQUIRED"),
    (
        TlsMode.VERIFY_FULL,
        False,
        Encrypt.ALWAYS,
        Verify.HOST,
        "verify-full",
        "system",
        (ssl.CERT_REQUIRED, True),
        "VERIFY_IDENTITY",
    ),
    (
        TlsMode.VERIFY_FULL,
        True,
        Encrypt.ALWAYS,
        Verify.HOST,
        "verify-full",
        "given",
        (ssl.CERT_REQUIRED, True),
        "VERIFY_IDENTITY",
    ),
]


def endpoint(mode: TlsMode, ca: str = "") -> Endpoint:
    return Endpoint("PostgreSQL", "db.example", 5432, "shop", tls=mode, ca=ca)


@pytest.mark.parametrize(("mode", "has_ca", "encrypt", "verify", "libpq", "root", "context", "mysql"), _TABLE)
def test_every_client_demands_the_same(
    authority: str,
    mode: TlsMode,
    *,
    has_ca: bool,
    encrypt: Encrypt,
    verify: Verify,
    libpq: str,
    root: str,
    context: tuple[ssl.VerifyMode, bool] | None,
    mysql: str,
) -> None:
    policy = tls.policy(endpoint(mode, authority if has_ca else ""))
    assert (policy.encrypt, policy.verify) == (encrypt, verify)
    parameters = tls.libpq(policy)
    assert parameters["sslmode"] == libpq
    root_file = parameters.get("sslrootcert", "")
    expected = {"given": authority, "system": tls.system_authorities() or "system"}.get(root, root)
    assert (Path(root_file).read_text() if root == "given" else root_file) == expected
    ssl_context = tls.context(policy)
    assert (ssl_context and (ssl_context.verify_mode, ssl_context.check_hostname)) == context
    assert tls.mysql(policy)["ssl_mode"] == mysql
    if ssl_context and root == "given":
        assert [certificate["subject"] for certificate in ssl_context.get_ca_certs()] == [((("commonName", "ca"),),)], (
            "no other authority is trusted"
        )


def test_every_mode_is_in_the_table() -> None:
    assert {(row[0], row[1]) for row in _TABLE} == {(mode, has_ca) for mode in TlsMode for has_ca in (False, True)}


@pytest.mark.parametrize("mode", TlsMode)
def test_a_socket_of_this_machine_is_not_encrypted(mode: TlsMode) -> None:
    assert tls.policy(replace(endpoint(mode), host="/run/postgresql")).encrypt is Encrypt.NEVER


def _garbled(server: socket.socket, received: list[bytes]) -> None:
    """A PostgreSQL that offers TLS and cannot speak it; in plain text it takes anybody."""
    with server.accept()[0] as first:
        received.append(first.recv(8))
        first.sendall(b"S" + b"no TLS at all")
    with server.accept()[0] as second:
        received.append(second.recv(1000))
        second.sendall(b"R" + struct.pack("!II", 8, 0) + b"Z" + struct.pack("!I", 5) + b"I")


def test_prefer_goes_on_in_plain_text_where_tls_cannot_be_agreed_on_as_libpq_does() -> None:
    received: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=_garbled, args=(server, received), daemon=True)
        thread.start()
        place = replace(endpoint(TlsMode.PREFER), host="127.0.0.1", port=server.getsockname()[1], username="u")
        PgWireConnection(place, "target").close()
        thread.join(5)
    assert received[0] == struct.pack("!II", 8, 80877103)
    assert b"user\0u\0" in received[1]


def test_the_systems_authorities_are_found_where_no_variable_names_them(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As in the image of the workers, whose libpq has an OpenSSL that looks elsewhere."""
    bundle = tmp_path / "bundle.crt"
    bundle.write_text("authorities")
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(tls.ssl, "get_default_verify_paths", lambda: SimpleNamespace(cafile=None))
    monkeypatch.setattr(tls, "_BUNDLES", (str(tmp_path / "none"), str(bundle)))
    policy = tls.TlsPolicy(Encrypt.ALWAYS, Verify.HOST, "db.example.com")
    assert tls.libpq(policy)["sslrootcert"] == str(bundle)
    assert tls.mysql(policy)["ssl"] == {"ca": str(bundle)}
