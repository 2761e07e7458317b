"""Watches are cut, stalled and expired: everything goes on all the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cluster.conftest import Place
from tests.cluster.local import LocalOperator
from tests.cluster.proxy import WATCHES, Proxy

_ROWS = 20_000


@pytest.mark.parametrize("fault", WATCHES)
def test_every_watch_goes_wrong(alone: Place, fault: str, tmp_path: Path) -> None:
    place, name = alone, alone.namespace(f"watches-{fault}")
    place.databases(name, _ROWS)
    slow = {"limits": {"rowsPerSecond": 8_000}, "batchSize": 1_000}
    with (
        Proxy(place.cluster, fault, tmp_path) as proxy,
        LocalOperator(
            place,
            ["-m", "landfall", "operator"],
            tmp_path / "log",
            KUBECONFIG=str(proxy.kubeconfig),
            LANDFALL_RESYNC_SECONDS="5",
        ) as operator,
    ):
        place.apply(*place.move(name, name, data=slow))
        place.until(name, "shop", "Completed", 150)
        place.settled(name, _ROWS)
        place.still()
        place.cluster.kubectl("delete", "-n", name, "migration/shop", "--timeout=60s")
        place.wait("nothing is left over", lambda: not place.listed("runs", name) and not place.workers(name), 60)
    assert proxy.struck > 0
    assert operator.starts == 1, (tmp_path / "log").read_text(encoding="utf-8")[-3000:]
