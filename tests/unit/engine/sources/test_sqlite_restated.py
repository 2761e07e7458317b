"""Expressions of SQLite keep their meaning: case of ASCII letters only, LIKE without case, positions from the start."""

from __future__ import annotations

import pytest

from landfall.engine.sources.translate import UntranslatableError, expression


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("upper(t)||'!'", """UPPER(("t") COLLATE "C") || '!'"""),
        ("lower(upper(t))", """LOWER((UPPER(("t") COLLATE "C")) COLLATE "C")"""),
        ("t like 'Ä%'", """LOWER(("t") COLLATE "C") LIKE 'Ä%'"""),
        ("t like 'A\\%'", """LOWER(("t") COLLATE "C") LIKE 'a\\%' ESCAPE ''"""),
        ("t like 'A!%' escape '!'", """LOWER(("t") COLLATE "C") LIKE 'a!%' ESCAPE '!'"""),
        ("t not like 'x'", """LOWER(("t") COLLATE "C") NOT LIKE 'x'"""),
        ("t not like 'A!%' escape '!'", """LOWER(("t") COLLATE "C") NOT LIKE 'a!%' ESCAPE '!'"""),
        ("t not like x", """LOWER(("t") COLLATE "C") NOT LIKE LOWER(("x") COLLATE "C") ESCAPE ''"""),
        ("not t like x", """NOT LOWER(("t") COLLATE "C") LIKE LOWER(("x") COLLATE "C") ESCAPE ''"""),
        (
            "case when t like 'B' then lower(x) end",
            """CASE WHEN LOWER(("t") COLLATE "C") LIKE 'b' THEN LOWER(("x") COLLATE "C") END""",
        ),
        ("substr(t,2)", """SUBSTRING("t" FROM 2)"""),
        ("substr(t,1,3)", """SUBSTRING("t" FROM 1 FOR 3)"""),
    ],
)
def test_what_differs_is_written_out(text: str, wanted: str) -> None:
    assert expression(text, "SQLite", "postgres", str) == wanted


@pytest.mark.parametrize("text", ["substr(t,-2)", "substr(t,0,2)", "substr(t,n)", "substr(t,2,-1)"])
def test_positions_from_the_end_are_refused(text: str) -> None:
    with pytest.raises(UntranslatableError, match="counts from the end"):
        expression(text, "SQLite", "postgres", str)
