"""Translation of server errors into errors of the engine. The only module that knows SQLSTATEs and MySQL error numbers.

A server's message may quote a value of a row. `server_messages` decides what of it is passed on.
"""

from __future__ import annotations

from landfall.engine.clients.server_messages import PostgresMessage, of_mysql, of_postgresql
from landfall.engine.errors import (
    ConnectionLostError,
    CredentialRefusedError,
    DiskFullError,
    EngineError,
    ObjectMissingError,
    PrivilegeMissingError,
    SourceBusyError,
    UnreachableError,
    ValueRefusedError,
)

_CODES: tuple[tuple[str, type[EngineError], str], ...] = (
    ("53100", DiskFullError, "Free disk space on that server, then run the same command again; it resumes where it stopped."),
    ("28", CredentialRefusedError, "Check username and password in the Secret."),
    ("3D000", ObjectMissingError, "Create the database or correct `database` in the Connection."),
    ("42501", PrivilegeMissingError, "Grant the privilege, then run the same command again."),
    ("57P0", ConnectionLostError, "Run the same command again; it resumes where it stopped."),
    ("08", ConnectionLostError, "Run the same command again; it resumes where it stopped."),
    ("55P03", SourceBusyError, "Another session holds a lock. End its transaction, then run the same command again."),
    ("40P01", SourceBusyError, "Run the same command again; it resumes where it stopped."),
    ("53300", UnreachableError, "The server's connection limit is reached; raise it, or lower `parallelism`."),
    ("22", ValueRefusedError, "Plan again, and choose a policy for such values of this column."),
    ("23", ValueRefusedError, "Plan again: rows violate a constraint of the target."),
)

_MYSQL: dict[int, tuple[type[EngineError], str]] = {
    1045: (CredentialRefusedError, "Check username and password in the Secret."),
    1044: (PrivilegeMissingError, "Grant the privilege, then run the same command again."),
    1142: (PrivilegeMissingError, "Grant the privilege, then run the same command again."),
    1143: (PrivilegeMissingError, "Grant the privilege, then run the same command again."),
    1227: (PrivilegeMissingError, "Grant the privilege, then run the same command again."),
    1049: (ObjectMissingError, "Correct `database` in the Connection."),
    1146: (ObjectMissingError, "The table no longer exists; plan again."),
    1205: (SourceBusyError, "Another session holds a lock. End its transaction, then run the same command again."),
    1213: (SourceBusyError, "Run the same command again; it resumes where it stopped."),
    2002: (UnreachableError, "Check host and port in the Connection, and that no firewall blocks this machine."),
    2003: (UnreachableError, "Check host and port in the Connection, and that no firewall blocks this machine."),
    2005: (UnreachableError, "Check host and port in the Connection."),
    2006: (ConnectionLostError, "Run the same command again; it resumes where it stopped."),
    2013: (ConnectionLostError, "Run the same command again; it resumes where it stopped."),
    2026: (UnreachableError, "TLS negotiation failed; check `tls` in the Connection."),
    1317: (ConnectionLostError, "Run the same command again; it resumes where it stopped."),
    1927: (ConnectionLostError, "Run the same command again; it resumes where it stopped."),
    1053: (ConnectionLostError, "Run the same command again; it resumes where it stopped."),
}


def from_postgresql(message: PostgresMessage, side: str, *, no_rows: bool = False) -> EngineError:
    """Return the engine's error for an error of PostgreSQL.

    Args:
        message: The error as the server sent it.
        side: `source`, `target` or `connection`.
        no_rows: The statement is executed over empty tables, so the server's text has no values.
    """
    text = f"{side}: {of_postgresql(message, no_rows=no_rows)}"
    for prefix, kind, advice in _CODES:
        if message.code.startswith(prefix):
            return _coded(kind(text, advice=advice), message.code)
    if message.code and message.code not in text:
        text = f"{text} (SQLSTATE {message.code})"
    return _coded(EngineError(text), message.code)


def _coded(error: EngineError, code: str) -> EngineError:
    error.code = code
    return error


def from_mysql(number: int, message: str, side: str) -> EngineError:
    """Return the engine's error for an error number of MySQL or MariaDB. `side` is `source`, `target` or `connection`."""
    kind, advice = _MYSQL.get(number, (EngineError, ""))
    return _coded(kind(f"{side}: {of_mysql(number, message)}", advice=advice), str(number or ""))
