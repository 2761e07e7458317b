"""Comparisons as the source does them: by number, by date, or by text with or without case."""

from __future__ import annotations

from collections.abc import Sequence

from landfall.engine.sources.mysql.views.values import (
    MOMENTS,
    NUMBERS,
    TEXTS,
    Case,
    Value,
    ValueKind,
    as_date,
    as_double,
    as_moment,
    as_number,
    as_text,
    as_time,
    column_value,
    compared_text,
    is_plain_date,
    shared_case,
)

_FLIPPED = {"=": "=", "<>": "<>", "<": ">", ">": "<", "<=": ">=", ">=": "<="}


def operands(values: Sequence[Value]) -> list[str]:
    """SQL of values that are compared with each other. Raises ValueError for kinds whose comparison is not certain."""
    kinds = {v.kind for v in values} - {ValueKind.NULL}
    if not kinds:
        return [f"{v.sql}::text" for v in values]
    if kinds <= TEXTS:
        case = shared_case(values)
        return [compared_text(v, case) for v in values]
    if kinds <= NUMBERS | TEXTS:
        numbers = [_integer_or_number(v) for v in values]
        return [as_double(v).sql if any(f.kind is ValueKind.FLOAT for f in numbers) else v.sql for v in numbers]
    if kinds <= MOMENTS | {ValueKind.TEXT}:
        return _moments(values, kinds)
    if kinds <= {ValueKind.TIME, ValueKind.TEXT}:
        return [v.sql if v.kind is ValueKind.NULL else as_time(v).sql for v in values]
    if len(kinds) == 1 and kinds <= {ValueKind.BYTES, ValueKind.OTHER, ValueKind.LIST}:
        return [v.sql for v in values]
    message = f"{' and '.join(sorted(k.value for k in kinds))} are compared"
    raise ValueError(message)


def _integer_or_number(value: Value) -> Value:
    """A literal text of digits compares as the number it is; other texts as far as they begin with a number."""
    if value.kind is ValueKind.TEXT and value.constant is not None and value.constant.isascii() and value.constant.isdigit():
        digits = value.constant.lstrip("0") or "0"
        return Value(digits, ValueKind.INT, constant=digits) if len(digits) < 10 else as_number(value)
    number = as_number(value)
    return column_value(number) if number.inexact and not number.kept else number


def _moments(values: Sequence[Value], kinds: set[ValueKind]) -> list[str]:
    if kinds <= {ValueKind.DATE, ValueKind.TEXT} and all(is_plain_date(v) or v.kind is ValueKind.NULL for v in values):
        return [v.sql if v.kind is ValueKind.NULL else as_date(v).sql for v in values]
    if kinds == {ValueKind.ZONED}:
        return [v.sql for v in values]
    return [v.sql if v.kind is ValueKind.NULL else as_moment(v).sql for v in values]


def compared(left: Value, operator: str, right: Value) -> str:
    """SQL of a comparison. `operator`: = <> < > <= >= or <=>, which is true of two NULLs."""
    for value, other, turned in ((left, right, operator), (right, left, _FLIPPED.get(operator, operator))):
        if (
            value.kind is ValueKind.BOOL
            and other.kind is ValueKind.INT
            and other.constant in {"0", "1"}
            and turned in {"=", "<>"}
        ):
            return value.sql if (turned == "=") == (other.constant == "1") else f"(NOT {value.sql})"
    a, b = operands([left, right])
    if operator == "<=>":
        return f"({a} IS NOT DISTINCT FROM {b})"
    return f"({a} {operator} {b})"


def among(value: Value, listed: Sequence[Value]) -> str:
    """SQL of `value IN (…)`."""
    kinds = {v.kind for v in (value, *listed)}
    if kinds <= TEXTS or kinds <= {ValueKind.INT, ValueKind.NUM}:
        first, *items = operands([value, *listed])
        return f"({first} IN ({', '.join(items)}))"
    return f"({' OR '.join(compared(value, '=', item) for item in listed)})"


def between(value: Value, low: Value, high: Value) -> str:
    """SQL of `value BETWEEN low AND high`."""
    return f"({compared(value, '>=', low)} AND {compared(value, '<=', high)})"


def like(value: Value, pattern: Value, escape: str | None) -> str:
    """SQL of `value LIKE pattern`. `escape`: the character that the query names, None for the backslash."""
    case = shared_case([value, pattern])
    word = "LIKE" if case is Case.EXACT else "ILIKE"
    tail = "" if escape is None else f" ESCAPE '{escape.replace(chr(39), chr(39) * 2)}'"
    if escape is None and (pattern.constant or "").replace("\\\\", "").endswith("\\"):
        message = "the pattern of LIKE ends with a backslash"
        raise ValueError(message)
    return f"({as_text(value).sql} {word} {as_text(pattern).sql}{tail})"
