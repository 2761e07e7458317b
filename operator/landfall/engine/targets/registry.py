"""The target engines by name: those of this package and those that other packages offer through entry points.

A package offers one in the group `landfall.targets`: the entry point's name is the engine's, its value a `TargetEngine`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from landfall.engine.errors import SpecError
from landfall.engine.model.options import Endpoint
from landfall.engine.sources.entry_points import EngineGroup, loaded
from landfall.engine.targets.engine import TargetDatabase, TargetEngine

GROUP = "landfall.targets"

# As in pyproject.toml, so that a checkout that is not installed has them, too.
BUILT_IN = {"PostgreSQL": "landfall.engine.targets.postgresql.engine:POSTGRESQL"}

_ENGINES = EngineGroup(GROUP, TargetEngine.__name__, lambda found: found if isinstance(found, TargetEngine) else None)


@cache
def engines() -> dict[str, TargetEngine]:
    """All registered engines by name, sorted. Raises EngineRegistrationError for one that cannot be used."""
    return loaded(_ENGINES, BUILT_IN)


def target_of(endpoint: Endpoint) -> TargetEngine:
    """The engine behind a target's endpoint. Raises SpecError where none of that name is registered."""
    engine = engines().get(endpoint.engine)
    if engine is None:
        message = f"target: {endpoint.engine} cannot be a target"
        raise SpecError(message, advice=f"Use a Connection of type {' or '.join(engines())}.")
    return engine


@contextmanager
def opened(endpoint: Endpoint, ledger_schema: str) -> Iterator[TargetDatabase]:
    """A target, connected to as long as this lasts."""
    database = target_of(endpoint).connect(endpoint, ledger_schema)
    try:
        yield database
    finally:
        database.close()
