"""A sample of the campaign over changes of specs; the whole of it is `make campaign`."""

from __future__ import annotations

from tests.cluster.campaign import plans, tried
from tests.cluster.conftest import Place

_EACH = 14  # takes about a fourteenth
_CHAINS = 1


def test_every_change_settles_and_can_be_taken_back(place: Place) -> None:
    chosen = {kind: [*plans(kind, 0)[3::_EACH], *plans(kind, _CHAINS)[-_CHAINS:]] for kind in ("Migration", "Deployment")}
    told = tried(place, chosen)
    place.apps_end()
    assert told.failures == []
    assert sum(told.plans.values()) == sum(len(part) for part in chosen.values()) == sum(told.outcomes.values())
    assert told.outcomes["Migration refused"] < told.plans["Migration"], "some of them are taken"
