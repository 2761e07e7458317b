"""Parameters in addresses of PostgreSQL: those of libpq, and those that common clients of applications add."""

from __future__ import annotations

from dataclasses import replace

from landfall.engine.model.options import AuthMethod, TlsMode
from landfall.engine.sources.database_url import (
    DatabaseAddress,
    UrlForm,
    UrlParameter,
    authority,
    harmless,
    only,
    part,
    seconds,
    tls_mode,
    used,
)
from landfall.lib.urls import AddressError

_CERTIFICATE = "Landfall logs in with a password, not with a client certificate; remove it"
_SETTINGS = "Landfall's sessions have settings of their own. Set others with ALTER ROLE … SET …, and remove it"


def _methods(address: DatabaseAddress, name: str, value: str) -> DatabaseAddress:
    """`require_auth`: methods by name, or all but those with an exclamation mark."""
    words = [word.strip() for word in value.split(",") if word.strip()]
    negated = [word for word in words if word.startswith("!")]
    methods_by_name = {method.value: method for method in AuthMethod}
    if negated and len(negated) == len(words):
        excluded = {word[1:] for word in words}
        methods = frozenset(method for word, method in methods_by_name.items() if word not in excluded)
        return replace(address, login=replace(address.login, methods=methods))
    methods = frozenset(methods_by_name[word] for word in words if word in methods_by_name)
    if negated or not methods:
        message = f"its parameter {name} allows none of the methods {', '.join(methods_by_name)}"
        raise AddressError(message)
    clear_text = AuthMethod.PASSWORD in methods
    return replace(address, login=replace(address.login, methods=methods, clear_text=clear_text))


def _binding(address: DatabaseAddress, name: str, value: str) -> DatabaseAddress:
    if value not in {"require", "prefer", "disable"}:
        message = f"its parameter {name} has none of the values disable, prefer, require"
        raise AddressError(message)
    return replace(address, login=replace(address.login, channel_binding=value == "require"))


def _options(address: DatabaseAddress, name: str, value: str) -> DatabaseAddress:
    """`options`: which database is meant, for clients that do not name the host in TLS; nothing else."""
    return address if value.startswith(("endpoint=", "project=")) else _NO_SETTINGS(address, name, value)


_NO_SETTINGS = only(advice=_SETTINGS)


def _verified_authority(address: DatabaseAddress, name: str, value: str) -> DatabaseAddress:
    """`sslmode`; `verify-ca` needs an authority."""
    address = _SSL_MODE(address, name, value)
    return replace(address, authority=f"{name}=verify-ca") if value.lower() == "verify-ca" else address


_SSL_MODE = tls_mode(
    {
        "disable": TlsMode.DISABLE,
        "allow": TlsMode.PREFER,
        "prefer": TlsMode.PREFER,
        "require": TlsMode.REQUIRE,
        "no-verify": TlsMode.REQUIRE,
        "verify-ca": TlsMode.REQUIRE,
        "verify-full": TlsMode.VERIFY_FULL,
    }
)
_SWITCH = tls_mode(
    {
        "true": TlsMode.VERIFY_FULL,
        "1": TlsMode.VERIFY_FULL,
        "false": None,
        "0": None,
        "prefer": TlsMode.PREFER,
        "require": TlsMode.REQUIRE,
        "verify-full": TlsMode.VERIFY_FULL,
    }
)

_PARAMETERS: dict[str, UrlParameter] = {
    **{
        name: part(attribute)
        for name, attribute in {
            "host": "host",
            "port": "port",
            "dbname": "database",
            "user": "username",
            "password": "password",
        }.items()
    },
    "sslmode": _verified_authority,
    "ssl": _SWITCH,
    "sslrootcert": authority("system"),
    "require_auth": _methods,
    "channel_binding": _binding,
    **dict.fromkeys(("application_name", "target_session_attrs"), used),
    **dict.fromkeys(("connect_timeout", "keepalives_idle", "keepalives_interval", "keepalives_count"), seconds),
    **dict.fromkeys(("sslcert", "sslkey", "sslpassword", "sslcertmode"), only(advice=_CERTIFICATE)),
    **dict.fromkeys(("sslcrl", "sslcrldir"), only("", advice="revocation lists are not read; remove it")),
    **dict.fromkeys(
        ("service", "servicefile", "passfile", "hostaddr"), only(advice="write host, user and password in the Secret")
    ),
    "options": _options,
    "replication": only("false", "off", "0", "no", advice="remove it"),
    "keepalives": only("1", advice="connections are always kept alive; remove it"),
    "sslcompression": only("0", advice="remove it"),
    "sslsni": only("1", advice="the host name is always sent; remove it"),
    "sslnegotiation": only("postgres", advice="remove it"),
    "ssl_min_protocol_version": only("tlsv1", "tlsv1.1", "tlsv1.2", advice="set ssl_min_protocol_version on the server"),
    "ssl_max_protocol_version": only("", "tlsv1.3", advice="set ssl_max_protocol_version on the server"),
    "gssencmode": only("disable", "prefer", advice="encryption by GSSAPI is not supported; use TLS"),
    **dict.fromkeys(
        (
            *(
                "fallback_application_name",
                "client_encoding",
                "load_balance_hosts",
                "encoding",
                "charset",
                "reconnect",
                "timeout",
            ),
            *("pgbouncer", "connection_limit", "pool", "pool_size", "pool_timeout", "pool_mode", "max_overflow", "poolSize"),
            *("statement_cache_size", "prepareThreshold", "prepared_statements", "serverVersion", "socket_timeout"),
            *("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout", "tcp_user_timeout", "conn_max_age"),
            *("pool_max_conns", "pool_min_conns", "default_query_exec_mode", "binary_parameters"),
            *("uselibpqcompat", "supa", "workaround"),
            # The schema of an application's tables: which schemas are migrated is in the spec, and the plan shows them.
            *("schema", "currentSchema", "search_path"),
        ),
        harmless,
    ),
}
FORM = UrlForm(("postgresql", "postgres"), _PARAMETERS, keywords=True)
