"""Aggregates: functions over the rows of a group or a window."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from landfall.engine.sources.mysql.views.documents import element
from landfall.engine.sources.mysql.views.numbers import MORE_DECIMALS, computed_decimals
from landfall.engine.sources.mysql.views.product import Product
from landfall.engine.sources.mysql.views.texts import concat
from landfall.engine.sources.mysql.views.values import (
    TEXTS,
    Case,
    Value,
    ValueKind,
    as_double,
    as_integer,
    as_number,
    as_text,
    column_value,
    compared_text,
    double,
    integer,
    text,
)

_ALL_BITS = 2**64 - 1
OVER = "\0"  # where a window follows the call of an aggregate


def distinct_sql(value: Value) -> str:
    """SQL of a value where equal ones count once."""
    return compared_text(value, value.case) if value.kind is ValueKind.TEXT else value.sql


def count(values: Sequence[Value], *, distinct: bool) -> Value:
    """COUNT. Several values are counted where none is NULL."""
    if not distinct:
        (value,) = values
        return integer(f"count({'*' if value.constant is not None else value.sql}){OVER}")
    if len(values) == 1:
        return integer(f"count(DISTINCT {distinct_sql(values[0])}){OVER}")
    present = " AND ".join(f"{v.sql} IS NOT NULL" for v in values)
    return integer(f"count(DISTINCT CASE WHEN {present} THEN ROW({', '.join(distinct_sql(v) for v in values)}) END){OVER}")


def _sum(value: Value, word: str) -> Value:
    number = as_number(value)
    call = f"sum({word}{number.sql}){OVER}"
    return (
        double(call) if number.kind is ValueKind.FLOAT else Value(call, ValueKind.NUM, scale=number.scale, inexact=number.inexact)
    )


def avg(value: Value, word: str, product: Product) -> Value:
    """AVG, with the digits that the source computes on with. `word`: DISTINCT or nothing."""
    number = as_number(value)
    call = f"avg({word}{number.sql}){OVER}"
    if number.kind is ValueKind.FLOAT:
        return double(call)
    scale = number.scale + MORE_DECIMALS
    digits = computed_decimals(scale)
    return Value(f"trunc({call}, {digits})", ValueKind.NUM, scale=scale, inexact=True, kept=product is Product.MYSQL)


def _extreme(name: str) -> Callable[[Value, str], Value]:
    def call(value: Value, word: str) -> Value:
        del word  # it changes nothing
        if value.kind in TEXTS and value.case is not Case.EXACT:
            operand, order = as_text(value), "DESC" if name == "max" else "ASC"
            key = compared_text(value, Case.LOOSE)
            return operand.with_sql(
                f"(array_agg({operand.sql} ORDER BY {key} {order}) FILTER (WHERE {operand.sql} IS NOT NULL))[1]"
            )
        if value.kind in {ValueKind.JSON, ValueKind.LIST, ValueKind.BYTES}:
            message = f"{name.upper()} of {value.kind.value}"
            raise ValueError(message)
        operand = as_number(value) if value.kind is ValueKind.BOOL else as_text(value) if value.kind is ValueKind.ENUM else value
        return operand.with_sql(f"{name}({operand.sql}){OVER}")

    return call


def _spread(name: str) -> Callable[[Value, str], Value]:
    def call(value: Value, word: str) -> Value:
        return double(f"({name}({word}{as_double(value).sql}){OVER})::double precision")

    return call


def _bits(name: str, empty: int) -> Callable[[Value, str], Value]:
    def call(value: Value, word: str) -> Value:
        del word
        call_sql = f"{name}(({as_integer(value).sql})::bigint){OVER}"
        return Value(f"coalesce(({call_sql})::numeric, {empty})", ValueKind.NUM)

    return call


def _any(value: Value, word: str) -> Value:
    del word
    return value.with_sql(f"(array_agg({value.sql}))[1]")


def _json_array(value: Value, word: str) -> Value:
    if word:
        message = "JSON_ARRAYAGG(DISTINCT …)"
        raise ValueError(message)
    return Value(f"json_agg({element(value)})", ValueKind.JSON)


AGGREGATES: dict[str, Callable[[Value, str], Value]] = {
    "sum": _sum,
    "min": _extreme("min"),
    "max": _extreme("max"),
    "std": _spread("stddev_pop"),
    "stddev": _spread("stddev_pop"),
    "stddev_pop": _spread("stddev_pop"),
    "stddev_samp": _spread("stddev_samp"),
    "variance": _spread("var_pop"),
    "var_pop": _spread("var_pop"),
    "var_samp": _spread("var_samp"),
    "bit_or": _bits("bit_or", 0),
    "bit_and": _bits("bit_and", _ALL_BITS),
    "bit_xor": _bits("bit_xor", 0),
    "any_value": _any,
    "json_arrayagg": _json_array,
}


def json_object_agg(name: Value, value: Value) -> Value:
    """JSON_OBJECTAGG."""
    return Value(f"json_object_agg({as_text(name).sql}, {element(value)})", ValueKind.JSON)


def group_concat(values: Sequence[Value], orders: Sequence[tuple[Value, str]], separator: str, *, distinct: bool) -> Value:
    """GROUP_CONCAT. `orders`: what it is ordered by, and ASC or DESC with the place of NULLs."""
    first = column_value(values[0])
    joined = as_text(first) if len(values) == 1 else concat(*(column_value(v) for v in values))
    if not distinct:
        order = ", ".join(f"{distinct_sql(v)} {way}" for v, way in orders)
        return text(f"string_agg({joined.sql}, {separator}{f' ORDER BY {order}' if order else ''})", joined.case)
    if len(values) > 1 or any(v.sql != values[0].sql for v, _ in orders):
        message = "GROUP_CONCAT(DISTINCT …) of several values, or ordered by something else"
        raise ValueError(message)
    way = orders[0][1] if orders else "ASC"
    if first.kind is ValueKind.TEXT and first.case is not Case.EXACT:
        return joined.with_sql(_concat_without_case(first, way, separator))
    operand = first if first.kind in {ValueKind.INT, ValueKind.ENUM} else joined
    return text(f"array_to_string(array_agg(DISTINCT {operand.sql} ORDER BY {operand.sql} {way}), {separator})", joined.case)


def _concat_without_case(value: Value, way: str, separator: str) -> str:
    """Texts that differ in case only are one, as the source has it."""
    once = (
        f'SELECT DISTINCT ON (lower("x"."v")) "x"."v" FROM unnest(array_agg({value.sql})) AS "x"("v") WHERE "x"."v" IS NOT NULL'
    )
    return f'(SELECT string_agg("y"."v", {separator} ORDER BY lower("y"."v") {way}) FROM ({once}) AS "y")'


RANKS = frozenset({"row_number", "rank", "dense_rank", "percent_rank", "cume_dist", "ntile"})
NEIGHBOURS = frozenset({"lag", "lead", "first_value", "last_value", "nth_value"})
ALL = frozenset({*AGGREGATES, "count", "avg", "json_objectagg"}) | RANKS | NEIGHBOURS
_TYPES = {ValueKind.INT: "bigint", ValueKind.NUM: "numeric", ValueKind.FLOAT: "double precision", ValueKind.TEXT: "text"}


def rank(name: str, values: Sequence[Value]) -> Value:
    """A number that a window gives to each row."""
    call = f"{name}({', '.join(as_integer(v).sql for v in values)}){OVER}"
    return double(call) if name in {"percent_rank", "cume_dist"} else integer(call)


def neighbour(name: str, values: Sequence[Value]) -> Value:
    """A value of another row of the window."""
    value = column_value(values[0])
    if len(values) == 3:
        return _with_default(name, value, values[1], values[2])
    more = [f"({as_integer(v).sql})::integer" for v in values[1:]]
    return value.with_sql(f"{name}({', '.join([value.sql, *more])}){OVER}")


def _with_default(name: str, value: Value, offset: Value, default: Value) -> Value:
    default_value = as_text(default) if value.kind is ValueKind.TEXT else as_number(default)
    if value.kind not in _TYPES:
        message = f"{name.upper()} with a default for {value.kind.value}"
        raise ValueError(message)
    wide = value
    if default_value.kind in {ValueKind.NUM, ValueKind.FLOAT} and value.kind is ValueKind.INT:
        wide = replace(value, kind=default_value.kind, scale=default_value.scale)
    kind = _TYPES[wide.kind]
    return wide.with_sql(
        f"{name}(({value.sql})::{kind}, ({as_integer(offset).sql})::integer, ({default_value.sql})::{kind}){OVER}"
    )
