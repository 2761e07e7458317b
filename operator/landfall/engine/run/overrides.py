"""Overrides are tried on the source before anybody is asked: their type, whether the database takes them, some results."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from landfall.engine.connect.mysql import MySqlSession
from landfall.engine.connect.postgresql import Control
from landfall.engine.connect.source import Reader, source_of
from landfall.engine.dialects import mysql, sqlite
from landfall.engine.errors import EngineError
from landfall.engine.introspect.mysql import result_type
from landfall.engine.introspect.postgresql import type_of
from landfall.engine.options import Endpoint, Engine, Options
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
    reader = source_of(source).reader()
    found: dict[Place, Override] = {}
    tables = []
    try:
        for table in catalog.tables:
            columns = []
            for column in table.columns:
                decided = next((d for d in asked if d.is_of(table.schema, table.name, column.name)), None)
                if decided is None:
                    columns.append(column)
                    continue
                result = _tried(reader, source, table, column, decided.expression)
                found[(table.schema, table.name, column.name)] = result
                columns.append(column if result.refused else overridden(column, decided.expression, result))
            tables.append(replace(table, columns=tuple(columns)))
    finally:
        reader.close()
    return replace(catalog, tables=tuple(tables)), found


def _tried(reader: Reader, source: Endpoint, table: Table, column: Column, expression: str) -> Override:
    if column.generated is not None:
        return Override(refused="it is a generated column; override what it is computed from")
    refused = refusal(expression, source.engine, table)
    if refused:
        return Override(refused=refused)
    way, value = _WAYS[source.engine], f"({expression})"
    where = way.table(table)
    try:
        kind = way.type(source, value, where)
        results = reader.rows(f"SELECT {way.text(value, kind)} FROM {where} WHERE {value} IS NOT NULL LIMIT {_SAMPLE}")
        nulls = 0 if column.nullable else int(reader.rows(f"SELECT COUNT(*) FROM {where} WHERE {value} IS NULL")[0][0] or 0)
    except EngineError as error:
        return Override(refused=error.message)
    return Override(tuple(dict.fromkeys(masked(text or "") for (text, *_) in results[:_SHOWN])), nulls, kind)


# -- what differs from engine to engine -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Way:
    """How a source spells a table and a value as text, and the type of a value over a table, in a session of its own."""

    table: Callable[[Table], str]
    text: Callable[[str, ColumnType], str]
    type: Callable[[Endpoint, str, str], ColumnType]


def _postgresql_type(endpoint: Endpoint, value: str, table: str) -> ColumnType:
    control = Control(endpoint, "source")
    try:
        return type_of(control, f"SELECT {value} FROM {table} LIMIT 0")
    finally:
        control.close()


def _mysql_type(endpoint: Endpoint, value: str, table: str) -> ColumnType:
    session = MySqlSession(endpoint)
    try:
        none = f"SELECT {value} FROM {table} LIMIT 0"
        return result_type(session.described(none), session.rows(f"SELECT CHARSET(({none}))")[0][0] or "")
    finally:
        session.close()


def _mysql_text(value: str, kind: ColumnType) -> str:
    return f"HEX({value})" if kind.name in mysql.BLOBS else f"CAST({value} AS CHAR)"


def _sqlite_type(_endpoint: Endpoint, _value: str, _table: str) -> ColumnType:
    """SQLite's values have types, its expressions none: the census says what they hold."""
    return ColumnType("", "")


_MYSQL = _Way(mysql.table_name, _mysql_text, _mysql_type)
_WAYS = {
    Engine.POSTGRESQL: _Way(
        lambda t: f"{quoted(t.schema)}.{quoted(t.name)}", lambda value, _: f"{value}::text", _postgresql_type
    ),
    Engine.MYSQL: _MYSQL,
    Engine.MARIADB: _MYSQL,
    Engine.SQLITE: _Way(sqlite.table_name, lambda value, _: f"CAST({value} AS TEXT)", _sqlite_type),
}
