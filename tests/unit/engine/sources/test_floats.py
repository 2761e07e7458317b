"""The canonical text of a double: one text per value, and never two values with one text."""

from __future__ import annotations

import math
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from landfall.engine.sources import floats

DOUBLES = st.floats(allow_nan=False, allow_infinity=False)


def read(text: str) -> Fraction:
    """The value that a canonical text stands for."""
    if "b" in text:
        j, _, whole = text.partition("b")
        return Fraction(int(whole)) * Fraction(2) ** (10 * int(j))
    if "e" in text:
        digits, _, power = text.partition("e")
        return Fraction(float(f"{digits}e{power}"))
    return Fraction(int(text))


@given(DOUBLES)
def test_the_text_reads_back_as_the_same_number(x: float) -> None:
    assert read(floats.canon(x)) == Fraction(x)


@given(DOUBLES)
def test_neighbours_have_texts_of_their_own(x: float) -> None:
    above = math.nextafter(x, math.inf)
    if above not in (x, math.inf):
        assert floats.canon(x) != floats.canon(above)


def test_the_sign_of_zero_is_folded() -> None:
    assert floats.canon(-0.0) == floats.canon(0.0) == "0"
