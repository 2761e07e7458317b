"""A person is in control of a run: a pause at once, a start from a phase, a rehearsal, a window for the cutover."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from tests.api_server.conftest import COPIED_ROWS, namespace_of
from tests.cluster.conftest import Object, Place


def _runs(place: Place, namespace: str) -> list[str]:
    """The pods that run the migration."""
    names = [p["metadata"]["name"] for p in place.listed("pods", namespace) if p["status"]["phase"] == "Running"]
    return [name for name in names if "-run-" in name]


@contextlib.contextmanager
def _locked(place: Place, namespace: str) -> Iterator[None]:
    """Nobody can write to the staged table meanwhile, so the chunk in flight does not end."""
    with place.pg.connect(namespace) as other, other.transaction():
        (stage,) = other.execute(b"SELECT nspname FROM pg_namespace WHERE nspname LIKE 'landfall_stage%'").fetchone() or ("",)
        other.execute(f"LOCK TABLE {stage}.item IN EXCLUSIVE MODE".encode())
        waiting = f"SELECT count(*) FROM pg_locks WHERE relation='{stage}.item'::regclass AND NOT granted".encode()
        place.wait("a chunk waits for the lock", lambda: other.execute(waiting).fetchone() != (0,))
        yield


def test_a_pause_at_once_gives_up_what_is_in_flight(place: Place, documents: list[Object]) -> None:
    name = namespace_of(documents)
    with _locked(place, name):
        documents[-1]["spec"] |= {"desiredState": "Paused", "pause": {"reason": "the disk is slow", "immediate": True}}
        place.apply(*documents)
        place.wait("the worker is gone", lambda: not _runs(place, name), 12)
    paused = place.until(name, "shop", "Paused")
    assert "the disk is slow" in str(paused["status"]["conditions"])
    rows = paused["status"]["progress"]["rows"]
    assert 0 < rows < COPIED_ROWS
    documents[-1]["spec"] |= {"desiredState": "Completed"}
    documents[-1]["spec"]["data"] |= {"limits": {"rowsPerSecond": 0}}
    place.apply(*documents)
    place.until(name, "shop", "Completed")
    place.settled(name, COPIED_ROWS)
    events_text = place.cluster.kubectl("get", "events", "-n", name, "-o", "jsonpath={.items[*].message}")
    assert f"resuming from checkpoint {name}.item/" in events_text


def test_a_start_from_a_phase_is_held_against_the_ledger(place: Place, documents: list[Object]) -> None:
    name = namespace_of(documents)
    documents[-1]["spec"]["desiredState"] = "Paused"
    place.apply(*documents)
    place.until(name, "shop", "Paused")
    documents[-1]["spec"]["desiredState"] = "Completed"
    documents[-1]["metadata"]["annotations"] = {"landfall.dev/request": '{"id": "far", "verb": "start", "from": "validation"}'}
    place.apply(*documents)
    refused = place.until(name, "shop", "RequestRefused")
    assert "records no phase after data_transfer" in str(refused["status"]["conditions"])
    assert _runs(place, name) == []
    documents[-1]["metadata"]["annotations"] = {
        "landfall.dev/request": '{"id": "near", "verb": "start", "from": "data_transfer"}'
    }
    documents[-1]["spec"]["data"]["limits"] = {"rowsPerSecond": 0}
    place.apply(*documents)
    migration = place.until(name, "shop", "Completed")
    assert migration["status"]["lastHandledRequest"] == "near"
    place.settled(name, COPIED_ROWS)


def test_a_rehearsal_moves_everything_and_leaves_nothing(place: Place, request: pytest.FixtureRequest) -> None:
    name = place.namespace(request.node.name)
    place.databases(name, 5_000)
    place.maria.sql(
        "ALTER TABLE item ADD COLUMN seen DATETIME; SET sql_mode=''; UPDATE item SET seen='0000-00-00' WHERE id=7", name
    )
    before = place.pg.dump(name)
    documents = place.move(name, name)
    documents[-1]["metadata"]["annotations"] = {"landfall.dev/request": '{"id": "eve", "verb": "rehearse"}'}
    place.apply(*documents)
    waiting = place.until(name, "shop", "ApprovalRequired")
    measured = waiting["status"]["rehearsal"]
    assert (measured["request"], measured["rows"]) == ("eve", 5_100)
    assert measured["copySeconds"] > 0
    assert waiting["status"]["lastHandledRequest"] == "eve"
    rehearsed = {c["type"]: c for c in waiting["status"]["conditions"]}["Rehearsed"]
    assert (rehearsed["status"], "5100 rows" in rehearsed["message"]) == ("True", True)
    assert place.pg.dump(name) == before
    with place.pg.connect(name) as target:
        assert target.execute(b"SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'landfall%'").fetchone() == (0,)
    documents[-1]["metadata"]["annotations"] = {"landfall.dev/request": '{"id": "night", "verb": "start", "skipApproval": true}'}
    place.apply(*documents)
    migration = place.until(name, "shop", "Completed")
    assert place.rows(name) == 5_000
    assert migration["status"]["lastHandledRequest"] == "night"
    assert len([j for j in place.listed("jobs", name) if "-rehearse-" in j["metadata"]["name"]]) == 1


def test_an_annotation_that_is_no_request_is_told(place: Place, request: pytest.FixtureRequest) -> None:
    name = place.namespace(request.node.name)
    place.databases(name, 100)
    documents = place.move(name, name)
    documents[-1]["metadata"]["annotations"] = {"landfall.dev/request": "rehearse"}
    place.apply(*documents)
    migration = place.until(name, "shop", "RequestInvalid")
    assert '"verb": "rehearse"' in str(migration["status"]["conditions"])
    place.cluster.kubectl("annotate", "-n", name, "migration/shop", "landfall.dev/request-")
    place.until(name, "shop", "Completed")


def test_the_cutover_waits_for_its_window(place: Place, request: pytest.FixtureRequest) -> None:
    """Everything is copied at once; what is written while it waits arrives with the cutover."""
    name = place.namespace(request.node.name)
    place.databases(name, 3_000)
    later = datetime.now(UTC) + timedelta(hours=3)  # noqa: TID251  the cluster's clock
    window = {"start": f"{later:%H:%M}", "end": f"{later + timedelta(hours=1):%H:%M}", "appliesTo": "Cutover"}
    documents = place.move(name, name, schedule={"maintenanceWindow": window})
    place.apply(*documents)
    place.wait("it waits", lambda: place.get("migration", name, "shop").get("status", {}).get("phase") == "Paused", 90)
    waiting = place.until(name, "shop", "WindowClosed")
    assert "all rows are copied; the cutover waits until" in str(waiting["status"]["conditions"])
    assert waiting["status"]["progress"]["rows"] == 3_100
    place.wait("the worker is gone", lambda: not _runs(place, name), 20)
    assert (place.rows(name), place.staged(name) > 0) == (-1, True)
    place.maria.sql("UPDATE item SET note='late' WHERE id=7; INSERT INTO item (customer,note,price) VALUES (1,'new',1)", name)
    del documents[-1]["spec"]["schedule"]
    place.apply(*documents)
    place.until(name, "shop", "Completed")
    assert place.rows(name) == 3_001
    with place.pg.connect(name) as target:
        assert target.execute(b"SELECT note FROM item WHERE id=7").fetchone() == ("late",)


def test_what_was_replaced_goes_when_its_time_has_come(place: Place, request: pytest.FixtureRequest) -> None:
    name = place.namespace(request.node.name)
    place.databases(name, 200)
    with place.pg.connect(name) as target:
        target.execute(b"SET ROLE mover")
        target.execute(b"CREATE TABLE item (id int, old text)")
    documents = place.move(name, name, rollback={"retainSeconds": 8})
    documents[-1]["spec"]["data"]["target"]["onExisting"] = "Replace"
    place.apply(*documents)
    migration = place.until(name, "shop", "Completed")
    assert migration["status"]["keptUntil"] > migration["status"]["completionTime"]
    assert _kept(place, name) == 1
    place.wait("it is dropped", lambda: _kept(place, name) == 0, 60)
    place.wait(
        "and told", lambda: "can no longer be rolled back" in str(place.get("migration", name, "shop")["status"]["conditions"])
    )
    assert "keptUntil" not in place.get("migration", name, "shop")["status"]
    assert place.rows(name) == 200
    documents[-1]["spec"]["desiredState"] = "RolledBack"
    place.apply(*documents)
    refused = place.until(name, "shop", "RunEnded")
    assert "their retention period has ended" in str(refused["status"]["conditions"])


def _kept(place: Place, namespace: str) -> int:
    with place.pg.connect(namespace) as target:
        count = target.execute(b"SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'landfall_kept%'").fetchone()
    return int(count[0]) if count else -1
