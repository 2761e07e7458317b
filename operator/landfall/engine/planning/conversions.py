"""Whether the values of a column fit in an existing column: what profiling counts, and what the plan names. Pure.

The target decides how they are stored and compared: see `TargetTypes.fitted`.
"""

from __future__ import annotations

from dataclasses import dataclass

from landfall.engine.matching.type_families import Kind, kind_of, most_characters
from landfall.engine.model.catalog import Column
from landfall.engine.model.mapping import Probe, Violation
from landfall.engine.sources.engine import Dialect, SourceEngine
from landfall.engine.sources.type_text import numeric_size

_RANGES = {"smallint": 15, "integer": 31, "bigint": 63}
_FREE_TEXT = 40
_RAW = "landfall_raw"

# Descriptions of values that an existing column rejects. {n}: number of rows with a verb; {w}: type of the existing column.
DESCRIBED = {
    Violation.MISSING: "{n} NULL, which the existing column does not allow",
    Violation.OVERSIZED: "{n} numbers or times that {w} cannot store exactly",
    Violation.OVERLONG: "{n} more characters than {w} allows",
    Violation.NOT_LISTED: "{n} values that {w} does not list",
    Violation.NOT_SO_WRITTEN: "{n} texts that are not in the format of {w}",
    Violation.NOT_BOOLEAN: "{n} values that are neither 0 nor 1",
}
OVERRIDE = "Set an expression (decision Override in a TablePlan), change the existing column, or exclude the column."


def base_type(column: Column) -> str:
    """Return the type of an existing column; for a domain, its base type."""
    return column.type.without_domain


def raw_name(column: str) -> str:
    """Return the name of the column that holds the staged text until the cutover."""
    return f"{column[:50]}_{_RAW}"


def recast(column: Column, existing_column: Column, dialect: Dialect) -> Column:
    """Return the source column with its type chosen for an existing column, if the source type has several meanings."""
    return dialect.recast(column, existing_column, kind_of(base_type(existing_column)))


# -- probes for profiling ---------------------------------------------------------------------------------------------


def probes(column: Column, existing_column: Column, engine: SourceEngine) -> tuple[Probe, ...]:
    """Return what profiling must count of a column, as `recast` returned it, to decide whether it fits."""
    if column.generated is not None or existing_column.generated is not None:
        return ()
    dialect, existing_kind = engine.dialect, kind_of(base_type(existing_column))
    c, source_kind = dialect.operand(column), dialect.kind(column)
    required_probes = []
    if not existing_column.nullable and (column.nullable or column.expression):
        required_probes.append(Probe(Violation.MISSING, f"{c} IS NULL"))
    if existing_column.type.labels:
        required_probes.append(Probe(Violation.NOT_LISTED, dialect.unlisted(c, existing_column.type.labels)))
    subject = _ProbeSubject(c, column, source_kind, base_type(existing_column), engine)
    more_probes = (
        _number(subject, existing_kind),
        _text(subject, existing_kind),
        dialect.misspelled(column, source_kind, subject.existing_type, existing_kind),
    )
    return (*required_probes, *(probe for probe in more_probes if probe))


@dataclass(frozen=True, slots=True)
class _ProbeSubject:
    """A column of the source: its operand, its type family, and the type of the existing column."""

    c: str
    column: Column
    source_kind: Kind
    existing_type: str
    engine: SourceEngine

    @property
    def bits(self) -> int:
        return self.engine.dialect.integer_bits(self.column)


def _number(subject: _ProbeSubject, existing_kind: Kind) -> Probe | None:
    least = _NUMBERS.get(existing_kind) if subject.source_kind in {Kind.INTEGER, Kind.DECIMAL} else None
    return least(subject) if least else None


def _into_boolean(subject: _ProbeSubject) -> Probe | None:
    return Probe(Violation.NOT_BOOLEAN, f"{subject.c} NOT IN (0,1)") if subject.engine.capabilities.typed_values else None


def _into_integer(subject: _ProbeSubject) -> Probe | None:
    bits = _RANGES.get(subject.existing_type, 63)
    if subject.source_kind is Kind.INTEGER and subject.bits <= bits:
        return None
    return Probe(Violation.OVERSIZED, f"{subject.c}<{-(2**bits)} OR {subject.c}>{2**bits - 1}")


def _into_float(subject: _ProbeSubject) -> Probe | None:
    bits = 24 if subject.existing_type == "real" else 53
    if subject.source_kind is not Kind.INTEGER or subject.bits <= bits:
        return None
    return Probe(Violation.OVERSIZED, f"{subject.c}<{-(2**bits)} OR {subject.c}>{2**bits}")


def _into_decimal(subject: _ProbeSubject) -> Probe | None:
    size, c = numeric_size(subject.existing_type), subject.c
    if size is None:
        return None
    if not subject.engine.capabilities.typed_values:
        return Probe(Violation.OVERSIZED, subject.engine.dialect.unfit_number(c, *size))
    source_size = numeric_size(subject.column.type.text) if subject.source_kind is Kind.DECIMAL else None
    if source_size and source_size[1] <= size[1] and source_size[0] - source_size[1] <= size[0] - size[1]:
        return None
    rounded = f" OR {c}<>ROUND({c},{size[1]})" if subject.source_kind is Kind.DECIMAL else ""
    return Probe(Violation.OVERSIZED, f"ABS({c})>={10 ** (size[0] - size[1])}{rounded}")


_NUMBERS = {
    Kind.BOOLEAN: _into_boolean,
    Kind.INTEGER: _into_integer,
    Kind.FLOAT: _into_float,
    Kind.DECIMAL: _into_decimal,
}


def _text(subject: _ProbeSubject, existing_kind: Kind) -> Probe | None:
    size, dialect, c = most_characters(subject.existing_type), subject.engine.dialect, subject.c
    if existing_kind is not Kind.TEXT or size is None:
        return None
    length = subject.column.type.length
    if subject.source_kind is not Kind.TEXT:
        if size >= _FREE_TEXT and subject.source_kind not in {Kind.JSON, Kind.OTHER, Kind.LIST}:
            return None
        c = dialect.cast_text(c)
    elif length and length <= size and subject.engine.capabilities.typed_values:
        return None
    return Probe(Violation.OVERLONG, f"{dialect.char_length(c)}>{size}")
