"""The registries of source and target engines."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from landfall.api.source_types import DEFAULT_PORTS, SUPPORTED_TYPES
from landfall.engine.errors import SpecError
from landfall.engine.model.options import Endpoint
from landfall.engine.model.table_shape import Shape
from landfall.engine.sources import registry
from landfall.engine.sources.engine import DigestQueries, PagedQueries, ScreeningDialect
from landfall.engine.targets import registry as targets

ROOT = Path(__file__).parents[4]


def test_a_checkout_has_the_engines_of_the_installed_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["entry-points"][registry.GROUP] == registry.BUILT_IN


def test_a_checkout_has_the_targets_of_the_installed_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["entry-points"][targets.GROUP] == targets.BUILT_IN


def test_a_source_that_is_no_target_is_refused_with_those_that_are() -> None:
    with pytest.raises(SpecError) as refused:
        targets.target_of(Endpoint("SQLite", path="/a/b.db"))
    assert (refused.value.message, refused.value.advice) == (
        "target: SQLite cannot be a target",
        "Use a Connection of type PostgreSQL.",
    )


def test_an_engine_that_is_not_registered_is_refused_with_those_that_are() -> None:
    with pytest.raises(SpecError) as refused:
        registry.engine_of("DB2")
    assert "databases of type DB2 are not supported" in refused.value.message
    assert "MariaDB, MySQL, PostgreSQL, SQLite" in refused.value.advice


def test_an_alias_is_the_engine_that_it_means() -> None:
    assert registry.engine_name("Supabase") == "PostgreSQL"


def test_connections_offer_the_engines_that_are_registered() -> None:
    names = {name for engine in registry.engines().values() for name in (engine.name, *engine.aliases)}
    assert set(SUPPORTED_TYPES) == names
    assert {name: registry.engine_of(name).default_port for name in DEFAULT_PORTS} == DEFAULT_PORTS


@pytest.mark.parametrize(
    ("endpoint", "identity"),
    [
        (Endpoint("SQLite", path="/a/b.db"), "sqlite:/a/b.db"),
        (Endpoint("PostgreSQL", "DB.example", 5432, "shop"), "postgresql:db.example:5432/shop"),
        (Endpoint("MySQL", "DB.example", 3306, "shop"), "mysql:db.example:3306/shop"),
        (Endpoint("MariaDB", "db.example", 3307, "shop"), "mysql:db.example:3307/shop"),
    ],
)
def test_identities_are_those_that_stored_keys_were_made_of(endpoint: Endpoint, identity: str) -> None:
    assert registry.identity(endpoint) == identity


@pytest.mark.parametrize("name", sorted(registry.BUILT_IN))
def test_capabilities_say_what_queries_and_dialects_have(name: str) -> None:
    engine = registry.engine_of(name)
    queries = engine.queries(Shape(name, "s", "t", "t", (), (), (), key="id"))
    assert engine.capabilities.screening == isinstance(engine.dialect, ScreeningDialect)
    assert engine.capabilities.digest == isinstance(queries, DigestQueries)
    assert engine.capabilities.pages == isinstance(queries, PagedQueries)
