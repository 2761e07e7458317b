"""Every write of the operator goes wrong in each way that a write can, and it is shown what is not so in each way that a watch or a read can: the end is the same.

Each way in one life; all ways in all lives are `make campaign`.
"""

from __future__ import annotations

from concurrent.futures import Future

import pytest

from tests.cluster.app_lives import APP_LIVES
from tests.cluster.astray import EVERY, all_astray
from tests.cluster.conftest import Place
from tests.cluster.lives import LIVES

_CHOSEN = [
    ("kill", "moved"),
    ("409", "approved"),
    ("429", "edited"),
    ("500", "released"),
    ("timeout", "cancelled"),
    ("lost", "deleted"),
    ("cut", "withdrawn"),
    ("stalled", "arrived"),
    ("expired", "paused"),
    ("late", "rolled-back"),
    ("skipped", "sent-back"),
    ("merged", "scaled"),
    ("stale", "mended"),
    ("stale", "held"),
]


@pytest.fixture(scope="module")
def ended(place: Place) -> dict[tuple[str, str], Future[None]]:
    """All of them."""
    before = len(place.namespaces)
    futures = all_astray(place, _CHOSEN)
    assert place.secrecy.told(place.namespaces[before:]) == []
    return futures


@pytest.mark.parametrize(("fault", "life"), _CHOSEN)
def test_it_ends_as_without_the_fault(ended: dict[tuple[str, str], Future[None]], fault: str, life: str) -> None:
    ended[fault, life].result()


def test_every_fault_and_every_life_is_among_them() -> None:
    assert {fault for fault, _ in _CHOSEN} == set(EVERY)
    assert {life for _, life in _CHOSEN} == {*LIVES, *APP_LIVES}
