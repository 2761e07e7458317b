"""The names that the body of a PostgreSQL function refers to: neither comments nor texts nor columns nor variables."""

from __future__ import annotations

import pytest

from landfall.engine.sources.postgresql.body_names import names_in


def _names(body: str, language: str = "sql", *, certain: bool | None = None) -> set[str]:
    names = [n for n in names_in(body, language) if certain is None or n.certain is certain]
    return {f"{n.kind.value} {n.schema + '.' if n.schema else ''}{n.name}" for n in names}


@pytest.mark.parametrize(
    ("body", "names"),
    [
        ("SELECT $1 <> btrim($1)", {"function btrim"}),
        ("SELECT padded ($1) -- clean($1)", {"function padded"}),
        ("SELECT /* f(1) /* g(1) */ h(1) */ i(1)", {"function i"}),
        ("SELECT 'f(1)' || E'it\\'s g(1)' || $x$h(1)$x$ || $$i(1)$$ || j(1)", {"function j"}),
        ('SELECT "Odd Name"(1), public."F""x"(2)', {"function Odd Name", 'function public.F"x'}),
        ("SELECT PUBLIC . Clean ( $1 )", {"function public.clean"}),
        (
            "SELECT a.b, t.c FROM t JOIN u ON t.id=u.id, v WHERE t.id IN (SELECT id FROM ONLY w), x",
            {"relation t", "relation u", "relation v", "relation w"},
        ),
        ("SELECT a FROM s.t, s.u LIMIT 1", {"relation s.t", "relation s.u"}),
        ("WITH t AS (SELECT 1 FROM u) SELECT * FROM t", {"relation u"}),
        ("SELECT extract(year FROM t), trim(both FROM u), a IS DISTINCT FROM v", {"function extract", "function trim"}),
        (
            "SELECT 1 FROM ((t JOIN s.u ON f(a) = b) JOIN v USING (c)), (SELECT a, b FROM w) x",
            {f"relation {n}" for n in ("t", "s.u", "v", "w")} | {"function f"},
        ),
        ("WITH t AS NOT MATERIALIZED (SELECT 1 FROM u LIMIT 1e3) SELECT * FROM t", {"relation u"}),
        ('SELECT U&"f\\0061"(1), U&"f!0062" UESCAPE \'!\' (2)', {"function fa", "function fb"}),
        ("INSERT INTO t (a) VALUES (1)", {"relation t"}),
        ("SELECT $1::mood, '{}'::s.moods[], CAST($1 AS kind)", {"type mood", "type s.moods", "type kind"}),
        ("SELECT t FROM (SELECT 1 AS t) q ORDER BY u", set()),
        ("", set()),
        ("SELECT 'open", set()),
    ],
)
def test_names_by_their_position(body: str, names: set[str]) -> None:
    assert _names(body) == names


def test_a_procedural_body_is_certain_only_without_branches() -> None:
    straight = "DECLARE r t%ROWTYPE; v u.c%TYPE; BEGIN SELECT a INTO r FROM w; RETURN padded(v); END"
    assert _names(straight, "plpgsql", certain=True) == {"relation t", "relation u", "relation w", "function padded"}
    branched = "BEGIN IF $1 THEN RETURN padded($1); END IF; RETURN NULL; END"
    assert _names(branched, "plpgsql", certain=False) >= {"function padded"}
    assert _names(branched, "plpgsql", certain=True) == set()
    assert _names("SELECT CASE WHEN true THEN 1 ELSE padded(1) END", certain=True) == {"function padded"}


def test_texts_count_only_where_they_are_executed() -> None:
    assert _names("BEGIN RETURN 'SELECT f(1) FROM t'; END", "plpgsql") == set()
    executed = "BEGIN EXECUTE 'SELECT f(1) FROM t'; RETURN g(1); END"
    assert _names(executed, "plpgsql", certain=False) == {"function f", "relation t"}
    assert _names(executed, "plpgsql", certain=True) == {"function g"}
