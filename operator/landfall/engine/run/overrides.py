"""Overrides are tried on the source before anybody is asked: their type, whether the database takes them, some results."""

from __future__ import annotations

from dataclasses import replace

from landfall.engine.connect.mysql import MySqlSession
from landfall.engine.connect.postgresql import Control
from landfall.engine.connect.sqlite import SqliteSession
from landfall.engine.dialects import mysql, sqlite
from landfall.engine.errors import EngineError
from landfall.engine.introspect.mysql import result_type
from landfall.engine.introspect.postgresql import type_of
from landfall.engine.options import ColumnDecision, Endpoint, Engine, Options
from landfall.engine.planning.overrides import Override, Place, masked, overridden, refusal
from landfall.engine.schema.model import Catalog, Column, ColumnType, Table
from landfall.engine.schema.names import quoted

_SHOWN = 3
_SAMPLE = 1000


def looked(source: Endpoint, catalog: Catalog, options: Options) -> tuple[Catalog, dict[Place, Override]]:
    """The catalog with every override that the source takes, and what was found of each."""
    asked = [d for d in options.decisions if d.decision == "Override"]
    if not asked:
        return catalog, {}
    probe = _PROBES[source.engine](source)
    found: dict[Place, Override] = {}
    tables = []
    try:
        for table in catalog.tables:
            mine = {c.name: d for c in table.columns for d in asked if _meant(d, table, c)}
            columns = []
            for column in table.columns:
                decided = mine.get(column.name)
                if decided is None:
                    columns.append(column)
                    continue
                result = _tried(probe, table, column, decided, catalog.engine)
                found[(table.schema, table.name, column.name)] = result
                columns.append(column if result.refused else overridden(column, decided.expression, result))
            tables.append(replace(table, columns=tuple(columns)))
    finally:
        probe.close()
    return replace(catalog, tables=tuple(tables)), found


def _meant(decided: ColumnDecision, table: Table, column: Column) -> bool:
    return (decided.table, decided.column) == (table.name, column.name) and decided.schema in {"", table.schema}


def _tried(probe: _Probe, table: Table, column: Column, decided: ColumnDecision, engine: str) -> Override:
    if column.generated is not None:
        return Override(refused="it is a generated column; override what it is computed from")
    refused = refusal(decided.expression, engine, table)
    if refused:
        return Override(refused=refused)
    value = f"({decided.expression})"
    try:
        kind = probe.type(value, probe.table(table))
        results = probe.texts(f"SELECT {probe.text(value)} FROM {probe.table(table)} WHERE {value} IS NOT NULL LIMIT {_SAMPLE}")
        nulls = 0
        if not column.nullable:
            (count,) = probe.texts(f"SELECT COUNT(*) FROM {probe.table(table)} WHERE {value} IS NULL")
            nulls = int(count)
    except EngineError as error:
        return Override(refused=error.message)
    return Override(tuple(dict.fromkeys(masked(text) for text in results[:_SHOWN])), nulls, kind)


class _Probe:
    """Questions to one source."""

    def table(self, table: Table) -> str:
        """Its name in SQL."""
        return mysql.table_name(table)

    def text(self, value: str) -> str:
        """SQL for a value as text."""
        return f"CAST({value} AS CHAR)"

    def type(self, value: str, table: str) -> ColumnType:
        """The type of an expression over a table."""
        raise NotImplementedError

    def texts(self, query: str) -> list[str]:
        """The first column of a query."""
        raise NotImplementedError

    def close(self) -> None:
        """Close the session."""
        raise NotImplementedError


class _MySqlProbe(_Probe):
    def __init__(self, endpoint: Endpoint) -> None:
        self._session = MySqlSession(endpoint)

    def type(self, value: str, table: str) -> ColumnType:
        return result_type(self._session.described(f"SELECT {value} FROM {table} LIMIT 0"))

    def texts(self, query: str) -> list[str]:
        return [row[0] or "" for row in self._session.rows(query)]

    def close(self) -> None:
        self._session.close()


class _PostgresqlProbe(_Probe):
    def __init__(self, endpoint: Endpoint) -> None:
        self._control = Control(endpoint, "source")

    def table(self, table: Table) -> str:
        return f"{quoted(table.schema)}.{quoted(table.name)}"

    def text(self, value: str) -> str:
        return f"{value}::text"

    def type(self, value: str, table: str) -> ColumnType:
        return type_of(self._control, f"SELECT {value} FROM {table} LIMIT 0")

    def texts(self, query: str) -> list[str]:
        return [str(row[0]) for row in self._control.rows(query.replace("%", "%%"))]

    def close(self) -> None:
        self._control.close()


class _SqliteProbe(_Probe):
    """SQLite's values have types, its expressions none: the census says what they hold."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._session = SqliteSession(endpoint)

    def table(self, table: Table) -> str:
        return sqlite.table_name(table)

    def text(self, value: str) -> str:
        return f"CAST({value} AS TEXT)"

    def type(self, value: str, table: str) -> ColumnType:
        self.texts(f"SELECT {value} FROM {table} LIMIT 0")
        return ColumnType("", "")

    def texts(self, query: str) -> list[str]:
        return [row[0] or "" for row in self._session.rows(query)]

    def close(self) -> None:
        self._session.close()


_PROBES = {
    Engine.POSTGRESQL: _PostgresqlProbe,
    Engine.MYSQL: _MySqlProbe,
    Engine.MARIADB: _MySqlProbe,
    Engine.SQLITE: _SqliteProbe,
}
