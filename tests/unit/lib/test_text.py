"""Numbers in sentences."""

from __future__ import annotations

import pytest

from landfall.lib.text import advised, counted


@pytest.mark.parametrize(
    ("number", "noun", "verb", "expected"),
    [
        (0, "row", "", "0 rows"),
        (1, "row", "", "1 row"),
        (2, "row", "", "2 rows"),
        (1, "row", "hold", "1 row holds"),
        (3, "row", "hold", "3 rows hold"),
        (1, "row", "have", "1 row has"),
        (1, "column", "go", "1 column goes"),
        (2, "replaced object", "are", "2 replaced objects are"),
        (1, "row", "were", "1 row was"),
    ],
)
def test_a_number_and_what_it_counts(number: int, noun: str, verb: str, expected: str) -> None:
    assert counted(number, noun, verb) == expected


@pytest.mark.parametrize(
    ("message", "advice", "expected"),
    [
        ("no server answers", "Check host and port.", "no server answers. Check host and port."),
        ("It ended.", "Look at its log.", "It ended. Look at its log."),
        ("nothing to do about it", "", "nothing to do about it"),
    ],
)
def test_advice_is_a_sentence_of_its_own(message: str, advice: str, expected: str) -> None:
    assert advised(message, advice) == expected
