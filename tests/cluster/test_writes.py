"""Every write of the operator goes wrong, in each way that a write can: the end is the same, and nothing is left over."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cluster.conftest import Place
from tests.cluster.faulty import FAULTS
from tests.cluster.local import LocalOperator

_ROWS = 5_000


@pytest.mark.parametrize("fault", FAULTS)
def test_every_write_goes_wrong(alone: Place, fault: str, tmp_path: Path) -> None:
    place, name = alone, alone.namespace(f"writes-{fault}")
    place.databases(name, _ROWS)
    documents = place.move(name, name)
    with LocalOperator(place, ["-m", "tests.cluster.faulty", fault], tmp_path / "log") as operator:
        place.apply(*documents)
        done = place.until(name, "shop", "Completed", 150)
        place.settled(name, _ROWS)
        place.still()
        place.cluster.kubectl("delete", "-n", name, "migration/shop", "--timeout=60s")
        place.wait("nothing is left over", lambda: not place.listed("runs", name) and not place.workers(name), 60)
    assert done["status"]["verdict"] == "equal"
    assert place.rows(name) == _ROWS
    struck = (tmp_path / "log").read_text(encoding="utf-8")
    assert ("killed after" if fault == "kill" else f"{fault} at") in struck
    assert operator.starts == 1 or fault == "kill", struck[-3000:]
