"""What bad input and a changed world get: each its own reason, a way out in the message, and an untouched target."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from tests.cluster.conftest import Place

Object = dict[str, Any]


@pytest.fixture
def fresh(request: pytest.FixtureRequest, place: Place) -> str:
    """A namespace with a small shop."""
    name = place.namespace(request.node.name)
    place.databases(name, 200)
    return name


def _message(migration: Object) -> str:
    return str(next(c["message"] for c in migration["status"]["conditions"] if c["type"] == "Ready"))


def test_two_migrations_at_one_target(place: Place, fresh: str) -> None:
    place.maria.sql("INSERT INTO item (customer,note,price) SELECT 1,'more',1 FROM seq_1_to_5800", fresh)
    documents = place.move(fresh, fresh, data={"limits": {"rowsPerSecond": 50}, "batchSize": 100, "parallelism": 1})
    place.apply(*documents)
    place.wait("it works", lambda: place.get("migration", fresh, "shop").get("status", {}).get("progress", {}).get("rows", 0) > 0)
    other = copy.deepcopy(documents[-1])
    other["metadata"]["name"] = "second"
    other["spec"]["data"]["source"]["excludeTables"] = ["item"]
    place.apply(other)
    refused = place.until(fresh, "second", "RunConflict")
    assert "shop" in _message(refused)
    place.objects.delete("migration", fresh, "second")
    documents[-1]["spec"]["data"]["limits"] = {"rowsPerSecond": 0}
    place.apply(*documents)
    place.until(fresh, "shop", "Completed")
    assert place.rows(fresh) == 6_000


def test_a_decision_for_a_column_that_is_not_there(place: Place, fresh: str) -> None:
    plan = {
        "apiVersion": "landfall.dev/v1alpha1",
        "kind": "TablePlan",
        "metadata": {"name": "of-mine", "namespace": fresh},
        "spec": {
            "migrationRef": {"name": "shop"},
            "source": {"table": "item"},
            "decisions": [{"column": "prize", "decision": "Exclude"}],
        },
    }
    place.apply(plan, *place.move(fresh, fresh))
    blocked = place.until(fresh, "shop", "PlanBlocked")
    assert "item.prize" in _message(blocked)
    assert "Correct the TablePlan" in _message(blocked)
    assert place.rows(fresh) == -1


def test_a_source_that_changed_since_the_plan(place: Place, fresh: str) -> None:
    documents = place.move(fresh, fresh, desiredState="Planned")
    place.apply(*documents)
    place.until(fresh, "shop", "Planned")
    place.maria.sql("ALTER TABLE item ADD COLUMN colour VARCHAR(10)", fresh)
    documents[-1]["spec"]["desiredState"] = "Completed"
    place.apply(*documents)
    stalled = place.until(fresh, "shop", "SourceChanged")
    assert f"{fresh}.item" in _message(stalled)
    assert place.rows(fresh) == -1


def test_a_window_in_no_time_zone(place: Place, fresh: str) -> None:
    window = {"start": "02:00", "end": "04:00", "timeZone": "Europe/Nowhere"}
    place.apply(*place.move(fresh, fresh, schedule={"maintenanceWindow": window}))
    stalled = place.until(fresh, "shop", "SpecInvalid")
    assert "is not an IANA time zone (example: Europe/Berlin)" in _message(stalled)


def test_an_approval_of_another_plan(place: Place, fresh: str) -> None:
    place.maria.sql(
        "ALTER TABLE item ADD COLUMN seen DATETIME; SET sql_mode=''; UPDATE item SET seen='0000-00-00' WHERE id=7", fresh
    )
    place.apply(*place.move(fresh, fresh, data={"approval": {"planDigest": "sha256:" + "0" * 64}}))
    waiting = place.until(fresh, "shop", "ApprovalRequired")
    assert "has the digest of another plan" in _message(waiting)
    approved = next(c for c in waiting["status"]["conditions"] if c["type"] == "Approved")
    assert (approved["status"], approved["reason"]) == ("False", "PlanChanged")
    assert place.rows(fresh) == -1
