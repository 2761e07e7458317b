"""Servers for the whole session, and fresh databases for each test."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from tests.support.servers import _PG15, MariaDb, PostgreSql, embedded_bin

_NUMBERS = itertools.count(1)


@pytest.fixture(scope="session")
def pg15() -> Iterator[PostgreSql]:
    """PostgreSQL 15, Debian's."""
    server = PostgreSql(_PG15).start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def pg18() -> Iterator[PostgreSql]:
    """PostgreSQL 18, from its wheel."""
    server = PostgreSql(embedded_bin()).start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def maria() -> Iterator[MariaDb]:
    """MariaDB, Debian's."""
    server = MariaDb().start()
    yield server
    server.stop()


@pytest.fixture
def fresh() -> str:
    """A name that no other test uses."""
    return f"t{next(_NUMBERS)}"
