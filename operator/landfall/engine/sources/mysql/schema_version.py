"""The version of the schemas of MySQL and MariaDB: a digest of the rows that their catalog is made of.

Neither server counts its definitions' changes, and `CREATE_TIME` does not move with each of them. So the rows are read, but nothing is
made of them, which takes a third of the time of a catalog.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from landfall.engine.sources.mysql import catalog_queries as queries
from landfall.engine.sources.mysql import dialect as mysql
from landfall.engine.sources.mysql import printed
from landfall.engine.sources.mysql.session import MySqlSession

_DEFAULT, _TYPE = 3, 5
_KIND = 2


def schema_version(session: MySqlSession, schemas: Sequence[str]) -> str:
    """Return the version of everything that `catalog` reads and that no write changes, as a hexadecimal digest.

    A sequence of MariaDB has the next value of its cache in its definition, so using it may change the version.
    """
    return _Digest(session, queries.listed(schemas)).value()


class _Digest:
    def __init__(self, session: MySqlSession, listed: str) -> None:
        self._session = session
        self._listed = listed
        self._sum = hashlib.sha256()

    def value(self) -> str:
        for sql in self._queries():
            for row in self._rows(sql):
                self._add(row)
        self._add(self._session.rows("SELECT @@SESSION.sql_mode"))  # backslashes in expressions are read by it
        tables = self._rows(queries.STEADY_TABLES)
        names = {row[:2] for row in tables}
        for row in self._rows(queries.COLUMNS):
            self._add(row)
            if row[:2] in names and row[_DEFAULT] is not None and (row[_TYPE] or b"").decode() in mysql.BLOBS:
                self._add(self._binary_defaults(_named(row)))
        for row in tables:
            self._add(row)
            if row[_KIND] == b"SEQUENCE":
                self._add(self._session.rows(queries.SEQUENCE + _named(row)))
        return self._sum.hexdigest()

    def _queries(self) -> tuple[str, ...]:
        checks: tuple[str, ...] = (queries.CHECKS_OF_MARIADB,) if self._session.is_mariadb else ()
        if queries.has(self._session, queries.CHECKED):
            checks = (queries.CHECKS, queries.CLAUSES)
        libraries = (queries.LIBRARIES,) if queries.has(self._session, queries.LIBRARIES_SINCE) else ()
        more = (queries.FOREIGN_KEYS, queries.VIEWS, queries.TRIGGERS, queries.ROUTINES, queries.EVENTS, *libraries)
        return (queries.indexes(self._session), *checks, *more)

    def _rows(self, sql: str) -> list[tuple[bytes | None, ...]]:
        return list(self._session.raw_rows(sql.replace("{in}", self._listed)))

    def _binary_defaults(self, table: str) -> list[tuple[str, str]]:
        """What `COLUMN_DEFAULT` cannot tell; the statement itself has the counter of the table in it, too."""
        ((_, create),) = self._session.raw_rows(f"SHOW CREATE TABLE {table}")
        return sorted(printed.binary_defaults(create or b"").items())

    def _add(self, found: object) -> None:
        self._sum.update(repr(found).encode())


def _named(row: Sequence[bytes | None]) -> str:
    schema, table = ((cell or b"").decode() for cell in row[:2])
    return f"{mysql.name(schema)}.{mysql.name(table)}"
