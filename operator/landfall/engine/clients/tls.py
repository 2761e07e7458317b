"""TLS of database connections: one policy for each endpoint, translated for every client.

Three clients connect to databases: libpq (control connections to PostgreSQL), our own client with Python's `ssl` (rows of PostgreSQL),
and the library of MySQL and MariaDB. All of them must require the same of a server. So `policy` is the only function that interprets
`tls` of a Connection, and `mode_for` the only one that chooses a mode where none is named; the rest of this module translates the policy.
How a password is sent is decided in `authentication`.
"""

from __future__ import annotations

import re
import ssl
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import ip_address
from pathlib import Path

from landfall.engine.clients.ca_file import authority_file
from landfall.engine.model.options import Endpoint, TlsMode


class Encrypt(StrEnum):
    """Whether TLS is used."""

    NEVER = "never"
    IF_OFFERED = "if offered"
    ALWAYS = "always"


class Verify(StrEnum):
    """What is checked of the server's certificate."""

    NOTHING = "nothing"
    AUTHORITY = "authority"
    """The given authority issued it; the host name is not checked."""
    HOST = "host"
    """The given authority, or if none is given one that the system trusts, issued it for the host of the endpoint."""


@dataclass(frozen=True, slots=True)
class TlsPolicy:
    """What is required of a server. `authority` is PEM text; empty means the authorities that the system trusts."""

    encrypt: Encrypt
    verify: Verify
    server_name: str = ""
    authority: str = ""


# Modes of libpq and of the MariaDB library. The latter verifies a given authority also with REQUIRED; its VERIFY_CA checks the host, too.
_SSL_MODES = {
    (Encrypt.NEVER, Verify.NOTHING): ("disable", "DISABLED"),
    (Encrypt.IF_OFFERED, Verify.NOTHING): ("prefer", "PREFERRED"),
    (Encrypt.ALWAYS, Verify.NOTHING): ("require", "REQUIRED"),
    (Encrypt.ALWAYS, Verify.AUTHORITY): ("verify-ca", "REQUIRED"),
    (Encrypt.ALWAYS, Verify.HOST): ("verify-full", "VERIFY_IDENTITY"),
}


_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)
"""Where Debian, Red Hat, SUSE and Alpine keep the authorities that they trust."""
_CLUSTER = (".svc", ".cluster.local", ".local", ".localhost", ".internal", ".intern", ".lan", ".home.arpa")
"""Endings of host names that are valid in one cluster or network only, so that no public authority issues certificates for them."""
_PUBLIC = frozenset({"com", "net", "org", "edu", "gov", "mil"})
"""Top-level domains that no namespace is named after. Others, such as `dev`, `app` or `shop`, are ordinary names of namespaces."""
_COUNTRY_CODES = (
    "ac ad ae af ag ai al am ao aq ar as at au aw ax az ba bb bd be bf bg bh bi bj bm bn bo br bs bt bw by bz ca cc cd cf cg ch ci ck cl"
    " cm cn co cr cu cv cw cx cy cz de dj dk dm do dz ec ee eg er es et eu fi fj fk fm fo fr ga gd ge gf gg gh gi gl gm gn gp gq gr gs"
    " gt gu gw gy hk hm hn hr ht hu id ie il im in io iq ir is it je jm jo jp ke kg kh ki km kn kp kr kw ky kz la lb lc li lk lr ls lt"
    " lu lv ly ma mc md me mg mh mk ml mm mn mo mp mq mr ms mt mu mv mw mx my mz na nc ne nf ng ni nl no np nr nu nz om pa pe pf pg ph"
    " pk pl pm pn pr ps pt pw py qa re ro rs ru rw sa sb sc sd se sg sh si sj sk sl sm sn so sr ss st su sv sx sy sz tc td tf tg th tj"
    " tk tl tm tn to tr tt tv tw tz ua ug uk us uy uz va vc ve vg vi vn vu wf ws ye yt za zm zw"
)
"""Top-level domains of countries (ISO 3166 and the exceptions that IANA lists)."""
_COUNTRIES = frozenset(_COUNTRY_CODES.split())
_POD = re.compile(
    r"(?P<set>[a-z0-9]([-a-z0-9]*[a-z0-9])?)-[0-9]+\.(?P=set)[-a-z0-9]*\.(?P<namespace>[a-z0-9]([-a-z0-9]*[a-z0-9])?)"
)
"""`pod.service.namespace` of a StatefulSet, whose Service is named after it: `pg-0.pg.shop`, `mysql-1.mysql-headless.shop`."""


def mode_for(host: str) -> TlsMode:
    """Return the mode for a host if the Connection and the address name none.

    A host name outside the cluster has to show a certificate, and to an IP address on the internet the connection is encrypted. Within a
    cluster or a network, TLS is used if the server offers it.
    """
    name = host.rstrip(".").lower()
    try:
        return TlsMode.REQUIRE if ip_address(name.partition("%")[0]).is_global else TlsMode.PREFER
    except ValueError:
        return TlsMode.PREFER if host.startswith("/") or _is_inside(name) else TlsMode.VERIFY_FULL


def _is_inside(name: str) -> bool:
    """Whether a host name is one of a cluster or network, also if only the cluster's search domains complete it. In doubt it is not."""
    if name.endswith(_CLUSTER) or ".svc." in name or "." not in name:
        return True
    last = name.rpartition(".")[2]
    if last in _PUBLIC:
        return False
    return name.count(".") == 1 or (last not in _COUNTRIES and _POD.fullmatch(name) is not None)


def policy(endpoint: Endpoint) -> TlsPolicy:
    """Return the policy of an endpoint. `Require` with an authority requires a certificate of that authority; `Prefer` requires nothing."""
    if endpoint.tls is TlsMode.DISABLE or endpoint.host.startswith("/"):
        return TlsPolicy(Encrypt.NEVER, Verify.NOTHING)
    if endpoint.tls is TlsMode.PREFER:
        return TlsPolicy(Encrypt.IF_OFFERED, Verify.NOTHING, endpoint.host)
    if endpoint.tls is TlsMode.VERIFY_FULL:
        return TlsPolicy(Encrypt.ALWAYS, Verify.HOST, endpoint.host, endpoint.ca)
    return TlsPolicy(Encrypt.ALWAYS, Verify.AUTHORITY if endpoint.ca else Verify.NOTHING, endpoint.host, endpoint.ca)


def system_authorities() -> str:
    """Return the file with the authorities that the system trusts; empty if none is found.

    Client libraries that a Python package brings have an OpenSSL of their own, which looks in folders that the system does not have.
    """
    default_file = ssl.get_default_verify_paths().cafile
    return next((file for file in (default_file, *_BUNDLES) if file and Path(file).is_file()), "")


def libpq(requirements: TlsPolicy) -> dict[str, str]:
    """Return connection parameters for libpq. GSSAPI encryption is off, because the other client does not support it."""
    parameters = {"sslmode": _SSL_MODES[requirements.encrypt, requirements.verify][0], "gssencmode": "disable"}
    if requirements.verify is not Verify.NOTHING:
        parameters["sslrootcert"] = (
            authority_file(requirements.authority) if requirements.authority else system_authorities() or "system"
        )
    return parameters


def context(requirements: TlsPolicy) -> ssl.SSLContext | None:
    """Return a context for Python's `ssl`; None if TLS is not used."""
    if requirements.encrypt is Encrypt.NEVER:
        return None
    ssl_context = ssl.create_default_context(cadata=requirements.authority or None)
    ssl_context.check_hostname = requirements.verify is Verify.HOST
    ssl_context.verify_mode = ssl.CERT_NONE if requirements.verify is Verify.NOTHING else ssl.CERT_REQUIRED
    ssl_context.verify_flags &= (
        ~ssl.VERIFY_X509_STRICT
    )  # newer versions of Python set it; libpq accepts certificates that it rejects
    return ssl_context


def mysql(requirements: TlsPolicy) -> dict[str, object]:
    """Return arguments for the client library of MySQL and MariaDB. Libraries treat `PREFERRED` differently, so the caller tries both ways."""
    arguments: dict[str, object] = {"ssl_mode": _SSL_MODES[requirements.encrypt, requirements.verify][1]}
    if requirements.verify is not Verify.NOTHING:
        authority = authority_file(requirements.authority) if requirements.authority else system_authorities()
        arguments["ssl"] = {"ca": authority}
    return arguments
