"""A Migration on a real cluster: applied, it moves a database; held and deleted, its pods end."""

from __future__ import annotations

import pytest

from tests.cluster.conftest import Place


@pytest.fixture
def fresh(request: pytest.FixtureRequest, place: Place) -> str:
    """A namespace of the test's own; the databases have its name too."""
    return place.namespace(request.node.name)


def test_apply_moves_a_database(place: Place, fresh: str) -> None:
    place.databases(fresh, 20_000)
    place.apply(*place.move(fresh, fresh))
    place.cluster.kubectl("wait", "--for=condition=Succeeded", "-n", fresh, "migration/shop", "--timeout=300s")
    done = place.get("migration", fresh, "shop")
    assert place.rows(fresh) == 20_000
    assert (done["status"]["phase"], done["status"]["verdict"]) == ("Completed", "equal")
    assert done["status"]["observedGeneration"] == done["metadata"]["generation"]
    assert [s["status"] for s in done["status"]["steps"]] == ["Done"] * 5
    assert "20100" in next(c["message"] for c in done["status"]["conditions"] if c["type"] == "Ready")
    place.wait("the Connections are probed", lambda: place.reason(fresh, "old", "connection") == "Reachable")
    assert place.get("connection", fresh, "old")["status"]["version"].startswith("MariaDB 10")
    held = {c["type"]: c["status"] for c in place.get("migration", fresh, "shop")["status"]["conditions"]}
    assert held.items() >= {"Ready": "True", "Succeeded": "True", "Validated": "True", "SourceQuiesced": "True"}.items()
    assert all("finishedAt" in step for step in done["status"]["steps"])
    header, line = place.cluster.kubectl("get", "migrations", "-n", fresh).splitlines()
    assert header.split() == ["NAME", "PHASE", "PERCENT", "ROWS", "READY", "REASON", "AGE"]
    assert line.split()[:6] == ["shop", "Completed", "100", "20100", "True", "Completed"]
    told = place.cluster.kubectl("describe", "-n", fresh, "migration/shop")
    assert all(word in told for word in ("Planning", "Running", "Completed")), told
    assert "s3cret" not in told


def test_hold_pauses_and_resuming_loses_nothing(place: Place, fresh: str) -> None:
    place.databases(fresh, 60_000)
    slow = {"limits": {"rowsPerSecond": 8_000}, "batchSize": 1_000, "parallelism": 1}
    place.apply(*place.move(fresh, fresh, data=slow))
    place.arriving(fresh)
    place.cluster.kubectl("annotate", "-n", fresh, "migration/shop", "landfall.dev/hold=lunch")
    paused = place.until(fresh, "shop", "Paused")
    assert "lunch" in next(c["message"] for c in paused["status"]["conditions"] if c["type"] == "Ready")
    place.wait("the worker is gone", lambda: not [p for p in place.listed("pods", fresh) if p["status"]["phase"] == "Running"])
    place.cluster.kubectl("annotate", "-n", fresh, "migration/shop", "landfall.dev/hold-")
    place.until(fresh, "shop", "Completed")
    assert place.rows(fresh) == 60_000


def test_deleting_a_running_one_drops_what_was_staged(place: Place, fresh: str) -> None:
    place.databases(fresh, 60_000)
    place.apply(*place.move(fresh, fresh, data={"limits": {"rowsPerSecond": 5_000}, "batchSize": 1_000}))
    place.arriving(fresh)
    place.cluster.kubectl("delete", "-n", fresh, "migration/shop", "--timeout=300s")
    with place.pg.connect(fresh) as target:
        assert target.execute(b"SELECT nspname FROM pg_namespace WHERE nspname LIKE 'landfall_stage%'").fetchall() == []
    place.wait("nothing is left", lambda: not place.listed("runs", fresh) and not place.workers(fresh))
