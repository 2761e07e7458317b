"""Matching: names that mean the same, the best assignment, and confidence that keeps its word."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from landfall.engine.matching.assignment import assigned
from landfall.engine.matching.matcher import Entity, Field, NamedMatch, matched
from landfall.engine.matching.name_similarity import likeness, words
from landfall.engine.matching.type_families import Kind, fitness, kind_of
from landfall.engine.matching.value_profile import Sampled, evidence, overlap
from tests.bench.matching.generate import fixture, vocabulary
from tests.bench.matching.scores import Scores, judged


@pytest.mark.parametrize(
    ("left", "other", "least", "most"),
    [
        ("customerId", "CUSTOMER_ID", 1.0, 1.0),
        ("firstname", "first_name", 1.0, 1.0),
        ("addresses", "address", 1.0, 1.0),
        ("date_created", "created_date", 0.99, 1.0),
        ("qty", "quantity", 0.9, 1.0),
        ("cstmr", "customer", 0.7, 0.95),
        ("dob", "date_of_birth", 0.8, 0.9),
        ("created_at", "creation_date", 0.9, 1.0),
        ("start_date", "end_date", 0.0, 0.3),
        ("address1", "address2", 0.0, 0.3),
        ("min_salary", "max_salary", 0.0, 0.3),
        ("colour", "weight", 0.0, 0.0),
    ],
)
def test_names_are_as_alike_as_their_words(left: str, other: str, least: float, most: float) -> None:
    assert least <= likeness(left, other) <= most
    assert likeness(left, other) == pytest.approx(likeness(other, left))


def test_words_of_any_style_are_the_same() -> None:
    assert words("OrderLineItems") == words("order_line_items") == words("ORDER-LINE-ITEM") == ("order", "line", "item")


_SCORES = st.dictionaries(
    st.tuples(st.integers(0, 4), st.integers(0, 4)), st.sampled_from([0.0, 0.25, 0.5, 0.5, 0.75, 1.0]), max_size=25
)


@given(_SCORES)
def test_no_assignment_is_better_than_the_one_found(scores: dict[tuple[int, int], float]) -> None:
    assignment = assigned(scores)
    assert len(set(assignment.values())) == len(assignment)
    assert all(scores[pair] > 0 for pair in assignment.items())
    best = max(sum(scores.get((r, c), 0.0) for r, c in enumerate(p)) for p in itertools.permutations(range(5)))
    assert sum(scores[pair] for pair in assignment.items()) == pytest.approx(best)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("int(10) unsigned", Kind.INTEGER),
        ("interval(0)", Kind.TIME),
        ("tinyint(1)", Kind.BOOLEAN),
        ("character varying(20)", Kind.TEXT),
        ("timestamp(3) with time zone", Kind.MOMENT),
        ("text[]", Kind.LIST),
        ("geometry", Kind.OTHER),
        ("DOUBLE PRECISION", Kind.FLOAT),
    ],
)
def test_types_of_all_engines_have_families(text: str, kind: Kind) -> None:
    assert kind_of(text) is kind
    assert fitness(kind, kind) == 1.0


def test_values_speak_for_and_against() -> None:
    mails = Sampled.from_values([f"a{n}@b.example" for n in range(9)])
    assert evidence(mails, "email", frozenset(), None) == 1.0
    assert evidence(Sampled.from_values(("soon", "later", "never")), "email", frozenset(), None) < 0
    assert evidence(mails, "name", frozenset(), 5) < 0
    assert overlap(("f", "M", "x", "f"), frozenset({"f", "m"})) == pytest.approx(2 / 3)


def _table(name: str, *fields: Field) -> Entity:
    return Entity(name, name, fields)


def test_foreign_keys_tell_columns_of_the_same_name_apart() -> None:
    key = Field("id", Kind.INTEGER, primary=True)
    sources = (
        _table("acct", key, Field("nm", Kind.TEXT)),
        _table("branch", key, Field("town", Kind.TEXT)),
        _table("move", key, Field("ref_a", Kind.INTEGER, references="acct"), Field("ref_b", Kind.INTEGER, references="branch")),
    )
    targets = (
        _table("accounts", key, Field("name", Kind.TEXT)),
        _table("branches", key, Field("town", Kind.TEXT)),
        _table(
            "moves", key, Field("ref_x", Kind.INTEGER, references="branches"), Field("ref_y", Kind.INTEGER, references="accounts")
        ),
    )
    by_source = {p.source: p for p in matched(sources, targets)}
    assert {s: p.target for s, p in by_source.items()} == {"acct": "accounts", "branch": "branches", "move": "moves"}
    assert {f.source: f.target for f in by_source["move"].fields} == {"id": "id", "ref_a": "ref_y", "ref_b": "ref_x"}


def test_what_a_person_said_is_taken_as_it_is() -> None:
    source = _table("t", Field("a", Kind.INTEGER), Field("b", Kind.TEXT))
    targets = (
        _table("t", Field("a", Kind.INTEGER), Field("b", Kind.TEXT)),
        _table("u", Field("a", Kind.INTEGER), Field("c", Kind.TEXT)),
    )
    (pair,) = matched((source,), targets, (NamedMatch("t", "u"), NamedMatch("t", "a", "b")))
    assert pair.target == "u"
    assert {(f.source, f.target, f.confidence) for f in pair.fields if f.source == "b"} == {("b", "a", 100)}
    assert all(f.source != "a" or f.target != "a" for f in pair.fields)


def test_of_what_is_approved_automatically_hardly_anything_is_wrong() -> None:
    """A part of `make bench-matching`, on schemas that nothing was fitted with."""
    held_out, total = vocabulary("held"), Scores()
    for seed in range(9000, 9030):
        total += judged(fixture(held_out, seed))
    approved, right = total.automatic
    assert approved > 500
    assert right / approved >= 0.98
    assert total.columns_right / total.columns >= 0.85


_NAME = st.text("abc_", min_size=1, max_size=4)
_SIDE = st.lists(st.tuples(_NAME, st.sampled_from(Kind)), min_size=1, max_size=6, unique_by=lambda f: f[0])


@given(_SIDE, _SIDE)
@settings(max_examples=200, deadline=None)
def test_a_column_whose_name_the_other_side_has_keeps_it(
    source_fields: list[tuple[str, Kind]], target_fields: list[tuple[str, Kind]]
) -> None:
    (pair,) = matched((_table("t", *(Field(*f) for f in source_fields)),), (_table("t", *(Field(*f) for f in target_fields)),))
    targets_of = {f.source: f.target for f in pair.fields}
    both = {name for name, _ in source_fields} & {name for name, _ in target_fields}
    assert {name: targets_of.get(name) for name in both} == {name: name for name in both}


@given(st.lists(_NAME, min_size=1, max_size=5, unique=True), st.lists(_NAME, min_size=1, max_size=5, unique=True))
@settings(max_examples=100, deadline=None)
def test_a_table_whose_name_the_other_side_has_keeps_it(source_names: list[str], target_names: list[str]) -> None:
    sides = [
        tuple(_table(n, Field("id", Kind.INTEGER), Field(n, Kind.TEXT)) for n in names) for names in (source_names, target_names)
    ]
    folded = [[n.replace("_", "") for n in names] for names in (source_names, target_names)]
    targets_of = {p.source: p.target for p in matched(*sides)}
    for name in set(source_names) & set(target_names):
        if all(side.count(name.replace("_", "")) == 1 for side in folded):
            assert targets_of[name] == name


def test_a_better_sum_takes_no_column_from_its_own_name() -> None:
    key = Field("id", Kind.INTEGER, primary=True)
    shared = (key, *(Field(n, Kind.INTEGER) for n in ("group_id", "other_group_id")), Field("other_group_kind", Kind.TEXT))
    source = _table("link", *shared, Field("other_group_code", Kind.TEXT), Field("group_code", Kind.TEXT, 40))
    target = _table("link", *shared, Field("other_group_code", Kind.TEXT, 255), Field("other_group_value", Kind.TEXT))
    (pair,) = matched((source,), (target,))
    assert all(f.source == f.target for f in pair.fields)
    assert len(pair.fields) == 5


def test_tables_with_exactly_the_same_columns_stand_for_each_other_before_those_of_alike_names() -> None:
    key = Field("id", Kind.INTEGER, primary=True)
    fields = (key, *(Field(n, Kind.TEXT) for n in ("org_code", "created", "org_name", "note")))
    sources = (_table("org_blocklists", *fields), _table("sighting_blocklists", *fields))
    targets = (
        _table("whitelist", key, Field("name", Kind.TEXT)),
        _table("org_refusals", *fields),
        _table("sighting_blocklist_items", *fields, Field("extra", Kind.TEXT)),
    )
    targets_of = {p.source: p.target for p in matched(sources, targets)}
    assert targets_of == {"org_blocklists": "org_refusals", "sighting_blocklists": "sighting_blocklist_items"}


def test_columns_of_a_renamed_table_are_no_surer_than_the_table() -> None:
    key = Field("id", Kind.INTEGER, primary=True)
    sources = (
        _table("thing_relations", key, Field("thing_id", Kind.INTEGER), Field("kind", Kind.TEXT), Field("weight", Kind.FLOAT)),
    )
    targets = (
        _table("thing_reference", key, Field("thing_id", Kind.INTEGER), Field("note", Kind.TEXT), Field("name", Kind.TEXT)),
    )
    (pair,) = matched(sources, targets)
    assert pair.confidence < 95
    assert all(f.confidence <= pair.confidence for f in pair.fields)
    (same,) = matched((_table("t", key, Field("a", Kind.TEXT)),), (_table("t", key, Field("a", Kind.TEXT)),))
    assert (same.confidence, same.reasons) == (100, ("the same name",))


@pytest.mark.parametrize(
    ("source_names", "target_names"),
    [
        (("hire_date",), ("birth_date",)),
        (("user_ref",), ("user_code", "user_key")),
        (("first_amount", "second_amount"), ("amount_x", "amount_y")),
        (("owner_name",), ("group_name",)),
    ],
)
def test_what_could_be_another_column_is_not_approved_automatically(
    source_names: tuple[str, ...], target_names: tuple[str, ...]
) -> None:
    key = (Field("id", Kind.INTEGER, primary=True), Field("note", Kind.TEXT), Field("created", Kind.MOMENT))
    (pair,) = matched(
        (_table("t", *key, *(Field(n, Kind.TEXT) for n in source_names)),),
        (_table("t", *key, *(Field(n, Kind.TEXT) for n in target_names)),),
    )
    assert all(f.confidence < 95 for f in pair.fields if f.source in source_names)


@given(st.integers(0, 2**32))
@settings(max_examples=5, deadline=None)
def test_matching_is_one_to_one_and_always_the_same(seed: int) -> None:
    example = fixture(vocabulary("fit"), seed)
    pairs = matched(example.sources, example.targets)
    assert pairs == matched(example.sources, example.targets)
    assert len({p.target for p in pairs}) == len(pairs)
    for pair in pairs:
        assert len({f.target for f in pair.fields}) == len(pair.fields)
        assert all(0 <= f.confidence <= 99 for f in pair.fields)
