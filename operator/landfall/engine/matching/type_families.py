"""Type families of all engines, and how well values of one family fit in a column of another."""

from __future__ import annotations

import re
from enum import StrEnum


class Kind(StrEnum):
    """A family of types."""

    BOOLEAN = "boolean"
    INTEGER = "integer"
    DECIMAL = "decimal"
    FLOAT = "float"
    TEXT = "text"
    BYTES = "bytes"
    DATE = "date"
    MOMENT = "moment"
    TIME = "time"
    UUID = "uuid"
    JSON = "json"
    LIST = "list"
    ADDRESS = "address"
    OTHER = "other"


_WORDS: tuple[tuple[str, Kind], ...] = (
    (r"\[\]$|^set\b|^_", Kind.LIST),
    (r"^(bool|boolean|bit\(1\)$|bit$|tinyint\(1\))", Kind.BOOLEAN),
    (r"^(big|small|medium|tiny)?(int|integer|serial)(\d)?\b|^year\b", Kind.INTEGER),
    (r"^(numeric|decimal|dec|money|number)\b", Kind.DECIMAL),
    (r"^(real|double|float)", Kind.FLOAT),
    (r"^(timestamp|datetime)", Kind.MOMENT),
    (r"^date\b", Kind.DATE),
    (r"^(time|interval)\b", Kind.TIME),
    (r"^uuid\b", Kind.UUID),
    (r"^jsonb?\b", Kind.JSON),
    (r"^(bytea|blob|(tiny|medium|long)blob|binary|varbinary)", Kind.BYTES),
    (r"^(inet|cidr|inet[46])\b", Kind.ADDRESS),
    (r"^(character|char|varchar|nchar|nvarchar|bpchar|citext|clob|enum|\"char\")|text", Kind.TEXT),
)
_EXACT = 1.0
_INTO: dict[tuple[Kind, Kind], float] = {
    (Kind.BOOLEAN, Kind.INTEGER): 0.75,
    (Kind.INTEGER, Kind.BOOLEAN): 0.55,
    (Kind.INTEGER, Kind.DECIMAL): 0.8,
    (Kind.DECIMAL, Kind.INTEGER): 0.5,
    (Kind.DECIMAL, Kind.FLOAT): 0.8,
    (Kind.FLOAT, Kind.DECIMAL): 0.8,
    (Kind.INTEGER, Kind.FLOAT): 0.6,
    (Kind.INTEGER, Kind.MOMENT): 0.25,
    (Kind.DATE, Kind.MOMENT): 0.75,
    (Kind.MOMENT, Kind.DATE): 0.65,
    (Kind.BYTES, Kind.UUID): 0.5,
    (Kind.BYTES, Kind.TEXT): 0.2,
    (Kind.TEXT, Kind.UUID): 0.65,
    (Kind.TEXT, Kind.JSON): 0.65,
    (Kind.TEXT, Kind.OTHER): 0.5,
    (Kind.JSON, Kind.TEXT): 0.65,
    (Kind.LIST, Kind.TEXT): 0.5,
    (Kind.TEXT, Kind.LIST): 0.4,
    (Kind.OTHER, Kind.TEXT): 0.5,
    (Kind.UUID, Kind.TEXT): 0.7,
}
_TO_TEXT, _FROM_TEXT = 0.4, 0.35


def most_characters(text: str) -> int | None:
    """Return the maximum number of characters of a type of PostgreSQL; None if it has none."""
    match = re.match(r"(?:character varying|character|varchar|char|bpchar)\((\d+)\)", text)
    return int(match.group(1)) if match else None


def kind_of(text: str) -> Kind:
    """Return the family of a type in its engine's spelling, in lower or upper case."""
    word = text.strip().lower()
    for pattern, kind in _WORDS:
        if re.search(pattern, word):
            return kind
    return Kind.OTHER


def fitness(source: Kind, target: Kind) -> float:
    """Return how likely one family is stored as the other, from 0 (never) to 1 (the same)."""
    if source is target:
        return _EXACT
    score = _INTO.get((source, target))
    if score is not None:
        return score
    if target is Kind.TEXT:
        return _TO_TEXT
    return _FROM_TEXT if source is Kind.TEXT else 0.0
