"""Defaults that compute the time or random values, as the type of a column wants them."""

from __future__ import annotations

import re

from landfall.engine.model.default_value import ClockForm, CurrentTime, DefaultValue, RandomInteger, RandomOctets, RandomUuid
from landfall.engine.model.identifiers import literal
from landfall.engine.targets.engine import Translated

_UTC, _LOCAL = "(CURRENT_TIMESTAMP AT TIME ZONE 'UTC')", "LOCALTIMESTAMP"
_MOST_OCTETS = 32
_RANDOM = "sha256(convert_to(gen_random_uuid()::text||gen_random_uuid()::text||gen_random_uuid()::text,'UTF8'))"
_PATTERNS = {
    "%Y": "YYYY",
    "%m": "MM",
    "%d": "DD",
    "%H": "HH24",
    "%M": "MI",
    "%S": "SS",
    "%f": "SS.MS",
    "%j": "DDD",
    "%F": "YYYY-MM-DD",
    "%T": "HH24:MI:SS",
    "%R": "HH24:MI",
    "%%": '"%"',
}
_TEXTS = {ClockForm.MOMENT: "YYYY-MM-DD HH24:MI:SS", ClockForm.DATE: "YYYY-MM-DD", ClockForm.TIME: "HH24:MI:SS"}
_NUMBERS = {
    ClockForm.SECONDS: "floor(extract(epoch FROM CURRENT_TIMESTAMP))::bigint",
    ClockForm.MILLISECONDS: "floor(extract(epoch FROM CURRENT_TIMESTAMP)*1000)::bigint",
    ClockForm.JULIAN: "(extract(epoch FROM CURRENT_TIMESTAMP)/86400+2440587.5)::double precision",
}


def rendered(value: DefaultValue, target_type: str) -> Translated:
    """Return the default of a column of a type."""
    text = target_type == "text" or target_type.startswith(("varchar", "char"))
    match value:
        case CurrentTime():
            return _time(value, target_type, text=text)
        case RandomOctets(count, digits):
            return _octets(count, digits, target_type, text=text)
        case RandomInteger():
            whole = f"('x'||encode(substring({_RANDOM} FROM 1 FOR 8),'hex'))::bit(64)::bigint"
            return _cast(whole, target_type, text=text)
        case RandomUuid(upper):
            call = "gen_random_uuid()"
            if target_type == "uuid":
                return Translated(call)
            text_of_call = f"upper({call}::text)" if upper else f"{call}::text"
            return Translated(text_of_call) if text else Translated(problem=f"a text for a column of type {target_type}")


def _time(value: CurrentTime, target_type: str, *, text: bool) -> Translated:
    now = _LOCAL if value.local else _UTC
    if target_type.startswith("timestamp"):
        return Translated("CURRENT_TIMESTAMP" if "with time zone" in target_type else now)
    if target_type == "date":
        return Translated(f"{now}::date")
    if value.form in _NUMBERS:
        return _cast(_NUMBERS[value.form], target_type, text=text)
    if not text:
        return Translated(problem=f"a text with the current time for a column of type {target_type}")
    pattern = _TEXTS[value.form] if value.form in _TEXTS else _pattern(value.pattern)
    if pattern is None:
        return Translated(problem=f"the pattern {value.pattern} has no counterpart")
    return Translated(f"to_char({now},{literal(pattern)})")


def _pattern(pattern: str) -> str | None:
    parts = []
    for part in re.findall(r"%.|[^%]+|%$", pattern):
        if part.startswith("%"):
            if part not in _PATTERNS:
                return None
            parts.append(_PATTERNS[part])
        else:
            parts.append('"' + part.replace("\\", "\\\\").replace('"', '\\"') + '"')
    return "".join(parts)


def _octets(count: int, digits: str, target_type: str, *, text: bool) -> Translated:
    if not 1 <= count <= _MOST_OCTETS:
        return Translated(problem=f"{count} random octets; the target makes at most {_MOST_OCTETS}")
    octets = _RANDOM if count == _MOST_OCTETS else f"substring({_RANDOM} FROM 1 FOR {count})"
    if not digits and target_type == "bytea":
        return Translated(octets)
    if not digits or not text:
        return Translated(problem=f"random octets for a column of type {target_type}")
    encoded = f"encode({octets},'hex')"
    return Translated(f"upper({encoded})" if digits == "upper" else encoded)


def _cast(number: str, target_type: str, *, text: bool) -> Translated:
    if text or target_type.startswith(("numeric", "double", "real", "bigint", "integer", "smallint")):
        return Translated(f"({number})::{target_type}" if target_type != "bigint" else number)
    return Translated(problem=f"a number for a column of type {target_type}")
