"""The version of a SQLite file's schema: its own counter, and a digest of the statements that it keeps.

Everything in a catalog but the number of rows follows from these statements.
"""

from __future__ import annotations

import hashlib

from landfall.engine.sources.sqlite.session import SqliteSession


def schema_version(session: SqliteSession) -> str:
    """Return the counter, which a file restored from a copy may repeat, and the SHA2-256 of all statements."""
    counter = session.rows("PRAGMA schema_version")[0][0]
    statements = session.rows("SELECT type,name,tbl_name,sql FROM sqlite_master ORDER BY type,name")
    return f"{counter} {hashlib.sha256(repr(statements).encode()).hexdigest()}"
