"""Whether a database answers, and what it says of itself."""

from __future__ import annotations

from landfall.engine.clients.postgresql import Control
from landfall.engine.model.options import Endpoint, Engine
from landfall.engine.sources.mysql.session import MySqlSession
from landfall.engine.sources.sqlite.session import SqliteSession


def probed(endpoint: Endpoint) -> tuple[str, tuple[str, ...]]:
    """The server's version, and what it and the credential can do. Raises an EngineError that says what is wrong."""
    if endpoint.engine is Engine.SQLITE:
        file = SqliteSession(endpoint, "connection")
        try:
            return f"SQLite {file.rows('SELECT sqlite_version()')[0][0]}", ("source",)
        finally:
            file.close()
    if endpoint.engine is Engine.POSTGRESQL:
        control = Control(endpoint, "connection")
        try:
            can_create = control.value("SELECT has_database_privilege(current_database(),'CREATE')")
            version = str(control.value("SELECT current_setting('server_version')")).split(" ")[0]
            return f"PostgreSQL {version}", ("source", "target") if can_create else ("source",)
        finally:
            control.close()
    session = MySqlSession(endpoint, "connection")
    try:
        return f"{'MariaDB' if session.is_mariadb else 'MySQL'} {session.version.split('-')[0]}", ("source",)
    finally:
        session.close()
