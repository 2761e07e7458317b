"""Whether the values of a column fit into one that exists: what is counted before, and named in the plan. Pure.

How they are stored and compared once they are there is the target's: see `TargetTypes.fitted`.
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

# What is said of values that an existing column refuses. {n} is how many rows hold it, {w} the existing column's type.
DESCRIBED = {
    Violation.MISSING: "{n} NULL, which the existing column refuses",
    Violation.OVERSIZED: "{n} numbers or moments that {w} cannot hold exactly",
    Violation.OVERLONG: "{n} more characters than {w} takes",
    Violation.NOT_LISTED: "{n} values that {w} does not list",
    Violation.NOT_SO_WRITTEN: "{n} texts that are not written as {w} wants them",
    Violation.NOT_BOOLEAN: "{n} values that are neither 0 nor 1",
}
OVERRIDE = "Put an expression in its place (a TablePlan's decision Override), change the existing column, or exclude it."


def written(column: Column) -> str:
    """The type of an existing column, without the name of a domain."""
    return column.type.without_domain


def raw_name(column: str) -> str:
    """What the staged text of a column is called until the cutover."""
    return f"{column[:50]}_{_RAW}"


def recast(column: Column, wanted: Column, dialect: Dialect) -> Column:
    """The source's column as it has to be read for this one: where a type means several things, the existing column decides."""
    return dialect.recast(column, wanted, kind_of(written(wanted)))


# -- what the census has to count -------------------------------------------------------------------------------------


def probes(column: Column, wanted: Column, engine: SourceEngine) -> tuple[Probe, ...]:
    """What must be counted of a column, as `recast` reads it, before it can be said to fit."""
    if column.generated is not None or wanted.generated is not None:
        return ()
    dialect, theirs = engine.dialect, kind_of(written(wanted))
    c, ours = dialect.operand(column), dialect.kind(column)
    found = []
    if not wanted.nullable and (column.nullable or column.expression):
        found.append(Probe(Violation.MISSING, f"{c} IS NULL"))
    if wanted.type.labels:
        found.append(Probe(Violation.NOT_LISTED, dialect.unlisted(c, wanted.type.labels)))
    asked = _Asked(c, column, ours, written(wanted), engine)
    told = (_number(asked, theirs), _text(asked, theirs), dialect.misspelled(column, ours, asked.wanted, theirs))
    return (*found, *(probe for probe in told if probe))


@dataclass(frozen=True, slots=True)
class _Asked:
    """A column of the source: its operand, its family, and the type that it goes into."""

    c: str
    column: Column
    ours: Kind
    wanted: str
    engine: SourceEngine

    @property
    def bits(self) -> int:
        return self.engine.dialect.integer_bits(self.column)


def _number(asked: _Asked, theirs: Kind) -> Probe | None:
    least = _NUMBERS.get(theirs) if asked.ours in {Kind.INTEGER, Kind.DECIMAL} else None
    return least(asked) if least else None


def _into_boolean(asked: _Asked) -> Probe | None:
    return Probe(Violation.NOT_BOOLEAN, f"{asked.c} NOT IN (0,1)") if asked.engine.capabilities.typed_values else None


def _into_integer(asked: _Asked) -> Probe | None:
    bits = _RANGES.get(asked.wanted, 63)
    if asked.ours is Kind.INTEGER and asked.bits <= bits:
        return None
    return Probe(Violation.OVERSIZED, f"{asked.c}<{-(2**bits)} OR {asked.c}>{2**bits - 1}")


def _into_float(asked: _Asked) -> Probe | None:
    bits = 24 if asked.wanted == "real" else 53
    if asked.ours is not Kind.INTEGER or asked.bits <= bits:
        return None
    return Probe(Violation.OVERSIZED, f"{asked.c}<{-(2**bits)} OR {asked.c}>{2**bits}")


def _into_decimal(asked: _Asked) -> Probe | None:
    size, c = numeric_size(asked.wanted), asked.c
    if size is None:
        return None
    if not asked.engine.capabilities.typed_values:
        return Probe(Violation.OVERSIZED, asked.engine.dialect.unfit_number(c, *size))
    mine = numeric_size(asked.column.type.text) if asked.ours is Kind.DECIMAL else None
    if mine and mine[1] <= size[1] and mine[0] - mine[1] <= size[0] - size[1]:
        return None
    rounded = f" OR {c}<>ROUND({c},{size[1]})" if asked.ours is Kind.DECIMAL else ""
    return Probe(Violation.OVERSIZED, f"ABS({c})>={10 ** (size[0] - size[1])}{rounded}")


_NUMBERS = {
    Kind.BOOLEAN: _into_boolean,
    Kind.INTEGER: _into_integer,
    Kind.FLOAT: _into_float,
    Kind.DECIMAL: _into_decimal,
}


def _text(asked: _Asked, theirs: Kind) -> Probe | None:
    size, dialect, c = most_characters(asked.wanted), asked.engine.dialect, asked.c
    if theirs is not Kind.TEXT or size is None:
        return None
    length = asked.column.type.length
    if asked.ours is not Kind.TEXT:
        if size >= _FREE_TEXT and asked.ours not in {Kind.JSON, Kind.OTHER, Kind.LIST}:
            return None
        c = dialect.cast_text(c)
    elif length and length <= size and asked.engine.capabilities.typed_values:
        return None
    return Probe(Violation.OVERLONG, f"{dialect.char_length(c)}>{size}")
