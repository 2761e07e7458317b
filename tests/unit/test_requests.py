"""The annotation that asks for something once."""

from __future__ import annotations

import pytest

from landfall.api.request import requested


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("again", "Invalid JSON"),
        ('{"id": "1"}', "verb"),
        ('{"id": "1", "verb": "dance"}', "verb"),
        ('{"id": "1", "verb": "plan", "x": 1}', "x"),
    ],
)
def test_an_annotation_that_is_no_request_says_what_one_looks_like(text: str, told: str) -> None:
    found, problem = requested(text)
    assert found is None
    assert told in problem
    assert '"verb": "rehearse"' in problem
