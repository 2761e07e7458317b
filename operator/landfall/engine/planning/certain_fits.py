"""When a column certainly fits in the existing column of its name: profiling counted the whole column, not a sample. Pure.

Only columns whose table and name are the same on both sides are judged here: for others, that values fit does not say that they belong there.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from landfall.engine.matching.name_similarity import same_name
from landfall.engine.matching.type_families import Kind, kind_of
from landfall.engine.model.catalog import Catalog, Column, Table
from landfall.engine.planning.conversions import base_type
from landfall.engine.sources.engine import SourceEngine
from landfall.engine.sources.type_text import zone

CERTAIN = 100
_CONVENTION = 95  # from this confidence on, a mapping is a usual choice of a type and no guess
_CLAUSE = re.compile(r"(?is)\bCHECK \(.*?\)(?=\s+CONSTRAINT\b|\s+CHECK\b|\s*$)")
_SAME_MEANING = frozenset(
    {
        (Kind.INTEGER, Kind.BOOLEAN),
        (Kind.INTEGER, Kind.DECIMAL),
        (Kind.TEXT, Kind.UUID),
        (Kind.BYTES, Kind.UUID),
        *((kind, kind) for kind in Kind if kind is not Kind.OTHER),
    }
)
_LENGTH = re.compile(r"(?i)CHECK \(\(*(?:\(?VALUE IS NULL\)? OR \(*)?(?:octet_)?length\(\(?VALUE\)?(?:::\w+)?\) = (\d+)\)*")


@dataclass(frozen=True, slots=True)
class FilledColumn:
    """A column of the source, as it is read, the existing column of the same table, and how many values do not fit."""

    tables: tuple[Table, Table]
    column: Column
    existing_column: Column
    misfits: int

    @property
    def keeps_names(self) -> bool:
        """Whether table and column have the same name on both sides."""
        source_table, existing_table = self.tables
        return same_name(source_table.name, existing_table.name) and same_name(self.column.name, self.existing_column.name)


def certainty(filled: FilledColumn, rows: int, existing: Catalog, engine: SourceEngine) -> str:
    """Return why all values of a column fit in the existing one, in words; empty if some may not.

    Args:
        filled: The two columns.
        rows: Rows of the source table, all of which were counted.
        existing: The catalog of the target, for the rules of domains.
        engine: The source.
    """
    column, existing_column = filled.column, filled.existing_column
    if filled.misfits or not filled.keeps_names or column.expression:
        return ""
    rules = _rules(existing_column, existing)
    if rules:
        size = _only_length(rules)
        fixed = column.type.length if column.type.name == "binary" and engine.capabilities.typed_values else None
        return f"all values have the length {size}, which {existing_column.type.text} requires" if size and size == fixed else ""
    if existing_column.type.labels:
        return _listed(column, existing_column, rows)
    source_kind, existing_kind = engine.dialect.kind(column), kind_of(base_type(existing_column))
    if (source_kind, existing_kind) not in _SAME_MEANING:
        return ""
    if existing_kind is Kind.BOOLEAN and source_kind is Kind.INTEGER:
        return f"all values of {rows:,} rows are 0 or 1"
    return f"all values of {rows:,} rows fit in {existing_column.type.text}"


def _listed(column: Column, existing_column: Column, rows: int) -> str:
    if column.type.labels and set(column.type.labels) <= set(existing_column.type.labels):
        return f"{existing_column.type.text} lists the same values"
    return f"all values of {rows:,} rows are among those that {existing_column.type.text} lists"


def _rules(existing_column: Column, existing: Catalog) -> list[str]:
    """The checks of the domain of an existing column."""
    if not existing_column.type.underlying:
        return []
    domain = existing_column.type.text.rpartition(".")[2].strip('"')
    definitions = [o.definition for o in existing.objects if o.kind == "domain" and o.name == domain]
    return [clause for definition in definitions for clause in _CLAUSE.findall(definition)]


def _only_length(rules: list[str]) -> int:
    """The length that the only check of a domain requires; 0 if there are other checks."""
    match = _LENGTH.fullmatch(rules[0].strip()) if len(rules) == 1 else None
    return int(match.group(1)) if match else 0


def assumes_utc(copied_type: str, existing_column: Column) -> bool:
    """Return whether times without a time zone become times with one, or the other way: a zone has to be assumed."""
    existing_type = base_type(existing_column)
    return kind_of(copied_type) is Kind.MOMENT is kind_of(existing_type) and zone(copied_type) != zone(existing_type)


def certain(mapped: int, fit: int, reason: str) -> int | None:
    """Return the confidence of a column that certainly fits; None if its mapping is a guess or changes the values."""
    return CERTAIN if reason and fit == CERTAIN and mapped >= _CONVENTION else None
