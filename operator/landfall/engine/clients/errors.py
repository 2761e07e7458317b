"""Translation of server errors into errors of the engine. The only module that knows SQLSTATEs and MySQL error numbers.

A server's message may quote a value of a row. So only its primary text is passed on, never DETAIL, and quoted values are removed for
the error classes whose primary text contains them.
"""

from __future__ import annotations

import re

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


class ServerError(Exception):
    """An error as the server sent it: code, primary message, and the COPY context, which names table, line and column."""

    def __init__(self, code: str, message: str, context: str = "") -> None:
        super().__init__(f"{code} {message}")
        self.code = code
        self.message = message
        self.context = context


def _without_values(code: str, message: str, context: str) -> str:
    """The message without quoted values, for error classes that quote values."""
    if code[:2] in {"22", "23"}:
        message = re.sub(r': ".*"', "", message, flags=re.DOTALL)
        place = re.match(r"COPY (\S+), line \d+(?:, column ([^:]+))?", context)
        if place:
            column = f".{place.group(2)}" if place.group(2) else ""
            return f"{message} (table {place.group(1)}{column})"
    return message


def from_postgresql(code: str, message: str, side: str, context: str = "") -> EngineError:
    """Return the engine's error for a SQLSTATE. `side` is `source` or `target`."""
    text = f"{side}: {_without_values(code, message, context)}"
    for prefix, kind, advice in _CODES:
        if code.startswith(prefix):
            return _coded(kind(text, advice=advice), code)
    return _coded(EngineError(f"{text} (SQLSTATE {code})" if code else text), code)


def _coded(error: EngineError, code: str) -> EngineError:
    error.code = code
    return error


def from_mysql(number: int, message: str, side: str) -> EngineError:
    """Return the engine's error for an error number of MySQL or MariaDB. `side` is `source` or `target`."""
    kind, advice = _MYSQL.get(number, (EngineError, ""))
    return _coded(kind(f"{side}: {message} (error {number})", advice=advice), str(number or ""))
