"""What an expression yields: its SQL in the target, and what kind of value that is. Conversions between kinds, as the source does them.

The rule: a conversion that the target cannot do in the same way raises ValueError with the reason.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from landfall.engine.model.identifiers import literal


class ValueKind(enum.Enum):
    """What a value is in the target."""

    NULL = "NULL"
    BOOL = "a truth"
    INT = "an integer"
    NUM = "a decimal number"
    FLOAT = "a floating-point number"
    TEXT = "a text"
    ENUM = "an enumeration"
    DATE = "a date"
    MOMENT = "a date and time"
    ZONED = "a time stamp"
    TIME = "a time"
    JSON = "a JSON document"
    BYTES = "bytes"
    LIST = "a set"
    OTHER = "a value of another type"


class Case(enum.Enum):
    """How texts compare: without case, exactly, or as the other side does."""

    LOOSE = enum.auto()
    EXACT = enum.auto()
    EITHER = enum.auto()


NUMBERS = frozenset({ValueKind.BOOL, ValueKind.INT, ValueKind.NUM, ValueKind.FLOAT})
MOMENTS = frozenset({ValueKind.DATE, ValueKind.MOMENT, ValueKind.ZONED})
TEXTS = frozenset({ValueKind.TEXT, ValueKind.ENUM})
_LEADING = r"^\s*[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
_LEADING_INTEGER = r"^\s*[+-]?[0-9]+"
_DATE = re.compile(r"(\d{4})-(\d\d?)-(\d\d?)")
_MOMENT = re.compile(r"(\d{4}-\d\d?-\d\d?)[ T](\d\d?:\d\d?(?::\d\d?(?:\.\d{1,6})?)?)")
_TIME = re.compile(r"-?\d{1,3}:\d\d(:\d\d(\.\d{1,6})?)?")
_FRACTION_SINCE = 20  # characters of a moment up to the point


@dataclass(frozen=True, slots=True)
class Value:
    """An expression of the target.

    Attributes:
        sql: Its SQL, which can stand in any place without more parentheses.
        kind: What it is.
        scale: Decimals of a number, digits of the fraction of a moment.
        case: How a text compares.
        constant: The text or the digits of a literal.
        stored: It is a column, and is shown as it is.
        inexact: A quotient: it has more decimals than `scale` until it is shown.
        kept: A quotient that compares with all its decimals.
        foreign: A column whose texts are in another character set than UTF-8 on the source.
    """

    sql: str
    kind: ValueKind
    scale: int = 0
    case: Case = Case.EITHER
    constant: str | None = None
    stored: bool = False
    inexact: bool = False
    kept: bool = False
    foreign: bool = False

    def with_sql(self, sql: str) -> Value:
        """Another expression of the same kind."""
        return replace(self, sql=sql, constant=None, stored=False)


def integer(sql: str) -> Value:
    """An integer."""
    return Value(sql, ValueKind.INT)


def truth(sql: str) -> Value:
    """A truth."""
    return Value(sql, ValueKind.BOOL)


def double(sql: str) -> Value:
    """A floating-point number."""
    return Value(sql, ValueKind.FLOAT)


def text(sql: str, case: Case = Case.EITHER) -> Value:
    """A text."""
    return Value(sql, ValueKind.TEXT, case=case)


def number_literal(digits: str) -> Value:
    """A number as it is written."""
    if "e" in digits.lower():
        return Value(f"'{digits}'::double precision", ValueKind.FLOAT, constant=digits)
    _, point, decimals = digits.partition(".")
    if not point and len(digits) < 19:
        return Value(digits if len(digits) < 10 else f"{digits}::bigint", ValueKind.INT, constant=digits)
    return Value(f"{digits}::numeric", ValueKind.NUM, scale=len(decimals), constant=digits)


def text_literal(value: str) -> Value:
    """A text as it is written."""
    if "\0" in value:
        message = "a text with a NUL byte"
        raise ValueError(message)
    return Value(f"{literal(value)}::text", ValueKind.TEXT, constant=value)


def shared_case(values: Iterable[Value]) -> Case:
    """How texts compare that come from these: a collation with case wins, then one without."""
    cases = {v.case for v in values if v.kind in TEXTS}
    return Case.EXACT if Case.EXACT in cases else Case.LOOSE if Case.LOOSE in cases else Case.EITHER


def column_value(value: Value) -> Value:
    """The value as a column of the view: truths of expressions are 0 and 1, quotients have the decimals that the source shows."""
    if value.kind is ValueKind.BOOL and not value.stored:
        return integer(f"({value.sql})::integer")
    if value.inexact and value.kind is ValueKind.FLOAT:
        return replace(value, sql=f"round(({value.sql})::numeric, {value.scale})::double precision", inexact=False)
    if value.inexact:
        return replace(value, sql=f"round({value.sql}, {value.scale})", inexact=False)
    return value


def at_least_zero(value: Value) -> str:
    """SQL of a count: negative ones are 0."""
    if value.kind is ValueKind.INT and value.constant is not None:
        return str(max(int(value.constant), 0))
    number = as_integer(value).sql
    return f"(CASE WHEN {number} < 0 THEN 0 ELSE {number} END)::integer"


def as_number(value: Value) -> Value:
    """The value where the source computes with it."""
    match value.kind:
        case ValueKind.BOOL:
            return integer(f"({value.sql})::integer")
        case ValueKind.INT | ValueKind.NUM | ValueKind.FLOAT | ValueKind.NULL:
            return value
        case ValueKind.TEXT:
            if value.constant is not None and re.fullmatch(r"[+-]?\d{1,15}", value.constant):
                return double(f"{int(value.constant)}::double precision")
            return double(f"{_leading(value, _LEADING)}::double precision")
        case _:
            message = f"{value.kind.value} is used as a number"
            raise ValueError(message)


def _leading(value: Value, form: str) -> str:
    """SQL of the number that a text begins with: 0 where there is none, NULL of NULL."""
    return f"coalesce(substring({value.sql} from {literal(form)}), '0' || left({value.sql}, 0))"


def as_integer(value: Value) -> Value:
    """The value as a signed integer: numbers are rounded, texts are read up to the first character that is no digit."""
    if value.kind is ValueKind.TEXT:
        return integer(f"{_leading(value, _LEADING_INTEGER)}::bigint")
    number = as_number(value)
    if number.kind in {ValueKind.NUM, ValueKind.FLOAT}:
        return integer(f"round({number.sql})::bigint")
    return number if number.constant else integer(f"({number.sql})::bigint")


def as_decimal(value: Value) -> Value:
    """The value as a number without rounding errors."""
    if value.kind is ValueKind.TEXT:
        return Value(f"{_leading(value, _LEADING)}::numeric", ValueKind.NUM, scale=30)
    number = as_number(value)
    return (
        number
        if number.kind is ValueKind.NUM
        else replace(number, sql=f"({number.sql})::numeric", kind=ValueKind.NUM, constant=None)
    )


def as_double(value: Value) -> Value:
    """The value as a floating-point number."""
    number = as_number(value)
    return number if number.kind is ValueKind.FLOAT else double(f"({number.sql})::double precision")


def as_truth(value: Value) -> str:
    """SQL of a truth: other than zero."""
    if value.kind is ValueKind.BOOL:
        return value.sql
    if value.kind is ValueKind.NULL:
        return "NULL::boolean"
    if value.constant is not None and value.kind is ValueKind.INT:
        return "true" if int(value.constant) else "false"
    return f"({as_number(value).sql} <> 0)"


def as_text(value: Value) -> Value:  # noqa: PLR0911  a table of kinds
    """The value where the source needs a text."""
    match value.kind:
        case ValueKind.TEXT:
            return value
        case ValueKind.ENUM:
            return text(f"({value.sql})::text", value.case)
        case ValueKind.NULL:
            return text("NULL::text")
        case ValueKind.BOOL:
            return text(f"({value.sql})::integer::text")
        case ValueKind.INT | ValueKind.JSON:
            return text(f"({value.sql})::text")
        case ValueKind.NUM:
            return text(f"round({value.sql}, {value.scale})::text")
        case ValueKind.DATE:
            return text(f"to_char({value.sql}, 'YYYY-MM-DD')")
        case ValueKind.MOMENT | ValueKind.ZONED:
            return text(_moment_text(value))
        case _:
            message = f"{value.kind.value} is used as a text, which the target prints otherwise"
            raise ValueError(message)


def _moment_text(value: Value) -> str:
    local = as_moment(value).sql
    if not value.scale:
        return f"to_char({local}, 'YYYY-MM-DD HH24:MI:SS')"
    return f"left(to_char({local}, 'YYYY-MM-DD HH24:MI:SS.US'), {_FRACTION_SINCE + value.scale})"


def compared_text(value: Value, case: Case) -> str:
    """SQL of a text where it is compared."""
    converted = as_text(value)
    if case is Case.EXACT:
        return converted.sql
    return text_literal(converted.constant.lower()).sql if converted.constant is not None else f"lower({converted.sql})"


def as_moment(value: Value) -> Value:
    """The value as a date with a time of day, in the time zone of the session where it has one."""
    match value.kind:
        case ValueKind.MOMENT:
            return value
        case ValueKind.DATE | ValueKind.ZONED:
            return Value(f"({value.sql})::timestamp", ValueKind.MOMENT, scale=value.scale)
        case ValueKind.NULL:
            return Value("NULL::timestamp", ValueKind.MOMENT)
        case ValueKind.TEXT if value.constant is not None:
            return moment_literal(value.constant)
        case _:
            message = f"{value.kind.value} that is no literal is used as a date: what the source makes of it depends on its form"
            raise ValueError(message)


def moment_literal(literal_text: str) -> Value:
    """A date, or a date with a time of day, as the standard writes it."""
    if (match := _MOMENT.fullmatch(literal_text)) and _is_date(match.group(1)):
        fraction = match.group(2).partition(".")[2]
        return Value(f"'{literal_text}'::timestamp", ValueKind.MOMENT, scale=len(fraction))
    if _is_date(literal_text):
        return Value(f"'{literal_text}'::timestamp", ValueKind.MOMENT)
    message = f"{literal_text!r} is used as a date and is none in the form YYYY-MM-DD hh:mm:ss"
    raise ValueError(message)


def _is_date(literal_text: str) -> bool:
    match = _DATE.fullmatch(literal_text)
    if not match:
        return False
    year, month, day = (int(n) for n in match.groups())
    lengths = (31, 29 if year % 4 == 0 and (year % 100 or year % 400 == 0) else 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
    return year > 0 and 1 <= month <= 12 and 1 <= day <= lengths[month - 1]


def is_plain_date(value: Value) -> bool:
    """Whether it is a date without a time of day: one of that type, or a literal of that form."""
    return value.kind is ValueKind.DATE or (
        value.constant is not None and value.kind is ValueKind.TEXT and _is_date(value.constant)
    )


def as_date(value: Value) -> Value:
    """The value as a date without its time of day."""
    if value.kind is ValueKind.DATE:
        return value
    return Value(f"({as_moment(value).sql})::date", ValueKind.DATE)


def as_time(value: Value) -> Value:
    """The value as a time of day or a span of time."""
    if value.kind is ValueKind.TIME:
        return value
    if value.kind is ValueKind.TEXT and value.constant is not None and _TIME.fullmatch(value.constant):
        return Value(f"'{value.constant}'::interval", ValueKind.TIME)
    if value.kind in {ValueKind.MOMENT, ValueKind.ZONED}:
        return Value(f"(({value.sql})::time)::interval", ValueKind.TIME, scale=value.scale)
    message = f"{value.kind.value} is used as a time"
    raise ValueError(message)


def united(values: Iterable[Value]) -> list[Value]:
    """Values of which one is chosen at run time, as values of one kind. Raises ValueError where the source's choice is not certain."""
    listed = list(values)
    kinds = {v.kind for v in listed} - {ValueKind.NULL}
    if kinds == {ValueKind.BOOL} and all(v.stored for v in listed if v.kind is ValueKind.BOOL):
        return listed
    if kinds <= NUMBERS:
        return _united_numbers([as_number(v) for v in listed])
    if kinds <= MOMENTS:
        return listed if len(kinds) == 1 else [v if v.kind is ValueKind.NULL else as_moment(v) for v in listed]
    if len(kinds) == 1 and kinds != {ValueKind.ENUM}:
        case = shared_case(listed)
        return [replace(v, case=case) if v.kind is ValueKind.TEXT else v for v in listed]
    if kinds <= TEXTS | NUMBERS | MOMENTS and kinds & TEXTS:
        case = shared_case(listed)
        return [replace(as_text(v), case=case) for v in listed]
    message = f"{' and '.join(sorted(k.value for k in kinds))} are values of one expression"
    raise ValueError(message)


def _united_numbers(values: list[Value]) -> list[Value]:
    if any(v.kind is ValueKind.FLOAT for v in values):
        return [as_double(v) if v.kind is not ValueKind.NULL else v for v in values]
    scale = max((v.scale for v in values), default=0)
    inexact, decimal = any(v.inexact for v in values), any(v.kind is ValueKind.NUM for v in values)
    kind = ValueKind.NUM if decimal else ValueKind.INT
    return [v if v.kind is ValueKind.NULL else replace(v, kind=kind, scale=scale, inexact=inexact) for v in values]
