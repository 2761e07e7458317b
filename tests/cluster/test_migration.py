"""A Migration on a real cluster: applied, it moves a database, and its pods tell what they did."""

from __future__ import annotations

import pytest

from tests.cluster.conftest import Place
from tests.cluster.terminal import Terminal


@pytest.fixture
def fresh(request: pytest.FixtureRequest, place: Place) -> str:
    """A namespace of the test's own; the databases have its name too."""
    return place.namespace(request.node.name)


def test_apply_moves_a_database(place: Place, fresh: str) -> None:
    place.databases(fresh, 20_000)
    place.apply(*place.move(fresh, fresh))
    place.cluster.kubectl("wait", "--for=condition=Succeeded", "-n", fresh, "migration/shop", "--timeout=300s")
    migration = place.get("migration", fresh, "shop")
    assert place.rows(fresh) == 20_000
    assert (migration["status"]["phase"], migration["status"]["verdict"]) == ("Completed", "equal")
    assert migration["status"]["observedGeneration"] == migration["metadata"]["generation"]
    assert [s["status"] for s in migration["status"]["steps"]] == ["Done"] * 5
    assert "20100" in next(c["message"] for c in migration["status"]["conditions"] if c["type"] == "Ready")
    place.wait("the Connections are probed", lambda: place.reason(fresh, "old", "connection") == "Reachable")
    assert place.get("connection", fresh, "old")["status"]["version"].startswith("MariaDB 10")
    conditions = {c["type"]: c["status"] for c in place.get("migration", fresh, "shop")["status"]["conditions"]}
    assert conditions.items() >= {"Ready": "True", "Succeeded": "True", "Validated": "True", "SourceQuiesced": "True"}.items()
    assert all("finishedAt" in step for step in migration["status"]["steps"])
    header, line = place.cluster.kubectl("get", "migrations", "-n", fresh).splitlines()
    assert header.split() == ["NAME", "PHASE", "PERCENT", "ROWS", "READY", "REASON", "AGE"]
    assert line.split()[:6] == ["shop", "Completed", "100", "20100", "True", "Completed"]
    description = place.cluster.kubectl("describe", "-n", fresh, "migration/shop")
    assert all(word in description for word in ("Planning", "Running", "Completed")), description
    assert "s3cret" not in description
    assert "run | " in Terminal(place, fresh).says("logs", "shop")
