"""The environment that a Connection gives an app: the variables that the database's own clients read, and one URL.

User names and passwords stay references, so that a rollback does not restore a revoked password.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote

from landfall.api.connection import Connection
from landfall.api.deployment import KeyReference, ValueFrom, Variable
from landfall.api.source_types import SUPPORTED_TYPES
from landfall.controllers.deployment.observed import DeploymentProblem
from landfall.engine.sources.engine import ClientEnvironment
from landfall.engine.sources.registry import engine_of

URL = "DATABASE_URL"


def problem(connection: Connection | None, name: str, secret: Mapping[str, str] | None) -> DeploymentProblem | None:
    """Why an app cannot get the environment. `secret` is the content of the Connection's Secret."""
    if connection is None:
        return "ConnectionMissing", f"database: Connection {name!r} not found in this namespace. Create it."
    if _client(connection) is None:
        return (
            "DatabaseUnsupported",
            f"database: a Connection of type {connection.spec.type} gives no environment to an app. Set the variables in env.",
        )
    reference = connection.spec.secret_ref
    if reference is None or secret is None:
        secret_text = repr(reference.name) if reference else "that it refers to"
        return (
            "SecretMissing",
            f"database: Secret {secret_text} with the credentials of Connection {name!r} not found. Create it.",
        )
    return None


def variables(connection: Connection, secret: Mapping[str, str]) -> tuple[Variable, ...]:
    """The app's variables. The URL is the Secret's key `url` or is built from the parts, if user name and password need no escapes."""
    spec, reference = connection.spec, connection.spec.secret_ref
    client = _client(connection)
    if client is None or reference is None:
        return ()
    names = client.variables
    if "url" in secret:
        return (_reference(URL, reference.name, "url"),)
    parts = {"host": spec.host or "", "port": str(spec.port or spec.default_port), "database": spec.database or ""}
    entries = [Variable(name=names[part], value=text) for part, text in parts.items() if text]
    entries += [_reference(names[part], reference.name, part) for part in ("username", "password") if part in secret]
    if spec.tls.mode and (mode := client.tls_modes.get(spec.tls.mode)):
        entries.append(Variable(name=client.tls_variable, value=mode))
    if all(quote(secret.get(part, ""), safe="") == secret.get(part) for part in ("username", "password")):
        place = f"$({names['username']}):$({names['password']})@{parts['host']}:{parts['port']}/{parts['database']}"
        entries.append(Variable(name=URL, value=f"{client.scheme}://{place}", capture="Live"))
    return tuple(entries)


def _client(connection: Connection) -> ClientEnvironment | None:
    """How the clients of the engine find a database; None for a type without a server, and for one that is not supported."""
    kind = connection.spec.type
    return engine_of(kind).client if kind in SUPPORTED_TYPES else None


def _reference(name: str, secret: str, key: str) -> Variable:
    return Variable(name=name, value_from=ValueFrom(secret_key_ref=KeyReference(name=secret, key=key)), capture="Live")
