"""Whether the values of a column fit into one that exists, and how they are compared once they are there. Pure.

The copy stays as it is, for a column reads what it can of the same text. The comparison casts what arrived back to the
type that the source's values would have got in a new table: so a value that would come back changed is found, whatever
its type. What can be known beforehand is counted by the census, and named in the plan.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from landfall.engine.matching.type_families import Kind, kind_of, most_characters
from landfall.engine.model.catalog import Column, ColumnType
from landfall.engine.model.identifiers import literal
from landfall.engine.model.mapping import Mapping, Probe, Violation
from landfall.engine.model.options import Engine
from landfall.engine.sources.mysql import dialect as mysql
from landfall.engine.sources.postgresql import dialect as postgresql
from landfall.engine.sources.sqlite import dialect as sqlite

_RANGES = {"smallint": 15, "integer": 31, "bigint": 63}
_EXACT_DIGITS = 15
_IN_UTC = 80
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


class UnfitError(Exception):
    """Values of this type cannot become values of that type unchanged. Its text says which."""


@dataclass(frozen=True, slots=True)
class Fit:
    """The mapping into an existing column. `raw`: the type in which it is staged beside a column that is computed from it."""

    mapping: Mapping
    confidence: int = 100
    reasons: tuple[str, ...] = ()
    raw: str = ""


def written(column: Column) -> str:
    """The type of an existing column, without the name of a domain."""
    return column.type.underlying or column.type.text


def raw_name(column: str) -> str:
    """What the staged text of a column is called until the cutover."""
    return f"{column[:50]}_{_RAW}"


def recast(column: Column, wanted: Column, engine: str) -> Column:
    """The source's column as it has to be read for this one: where a type means several things, the existing column decides."""
    kind = kind_of(written(wanted))
    if engine == Engine.SQLITE:
        return replace(column, type=_declared(column.type, wanted, kind))
    if engine == Engine.POSTGRESQL:
        return column
    given = column.type
    if given.name == "set" and kind is Kind.TEXT:
        return replace(column, type=replace(given, name="varchar", text="varchar(65535)", length=65535))
    if given.text.startswith("tinyint(1)") and kind is not Kind.BOOLEAN:
        return replace(column, type=replace(given, text=given.text.replace("tinyint(1)", "tinyint(4)", 1)))
    return column


_DECLARED = {
    Kind.BOOLEAN: "boolean",
    Kind.INTEGER: "integer",
    Kind.FLOAT: "real",
    Kind.DATE: "date",
    Kind.MOMENT: "timestamp",
    Kind.JSON: "json",
    Kind.BYTES: "blob",
    Kind.TEXT: "text",
    Kind.UUID: "text",
}


def _declared(given: ColumnType, wanted: Column, kind: Kind) -> ColumnType:
    """SQLite's values have types of their own, so the existing column says what they are taken for."""
    if kind is Kind.DECIMAL:
        return ColumnType("numeric", "numeric")
    word = _DECLARED.get(kind)
    if wanted.type.labels:
        word = "text"
    return ColumnType(word, given.text) if word else given


# -- what the census has to count -------------------------------------------------------------------------------------


def probes(column: Column, wanted: Column, engine: str) -> tuple[Probe, ...]:
    """What must be counted of a column, as `recast` reads it, before it can be said to fit."""
    if column.generated is not None or wanted.generated is not None:
        return ()
    c, ours, theirs = _operand(column, engine), kind_of(column.type.text), kind_of(written(wanted))
    if engine == Engine.SQLITE:
        ours = kind_of(column.type.name) if column.type.name else Kind.OTHER
    found = []
    if not wanted.nullable and (column.nullable or column.expression):
        found.append(Probe(Violation.MISSING, f"{c} IS NULL"))
    if wanted.type.labels:
        found.append(Probe(Violation.NOT_LISTED, _unlisted(c, wanted.type.labels, engine)))
    for least in (_number, _text, _form):
        told = least(c, column, written(wanted), (ours, theirs), engine)
        if told:
            found.append(told)
    return tuple(found)


def _operand(column: Column, engine: str) -> str:
    if engine == Engine.POSTGRESQL:
        return postgresql.operand(column)
    return sqlite.operand(column) if engine == Engine.SQLITE else mysql.operand(column)


def _unlisted(c: str, labels: tuple[str, ...], engine: str) -> str:
    if engine == Engine.POSTGRESQL:
        return f"{c}::text NOT IN ({','.join(literal(label) for label in labels)})"
    if engine == Engine.SQLITE:
        return f"CAST({c} AS TEXT) NOT IN ({','.join(_plain_literal(label) for label in labels)})"
    listed = ",".join(f"X'{label.encode().hex()}'" for label in labels)
    return f"CAST(CONVERT({c} USING utf8mb4) AS BINARY) NOT IN ({listed})"


def _plain_literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _numeric(text: str) -> tuple[int, int] | None:
    """Precision and scale of a type that names them."""
    found = re.search(r"\((\d+)(?:,\s*(-?\d+))?\)", text)
    return (int(found.group(1)), int(found.group(2) or 0)) if found else None


def _number(c: str, column: Column, wanted: str, kinds: tuple[Kind, Kind], engine: str) -> Probe | None:
    ours, theirs = kinds
    least = _NUMBERS.get(theirs) if ours in {Kind.INTEGER, Kind.DECIMAL} else None
    return least(c, column, wanted, ours, engine) if least else None


def _into_boolean(c: str, _column: Column, _wanted: str, _ours: Kind, engine: str) -> Probe | None:
    return None if engine == Engine.SQLITE else Probe(Violation.NOT_BOOLEAN, f"{c} NOT IN (0,1)")


def _into_integer(c: str, column: Column, wanted: str, ours: Kind, engine: str) -> Probe | None:
    bits = _RANGES.get(wanted, 63)
    if ours is Kind.INTEGER and _bits(column, engine) <= bits:
        return None
    return Probe(Violation.OVERSIZED, f"{c}<{-(2**bits)} OR {c}>{2**bits - 1}")


def _into_float(c: str, column: Column, wanted: str, ours: Kind, engine: str) -> Probe | None:
    bits = 24 if wanted == "real" else 53
    if ours is not Kind.INTEGER or _bits(column, engine) <= bits:
        return None
    return Probe(Violation.OVERSIZED, f"{c}<{-(2**bits)} OR {c}>{2**bits}")


def _into_decimal(c: str, column: Column, wanted: str, ours: Kind, engine: str) -> Probe | None:
    size = _numeric(wanted)
    if size is None:
        return None
    if engine == Engine.SQLITE:
        return Probe(Violation.OVERSIZED, sqlite.unfit(*size).replace("{c}", c))
    mine = _numeric(column.type.text) if ours is Kind.DECIMAL else None
    if mine and mine[1] <= size[1] and mine[0] - mine[1] <= size[0] - size[1]:
        return None
    rounded = f" OR {c}<>ROUND({c},{size[1]})" if ours is Kind.DECIMAL else ""
    return Probe(Violation.OVERSIZED, f"ABS({c})>={10 ** (size[0] - size[1])}{rounded}")


_NUMBERS = {
    Kind.BOOLEAN: _into_boolean,
    Kind.INTEGER: _into_integer,
    Kind.FLOAT: _into_float,
    Kind.DECIMAL: _into_decimal,
}


def _bits(column: Column, engine: str) -> int:
    if engine == Engine.SQLITE:
        return 63
    if engine == Engine.POSTGRESQL:
        return _RANGES.get(column.type.text, 63)
    plain = mysql.INTEGERS.get(column.type.name, ("bigint", "bigint"))[1 if column.type.unsigned else 0]
    return _RANGES.get(plain, 64)


def _text(c: str, column: Column, wanted: str, kinds: tuple[Kind, Kind], engine: str) -> Probe | None:
    ours, theirs = kinds
    size = most_characters(wanted)
    if theirs is not Kind.TEXT or size is None:
        return None
    if ours is not Kind.TEXT:
        if size >= _FREE_TEXT and ours not in {Kind.JSON, Kind.OTHER, Kind.LIST}:
            return None
        c = f"CAST({c} AS {'CHAR' if engine in {Engine.MYSQL, Engine.MARIADB} else 'TEXT'})"
    elif column.type.length and column.type.length <= size and engine != Engine.SQLITE:
        return None
    word = "CHAR_LENGTH" if engine in {Engine.MYSQL, Engine.MARIADB} else "length"
    return Probe(Violation.OVERLONG, f"{word}({c})>{size}")


def _form(c: str, column: Column, wanted: str, kinds: tuple[Kind, Kind], engine: str) -> Probe | None:  # noqa: PLR0911  a table of forms
    ours, theirs = kinds
    of_mysql = engine in {Engine.MYSQL, Engine.MARIADB}
    if theirs is Kind.UUID and ours is Kind.TEXT:
        return Probe(Violation.NOT_SO_WRITTEN, _no_uuid(c, engine))
    if theirs is Kind.UUID and ours is Kind.BYTES and of_mysql:
        return Probe(Violation.NOT_SO_WRITTEN, f"OCTET_LENGTH({c})<>16")
    if theirs is Kind.JSON and ours is Kind.TEXT and of_mysql:
        return Probe(Violation.NOT_SO_WRITTEN, f"NOT JSON_VALID({c})")
    if theirs is Kind.TIME and wanted.startswith("time") and of_mysql:
        return Probe(Violation.OVERSIZED, f"{c}<'00:00:00' OR {c}>='24:00:00'")
    if theirs is ours is Kind.MOMENT:
        most, mine = _fraction(wanted), column.type.precision or 0
        if of_mysql and mine > most:
            return Probe(Violation.OVERSIZED, f"MICROSECOND({c})%{10 ** (6 - most)}<>0")
        if engine == Engine.POSTGRESQL and most < _fraction(column.type.text):
            return Probe(Violation.OVERSIZED, f"{c}::timestamp({most}){_zone(column.type.text)}<>{c}")
    return None


def _fraction(text: str) -> int:
    found = re.search(r"\((\d)\)", text)
    return int(found.group(1)) if found else 6


def _zone(text: str) -> str:
    return " with time zone" if "with time zone" in text else ""


def _no_uuid(c: str, engine: str) -> str:
    if engine == Engine.SQLITE:
        digits = "-".join("[0-9a-f]" * n for n in (8, 4, 4, 4, 12))
        return f"lower({c}) NOT GLOB '{digits}'"
    form = "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"
    return f"{c}::text !~* '{form}'" if engine == Engine.POSTGRESQL else f"LOWER({c}) NOT REGEXP '{form}'"


# -- how it is compared -----------------------------------------------------------------------------------------------

_Back = Callable[[str, str], str | None]


def _cast(given: str, _wanted: str) -> str:
    return f"({{c}}::{given})"


def _whole(given: str, wanted: str) -> str | None:
    size = _numeric(given)
    return _cast(given, wanted) if size and size[1] == 0 else None


def _few_digits(given: str, wanted: str) -> str | None:
    size = _numeric(given)
    return _cast(given, wanted) if size and size[0] <= (6 if wanted == "real" else _EXACT_DIGITS) else None


def _wider(given: str, wanted: str) -> str | None:
    return _cast(given, wanted) if given == "real" else None


def _unlimited(given: str, wanted: str) -> str | None:
    return None if _numeric(wanted) else _cast(given, wanted)


def _moment(given: str, wanted: str) -> str:
    if _zone(given) != _zone(wanted):
        return f"(({{c}} AT TIME ZONE 'UTC')::{given})"
    return _cast(given, wanted)


def _truth(given: str, _wanted: str) -> str:
    return f"({{c}}::int::{given})"


def _same(_given: str, _wanted: str) -> str:
    return "{c}"


_BACK: dict[tuple[Kind, Kind], _Back] = {
    (Kind.INTEGER, Kind.INTEGER): _cast,
    (Kind.INTEGER, Kind.DECIMAL): _cast,
    (Kind.INTEGER, Kind.FLOAT): _cast,
    (Kind.INTEGER, Kind.BOOLEAN): _truth,
    (Kind.BOOLEAN, Kind.INTEGER): _same,
    (Kind.DECIMAL, Kind.DECIMAL): _cast,
    (Kind.DECIMAL, Kind.INTEGER): _whole,
    (Kind.DECIMAL, Kind.FLOAT): _few_digits,
    (Kind.FLOAT, Kind.FLOAT): _wider,
    (Kind.FLOAT, Kind.DECIMAL): _unlimited,
    (Kind.DATE, Kind.MOMENT): _cast,
    (Kind.MOMENT, Kind.MOMENT): _moment,
    (Kind.TIME, Kind.TIME): _cast,
    (Kind.TEXT, Kind.TEXT): _cast,
    (Kind.TEXT, Kind.UUID): _cast,
    (Kind.TEXT, Kind.JSON): _cast,
    (Kind.JSON, Kind.JSON): _cast,
    (Kind.JSON, Kind.TEXT): _cast,
    (Kind.LIST, Kind.LIST): _cast,
    **{
        (kind, Kind.TEXT): _cast
        for kind in (Kind.INTEGER, Kind.DECIMAL, Kind.FLOAT, Kind.DATE, Kind.MOMENT, Kind.TIME, Kind.UUID, Kind.ADDRESS)
    },
}
_ALIASES = (
    (r"^varchar\b", "character varying"),
    (r"^(bp)?char\b", "character"),
    (r"^decimal\b", "numeric"),
    (r" without time zone$", ""),
    (r",\s+", ","),
    (r"^timestamp\(6\)", "timestamp"),
    (r"^interval\(6\)", "interval"),
)


def spelled(text: str) -> str:
    """A type as this compares it: `varchar(9)` and `character varying(9)` are the same."""
    for pattern, word in _ALIASES:
        text = re.sub(pattern, word, text)
    return text


def fitted(mapped: Mapping, column: Column, wanted: Column, engine: str) -> Fit:
    """The mapping of a new table, bent to an existing column. Raises UnfitError where values would not survive it."""
    given, theirs = mapped.target_type, written(wanted)
    kinds = kind_of(given), kind_of(theirs)
    special = _special(mapped, column, wanted, kinds, engine)
    if special:
        return special
    if spelled(given) == spelled(theirs):
        return Fit(replace(mapped, checks=()))
    back = _BACK[kinds](given, theirs) if kinds in _BACK else None
    if back is None or (engine == Engine.POSTGRESQL and kinds[0] is Kind.BOOLEAN):
        message = f"values of {given} do not become values of {theirs} without a rule"
        raise UnfitError(message)
    return _bent(mapped, back, kinds, theirs, engine)


def _special(mapped: Mapping, column: Column, wanted: Column, kinds: tuple[Kind, Kind], engine: str) -> Fit | None:
    """What is more than a cast: types of a user's own, lists of values, UUIDs in octets, documents."""
    native, theirs = engine == Engine.POSTGRESQL, written(wanted)
    if native and column.type.text == wanted.type.text and not column.type.builtin:
        return Fit(mapped)  # a type of the same name on both sides
    if mapped.target_type == "{type}" or (native and not column.type.builtin):
        return Fit(_enumerated(mapped, column, wanted))
    if wanted.type.labels and kinds[0] is Kind.TEXT:
        told = f"only the values that {theirs} lists"
        return Fit(replace(mapped, check_target=_through(mapped, "({c}::text)")), reasons=(told,))
    if kinds == (Kind.BYTES, Kind.UUID) and engine in {Engine.MYSQL, Engine.MARIADB}:
        return Fit(_binary_uuid(mapped, column), reasons=("16 octets are a UUID",))
    if theirs == "jsonb" and kinds[0] in {Kind.JSON, Kind.TEXT} and mapped.target_type != "jsonb":
        return _jsonb(mapped, engine)
    return None


def _bent(mapped: Mapping, back: str, kinds: tuple[Kind, Kind], theirs: str, engine: str) -> Fit:
    made = replace(mapped, check_target=_through(mapped, back), checks=())
    if kinds == (Kind.TEXT, Kind.UUID):
        made = replace(made, check_source=f"LOWER({mapped.check_source})")
    if engine == Engine.POSTGRESQL and kinds == (Kind.TEXT, Kind.TEXT):
        made = replace(made, copy=f"{mapped.copy}::text")  # as this database itself turns one into the other: blanks that pad go
    if engine == Engine.POSTGRESQL and kinds == (Kind.DECIMAL, Kind.DECIMAL) and not _numeric(mapped.target_type):
        made = replace(mapped, check_source=f"trim_scale({mapped.check_source})", check_target="trim_scale({c})", checks=())
    if kinds == (Kind.MOMENT, Kind.MOMENT) and _zone(mapped.target_type) != _zone(theirs):
        return Fit(made, _IN_UTC, ("a moment without a time zone is taken for UTC",))
    return Fit(made, reasons=(f"stored as {theirs}; compared as {mapped.target_type}",))


def _through(mapped: Mapping, back: str) -> str:
    return mapped.check_target.replace("{c}", back)


def _enumerated(mapped: Mapping, column: Column, wanted: Column) -> Mapping:
    """An enumeration into one that lists no less, or into a text."""
    theirs, ours = written(wanted), column.type.underlying or column.type.text
    if kind_of(theirs) is not Kind.TEXT and not wanted.type.labels and spelled(ours) != spelled(theirs):
        message = f"values of {column.type.text} do not become values of {theirs} without a rule"
        raise UnfitError(message)
    return replace(mapped, target_type=theirs, type_statement="", checks=())


def _binary_uuid(mapped: Mapping, column: Column) -> Mapping:
    value = f"LOWER(HEX({mysql.operand(column)}))"
    return replace(
        mapped, target_type="uuid", copy=value, check_source=value, check_target="replace({c}::text,'-','')", measured=False
    )


def _jsonb(mapped: Mapping, engine: str) -> Fit:
    """`jsonb` keeps the meaning of a document, not its text: it is staged and compared as it is, and turned at the cutover."""
    if engine == Engine.POSTGRESQL:
        told = "as jsonb on both sides"
        both = replace(mapped, copy=f"{mapped.copy}::jsonb", check_source=f"{mapped.copy}::jsonb", check_target="{c}")
        return Fit(replace(both, target_type="jsonb"), 97, (told,))
    told = "staged and compared as json; as jsonb the order of keys, their doubles and white space go"
    return Fit(replace(mapped, check_target=_through(mapped, "({c}::text)"), checks=()), 97, (told,), raw="json")
