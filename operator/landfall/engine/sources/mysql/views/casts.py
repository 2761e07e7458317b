"""CAST and CONVERT to a type."""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot.expressions.datatypes import DType

from landfall.engine.sources.mysql.views.product import Product
from landfall.engine.sources.mysql.views.values import (
    Value,
    ValueKind,
    as_date,
    as_decimal,
    as_double,
    as_integer,
    as_moment,
    as_number,
    as_text,
    as_time,
    double,
)


def cast_to(value: Value, kind: DType, size: Sequence[int], product: Product) -> Value:  # noqa: PLR0911  a table of types
    """CAST to a type with its sizes."""
    types = DType
    if kind in {types.CHAR, types.VARCHAR, types.NCHAR, types.NVARCHAR, types.TEXT}:
        converted = as_text(value)
        return converted.with_sql(f"left({converted.sql}, {size[0]})") if size else converted
    if kind in {types.BIGINT, types.INT}:
        return as_integer(value)
    if kind in {types.UBIGINT, types.UINT}:
        return _unsigned(value, product)
    if kind is types.DECIMAL:
        precision, scale = (*size, 0, 0)[:2] if size else (10, 0)
        most = f"{10 ** (precision - scale) - 1 if precision > scale else 0}.{'9' * scale}" if scale else str(10**precision - 1)
        number = as_decimal(value).sql
        rounded = f"round({number}, {scale})"
        sql = f"(CASE WHEN {rounded} > {most} THEN {most} WHEN {rounded} < -{most} THEN -{most} ELSE {rounded} END)"
        return Value(sql, ValueKind.NUM, scale=scale)
    if kind in {types.DOUBLE, types.FLOAT} and not size:
        return as_double(value) if kind is types.DOUBLE else double(f"({as_double(value).sql})::real")
    if kind is types.DATE:
        return as_date(value)
    if kind in {types.DATETIME, types.TIMESTAMP}:
        digits = size[0] if size else 0
        return Value(f"({as_moment(value).sql})::timestamp({digits})", ValueKind.MOMENT, scale=digits)
    if kind is types.TIME:
        converted = as_time(value)
        return (
            converted
            if size and size[0] == 6
            else Value(f"({converted.sql})::interval({size[0] if size else 0})", ValueKind.TIME)
        )
    message = f"CAST to {kind.value}"
    raise ValueError(message)


def _unsigned(value: Value, product: Product) -> Value:
    """CAST AS UNSIGNED: a negative integer becomes what its bits are without a sign."""
    if value.kind is ValueKind.TEXT:
        operand = Value(as_integer(value).sql, ValueKind.INT)
    else:
        operand = as_number(value)
    if operand.kind is ValueKind.FLOAT:
        message = "a floating-point number as UNSIGNED"
        raise ValueError(message)
    number = f"round({operand.sql})" if operand.kind is ValueKind.NUM else f"({operand.sql})::numeric"
    if operand.kind is ValueKind.NUM and product is Product.MARIADB:  # a negative decimal number becomes 0 there
        return Value(f"(CASE WHEN {number} < 0 THEN 0 ELSE {number} END)", ValueKind.NUM)
    return Value(f"(CASE WHEN {number} < 0 THEN {number} + {2**64} ELSE {number} END)", ValueKind.NUM)
