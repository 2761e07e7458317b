"""The gateway's own description held against it, by schemathesis, with a real API server behind it: every check, every path."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from landfall.gateway.app import application
from landfall.gateway.auth import Callers
from landfall.gateway.journal_client import JournalClient
from landfall.gateway.pagination import page
from tests.cluster.conftest import Place
from tests.cluster.door import Door

_WORDS = st.text(max_size=20)
_CURSORS = st.tuples(_WORDS, _WORDS).map(lambda place: str(page([place, place], lambda one: one, 1, "")[1]))
schemathesis.openapi.format("cursor", st.just("") | _CURSORS)


@pytest.fixture(scope="module")
def door(place: Place) -> Iterator[Door]:
    """An editor of a namespace with one move in it that is done."""
    name = place.namespace("fuzzed")
    place.databases(name, 100)
    place.apply(*place.move(name, name))
    place.until(name, "shop", "Completed")
    yield Door(place, name)
    place.cluster.kubectl("delete", "migrations,connections,webhooks", "-n", name, "--all", "--wait=false")


DESCRIBED = application(cast("Callers", None), cast("JournalClient", None)).openapi()
SCHEMA = schemathesis.openapi.from_dict(DESCRIBED)


@schemathesis.serializer("application/zip")
def archive(_: schemathesis.SerializationContext, value: Any) -> bytes:
    """Octets are sent as they are."""
    octets = getattr(value, "data", value)
    return octets if isinstance(octets, bytes) else str(octets).encode()


@schemathesis.hook
def filter_query(_: object, query: dict[str, Any] | None) -> bool:
    """What vanishes on its way into an address makes no request wrong."""
    return not any(value in ([], {}, None) or not name for name, value in (query or {}).items())


@SCHEMA.parametrize()
@settings(max_examples=5, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_it_is_as_it_says(case: Any, door: Door) -> None:
    case.call_and_validate(base_url=f"http://{door.host}", headers={"Authorization": f"Bearer {door.key}"}, timeout=60)


def test_what_it_says_is_what_was_held_against_it(door: Door) -> None:
    assert door.ask("GET", "/openapi.json") == (200, DESCRIBED)
