"""Parameters in addresses of MySQL and MariaDB: no client defines them, so those of common clients are known."""

from __future__ import annotations

import json
from dataclasses import replace

from landfall.engine.model.options import TlsMode
from landfall.engine.sources.database_url import (
    DatabaseAddress,
    UrlForm,
    UrlParameter,
    authority,
    harmless,
    is_true,
    only,
    part,
    seconds,
    tls_mode,
)

_CERTIFICATE = "Landfall logs in with a password, not with a client certificate; remove it"
_SETTINGS = "Landfall's sessions have settings of their own. Set others on the server, and remove it"
_OFF: dict[str, TlsMode | None] = {"false": None, "0": None, "no": None, "off": None, "none": None}
_ON = ("true", "1", "yes", "on", "")


def _clear_text(address: DatabaseAddress, _name: str, value: str) -> DatabaseAddress:
    """The password may be sent in clear text, or encrypted with a key that only the server itself vouches for."""
    return replace(address, login=replace(address.login, clear_text=True)) if is_true(value) else address


def _verified_authority(address: DatabaseAddress, name: str, value: str) -> DatabaseAddress:
    address = _MODES(address, name, value.replace("_", "-"))
    return replace(address, authority=f"{name}={value}") if value.lower() in {"verify_ca", "verify-ca"} else address


def _ssl(address: DatabaseAddress, name: str, value: str) -> DatabaseAddress:
    """`ssl` as a switch, or as the JSON of a JavaScript client."""
    try:
        options = json.loads(value)
    except ValueError:
        options = None
    if isinstance(options, dict):
        verified = options.get("rejectUnauthorized", True) is not False
        return _SWITCH(address, name, "strict" if verified else "true")
    return _SWITCH(address, name, value)


_MODES = tls_mode(
    {
        "disabled": TlsMode.DISABLE,
        "disable": TlsMode.DISABLE,
        "preferred": TlsMode.PREFER,
        "prefer": TlsMode.PREFER,
        "required": TlsMode.REQUIRE,
        "require": TlsMode.REQUIRE,
        "verify-ca": TlsMode.REQUIRE,
        "trust": TlsMode.REQUIRE,
        "verify-identity": TlsMode.VERIFY_FULL,
        "verify-full": TlsMode.VERIFY_FULL,
    }
)
_SWITCH = tls_mode(dict.fromkeys(_ON, TlsMode.REQUIRE) | {"strict": TlsMode.VERIFY_FULL} | _OFF)
_VERIFIED = tls_mode(dict.fromkeys(_ON, TlsMode.VERIFY_FULL) | _OFF)
_GO = tls_mode({"true": TlsMode.VERIFY_FULL, "skip-verify": TlsMode.REQUIRE, "preferred": TlsMode.PREFER, "false": None})
_PRISMA = tls_mode({"strict": TlsMode.VERIFY_FULL, "accept_invalid_certs": TlsMode.REQUIRE})

_PARAMETERS: dict[str, UrlParameter] = {
    **{name: part("host") for name in ("host", "unix_socket", "unixSocket", "socket")},
    "port": part("port"),
    "database": part("database"),
    **{name: part("username") for name in ("user", "username")},
    "password": part("password"),
    **dict.fromkeys(("ssl-mode", "ssl_mode", "sslmode", "sslMode"), _verified_authority),
    **dict.fromkeys(("useSSL", "requireSSL"), _SWITCH),
    **dict.fromkeys(("verifyServerCertificate", "ssl_verify_cert", "ssl-verify-server-cert", "ssl_verify_identity"), _VERIFIED),
    "ssl": _ssl,
    "tls": _GO,
    "sslaccept": _PRISMA,
    **dict.fromkeys(
        ("ssl-ca", "ssl_ca", "sslca", "sslcert", "ssl-capath"), authority("/etc/ssl/", "/etc/pki/", "/etc/ca-certificates")
    ),
    **dict.fromkeys(
        ("ssl-cert", "ssl_cert", "ssl-key", "ssl_key", "sslidentity", "sslkey", "sslpassword"), only(advice=_CERTIFICATE)
    ),
    **dict.fromkeys(
        ("get-server-public-key", "allowPublicKeyRetrieval", "enable-cleartext-plugin", "allowCleartextPasswords"), _clear_text
    ),
    "connect_timeout": seconds,
    **dict.fromkeys(("sql_mode", "init_command", "sessionVariables"), only(advice=_SETTINGS)),
    **dict.fromkeys(
        ("default_auth", "default-auth", "authPlugins", "auth_plugin"), only(advice="the server names it; remove it")
    ),
    **dict.fromkeys(
        (
            *("charset", "characterEncoding", "useUnicode", "encoding", "collation", "connectionCollation"),
            *(
                "serverVersion",
                "reconnect",
                "autoReconnect",
                "pool",
                "pool_size",
                "pool_timeout",
                "connection_limit",
                "max_overflow",
            ),
            *("connectionLimit", "connectTimeout", "socketTimeout", "socket_timeout", "timeout", "readTimeout", "read_timeout"),
            *("timezone", "time_zone", "serverTimezone", "parseTime", "loc", "zeroDateTimeBehavior", "binary_prefix", "compress"),
            *("local_infile", "allowLoadLocalInfile", "allowMultiQueries", "multiStatements", "rewriteBatchedStatements"),
            *("waitForConnections", "statement_cache_size", "supportBigNumbers", "bigNumberStrings", "dateStrings"),
        ),
        harmless,
    ),
}
FORM = UrlForm(("mysql", "mariadb", "mysql2"), _PARAMETERS)
