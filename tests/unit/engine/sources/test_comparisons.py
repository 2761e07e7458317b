"""Translated expressions compare as their source does, and compute with what is true or false."""

from __future__ import annotations

import pytest

from landfall.engine.sources.translate import ColumnTraits, expression

_LOOSE = ColumnTraits(loose=frozenset({"st"}))


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("st = _utf8mb4'On'", "LOWER(\"st\") = 'on'"),
        ("st not in ('A','b')", "NOT LOWER(\"st\") IN ('a', 'b')"),
        (r"st not like '%\\\\%'", r"""NOT ILIKE '%\\%'"""),
        ("st like 'A|%' escape '|'", "\"st\" ILIKE 'A|%' ESCAPE '|'"),
        ("st regexp '^A'", "\"st\" ~* '^A'"),
        ("st between 'A' and 'M'", "LOWER(\"st\") BETWEEN 'a' AND 'm'"),
        ("coalesce(st,'X') <> 'Y'", "LOWER(COALESCE(\"st\", 'X')) <> 'y'"),
        ("case when st = 'A' then 1 else 0 end", "LOWER(\"st\") = 'a'"),
        ("other = 'On'", "\"other\" = 'On'"),
        ("char_length(st) > 3", 'LENGTH("st") > 3'),
        ("st is null", '"st" IS NULL'),
        ("(a is null) + (b is null) = 1", 'CAST(("a" IS NULL) AS INT) + CAST(("b" IS NULL) AS INT) = 1'),
        ("(a > 1) = 1", 'CAST(("a" > 1) AS INT) = 1'),
        ("a > 1 and b > 2", '"a" > 1 AND "b" > 2'),
        ("cast(a as char(3) charset utf8mb4)", 'CAST("a" AS VARCHAR(3))'),
        ("cast(a as char charset utf8mb4)", 'CAST("a" AS TEXT)'),
    ],
)
@pytest.mark.parametrize("engine", ["MariaDB", "MySQL"])
def test_expressions_mean_the_same(engine: str, source: str, target: str) -> None:
    assert target in expression(source, engine, "postgres", str.lower, _LOOSE)
