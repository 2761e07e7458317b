"""One canonical text for a double, computed alike by every engine.

The shortest decimal text of a double differs between engines for some values, so magnitudes from 2**-57 to 2**133
are written as an exact integer: the smallest j with |x| < 2**(63+10j) and the integer x * 2**(-10j). Everything else
(tiny, huge, infinite) is written as its shortest text, normalised to `digits e exponent`. The sign of zero is folded.
"""

from __future__ import annotations

import math
from collections.abc import Callable

_FIRST, _LAST = -11, 7
_LOWEST = 2.0 ** (53 + 10 * _FIRST)
_HIGHEST = 2.0 ** (63 + 10 * _LAST)


def _bucket(low: int, high: int, magnitude: str, leaf: Callable[[int], str]) -> str:
    """A balanced CASE over j, so that a common magnitude costs four comparisons."""
    if low == high:
        return leaf(low)
    middle = (low + high) // 2
    left = _bucket(low, middle, magnitude, leaf)
    right = _bucket(middle + 1, high, magnitude, leaf)
    return f"CASE WHEN {magnitude} < {2.0 ** (63 + 10 * middle)!r} THEN {left} ELSE {right} END"


def mysql_canon(x: str) -> str:
    """SQL of MySQL and MariaDB for the canonical text of the double expression `x`."""

    def leaf(j: int) -> str:
        return f"CONCAT('{j}b',CAST({x}*{2.0 ** (-10 * j)!r} AS SIGNED))"

    tree = _bucket(_FIRST, _LAST, f"ABS({x})", leaf)
    return (
        f"CASE WHEN {x}=0 THEN '0' WHEN ABS({x})>={_LOWEST!r} AND ABS({x})<{_HIGHEST!r} THEN {tree} ELSE {_mysql_shortest(x)} END"
    )


def _mysql_shortest(x: str) -> str:
    text = f"LOWER(CAST({x} AS CHAR))"
    mantissa = f"REPLACE(SUBSTRING_INDEX(SUBSTRING({text},IF({x}<0,2,1)),'e',1),' ','')"
    exponent = f"IF(LOCATE('e',{text})>0,CAST(SUBSTRING_INDEX({text},'e',-1) AS SIGNED),0)"
    fraction = f"IF(LOCATE('.',{mantissa})>0,LENGTH({mantissa})-LOCATE('.',{mantissa}),0)"
    digits = f"TRIM(LEADING '0' FROM REPLACE({mantissa},'.',''))"
    bare = f"TRIM(TRAILING '0' FROM {digits})"
    power = f"({exponent}-{fraction}+LENGTH({digits})-LENGTH({bare}))"
    return f"CONCAT(IF({x}<0,'-',''),{bare},'e',{power})"


def sqlite_canon(x: str) -> str:
    """SQL of SQLite for the canonical text of the real expression `x`; rare magnitudes go through `lf_double`."""

    def leaf(j: int) -> str:
        return f"'{j}b'||CAST({x}*{2.0 ** (-10 * j)!r} AS INTEGER)"

    tree = _bucket(_FIRST, _LAST, f"abs({x})", leaf)
    return (
        f"CASE WHEN {x}=0 THEN '0' WHEN abs({x})>={_LOWEST!r} AND abs({x})<{_HIGHEST!r} THEN {tree}"
        f" WHEN {x} IS NOT NULL THEN lf_double({x}) END"
    )


def postgresql_canon(x: str) -> str:
    """SQL of PostgreSQL for the canonical text of the double expression `x`."""

    def leaf(j: int) -> str:
        return f"'{j}b'||({x}*{2.0 ** (-10 * j)!r}::float8)::bigint"

    tree = _bucket(_FIRST, _LAST, f"abs({x})", leaf).replace(" THEN CASE", "::float8 THEN CASE")
    return (
        f"CASE WHEN {x}=0 THEN '0' WHEN abs({x})>={_LOWEST!r}::float8 AND abs({x})<{_HIGHEST!r}::float8"
        f" THEN {tree} WHEN {x}='NaN' OR abs({x})='Infinity' THEN ({x})::text ELSE {_postgresql_shortest(x)} END"
    )


def _postgresql_shortest(x: str) -> str:
    text = f"({x})::text"
    mantissa = f"ltrim(split_part({text},'e',1),'-')"
    exponent = f"coalesce(nullif(split_part({text},'e',2),'')::int,0)"
    fraction = f"length(split_part({mantissa},'.',2))"
    digits = f"ltrim(replace({mantissa},'.',''),'0')"
    bare = f"rtrim({digits},'0')"
    power = f"({exponent}-{fraction}+length({digits})-length({bare}))"
    return f"CASE WHEN {x}<0 THEN '-' ELSE '' END||{bare}||'e'||{power}"


def canon(x: float) -> str:
    """The same canonical text in Python, for sources that compute in this process."""
    if x == 0:
        return "0"
    if math.isnan(x):
        return "NaN"
    if math.isinf(x):
        return "Infinity" if x > 0 else "-Infinity"
    magnitude = abs(x)
    if _LOWEST <= magnitude < _HIGHEST:
        for j in range(_FIRST, _LAST + 1):
            if magnitude < 2.0 ** (63 + 10 * j):
                return f"{j}b{int(x * 2.0 ** (-10 * j))}"
    mantissa, _, exponent = repr(magnitude).partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    bare = digits.rstrip("0")
    power = int(exponent or 0) - len(fraction) + len(digits) - len(bare)
    return f"{'-' if x < 0 else ''}{bare}e{power}"
