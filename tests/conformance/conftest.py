"""The engines that are registered, each with a place to make databases in, and a PostgreSQL to move them into."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "jsonlines"))  # as if it had been installed

from landfall.engine.sources import registry
from tests.conformance.places import PLACES, Place
from tests.support.servers import _PG15, PostgreSql

registry.engines.cache_clear()
_NUMBERS = itertools.count(1)


@pytest.fixture(scope="session")
def target() -> Iterator[PostgreSql]:
    """PostgreSQL 15, Debian's."""
    server = PostgreSql(_PG15).start()
    yield server
    server.stop()


@pytest.fixture(scope="session", params=sorted(registry.engines()))
def place(request: pytest.FixtureRequest, target: PostgreSql) -> Iterator[Place]:
    """Where databases of an engine are made. An engine without one fails here: it is registered, and so it is tested."""
    with PLACES[request.param](target) as made:
        yield made


@pytest.fixture
def fresh() -> str:
    """A name that no other test uses."""
    return f"c{next(_NUMBERS)}"
