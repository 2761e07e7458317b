"""Arithmetic, and functions over numbers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from landfall.engine.sources.mysql.views.comparing import compared
from landfall.engine.sources.mysql.views.product import Product
from landfall.engine.sources.mysql.views.texts import constant_integer
from landfall.engine.sources.mysql.views.values import (
    MOMENTS,
    NUMBERS,
    Case,
    Value,
    ValueKind,
    as_decimal,
    as_double,
    as_integer,
    as_number,
    double,
    integer,
    shared_case,
    truth,
    united,
)

MORE_DECIMALS = 4  # that a quotient is shown with: div_precision_increment
_ALL_BITS = 2**64
_DIGIT_GROUP = 9


def added(operator: str, left: Value, right: Value) -> Value:
    """A sum, difference or product. Integers are computed in 64 bits, as the source does."""
    a, b = as_number(left), as_number(right)
    if ValueKind.FLOAT in {a.kind, b.kind}:
        return double(f"({as_double(a).sql} {operator} {as_double(b).sql})")
    scale = a.scale + b.scale if operator == "*" else max(a.scale, b.scale)
    if ValueKind.NUM in {a.kind, b.kind}:
        return Value(f"({a.sql} {operator} {b.sql})", ValueKind.NUM, scale=scale, inexact=a.inexact or b.inexact)
    return integer(f"(({a.sql})::bigint {operator} {b.sql})")


def computed_decimals(scale: int) -> int:
    """The decimals that a quotient of this scale is computed on with: as many groups of nine digits as hold them."""
    return -(-scale // _DIGIT_GROUP) * _DIGIT_GROUP


def divided(left: Value, right: Value, product: Product) -> Value:
    """A quotient, NULL where it is by zero."""
    a, b = as_number(left), as_number(right)
    if ValueKind.FLOAT in {a.kind, b.kind}:
        return double(f"({as_double(a).sql} / nullif({as_double(b).sql}, 0))")
    sql, scale = f"(({a.sql})::numeric / nullif({b.sql}, 0))", a.scale + MORE_DECIMALS
    if product is Product.MYSQL:
        return Value(f"round({sql}, {scale})", ValueKind.NUM, scale=scale)
    return Value(f"trunc({sql}, {computed_decimals(scale)})", ValueKind.NUM, scale=scale, inexact=True)


def whole_quotient(left: Value, right: Value) -> Value:
    """DIV."""
    return integer(f"trunc({as_decimal(left).sql} / nullif({as_decimal(right).sql}, 0))::bigint")


def remainder(left: Value, right: Value) -> Value:
    """MOD, with the sign of the dividend."""
    a, b = as_number(left), as_number(right)
    if ValueKind.FLOAT in {a.kind, b.kind}:
        message = "the remainder of floating-point numbers"
        raise ValueError(message)
    kind = ValueKind.NUM if ValueKind.NUM in {a.kind, b.kind} else ValueKind.INT
    return Value(f"mod({a.sql}, nullif({b.sql}, 0))", kind, scale=max(a.scale, b.scale))


def negated(value: Value) -> Value:
    """The number with the other sign."""
    number = as_number(value)
    if number.constant is not None and not number.constant.startswith("-"):
        return replace(number, sql=f"(-{number.sql})", constant=f"-{number.constant}")
    return number.with_sql(f"(-({number.sql}){'::bigint' if number.kind is ValueKind.INT else ''})")


def _unsigned(sql: str) -> Value:
    return Value(f"(CASE WHEN {sql} < 0 THEN ({sql})::numeric + {_ALL_BITS} ELSE ({sql})::numeric END)", ValueKind.NUM)


def _as_bits(value: Value) -> str:
    """SQL of 64 bits as a signed integer."""
    number = as_number(value)
    if number.kind is not ValueKind.NUM:
        return as_integer(value).sql
    whole = f"round({number.sql})"
    return f"(CASE WHEN {whole} >= {_ALL_BITS // 2} THEN {whole} - {_ALL_BITS} ELSE {whole} END)::bigint"


def bits(operator: str, left: Value, right: Value) -> Value:
    """A bit operation, whose result is an unsigned number. `operator`: & | or # (exclusive)."""
    return _unsigned(f"(({_as_bits(left)})::bigint {operator} {_as_bits(right)})")


def shifted(operator: str, left: Value, right: Value) -> Value:
    """A shift by a literal number of bits."""
    many = constant_integer(right, "the number of bits")
    if not 0 <= many < 64:
        message = "a shift by a negative number or by more than 63 bits"
        raise ValueError(message)
    if operator == "<<":
        return _unsigned(f"(({_as_bits(left)})::bigint << {many})")
    return Value(f"trunc({_unsigned(_as_bits(left)).sql} / {2**many}::numeric)", ValueKind.NUM)


def inverted(value: Value) -> Value:
    """All bits inverted."""
    return _unsigned(f"(~({_as_bits(value)})::bigint)")


def _bit_count(value: Value) -> Value:
    return integer(f"length(replace(({_as_bits(value)})::bigint::bit(64)::text, '0', ''))")


def _abs(value: Value) -> Value:
    number = as_number(value)
    return number.with_sql(f"abs({number.sql})")


def _sign(value: Value) -> Value:
    return integer(f"sign({as_number(value).sql})::integer")


def _whole(name: str) -> Callable[[Value], Value]:
    def call(value: Value) -> Value:
        number = as_number(value)
        return (
            number if number.kind is ValueKind.INT else replace(number.with_sql(f"{name}({number.sql})"), scale=0, inexact=False)
        )

    return call


def rounded(value: Value, decimals: Value | None = None) -> Value:
    """ROUND: halves away from zero for decimal numbers, to the even number for others."""
    number, many = as_number(value), 0 if decimals is None else constant_integer(decimals, "the decimals of ROUND")
    if number.kind is ValueKind.INT and many >= 0:
        return number
    if number.kind is ValueKind.FLOAT:
        return double(_scaled("round", number.sql, many))
    return Value(f"round(({number.sql})::numeric, {many})", ValueKind.NUM, scale=max(many, 0))


def _truncate(value: Value, decimals: Value) -> Value:
    number, many = as_number(value), constant_integer(decimals, "the decimals of TRUNCATE")
    if number.kind is ValueKind.FLOAT:
        return double(_scaled("trunc", number.sql, many))
    return Value(f"trunc(({number.sql})::numeric, {many})", ValueKind.NUM, scale=max(many, 0))


def _scaled(name: str, sql: str, many: int) -> str:
    """As the source rounds floating-point numbers: multiplied by a power of ten and divided by it again, or the other way round."""
    if not many:
        return f"{name}({sql})"
    power = f"'1e{abs(many)}'::double precision"
    first, second = ("*", "/") if many > 0 else ("/", "*")
    return f"({name}({sql} {first} {power}) {second} {power})"


def _double(name: str, condition: str = "") -> Callable[[Value], Value]:
    def call(value: Value) -> Value:
        x = as_double(value).sql
        return double(f"(CASE WHEN {condition.format(x=x)} THEN {name}({x}) END)" if condition else f"{name}({x})")

    return call


def _power(base: Value, exponent: Value) -> Value:
    return double(f"power({as_double(base).sql}, {as_double(exponent).sql})")


def _log(value: Value, argument: Value | None = None) -> Value:
    a, b = as_double(value).sql, as_double(argument).sql if argument else ""
    if not b:
        return double(f"(CASE WHEN {a} > 0 THEN ln({a}) END)")
    return double(f"(CASE WHEN {a} > 0 AND {a} <> 1 AND {b} > 0 THEN ln({b}) / ln({a}) END)")


def _extreme(name: str) -> Callable[..., Value]:
    def call(*values: Value) -> Value:
        kinds = {v.kind for v in values} - {ValueKind.NULL}
        if not (kinds <= NUMBERS or kinds <= MOMENTS) and shared_case(values) is not Case.EXACT:
            message = f"{name.upper()} orders texts by their collation"
            raise ValueError(message)
        united_values = united([as_number(v) for v in values] if kinds <= NUMBERS else values)
        absent = " OR ".join(f"{v.sql} IS NULL" for v in united_values)
        sample = next((v for v in united_values if v.kind is not ValueKind.NULL), united_values[0])
        return sample.with_sql(f"(CASE WHEN {absent} THEN NULL ELSE {name}({', '.join(v.sql for v in united_values)}) END)")

    return call


def interval(value: Value, *bounds: Value) -> Value:
    """INTERVAL: how many of the bounds are not above the value."""
    arms = " ".join(f"WHEN {compared(value, '<', bound)} THEN {at}" for at, bound in enumerate(bounds))
    return integer(f"(CASE WHEN {value.sql} IS NULL THEN -1 {arms} ELSE {len(bounds)} END)")


def _is_null(value: Value) -> Value:
    return truth(f"({value.sql} IS NULL)")


FUNCTIONS: dict[str, Callable[..., Value]] = {
    "abs": _abs,
    "sign": _sign,
    "ceil": _whole("ceil"),
    "ceiling": _whole("ceil"),
    "floor": _whole("floor"),
    "round": rounded,
    "truncate": _truncate,
    "mod": remainder,
    "pow": _power,
    "power": _power,
    "sqrt": _double("sqrt", "{x} >= 0"),
    "exp": _double("exp"),
    "ln": _log,
    "log": _log,
    "log2": lambda value: _log(integer("2"), value),
    "log10": _double("log", "{x} > 0"),
    "pi": lambda: Value("pi()", ValueKind.FLOAT, scale=6, inexact=True),
    "sin": _double("sin"),
    "cos": _double("cos"),
    "tan": _double("tan"),
    "atan": _double("atan"),
    "asin": _double("asin", "{x} BETWEEN -1 AND 1"),
    "acos": _double("acos", "{x} BETWEEN -1 AND 1"),
    "degrees": _double("degrees"),
    "radians": _double("radians"),
    "greatest": _extreme("greatest"),
    "least": _extreme("least"),
    "bit_count": _bit_count,
    "isnull": _is_null,
}
