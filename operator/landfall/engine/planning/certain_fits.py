"""When a column certainly fits in the existing column of its name: profiling counted the whole column, not a sample. Pure.

Only columns whose table and name are the same on both sides are judged here: for others, that values fit does not say that they belong there.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from landfall.engine.matching.name_similarity import same_name
from landfall.engine.matching.type_families import Kind, kind_of
from landfall.engine.model.catalog import Catalog, Column, Table
from landfall.engine.planning.conversions import written
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
    wanted: Column
    misfits: int

    @property
    def keeps_names(self) -> bool:
        """Whether table and column have the same name on both sides."""
        mine, theirs = self.tables
        return same_name(mine.name, theirs.name) and same_name(self.column.name, self.wanted.name)


def certainty(filled: FilledColumn, rows: int, existing: Catalog, engine: SourceEngine) -> str:
    """Return why all values of a column fit in the existing one, in words; empty if some may not.

    Args:
        filled: The two columns.
        rows: Rows of the source table, all of which were counted.
        existing: The catalog of the target, for the rules of domains.
        engine: The source.
    """
    column, wanted = filled.column, filled.wanted
    if filled.misfits or not filled.keeps_names or column.expression:
        return ""
    rules = _rules(wanted, existing)
    if rules:
        size = _only_length(rules)
        fixed = column.type.length if column.type.name == "binary" and engine.capabilities.typed_values else None
        return f"all values have the length {size}, which {wanted.type.text} requires" if size and size == fixed else ""
    if wanted.type.labels:
        return _listed(column, wanted, rows)
    ours, theirs = engine.dialect.kind(column), kind_of(written(wanted))
    if (ours, theirs) not in _SAME_MEANING:
        return ""
    if theirs is Kind.BOOLEAN and ours is Kind.INTEGER:
        return f"all values of {rows:,} rows are 0 or 1"
    return f"all values of {rows:,} rows fit in {wanted.type.text}"


def _listed(column: Column, wanted: Column, rows: int) -> str:
    if column.type.labels and set(column.type.labels) <= set(wanted.type.labels):
        return f"{wanted.type.text} lists the same values"
    return f"all values of {rows:,} rows are among those that {wanted.type.text} lists"


def _rules(wanted: Column, existing: Catalog) -> list[str]:
    """The checks of the domain of an existing column."""
    if not wanted.type.underlying:
        return []
    bare = wanted.type.text.rpartition(".")[2].strip('"')
    found = [o.definition for o in existing.objects if o.kind == "domain" and o.name == bare]
    return [clause for definition in found for clause in _CLAUSE.findall(definition)]


def _only_length(rules: list[str]) -> int:
    """The length that the only check of a domain requires; 0 if there are other checks."""
    found = _LENGTH.fullmatch(rules[0].strip()) if len(rules) == 1 else None
    return int(found.group(1)) if found else 0


def assumes_utc(given: str, wanted: Column) -> bool:
    """Return whether times without a time zone become times with one, or the other way: a zone has to be assumed."""
    theirs = written(wanted)
    return kind_of(given) is Kind.MOMENT is kind_of(theirs) and zone(given) != zone(theirs)


def certain(mapped: int, fit: int, reason: str) -> int | None:
    """Return the confidence of a column that certainly fits; None if its mapping is a guess or changes the values."""
    return CERTAIN if reason and fit == CERTAIN and mapped >= _CONVENTION else None
