"""Expressions of SQLite keep their meaning: case of ASCII letters only, LIKE without case, positions from the start."""

from __future__ import annotations

import pytest

from landfall.engine.sources.translate import UntranslatableError, expression, query
from landfall.engine.sources.view_relations import Relation, RelationColumn, Relations


@pytest.mark.parametrize(
    ("text", "expected"),
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
        ("round(x)", """ROUND(CAST("x" AS DECIMAL))"""),
        ("round(x / 2, 1)", """ROUND(CAST("x" / NULLIF(2, 0) AS DECIMAL), 1)"""),
        ("cast(x as integer)", """CAST(TRUNC(CAST("x" AS DECIMAL)) AS BIGINT)"""),
        ("substr(t,2)", """SUBSTRING("t" FROM 2)"""),
        ("substr(t,1,3)", """SUBSTRING("t" FROM 1 FOR 3)"""),
    ],
)
def test_what_differs_is_written_out(text: str, expected: str) -> None:
    assert expression(text, "SQLite", "postgres", str) == expected


@pytest.mark.parametrize("text", ["substr(t,-2)", "substr(t,0,2)", "substr(t,n)", "substr(t,2,-1)"])
def test_positions_from_the_end_are_refused(text: str) -> None:
    with pytest.raises(UntranslatableError, match="counts from the end"):
        expression(text, "SQLite", "postgres", str)


def test_columns_without_case_are_compared_so_in_views() -> None:
    nocase = Relation("", "n", "n", (RelationColumn("name", "name", "text"), RelationColumn("t", "t", "text", exact=True)))
    exact = Relation("", "e", "e", (RelationColumn("name", "name", "text", exact=True),))
    relations = Relations.from_list([nocase, exact])

    def translated(text: str) -> str:
        return query(text, "SQLite", "postgres", str, relations).sql

    assert translated("SELECT name FROM n WHERE name = 'A' AND t = 'A'").endswith("""WHERE LOWER("name") = 'a' AND "t" = 'A'""")
    assert translated("SELECT name FROM e WHERE name = 'A'").endswith("""WHERE "name" = 'A'""")
    with pytest.raises(UntranslatableError, match="one of its tables compares name without case"):
        translated("SELECT n.name FROM n JOIN e ON n.name = e.name")
