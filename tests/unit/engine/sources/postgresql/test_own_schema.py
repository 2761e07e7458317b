"""Names with a schema in the queries of views."""

from __future__ import annotations

import pytest

from landfall.engine.model.catalog import OWN_SCHEMA
from landfall.engine.sources.postgresql.own_schema import hidden_names, own_schema


@pytest.mark.parametrize(
    ("query", "made"),
    [
        ("WITH t AS (SELECT a.id FROM public.t a) SELECT t.id FROM t", "WITH t AS (SELECT a.id FROM {}t a) SELECT t.id FROM t"),
        ('SELECT 1 FROM "S x"."T"', 'SELECT 1 FROM {}"T"'),
        ("SELECT 'public.t', 'it''s public.t' FROM t", None),
        ('SELECT "public.t" FROM t', None),
        ("SELECT public.id FROM t public", None),
        ("SELECT t.public, x.public.id FROM t", None),
        ("SELECT other.f(1), publics.t, t.id FROM t", None),
        (
            "WITH t AS (SELECT public.id FROM public.t public) SELECT t.id FROM t",
            "WITH t AS (SELECT public.id FROM {}t public) SELECT t.id FROM t",
        ),
        ("SELECT public.f(public.t.id) FROM public.t", "SELECT {0}f({0}t.id) FROM {0}t"),
    ],
)
def test_names_of_migrated_schemas_are_those_of_the_view(query: str, made: str | None) -> None:
    assert own_schema(query, ["public", "S x"]) == (query if made is None else made.format(OWN_SCHEMA))


@pytest.mark.parametrize(
    ("query", "names"),
    [
        (" WITH t AS ( SELECT t_1.id FROM core.t t_1) SELECT t.id FROM t", {("core", "t")}),
        (
            ' SELECT ( WITH "A b" AS ( SELECT 1 FROM "S x"."A b") SELECT 1 FROM "A b", core.u) FROM "T"',
            {("S x", "A b"), ("core", "u")},
        ),
        (" WITH t AS ( SELECT 'core.t' FROM other.t) SELECT t.id FROM t", set()),
        (" SELECT core.t FROM v core", set()),
        (" WITH u AS (SELECT 1) SELECT core.t FROM v core, u", set()),
    ],
)
def test_names_that_a_with_query_hides(query: str, names: set[tuple[str, str]]) -> None:
    assert hidden_names(query, ["core", "S x"]) == names
