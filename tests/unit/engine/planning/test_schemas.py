"""Whether the schemas of a source keep their names."""

from __future__ import annotations

import pytest

from landfall.engine.errors import SpecError
from landfall.engine.model.options import EngineName, OnExisting, Options, TargetSchemas
from landfall.engine.model.run_key import key_parts
from landfall.engine.planning.schemas import settled_schemas
from landfall.engine.sources.registry import engine_of

_TWO = ("a", "b")
_PRESERVE, _MERGE = TargetSchemas.PRESERVE, TargetSchemas.MERGE


@pytest.mark.parametrize(
    ("engine", "options", "expected"),
    [
        ("PostgreSQL", Options(), _MERGE),
        ("PostgreSQL", Options(schemas=("a",)), _MERGE),
        ("PostgreSQL", Options(schemas=("a",), target_schemas=_PRESERVE), _PRESERVE),
        ("PostgreSQL", Options(schemas=_TWO), _PRESERVE),
        ("PostgreSQL", Options(schemas=("a", "a")), _MERGE),
        ("PostgreSQL", Options(schemas=_TWO, target_named=True), _MERGE),
        ("PostgreSQL", Options(schemas=_TWO, target_schemas=_MERGE), _MERGE),
        ("PostgreSQL", Options(schemas=_TWO, target_named=True, target_schemas=_PRESERVE), _PRESERVE),
        ("MySQL", Options(schemas=_TWO), _MERGE),
    ],
)
def test_several_schemas_keep_their_names_unless_the_target_is_named(
    engine: str, options: Options, expected: TargetSchemas
) -> None:
    assert settled_schemas(options, engine_of(EngineName(engine)), ("public",)).target_schemas is expected


def test_what_cannot_be_preserved_is_said() -> None:
    with pytest.raises(SpecError, match="Preserve is not possible for a source of the type SQLite"):
        settled_schemas(Options(target_schemas=_PRESERVE), engine_of(EngineName("SQLite")), ())
    with pytest.raises(SpecError, match="the source has 2: a, b"):
        settled_schemas(Options(schemas=_TWO, on_existing=OnExisting.FILL), engine_of(EngineName("PostgreSQL")), ("public",))


def test_the_schema_that_is_filled_is_the_one_of_the_same_name() -> None:
    fill = Options(schemas=("a",), on_existing=OnExisting.FILL, target_schemas=_PRESERVE)
    assert settled_schemas(fill, engine_of(EngineName("PostgreSQL")), ("public",)).target_schema == "a"
    unnamed = Options(target_schema="app", on_existing=OnExisting.FILL, target_schemas=_PRESERVE)
    assert settled_schemas(unnamed, engine_of(EngineName("PostgreSQL")), ("public",)).target_schema == "public"


def test_a_run_that_an_earlier_version_started_keeps_its_key() -> None:
    assert "targetSchemas" not in key_parts("s", "t", Options(schemas=_TWO))
    assert key_parts("s", "t", Options(schemas=_TWO)) == key_parts("s", "t", Options(schemas=_TWO, target_named=True))
    assert key_parts("s", "t", Options(schemas=_TWO, target_schemas=_PRESERVE))["targetSchemas"] == "Preserve"
