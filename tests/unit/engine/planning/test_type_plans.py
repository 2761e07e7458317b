"""Plans of every type of every engine are what stored plans, approved digests and ledgers of this version hold."""

from __future__ import annotations

import pytest

from tests.support.type_plans import GOLDEN, texts

_TEXTS = texts()


@pytest.mark.parametrize("name", sorted(_TEXTS))
def test_types_become_the_same_plan_as_before(name: str) -> None:
    assert _TEXTS[name] == (GOLDEN / name).read_text(encoding="utf-8")


def test_every_stored_plan_is_compared() -> None:
    assert {path.name for path in GOLDEN.iterdir()} == set(_TEXTS)
