"""Columns of a source in existing columns of PostgreSQL: what they are stored as, and how they are compared there. Pure.

The copy stays as it is, for a column reads what it can of the same text. The comparison casts what arrived back to the type that the
source's values would have in a new table, so a value that would come back changed is found, whatever its type.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

from landfall.engine.matching.type_families import Kind, kind_of
from landfall.engine.model.catalog import Column
from landfall.engine.model.mapping import Mapping
from landfall.engine.sources.engine import SourceEngine
from landfall.engine.sources.type_text import numeric_size, zone
from landfall.engine.targets.engine import Fit, UnfitError

_EXACT_DIGITS = 15
_IN_UTC = 80

_Back = Callable[[str, str], str | None]


def _cast(copied: str, _existing: str) -> str:
    return f"({{c}}::{copied})"


def _whole(copied: str, existing: str) -> str | None:
    size = numeric_size(copied)
    return _cast(copied, existing) if size and size[1] == 0 else None


def _few_digits(copied: str, existing: str) -> str | None:
    size = numeric_size(copied)
    return _cast(copied, existing) if size and size[0] <= (6 if existing == "real" else _EXACT_DIGITS) else None


def _wider(copied: str, existing: str) -> str | None:
    return _cast(copied, existing) if copied == "real" else None


def _unlimited(copied: str, existing: str) -> str | None:
    return None if numeric_size(existing) else _cast(copied, existing)


def _moment(copied: str, existing: str) -> str:
    if zone(copied) != zone(existing):
        return f"(({{c}} AT TIME ZONE 'UTC')::{copied})"
    return _cast(copied, existing)


def _truth(copied: str, _existing: str) -> str:
    return f"({{c}}::int::{copied})"


def _same(_copied: str, _existing: str) -> str:
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


def fitted(mapped: Mapping, column: Column, existing: Column, engine: SourceEngine) -> Fit:
    """The mapping of a new table, bent to an existing column. Raises UnfitError where values would not survive it."""
    copied_type, existing_type = mapped.target_type, existing.type.without_domain
    kinds = kind_of(copied_type), kind_of(existing_type)
    special = _special(mapped, column, existing, kinds, engine)
    if special:
        return special
    if spelled(copied_type) == spelled(existing_type):
        return Fit(replace(mapped, checks=()))
    back = _BACK[kinds](copied_type, existing_type) if kinds in _BACK else None
    if back is None or (engine.capabilities.speaks_target_sql and kinds[0] is Kind.BOOLEAN):
        message = f"values of {copied_type} do not become values of {existing_type} without a rule"
        raise UnfitError(message)
    return _bent(mapped, back, kinds, existing_type, engine)


def _special(mapped: Mapping, column: Column, existing: Column, kinds: tuple[Kind, Kind], engine: SourceEngine) -> Fit | None:
    """What is more than a cast: types of a user's own, lists of values, UUIDs in octets, documents."""
    native, existing_type = engine.capabilities.speaks_target_sql, existing.type.without_domain
    if native and column.type.text == existing.type.text and not column.type.builtin:
        return Fit(mapped)  # a type of the same name on both sides
    if mapped.target_type == "{type}" or (native and not column.type.builtin):
        return Fit(_enumerated(mapped, column, existing))
    if existing.type.labels and kinds[0] is Kind.TEXT:
        reason = f"only the values that {existing_type} lists"
        return Fit(replace(mapped, check_target=_through(mapped, "({c}::text)")), reasons=(reason,))
    if kinds == (Kind.BYTES, Kind.UUID) and (digits := engine.dialect.binary_uuid(column)):
        return Fit(_binary_uuid(mapped, digits), reasons=("16 octets are a UUID",))
    if existing_type == "jsonb" and kinds[0] in {Kind.JSON, Kind.TEXT} and mapped.target_type != "jsonb":
        return _jsonb(mapped, engine)
    return None


def _bent(mapped: Mapping, back: str, kinds: tuple[Kind, Kind], existing_type: str, engine: SourceEngine) -> Fit:
    result = replace(mapped, check_target=_through(mapped, back), checks=())
    if kinds == (Kind.TEXT, Kind.UUID):
        result = replace(result, check_source=f"LOWER({mapped.check_source})")
    native = engine.capabilities.speaks_target_sql
    if native and kinds == (Kind.TEXT, Kind.TEXT):
        result = replace(
            result, copy=f"{mapped.copy}::text"
        )  # as this database itself turns one into the other: blanks that pad go
    if native and kinds == (Kind.DECIMAL, Kind.DECIMAL) and not numeric_size(mapped.target_type):
        result = replace(mapped, check_source=f"trim_scale({mapped.check_source})", check_target="trim_scale({c})", checks=())
    if kinds == (Kind.MOMENT, Kind.MOMENT) and zone(mapped.target_type) != zone(existing_type):
        return Fit(result, _IN_UTC, ("a moment without a time zone is taken for UTC",))
    return Fit(result, reasons=(f"stored as {existing_type}; compared as {mapped.target_type}",))


def _through(mapped: Mapping, back: str) -> str:
    return mapped.check_target.replace("{c}", back)


def _enumerated(mapped: Mapping, column: Column, existing: Column) -> Mapping:
    """An enumeration into one that lists no less, or into a text."""
    existing_type, source_type = existing.type.without_domain, column.type.without_domain
    if kind_of(existing_type) is not Kind.TEXT and not existing.type.labels and spelled(source_type) != spelled(existing_type):
        message = f"values of {column.type.text} do not become values of {existing_type} without a rule"
        raise UnfitError(message)
    return replace(mapped, target_type=existing_type, type_statement="", checks=())


def _binary_uuid(mapped: Mapping, value: str) -> Mapping:
    return replace(
        mapped, target_type="uuid", copy=value, check_source=value, check_target="replace({c}::text,'-','')", measured=False
    )


def _jsonb(mapped: Mapping, engine: SourceEngine) -> Fit:
    """`jsonb` keeps the meaning of a document, not its text: it is staged and compared as it is, and turned at the cutover."""
    if engine.capabilities.speaks_target_sql:
        reason = "as jsonb on both sides"
        both = replace(mapped, copy=f"{mapped.copy}::jsonb", check_source=f"{mapped.copy}::jsonb", check_target="{c}")
        return Fit(replace(both, target_type="jsonb"), 97, (reason,))
    reason = "staged and compared as json; as jsonb the order of keys, their doubles and white space go"
    return Fit(replace(mapped, check_target=_through(mapped, "({c}::text)"), checks=()), 97, (reason,), raw="json")
