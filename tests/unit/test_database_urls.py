"""Addresses in Secrets: every parameter is honoured or refused by its name, and no message has a piece of a password."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from landfall.api.connection import Connection
from landfall.engine.errors import SpecError
from landfall.engine.model.options import AuthMethod, Endpoint, TlsMode
from landfall.runspec import RunInputs, endpoint

_PG, _MY = "postgresql://u:s3cret@db.shop.svc/d", "mysql://u:s3cret@db.shop.svc/d"


def read(url: str, kind: str = "PostgreSQL", *, authority: bool = False, **spec: Any) -> Endpoint:
    """The endpoint of a Connection whose Secret has this address."""
    tls = {"mode": spec.pop("mode", None), "caSecretRef": {"name": "ca"} if authority else None}
    tls = {key: value for key, value in tls.items() if value}
    raw = {"metadata": {"name": "shop"}, "spec": {"type": kind, "secretRef": {"name": "door"}, "tls": tls, **spec}}
    secrets = {"door": {"url": url}, "ca": {"ca.crt": "PEM"}}
    return endpoint(
        "shop", RunInputs({"shop": Connection.model_validate(raw)}, lambda name, _: secrets[name], {"shop": Path()}), "source"
    )


@pytest.mark.parametrize(
    ("url", "kind", "mode"),
    [
        (f"{_PG}?sslmode=disable", "PostgreSQL", TlsMode.DISABLE),
        (f"{_PG}?sslmode=allow", "PostgreSQL", TlsMode.PREFER),
        (f"{_PG}?sslmode=require", "PostgreSQL", TlsMode.REQUIRE),
        (f"{_PG}?sslmode=verify-full", "PostgreSQL", TlsMode.VERIFY_FULL),
        (f"{_PG}?sslmode=verify-full&sslrootcert=system", "Supabase", TlsMode.VERIFY_FULL),
        (f"{_PG}?ssl=true&application_name=x", "PostgreSQL", TlsMode.VERIFY_FULL),
        ("host=db port=5433 dbname=d user=u password='s3 \\'x' sslmode=require", "PostgreSQL", TlsMode.REQUIRE),
        (f"{_MY}?ssl-mode=REQUIRED", "MySQL", TlsMode.REQUIRE),
        (f"{_MY}?ssl_mode=VERIFY_IDENTITY", "MariaDB", TlsMode.VERIFY_FULL),
        (f"{_MY}?sslaccept=strict", "MySQL", TlsMode.VERIFY_FULL),
        (f'{_MY}?ssl={{"rejectUnauthorized":true}}', "MySQL", TlsMode.VERIFY_FULL),
        (f"{_MY}?useSSL=true&serverTimezone=UTC&charset=utf8mb4", "MySQL", TlsMode.REQUIRE),
        (f"{_MY}?tls=skip-verify&parseTime=true", "MySQL", TlsMode.REQUIRE),
        (f"{_MY}?ssl-ca=/etc/ssl/cert.pem&ssl-mode=verify_identity", "MySQL", TlsMode.VERIFY_FULL),
        (_PG, "PostgreSQL", TlsMode.PREFER),
    ],
)
def test_a_tls_mode_in_the_address_is_honoured(url: str, kind: str, mode: TlsMode) -> None:
    assert read(url, kind).tls is mode
    assert read(url, kind, mode="VerifyFull").tls is TlsMode.VERIFY_FULL, "the stricter of both"


@pytest.mark.parametrize(
    ("host", "mode"),
    [
        ("db.example.com", TlsMode.VERIFY_FULL),
        ("DB.eu-west-1.rds.amazonaws.com.", TlsMode.VERIFY_FULL),
        ("8.8.8.8", TlsMode.REQUIRE),
        ("2606:4700::1111", TlsMode.REQUIRE),
        ("10.0.0.7", TlsMode.PREFER),
        ("fe80::1%eth0", TlsMode.PREFER),
        ("db", TlsMode.PREFER),
        ("db.shop", TlsMode.PREFER),
        ("pg-0.pg.shop.svc.cluster.local", TlsMode.PREFER),
        ("db.shop.svc.k8s.example.com", TlsMode.PREFER),
        ("db.shop.svc", TlsMode.PREFER),
        ("pg-0.pg.ns", TlsMode.PREFER),
        ("PG-0.pg.shop.", TlsMode.PREFER),
        ("pg-12.pg-headless.dev", TlsMode.PREFER),
        ("shop-db-1.shop-db.team-a", TlsMode.PREFER),
        ("example.com", TlsMode.VERIFY_FULL),
        ("pg-0.pg.com", TlsMode.VERIFY_FULL),
        ("db-1.db.de", TlsMode.VERIFY_FULL),
        ("db-1.example.app", TlsMode.VERIFY_FULL),
        ("pg-0.eu.pg.shop", TlsMode.VERIFY_FULL),
        ("pg.db.shop", TlsMode.VERIFY_FULL),
        ("pg-0.evilpg.shop", TlsMode.VERIFY_FULL),
        ("db.corp.internal", TlsMode.PREFER),
        ("/run/postgresql", TlsMode.PREFER),
    ],
)
def test_the_default_follows_the_host(host: str, mode: TlsMode) -> None:
    place = host if ":" not in host else f"[{host}]"
    assert read("postgresql:///d", host=host).tls is mode
    assert read("postgresql:///d", host=host, mode="Prefer").tls is TlsMode.PREFER, "a weaker mode is explicit"
    if not host.startswith("/"):
        assert read(f"postgresql://u:p@{place}/d").tls is mode


@pytest.mark.parametrize(
    ("url", "kind", "message"),
    [
        (f"{_PG}?options=-c%20search_path%3Dx", "PostgreSQL", "its parameter options is not supported: .*ALTER ROLE"),
        (f"{_PG}?sslmode=verify-ca", "PostgreSQL", "its parameter sslmode=verify-ca needs a certificate authority.*caSecretRef"),
        (f"{_PG}?sslmode=verify-full&sslrootcert=/nowhere", "PostgreSQL", "its parameter sslrootcert needs .*caSecretRef"),
        (f"{_PG}?sslmode=verify", "PostgreSQL", "its parameter sslmode has none of the values disable, allow"),
        (f"{_PG}?sslcert=/c", "PostgreSQL", "its parameter sslcert is not supported: .*client certificate"),
        (f"{_PG}?options=-c%20search_path%3Dx", "PostgreSQL", "its parameter options .*ALTER ROLE"),
        (f"{_PG}?connect_timeout=soon", "PostgreSQL", "its parameter connect_timeout is not a whole number of seconds"),
        (f"{_PG}?service=x", "PostgreSQL", "its parameter service is not supported"),
        (f"{_PG}?sslmod=require", "PostgreSQL", "its parameter sslmod is not supported: remove it"),
        (f"{_PG}?require_auth=gss", "PostgreSQL", "its parameter require_auth allows none of the methods"),
        (f"{_PG}?gssencmode=require", "PostgreSQL", "its parameter gssencmode is not supported with this value"),
        ("postgresql://u:s3cret@a:5432,b:5432/d?target_session_attrs=primary", "PostgreSQL", "it names several hosts.*primary"),
        ("host=a,b password=s3cret", "PostgreSQL", "it names several hosts"),
        ("host=a password='s3cret", "PostgreSQL", "not a list of name=value words"),
        (
            _MY,
            "PostgreSQL",
            "it begins with mysql:, which does not match spec.type: an address of PostgreSQL begins with postgresql://",
        ),
        (
            _PG,
            "MariaDB",
            "it begins with postgresql:, which does not match spec.type: an address of MariaDB begins with mysql://",
        ),
        (f"jdbc:{_PG}", "PostgreSQL", "it begins with jdbc:"),
        ("u:s3cret@db/d", "PostgreSQL", ".*begins with postgresql://"),
        ("//u:s3cret@db/d", "PostgreSQL", "not a URL: an address of PostgreSQL begins with postgresql://"),
        ("postgresql://u:12#3s3cret@db/d", "PostgreSQL", ".*percent-encode"),
        ("postgresql://u:12/3s3cret@db/d", "PostgreSQL", ".*percent-encode"),
        ("postgresql://u:12?s3cret=@db/d", "PostgreSQL", ".*percent-encode"),
        (f"{_MY}?ssl-key=/k", "MySQL", "its parameter ssl-key is not supported: .*client certificate"),
        (f"{_MY}?sql_mode=ANSI", "MySQL", "its parameter sql_mode is not supported"),
        (f"{_MY}?ssl-ca=/ca.pem", "MySQL", "its parameter ssl-ca needs a certificate authority"),
    ],
)
def test_what_is_not_honoured_is_refused_by_name(url: str, kind: str, message: str) -> None:
    with pytest.raises(SpecError, match=f"^source: Connection shop, its Secret's url: {message}") as refused:
        read(url, kind)
    assert "s3cret" not in str(refused.value)


def test_tls_that_is_switched_off_contradicts_an_address_that_asks_for_it() -> None:
    with pytest.raises(SpecError, match=r"it asks for TLS, and spec.tls.mode of the Connection is Disable"):
        read(f"{_PG}?sslmode=require", mode="Disable")
    assert read(f"{_PG}?sslmode=disable", mode="Disable").tls is TlsMode.DISABLE


def test_an_authority_of_the_connection_stands_for_a_file() -> None:
    resolved = read(f"{_PG}?sslmode=verify-ca&sslrootcert=/root.crt", authority=True)
    assert (resolved.tls, resolved.ca) == (TlsMode.REQUIRE, "PEM")


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("postgresql://u:p@%2Fvar%2Frun%2FPG/d", "PostgreSQL"),
        ("postgresql://u:p@/d?host=/var/run/PG", "PostgreSQL"),
        ("host=/var/run/PG dbname=d user=u password=p", "PostgreSQL"),
        ("mysql://u:p@/d?unix_socket=/var/run/PG", "MySQL"),
    ],
)
def test_a_socket_is_a_host(url: str, kind: str) -> None:
    resolved = read(url, kind)
    assert (resolved.host, resolved.database, resolved.username, resolved.password) == ("/var/run/PG", "d", "u", "p")


def test_parameters_of_the_client_reach_it() -> None:
    resolved = read(
        f"{_PG}?application_name=mover&connect_timeout=3&target_session_attrs=read-write&channel_binding=require&require_auth=scram-sha-256"
    )
    assert dict(resolved.parameters) == {
        "application_name": "mover",
        "connect_timeout": "3",
        "target_session_attrs": "read-write",
    }
    assert (resolved.login.channel_binding, resolved.login.methods) == (True, {AuthMethod.SCRAM})
    assert read(f"{_PG}?require_auth=!password,!md5").login.methods == {AuthMethod.NONE, AuthMethod.SCRAM}
    assert read(f"{_MY}?allowPublicKeyRetrieval=true", "MySQL").login.clear_text
    assert not read(f"{_MY}?allowPublicKeyRetrieval=false", "MySQL").login.clear_text


def test_the_parts_of_an_address() -> None:
    resolved = read(
        "postgresql+psycopg2://u:a%40b@[::1]:5433/d%20e?pgbouncer=true&pool_size=5&schema=app&connect_timeout=0&options=endpoint%3Dep-1&statement_timeout=9"
    )
    assert (resolved.host, resolved.port, resolved.database, resolved.password) == ("::1", 5433, "d e", "a@b")
    words = read("host=DB.shop.svc port=5433 dbname='a b' user=u password=x\\ y")
    assert (words.host, words.port, words.database, words.password) == ("db.shop.svc", 5433, "a b", "x y")
    assert repr(words).count("x y") == 0
