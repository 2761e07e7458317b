"""What the tests of migrations over HTTP share."""

from __future__ import annotations

import pytest

from tests.support.asgi import Client
from tests.support.gateway import FakeJournal, Namespace, client
from tests.support.moves import SPEC


@pytest.fixture
def cluster() -> Namespace:
    """A namespace with two Connections and a Migration that somebody else has committed."""
    namespace = Namespace()
    namespace.put("Connection", "oracle-prod", {"type": "MySQL"})
    namespace.put("Connection", "postgres-cloud", {"type": "PostgreSQL"})
    namespace.put("Migration", "shop", SPEC, {"phase": "Pending"})
    return namespace


@pytest.fixture
def journal() -> FakeJournal:
    """An empty journal."""
    return FakeJournal()


@pytest.fixture
def door(cluster: Namespace, journal: FakeJournal) -> Client:
    """An editor's client."""
    return client(cluster, journal)
