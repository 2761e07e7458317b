"""Servers for the whole session, and fresh databases for each test."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
from collections.abc import Iterator

import pytest

from landfall.builds.image.layout import MANIFEST
from tests.support.mariadb_11 import MariaDb11
from tests.support.mysql import MySql
from tests.support.registry import Registry
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
    """MariaDB, Debian's; with LANDFALL_MARIADB=11.8 the newest long-term release."""
    version = os.environ.get("LANDFALL_MARIADB", "10.11")
    server = {"10.11": MariaDb, "11.8": MariaDb11}[version]().start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def mysql() -> Iterator[MySql]:
    """MySQL 9, Debian unstable's, with its defaults."""
    server = MySql().start()
    yield server
    server.stop()


@pytest.fixture(params=["maria", "mysql"])
def either(request: pytest.FixtureRequest) -> MariaDb:
    """MariaDB, then MySQL."""
    server = request.getfixturevalue(request.param)
    assert isinstance(server, MariaDb)
    return server


@pytest.fixture
def fresh() -> str:
    """A name that no other test uses."""
    return f"t{next(_NUMBERS)}"


@pytest.fixture
def registry() -> Iterator[Registry]:
    """A registry with an image to lie on."""
    with Registry() as fake_registry:
        store = fake_registry.store
        blobs = [b"a layer below", json.dumps({"architecture": "amd64", "rootfs": {"diff_ids": ["sha256:0"]}}).encode()]
        names = [f"sha256:{hashlib.sha256(b).hexdigest()}" for b in blobs]
        for name, blob in zip(names, blobs, strict=True):
            store.blobs[("base/node", name)] = blob
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": {"digest": names[1]},
            "layers": [{"digest": names[0], "size": 13}],
        }
        store.manifests[("base/node", "22")] = json.dumps(manifest).encode()
        yield fake_registry
