"""The environment that a Connection gives an app: under the names that the database's own clients read, and as one address.

Names and passwords stay references: a way back must not bring a revoked password back.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote

from landfall.api.connection import Connection
from landfall.api.deployment import KeyReference, ValueFrom, Variable
from landfall.controllers.deployment.observed import Problem

_POSTGRESQL = {"host": "PGHOST", "port": "PGPORT", "database": "PGDATABASE", "username": "PGUSER", "password": "PGPASSWORD"}
_MYSQL = {
    "host": "MYSQL_HOST",
    "port": "MYSQL_TCP_PORT",
    "database": "MYSQL_DATABASE",
    "username": "MYSQL_USER",
    "password": "MYSQL_PWD",
}
_NAMES: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "PostgreSQL": ("postgresql", _POSTGRESQL),
    "Supabase": ("postgresql", _POSTGRESQL),
    "MySQL": ("mysql", _MYSQL),
    "MariaDB": ("mysql", _MYSQL),
}
_SSL = {"Disable": "disable", "Require": "require", "VerifyFull": "verify-full"}
URL = "DATABASE_URL"


def problem(connection: Connection | None, name: str, secret: Mapping[str, str] | None) -> Problem | None:
    """What keeps an app from getting it. `secret` is the content of the Connection's Secret."""
    if connection is None:
        return "ConnectionMissing", f"database: there is no Connection {name!r} in this namespace. Create it."
    if connection.spec.type not in _NAMES:
        return (
            "DatabaseUnsupported",
            f"database: an app gets no environment from a Connection of type {connection.spec.type}. Use env.",
        )
    reference = connection.spec.secret_ref
    if reference is None or secret is None:
        which = repr(reference.name) if reference else "that it refers to"
        return "SecretMissing", f"database: there is no Secret {which} with what opens the Connection {name!r}. Create it."
    return None


def variables(connection: Connection, secret: Mapping[str, str]) -> tuple[Variable, ...]:
    """What the app is told. With the key `url` in the Secret that is the address; else it is put together, where name and password need no escapes."""
    spec, reference = connection.spec, connection.spec.secret_ref
    if spec.type not in _NAMES or reference is None:
        return ()
    scheme, names = _NAMES[spec.type]
    if "url" in secret:
        return (_kept(URL, reference.name, "url"),)
    told = {"host": spec.host or "", "port": str(spec.port or spec.default_port), "database": spec.database or ""}
    found = [Variable(name=names[part], value=text) for part, text in told.items() if text]
    found += [_kept(names[part], reference.name, part) for part in ("username", "password") if part in secret]
    if scheme == "postgresql" and spec.tls.mode in _SSL:  # Prefer is what clients do by themselves, each in its own way
        found.append(Variable(name="PGSSLMODE", value=_SSL[spec.tls.mode]))
    if all(quote(secret.get(part, ""), safe="") == secret.get(part) for part in ("username", "password")):
        place = f"$({names['username']}):$({names['password']})@{told['host']}:{told['port']}/{told['database']}"
        found.append(Variable(name=URL, value=f"{scheme}://{place}", capture="Live"))
    return tuple(found)


def _kept(name: str, secret: str, key: str) -> Variable:
    return Variable(name=name, value_from=ValueFrom(secret_key_ref=KeyReference(name=secret, key=key)), capture="Live")
