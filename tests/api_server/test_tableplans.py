"""Decisions of a person: asked for in a TablePlan, given there, and given beforehand."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.cluster.conftest import Place

Object = dict[str, Any]


@pytest.fixture
def doubtful(request: pytest.FixtureRequest, place: Place) -> str:
    """A namespace whose source has zero dates, for which a person must say what becomes of them."""
    name = place.namespace(request.node.name)
    place.databases(name, 100)
    place.maria.sql(
        "ALTER TABLE item ADD COLUMN seen DATETIME; SET sql_mode=''; UPDATE item SET seen='0000-00-00' WHERE id=7", name
    )
    return name


def _plan(namespace: str, name: str, table: str = "item", **decision: str) -> Object:
    decisions = [{"column": "seen", **decision}] if decision else []
    return {
        "apiVersion": "landfall.dev/v1alpha1",
        "kind": "TablePlan",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"migrationRef": {"name": "shop"}, "source": {"table": table}, "decisions": decisions},
    }


def _ready(raw: Object) -> tuple[str, str]:
    return next((c["status"], c["reason"]) for c in raw["status"]["conditions"] if c["type"] == "Ready")


def test_a_table_that_needs_a_decision_asks_for_it(place: Place, doubtful: str) -> None:
    place.apply(*place.move(doubtful, doubtful))
    place.until(doubtful, "shop", "ApprovalRequired")
    (proposal,) = place.listed("tableplans", doubtful)
    assert proposal["metadata"]["name"].startswith("shop-item-")
    assert _ready(proposal) == ("False", "DecisionRequired")
    columns = {c["source"]: c for c in proposal["status"]["columns"]}
    assert columns["id"]["decision"] == "AutoApproved"
    assert columns["seen"]["decision"] == "NeedsReview"
    assert "1 row is changed by the rule Null" in str(columns["seen"]["reasons"])
    change = json.dumps({"spec": {"decisions": [{"column": "seen", "decision": "Approve", "comment": "as agreed"}]}})
    place.cluster.kubectl("patch", "tableplan", "-n", doubtful, proposal["metadata"]["name"], "--type=merge", "-p", change)
    place.until(doubtful, "shop", "Completed")
    decided = place.get("tableplan", doubtful, proposal["metadata"]["name"])
    assert _ready(decided) == ("True", "Decided")
    assert decided["status"]["observedGeneration"] == decided["metadata"]["generation"] == 2
    place.objects.delete("migration", doubtful, "shop")
    place.wait("its TablePlan goes with it", lambda: not place.listed("tableplans", doubtful))


def test_a_decision_that_was_committed_beforehand_is_heeded(place: Place, doubtful: str) -> None:
    place.apply(_plan(doubtful, "of-mine", decision="Approve", policy="Map:2000-01-01"), *place.move(doubtful, doubtful))
    place.until(doubtful, "shop", "Completed")
    (table_plan,) = place.listed("tableplans", doubtful)
    assert table_plan["metadata"]["name"] == "of-mine"
    assert _ready(table_plan) == ("True", "Decided")
    with place.pg.connect(doubtful) as target:
        assert target.execute(b"SELECT seen::text FROM item WHERE id=7").fetchone() == ("2000-01-01 00:00:00",)
    place.objects.delete("migration", doubtful, "shop")
    place.apply(place.move(doubtful, doubtful)[-1])
    place.until(doubtful, "shop", "AlreadyCompleted")
    assert _ready(place.get("tableplan", doubtful, "of-mine")) == ("True", "Decided")


def test_a_plan_for_a_table_that_is_not_there_says_so(place: Place, doubtful: str) -> None:
    place.apply(_plan(doubtful, "of-mine", table="itme"), *place.move(doubtful, doubtful, desiredState="Planned"))
    place.until(doubtful, "shop", "Planned")
    place.wait("it is reported", lambda: "conditions" in place.get("tableplan", doubtful, "of-mine").get("status", {}))
    assert _ready(place.get("tableplan", doubtful, "of-mine")) == ("False", "TableMissing")


def test_an_expression_takes_a_columns_place_and_a_wrong_one_stops_the_plan(place: Place, doubtful: str) -> None:
    wrong = _plan(doubtful, "of-mine", decision="Override", expression="nosuch(seen)")
    place.apply(wrong, *place.move(doubtful, doubtful))
    blocked = place.until(doubtful, "shop", "PlanBlocked")
    assert "calls NOSUCH" in str(blocked["status"]["conditions"])
    right = "CASE WHEN year(seen)=0 THEN cast('1999-09-09' as datetime) ELSE seen END"
    place.apply(_plan(doubtful, "of-mine", decision="Override", expression=right))
    place.until(doubtful, "shop", "Completed")
    with place.pg.connect(doubtful) as target:
        assert target.execute(b"SELECT seen::text FROM item WHERE id=7").fetchone() == ("1999-09-09 00:00:00",)
    column = {c["source"]: c for c in place.get("tableplan", doubtful, "of-mine")["status"]["columns"]}["seen"]
    expression = "CASE WHEN YEAR(seen) = 0 THEN CAST('1999-09-09' AS DATETIME) ELSE seen END"
    assert (column["transformation"], column["decision"]) == (expression, "Approved"), "as it is sent to the source"
    assert "9999-99-99" in str(column["reasons"])
