"""Expressions of many terms are shallow, and calls of many arguments are divided."""

from __future__ import annotations

import sqlite3

import pytest

from landfall.engine.sources.expressions import chained, nested


@pytest.mark.parametrize("terms", [1, 2, 32, 33, 1600, 2000])
def test_any_number_of_terms_is_one_expression(terms: int) -> None:
    with sqlite3.connect(":memory:") as file:
        assert file.execute(f"SELECT {chained([str(n) for n in range(terms)], '+')}").fetchone() == (sum(range(terms)),)
        text = chained([f"'{n},'" for n in range(terms)], "||")
        assert file.execute(f"SELECT {text}").fetchone() == ("".join(f"{n}," for n in range(terms)),)


@pytest.mark.parametrize("arguments", [1, 99, 100, 9801, 9802])
def test_no_call_has_more_arguments_than_the_limit(arguments: int) -> None:
    calls: list[int] = []

    def call(some: object) -> str:
        calls.append(len(some))
        return f"f({','.join(some)})"

    text = nested([str(n) for n in range(arguments)], 99, call)
    assert max(calls) <= 99
    assert text.replace("f(", "").replace(")", "") == ",".join(str(n) for n in range(arguments))
