"""One canonical text for a double, computed alike by every engine: the parts that the SQL of each shares, and the text in Python.

The shortest decimal text of a double differs between engines for some values, so magnitudes from 2**-57 to 2**133
are written as an exact integer: the smallest j with |x| < 2**(63+10j) and the integer x * 2**(-10j). Everything else
(tiny, huge, infinite) is written as its shortest text, normalised to `digits e exponent`. The sign of zero is folded.
"""

from __future__ import annotations

import math
from collections.abc import Callable

_FIRST, _LAST = -11, 7
LOWEST = 2.0 ** (53 + 10 * _FIRST)
HIGHEST = 2.0 ** (63 + 10 * _LAST)


def buckets(magnitude: str, leaf: Callable[[int], str], low: int = _FIRST, high: int = _LAST) -> str:
    """A balanced CASE over j from `low` to `high`, so that a common magnitude costs four comparisons.

    Args:
        magnitude: SQL of the absolute value.
        leaf: SQL for one j.
        low: The first j.
        high: The last one.
    """
    if low == high:
        return leaf(low)
    middle = (low + high) // 2
    lower_half = buckets(magnitude, leaf, low, middle)
    upper_half = buckets(magnitude, leaf, middle + 1, high)
    return f"CASE WHEN {magnitude} < {2.0 ** (63 + 10 * middle)!r} THEN {lower_half} ELSE {upper_half} END"


def canon(x: float) -> str:
    """The same canonical text in Python, for sources that compute in this process."""
    if x == 0:
        return "0"
    if math.isnan(x):
        return "NaN"
    if math.isinf(x):
        return "Infinity" if x > 0 else "-Infinity"
    magnitude = abs(x)
    if LOWEST <= magnitude < HIGHEST:
        for j in range(_FIRST, _LAST + 1):
            if magnitude < 2.0 ** (63 + 10 * j):
                return f"{j}b{int(x * 2.0 ** (-10 * j))}"
    mantissa, _, exponent = repr(magnitude).partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    significant = digits.rstrip("0")
    power = int(exponent or 0) - len(fraction) + len(digits) - len(significant)
    return f"{'-' if x < 0 else ''}{significant}e{power}"
