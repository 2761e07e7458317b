"""A Migration at a real API server, with real workers: it says all along where it stands, and does what it is told to."""

from __future__ import annotations

import copy
from datetime import UTC, datetime, timedelta

import pytest

from tests.cluster.conftest import Place


@pytest.fixture
def fresh(request: pytest.FixtureRequest, place: Place) -> str:
    """A namespace of the test's own; the databases have its name too."""
    return place.namespace(request.node.name)


def test_a_missing_secret_stalls_and_its_creation_is_enough(place: Place, fresh: str) -> None:
    place.databases(fresh, 100)
    secret, *other_documents = place.move(fresh, fresh)
    place.apply(*other_documents)
    place.until(fresh, "shop", "SecretMissing")
    assert place.workers(fresh) == []
    place.apply(secret)
    place.until(fresh, "shop", "Completed")


def test_a_wrong_password_stalls_and_mending_the_secret_is_enough(place: Place, fresh: str) -> None:
    place.databases(fresh, 100)
    documents = place.move(fresh, fresh)
    place.apply(place.secret(fresh, "old", "mover", "wrong-Wort"), *documents[1:])
    stalled = place.until(fresh, "shop", "CredentialRefused")
    conditions = {c["type"]: c for c in stalled["status"]["conditions"]}
    assert conditions["Stalled"]["status"] == "True"
    assert "wrong-Wort" not in str(stalled)
    place.apply(documents[0])
    place.cluster.kubectl("annotate", "-n", fresh, "migration/shop", "looked=at")
    place.until(fresh, "shop", "Completed")


def test_planned_stops_after_the_plan_and_completed_goes_on(place: Place, fresh: str) -> None:
    place.databases(fresh, 100)
    documents = place.move(fresh, fresh, desiredState="Planned")
    place.apply(*documents)
    migration = place.until(fresh, "shop", "Planned")
    assert migration["status"]["plan"]["tables"] == 2
    assert place.rows(fresh) == -1
    documents[-1]["spec"]["desiredState"] = "Completed"
    place.apply(*documents)
    place.until(fresh, "shop", "Completed")
    assert place.rows(fresh) == 100


def test_a_plan_that_needs_a_word_waits_for_its_digest(place: Place, fresh: str) -> None:
    place.databases(fresh, 100)
    place.maria.sql(
        "ALTER TABLE item ADD COLUMN seen DATETIME; SET sql_mode=''; UPDATE item SET seen='0000-00-00' WHERE id=7", fresh
    )
    documents = place.move(fresh, fresh)
    place.apply(*documents)
    waiting = place.until(fresh, "shop", "ApprovalRequired")
    assert "Stalled" not in {c["type"] for c in waiting["status"]["conditions"]}
    documents[-1]["spec"]["data"]["approval"] = {"planDigest": waiting["status"]["plan"]["digest"]}
    place.apply(*documents)
    place.until(fresh, "shop", "Completed")


def test_a_run_waits_for_its_hour(place: Place, fresh: str) -> None:
    place.databases(fresh, 100)
    start = datetime.now(UTC) + timedelta(seconds=20)  # noqa: TID251  a test's own clock
    place.apply(*place.move(fresh, fresh, schedule={"startAt": f"{start:%Y-%m-%dT%H:%M:%SZ}"}))
    waiting = place.until(fresh, "shop", "Scheduled")
    assert f"{start:%H:%M:%SZ}" in next(c["message"] for c in waiting["status"]["conditions"] if c["type"] == "Ready")
    assert place.rows(fresh) == -1
    migration = place.until(fresh, "shop", "Completed")
    assert datetime.fromisoformat(migration["status"]["startTime"]) >= start.replace(microsecond=0)


def test_outside_its_window_a_run_waits_at_a_checkpoint(place: Place, fresh: str) -> None:
    place.databases(fresh, 60_000)
    documents = place.move(fresh, fresh, data={"limits": {"rowsPerSecond": 2_000}, "batchSize": 1_000, "parallelism": 1})
    place.apply(*documents)
    place.arriving(fresh)
    later = datetime.now(UTC) + timedelta(hours=3)  # noqa: TID251  a test's own clock
    window = {"start": f"{later:%H}:00", "end": f"{later + timedelta(hours=2):%H}:00"}
    documents[-1]["spec"]["schedule"] = {"maintenanceWindow": window}
    place.apply(documents[-1])
    place.until(fresh, "shop", "WindowClosed")
    place.wait("its worker is gone", lambda: not [p for p in place.listed("pods", fresh) if p["status"]["phase"] == "Running"])
    assert place.rows(fresh) == -1
    del documents[-1]["spec"]["schedule"]
    documents[-1]["spec"]["data"]["limits"] = {"rowsPerSecond": 0}
    place.apply(documents[-1])
    place.until(fresh, "shop", "Completed")
    assert place.rows(fresh) == 60_000


def test_cancel_drops_what_was_staged(place: Place, fresh: str) -> None:
    place.databases(fresh, 60_000)
    documents = place.move(fresh, fresh, data={"limits": {"rowsPerSecond": 5_000}, "batchSize": 1_000})
    place.apply(*documents)
    place.arriving(fresh)
    documents[-1]["spec"]["desiredState"] = "Cancelled"
    place.apply(*documents)
    place.until(fresh, "shop", "Cancelled")
    with place.pg.connect(fresh) as target:
        assert target.execute(b"SELECT nspname FROM pg_namespace WHERE nspname LIKE 'landfall_stage%'").fetchall() == []


def test_rolled_back_after_completion(place: Place, fresh: str) -> None:
    place.databases(fresh, 100)
    documents = place.move(fresh, fresh)
    place.apply(*documents)
    place.until(fresh, "shop", "Completed")
    documents[-1]["spec"]["desiredState"] = "RolledBack"
    place.apply(*documents)
    place.until(fresh, "shop", "RolledBack")
    assert place.rows(fresh) == -1
    documents[-1]["spec"]["desiredState"] = "Completed"
    place.apply(*documents)
    place.until(fresh, "shop", "RunEnded")


def test_deleted_and_created_again_moves_nothing_twice(place: Place, fresh: str) -> None:
    place.databases(fresh, 100)
    documents = place.move(fresh, fresh)
    place.apply(*documents)
    place.until(fresh, "shop", "Completed")
    place.objects.delete("migration", fresh, "shop")
    with place.pg.connect(fresh) as target:
        target.execute(b"UPDATE item SET note='kept' WHERE id=1")
    place.apply(*documents)
    place.until(fresh, "shop", "AlreadyCompleted")
    with place.pg.connect(fresh) as target:
        assert target.execute(b"SELECT note FROM item WHERE id=1").fetchone() == ("kept",)


def test_source_and_target_are_fixed_once_begun(place: Place, fresh: str) -> None:
    place.databases(fresh, 100)
    documents = place.move(fresh, fresh)
    place.apply(*documents)
    place.until(fresh, "shop", "Completed")
    data = documents[-1]["spec"]["data"]
    for change in ((data["target"], "schema", "elsewhere"), (data["source"], "schemas", ["another"])):
        part, name, other = change
        part[name] = other
        with pytest.raises(RuntimeError, match="fixed once a run has started"):
            place.apply(documents[-1])
        del part[name]


def test_what_is_said_is_no_other_source_or_target_than_what_is_meant_unsaid(place: Place, fresh: str) -> None:
    place.databases(fresh, 100)
    documents = place.move(fresh, fresh)
    place.apply(*documents)
    place.until(fresh, "shop", "Completed")
    explicit = copy.deepcopy(documents[-1])
    explicit["spec"]["data"]["source"]["schemas"] = []
    explicit["spec"]["data"]["target"]["schema"] = "public"
    for document in (explicit, documents[-1]):
        place.apply(document)
        place.until(fresh, "shop", "Completed")
    assert place.rows(fresh) == 100


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
    place.objects.delete("migration", fresh, "shop")
    with place.pg.connect(fresh) as target:
        assert target.execute(b"SELECT nspname FROM pg_namespace WHERE nspname LIKE 'landfall_stage%'").fetchall() == []
    place.wait("nothing is left", lambda: not place.listed("runs", fresh) and not place.workers(fresh))
