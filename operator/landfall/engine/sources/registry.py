"""How each source spells a table, a column and a value as text, for the few questions that are asked besides copy and check."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from landfall.engine.clients.postgresql import Control
from landfall.engine.model.catalog import Column, ColumnType, Table
from landfall.engine.model.identifiers import quoted
from landfall.engine.model.options import Endpoint, Engine
from landfall.engine.sources.base import Source
from landfall.engine.sources.mysql import dialect as mysql
from landfall.engine.sources.mysql.catalog import result_type
from landfall.engine.sources.mysql.session import MySqlSession
from landfall.engine.sources.mysql.source import _MySqlSource
from landfall.engine.sources.postgresql import dialect as postgresql
from landfall.engine.sources.postgresql.catalog import type_of
from landfall.engine.sources.postgresql.source import _PostgresqlSource
from landfall.engine.sources.sqlite import dialect as sqlite
from landfall.engine.sources.sqlite.source import _SqliteSource

TRIAL_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Way:
    """How a source spells a table, a column and a value as text, and the type of a value over a table, in a session of its own.

    Values of the types in `opaque` say nothing as text.
    """

    table: Callable[[Table], str]
    operand: Callable[[Column], str]
    text: Callable[[str, ColumnType], str]
    type: Callable[[Endpoint, str, str], ColumnType]
    opaque: frozenset[str] = frozenset()


def _postgresql_type(endpoint: Endpoint, value: str, table: str) -> ColumnType:
    control = Control(endpoint, "source")
    try:
        with control.trial(TRIAL_SECONDS):
            return type_of(control, f"SELECT {value} FROM {table} LIMIT 0")
    finally:
        control.close()


def _mysql_type(endpoint: Endpoint, value: str, table: str) -> ColumnType:
    session = MySqlSession(endpoint)
    try:
        none = f"SELECT {value} FROM {table} LIMIT 0"
        with session.trial(TRIAL_SECONDS):
            return result_type(session.described(none), session.rows(f"SELECT CHARSET(({none}))")[0][0] or "")
    finally:
        session.close()


def _mysql_text(value: str, kind: ColumnType) -> str:
    return f"HEX({value})" if kind.name in mysql.BLOBS else f"CAST({value} AS CHAR)"


def _sqlite_type(_endpoint: Endpoint, _value: str, _table: str) -> ColumnType:
    """SQLite's values have types, its expressions none: the census says what they hold."""
    return ColumnType("", "")


_MYSQL = Way(mysql.table_name, mysql.operand, _mysql_text, _mysql_type, mysql.BLOBS | mysql.SPATIAL)
_WAYS = {
    Engine.POSTGRESQL: Way(
        lambda t: f"{quoted(t.schema)}.{quoted(t.name)}",
        postgresql.operand,
        lambda value, _: f"({value})::text",
        _postgresql_type,
        frozenset({"bytea"}),
    ),
    Engine.MYSQL: _MYSQL,
    Engine.MARIADB: _MYSQL,
    Engine.SQLITE: Way(
        sqlite.table_name, sqlite.operand, lambda value, _: f"CAST({value} AS TEXT)", _sqlite_type, frozenset({"blob"})
    ),
}


def way_of(engine: Engine) -> Way:
    """How this engine spells them."""
    return _WAYS[engine]


def source_of(endpoint: Endpoint) -> Source:
    """The source behind an endpoint."""
    if endpoint.engine is Engine.POSTGRESQL:
        return _PostgresqlSource(endpoint)
    if endpoint.engine is Engine.SQLITE:
        return _SqliteSource(endpoint)
    return _MySqlSource(endpoint)
