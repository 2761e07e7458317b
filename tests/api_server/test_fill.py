"""Loading tables that exist, on the cluster: proposed, corrected in a TablePlan, filled, and put back empty."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cluster.conftest import Place

Object = dict[str, Any]

_TARGET = b"""
SET ROLE mover;
CREATE TABLE customers (id integer PRIMARY KEY, full_name text NOT NULL, since date DEFAULT '2026-01-01');
CREATE TABLE order_lines (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, customer_id integer NOT NULL REFERENCES customers (id),
  amount numeric(12,2), remark text, internal text);
CREATE VIEW sold AS SELECT customer_id, sum(amount) AS amount FROM order_lines GROUP BY 1;
"""


@pytest.fixture
def modern(request: pytest.FixtureRequest, place: Place) -> str:
    """A namespace with the shop, and a target whose tables are there already, spelled by others."""
    name = place.namespace(request.node.name)
    place.databases(name, 500)
    with place.pg.connect(name) as target:
        target.execute(_TARGET)
    return name


def _move(place: Place, name: str, **spec: Any) -> list[Object]:
    documents = place.move(name, name, **spec)
    documents[-1]["spec"]["data"]["target"]["onExisting"] = "Fill"
    return documents


def _decisions(place: Place, name: str, plan: str, spec: Object) -> None:
    place.objects.patch("tableplan", name, plan, {"spec": spec})


def _count(place: Place, name: str, query: str) -> Any:
    with place.pg.connect(name) as target:
        result = target.execute(query.encode()).fetchone()
    return result[0] if result else None


def test_existing_tables_are_proposed_corrected_filled_and_put_back(place: Place, modern: str) -> None:
    documents = _move(place, modern)
    place.apply(*documents)
    place.until(modern, "shop", "ApprovalRequired")
    plans = {p["spec"]["source"]["table"]: p for p in place.listed("tableplans", modern)}
    proposed = plans["item"]["status"]
    assert proposed["targetTable"] == "order_lines"
    columns = {c["source"]: c for c in proposed["columns"]}
    assert {s: c["target"] for s, c in columns.items()} == {
        "id": "id",
        "customer": "customer_id",
        "note": "remark",
        "price": "amount",
    }
    waiting = {s: c for s, c in columns.items() if c["decision"] == "NeedsReview"}
    assert "price" in waiting
    assert waiting["price"]["confidence"] < 95
    assert waiting["price"]["reasons"]
    decisions = [{"column": s, "decision": "Approve", "digest": c["digest"]} for s, c in waiting.items() if s != "note"]
    decisions.append(
        {"column": "note", "decision": "Approve", "targetColumn": "internal", "comment": "remarks are for the customer"}
    )
    _decisions(place, modern, plans["item"]["metadata"]["name"], {"targetTable": "order_lines", "decisions": decisions})
    other_plans = {n: p for n, p in plans.items() if n != "item"}
    for plan in other_plans.values():
        open_ones = [c["source"] for c in plan["status"]["columns"] if c["decision"] == "NeedsReview"]
        _decisions(
            place, modern, plan["metadata"]["name"], {"decisions": [{"column": c, "decision": "Approve"} for c in open_ones]}
        )
    place.until(modern, "shop", "Completed")
    assert _count(place, modern, "SELECT count(*) FROM order_lines WHERE remark IS NULL AND internal IS NOT NULL") == 500
    assert _count(place, modern, "SELECT count(*) FROM customers WHERE full_name='name '||id AND since='2026-01-01'") == 100
    assert _count(place, modern, "SELECT sum(amount)=(SELECT sum(amount) FROM order_lines) FROM sold")
    documents[-1]["spec"]["desiredState"] = "RolledBack"
    place.apply(documents[-1])
    place.until(modern, "shop", "RolledBack")
    assert _count(place, modern, "SELECT (SELECT count(*) FROM order_lines)+(SELECT count(*) FROM customers)") == 0
    assert _count(place, modern, "SELECT count(*) FROM sold") == 0


def test_what_cannot_be_filled_is_named_and_touches_nothing(place: Place, modern: str) -> None:
    with place.pg.connect(modern) as target:
        target.execute(b"INSERT INTO customers VALUES (1,'there already')")
    place.apply(*_move(place, modern, data={"mode": "DataOnly"}))
    blocked = place.until(modern, "shop", "PlanBlocked")
    assert "customers" in str(blocked["status"]["conditions"])
    assert "it has rows" in str(blocked["status"]["plan"]["risks"])
    assert _count(place, modern, "SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'landfall%'") == 0


def test_a_changed_plan_asks_only_for_what_is_new(place: Place, request: pytest.FixtureRequest) -> None:
    name = place.namespace(request.node.name)
    place.databases(name, 100)
    place.maria.sql(
        "ALTER TABLE item ADD COLUMN seen DATETIME; SET sql_mode=''; UPDATE item SET seen='0000-00-00' WHERE id=7", name
    )
    documents = place.move(name, name, schedule={"startAt": "2099-01-01T00:00:00Z"})
    place.apply(*documents)
    first = place.until(name, "shop", "ApprovalRequired")["status"]["plan"]
    documents[-1]["spec"]["data"]["approval"] = {"planDigest": first["digest"]}
    place.apply(*documents)
    place.until(name, "shop", "Scheduled")
    place.maria.sql(
        "ALTER TABLE customer ADD COLUMN born DATE; SET sql_mode=''; UPDATE customer SET born='0000-00-00' WHERE id=7", name
    )
    documents[-1]["metadata"]["annotations"] = {"landfall.dev/request": '{"id": "again", "verb": "plan"}'}
    place.apply(*documents)
    waiting = place.until(name, "shop", "ApprovalRequired")["status"]
    assert waiting["plan"]["digest"] != first["digest"]
    assert set(first["points"]) < set(waiting["plan"]["points"])
    new = len(waiting["plan"]["points"]) - len(first["points"])
    assert f"{new} of {len(waiting['plan']['points'])} review items are new" in str(waiting["conditions"])
    place.maria.sql("ALTER TABLE customer DROP COLUMN born, ADD COLUMN nick VARCHAR(10)", name)
    documents[-1]["metadata"]["annotations"] = {"landfall.dev/request": '{"id": "once more", "verb": "plan"}'}
    documents[-1]["spec"].pop("schedule")
    place.apply(*documents)
    completed = place.until(name, "shop", "Completed")["status"]
    assert completed["plan"]["digest"] not in {first["digest"], waiting["plan"]["digest"]}
    assert completed["approval"]["planDigest"] == first["digest"]
