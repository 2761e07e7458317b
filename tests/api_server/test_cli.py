"""The command line as somebody at a terminal has it: from a plan to the rollback, beside kubectl."""

from __future__ import annotations

import json

import yaml

from tests.cluster.conftest import Object, Place
from tests.cluster.terminal import Terminal


def applied(place: Place, documents: list[Object]) -> None:
    """As people do it."""
    place.cluster.kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all(documents))


def test_a_database_from_its_plan_to_the_way_back(place: Place) -> None:
    name = place.namespace("terminal-moves")
    place.databases(name, 5_000)
    place.maria.sql(
        "ALTER TABLE item ADD COLUMN seen DATETIME; SET sql_mode=''; UPDATE item SET seen='0000-00-00' WHERE id=7", name
    )
    terminal = Terminal(place, name)
    applied(place, place.move(name, name))
    output = terminal.says("watch", "shop", code=3)
    assert "landfall approve shop" in output
    assert "zero" in terminal.says("plan", "shop").lower()
    plan = json.loads(terminal.says("plan", "shop", "-o", "json"))
    terminal.says("approve", "shop", "--digest", "sha256:0", "--yes", code=1)
    terminal.says("approve", "shop", "--digest", plan["digest"], "--yes")
    assert "5100 rows" in terminal.says("watch", "shop")
    assert place.rows(name) == 5_000
    assert "Completed" in terminal.says("get", "migrations")
    assert "Reachable" in terminal.says("describe", "connection/old")
    output = terminal.says("test", "old")
    assert "is reachable" in output
    terminal.says("rollback", "shop")
    terminal.kept("terminal", "plan shop -o", "approve shop --digest sha256:0")
    place.until(name, "shop", "RolledBack")
    assert place.rows(name) == -1
    managers = {
        m["manager"] for m in place.get("migration", name, "shop")["metadata"]["managedFields"] if "f:spec" in m["fieldsV1"]
    }
    assert managers == {"kubectl-client-side-apply", "landfall"}


def test_what_somebody_else_has_a_say_in_is_taken_over_on_purpose_alone(place: Place) -> None:
    name = place.namespace("terminal-beside")
    place.databases(name, 100)
    terminal = Terminal(place, name)
    applied(place, place.move(name, name, desiredState="Planned"))
    place.until(name, "shop", "Planned")
    output = terminal.says("start", "shop", code=1)
    assert "kubectl-client-side-apply" in output
    assert "--force-conflicts" in output
    terminal.says("start", "shop", "--force-conflicts")
    assert "200 rows" in terminal.says("watch", "shop")
