"""Whether two databases hold the same rows: read with the drivers, compared as Python values. Shares no code with the engine.

Every value becomes a text that does not depend on the engine: numbers as exact fractions, times as ISO texts, bytes as hex.
"""

from __future__ import annotations

import json
import math
import sqlite3
from collections import Counter
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import MySQLdb
import MySQLdb.converters
import psycopg
from MySQLdb.constants import FIELD_TYPE

Rows = Counter[tuple[str, ...]]


def _number(value: Decimal | float) -> str:
    if isinstance(value, Decimal) and not value.is_finite():
        return "NaN" if value.is_nan() else str(value)
    if isinstance(value, float) and (math.isnan(value) or math.isinf(value)):
        return str(value).lower()
    return str(Fraction(value))


def canonical_text(value: Any) -> str:  # noqa: PLR0911  one line per type
    """A value as a text that is the same for every engine."""
    if value is None:
        return "∅"
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, int | float | Decimal):
        return _number(value)
    if isinstance(value, bytes | memoryview):
        return "0x" + bytes(value).hex()
    if isinstance(value, datetime):
        moment = value.replace(tzinfo=None) - (value.utcoffset() or timedelta())
        return moment.isoformat(sep=" ")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, timedelta):
        return f"{value // timedelta(microseconds=1)} microseconds"
    if isinstance(value, list):
        return ",".join(map(canonical_text, value))
    if isinstance(value, dict):
        return json.dumps(value)
    return str(value)


def postgresql(connection: psycopg.Connection, table: str, columns: Iterable[str]) -> Rows:
    """The rows of a table in PostgreSQL. JSON stays text; trailing blanks of CHAR do not count."""
    listed = ",".join(columns)
    cursor = connection.execute(f"SELECT {listed} FROM {table}".encode())
    kinds = [column.type_code for column in cursor.description or []]
    blank_padded = {psycopg.adapters.types["bpchar"].oid}
    counts: Rows = Counter()
    for row in cursor:
        values = [v.rstrip(" ") if k in blank_padded and isinstance(v, str) else v for v, k in zip(row, kinds, strict=True)]
        counts[tuple(canonical_text(v) for v in values)] += 1
    return counts


def mariadb(socket: str, database: str, table: str, expressions: Iterable[str]) -> Rows:
    """The rows of a table in MariaDB, through the driver's own conversion of every type."""
    conversions = dict(MySQLdb.converters.conversions)
    conversions[FIELD_TYPE.BIT] = int.from_bytes
    connection = MySQLdb.connect(unix_socket=socket, user="root", db=database, charset="utf8mb4", conv=conversions)
    cursor = connection.cursor()
    cursor.execute("SET SESSION time_zone='+00:00'")
    cursor.execute(f"SELECT {','.join(expressions)} FROM {table}")
    counts: Rows = Counter(tuple(canonical_text(v) for v in row) for row in cursor.fetchall())
    connection.close()
    return counts


def sqlite(path: str, table: str, expressions: Iterable[str]) -> Rows:
    """The rows of a table in SQLite."""
    connection = sqlite3.connect(path)
    counts: Rows = Counter(
        tuple(canonical_text(v) for v in row) for row in connection.execute(f"SELECT {','.join(expressions)} FROM {table}")
    )
    connection.close()
    return counts


def difference(left: Rows, right: Rows) -> str:
    """Nothing where both hold the same rows, else the first few that differ."""
    missing, surplus = left - right, right - left
    if not missing and not surplus:
        return ""
    return f"lost {sum(missing.values())}: {list(missing)[:2]}; surplus {sum(surplus.values())}: {list(surplus)[:2]}"
