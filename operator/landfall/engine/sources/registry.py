"""The source engines by name: those of this package and those that other packages offer through entry points.

A package offers one in the group `landfall.sources`: the entry point's name is the engine's, its value a `SourceEngine`. Engines are
loaded when they are first asked for.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from landfall.engine.errors import EngineRegistrationError, SpecError
from landfall.engine.model.options import Endpoint, EngineName
from landfall.engine.sources.base import Source
from landfall.engine.sources.engine import SchemaSource, SourceEngine
from landfall.engine.sources.entry_points import EngineGroup, loaded

GROUP = "landfall.sources"

# As in pyproject.toml, so that a checkout that is not installed has them, too.
BUILT_IN = {
    "MariaDB": "landfall.engine.sources.mysql.engine:MARIADB",
    "MySQL": "landfall.engine.sources.mysql.engine:MYSQL",
    "PostgreSQL": "landfall.engine.sources.postgresql.engine:POSTGRESQL",
    "SQLite": "landfall.engine.sources.sqlite.engine:SQLITE",
}

_ENGINES = EngineGroup(GROUP, SourceEngine.__name__, lambda found: found if isinstance(found, SourceEngine) else None)


@cache
def engines() -> dict[str, SourceEngine]:
    """All registered engines by name, sorted. Raises EngineRegistrationError for one that cannot be used."""
    found = loaded(_ENGINES, BUILT_IN)
    check_aliases(found.values())
    return found


def check_aliases(found: Iterable[SourceEngine]) -> None:
    """Raise EngineRegistrationError if two engines have a name or an alias in common."""
    owners: dict[str, str] = {}
    for engine in found:
        for name in (engine.name, *engine.aliases):
            if name in owners:
                message = (
                    f"the source engines {owners[name]} and {engine.name} are both registered for Connections of type {name}"
                )
                raise EngineRegistrationError(message, advice="Uninstall the package of one of them.")
            owners[name] = engine.name


def engine_of(name: str) -> SourceEngine:
    """The engine of that name or alias. Raises SpecError that lists the registered ones."""
    engine = engines().get(name) or next((e for e in engines().values() if name in e.aliases), None)
    if engine is None:
        message = f"databases of type {name} are not supported: no source engine of that name is registered"
        raise SpecError(message, advice=f"Registered are: {', '.join(engines())}.")
    return engine


def engine_name(text: str) -> EngineName:
    """The name of a registered engine, from its name or an alias. Raises SpecError as `engine_of`."""
    return EngineName(engine_of(text).name)


def identity(endpoint: Endpoint) -> str:
    """Where the data behind an endpoint lives, without the credential."""
    return engine_of(endpoint.engine).identity(endpoint)


def default_schemas(endpoint: Endpoint) -> tuple[str, ...]:
    """The schemas that are read if the spec names none; empty if the engine has none or the endpoint does not say them."""
    engine = engine_of(endpoint.engine)
    schemas = engine.default_schemas(endpoint) if isinstance(engine, SchemaSource) else ()
    return schemas if all(schemas) else ()


def source_of(endpoint: Endpoint) -> Source:
    """The source behind an endpoint."""
    return engine_of(endpoint.engine).connect(endpoint)
