"""A sample of the campaign over changes of specs; the whole of it is `make campaign`."""

from __future__ import annotations

from tests.cluster.campaign import plans, tried
from tests.cluster.conftest import Place

_EACH = 14  # takes about a fourteenth
_CHAINS = 1


def test_every_change_settles_and_can_be_taken_back(place: Place) -> None:
    chosen_plans = {kind: [*plans(kind, 0)[3::_EACH], *plans(kind, _CHAINS)[-_CHAINS:]] for kind in ("Migration", "Deployment")}
    results = tried(place, chosen_plans)
    place.apps_end()
    assert results.failures == []
    assert sum(results.plans.values()) == sum(len(part) for part in chosen_plans.values()) == sum(results.outcomes.values())
    assert results.outcomes["Migration refused"] < results.plans["Migration"], "some of them are taken"
