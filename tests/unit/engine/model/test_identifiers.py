"""Names in the target: short enough, unique, and always the same."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from landfall.engine.model.identifiers import NameSpace, literal, quoted, search_path, searched_safely, shortened


@given(st.text(min_size=1))
def test_a_name_has_at_most_63_bytes(name: str) -> None:
    assert len(shortened(name, 63).encode()) <= 63
    assert shortened(name, 63) == shortened(name, 63)


@given(st.lists(st.text("aäé", min_size=1, max_size=90), max_size=12))
def test_names_of_one_space_never_collide(names: list[str]) -> None:
    space = NameSpace(63)
    claimed = [space.claim(name, str(at)) for at, name in enumerate(names)]
    assert len(set(claimed)) == len(claimed)
    again = NameSpace(63)
    assert claimed == [again.claim(name, str(at)) for at, name in enumerate(names)]


@pytest.mark.parametrize(("text", "sql"), [("a", "'a'"), ("it's", "'it''s'"), ("a\\b", "E'a\\\\b'"), ("", "''")])
def test_literals(text: str, sql: str) -> None:
    assert literal(text) == sql


def test_quotes_are_doubled() -> None:
    assert quoted('a"b') == '"a""b"'


@pytest.mark.parametrize(
    ("printed", "expected"),
    [
        ('"$user", public', '"$user", public, pg_temp'),
        ("public, pg_catalog", "public, pg_temp"),
        ('pg_temp, "a,b", "pg_catalog"', '"a,b", pg_temp'),
        ('""', "pg_temp"),
        ("", "pg_temp"),
    ],
)
def test_the_systems_catalog_is_searched_first_and_temporary_objects_last(printed: str, expected: str) -> None:
    assert searched_safely(printed) == expected


def test_a_search_path_ends_with_temporary_objects_and_leaves_the_catalog_where_it_is_first() -> None:
    assert search_path('a"b', "c") == '"a""b", "c", pg_temp'
