"""An app and its data never part: which release goes live on which side of a move, and when the one before it serves again."""

from __future__ import annotations

from dataclasses import replace

import pytest

from landfall.controllers.cutover_gate import Gate, MigrationSide, migrated_away
from landfall.controllers.decision import ReconcileDecision
from landfall.controllers.deployment.status import observed_gate
from tests.support.deployments import World

_OLD, _NEW = {"connectionRef": {"name": "old"}}, {"connectionRef": {"name": "new"}}
_SOURCE = MigrationSide("old", "old-secret")
_SECRET = [{"name": "URL", "valueFrom": {"secretKeyRef": {"name": "old-secret", "key": "url"}}, "capture": "Live"}]


def gate(state: str, *, has_begun: bool = True) -> Gate:
    """That of a Migration from old to new."""
    return Gate("move", "move-1", state, _SOURCE, "new", begun=has_begun)


def committed(world: World, commit: str, **spec: object) -> ReconcileDecision:
    """What a commit comes to."""
    world.commit, world.spec = commit * 40, {**world.spec, **spec}
    return world.settle(20)


def moved() -> World:
    """An app that has moved with its data: shop-1 on the old database, shop-2 on the new one."""
    world = World(spec={"database": _OLD})
    world.settle(100)
    world.gate = gate("Starting")
    committed(world, "2", database=_NEW)
    world.settle(100)
    world.gate = gate("Live")
    world.left = (world.gate,)
    world.settle(20)
    assert live(world) == "shop-2"
    return world


def live(world: World) -> str:
    """The live release."""
    return world.service.release if world.service else ""


@pytest.mark.parametrize("spec", [{"database": _OLD}, {"database": None, "env": _SECRET}], ids=["database", "env"])
def test_no_release_goes_live_on_a_database_that_a_move_has_left(spec: dict[str, object]) -> None:
    world = moved()
    decision = committed(world, "2", **spec)
    assert (decision.ready, live(world)) == (("False", "DatabaseLeft"), "shop-2")
    assert "Migration move" in decision.message
    assert "RolledBack" in decision.message
    assert committed(world, "2", database=_NEW, env=[]).ready == ("True", "Live")


def test_nor_does_a_rollback_go_there() -> None:
    world = moved()
    world.spec |= {"rollbackTo": {"release": "shop-1"}}
    assert (world.settle(20).ready, live(world)) == (("False", "DatabaseLeft"), "shop-2")


def test_once_the_data_is_back_it_does() -> None:
    world = moved()
    committed(world, "3", database=_OLD)
    world.gate, world.left = gate("RolledBack"), ()
    world.settle(100)
    assert live(world) == "shop-3"
    assert world.turn().ready == ("True", "Live")


def test_what_fails_after_a_move_does_not_go_back_across_it_by_itself() -> None:
    world = World(spec={"database": _OLD})
    world.settle(100)
    world.gate = gate("Starting")
    committed(world, "2", database=_NEW)
    world.gate = gate("Live")
    world.left = (world.gate,)
    for pods in world.workloads.values():
        pods.crashed = True
    world.settle(5)
    assert live(world) == "shop-2", "what was written since is in the new database alone"


def test_an_app_whose_data_goes_back_makes_way_first() -> None:
    world = World(spec={"database": _OLD})
    world.settle(100)
    world.gate = gate("Starting")
    committed(world, "2", database=_NEW)
    assert live(world) == "shop-2"
    world.gate = gate("Failed")
    note = observed_gate(world.look())
    assert note
    assert (note.run, note.state, note.serving, note.served) == ("move-1", "Failed", True, True)
    world.settle(20)
    note = observed_gate(world.look())
    assert note
    assert (live(world), note.serving, note.served) == ("shop-1", False, True)


@pytest.mark.parametrize("state", ["Failed", "RollingBack"])
def test_no_release_goes_live_while_the_data_is_taken_back(state: str) -> None:
    world = World(spec={"database": _OLD})
    world.settle(100)
    world.gate = gate("Building")
    committed(world, "2", database=_NEW)
    world.gate = gate(state)
    world.settle(20)
    assert live(world) == "shop-1"


def test_a_new_app_goes_live_where_the_data_still_is_before_anything_begins() -> None:
    world = World(spec={"database": _OLD}, gate=gate("Building", has_begun=False))
    assert world.settle(100).ready == ("True", "Live")
    other = World(spec={"database": _NEW}, gate=gate("Building", has_begun=False))
    assert other.settle(20).ready == ("False", "WaitingForData")


def test_an_app_is_deployed_where_its_data_still_is_after_the_move_was_cancelled_with_its_staging_kept() -> None:
    cancelled = replace(gate("Building"), cancelled=True)
    world = World(spec={"database": _OLD}, gate=cancelled)
    assert world.settle(100).ready == ("True", "Live")
    other = World(spec={"database": _NEW}, gate=cancelled)
    assert other.settle(20).ready == ("False", "WaitingForData")


@pytest.mark.parametrize(
    ("moves", "expected"),
    [
        ([("Live", "old", "new")], ["old"]),
        ([("Starting", "old", "new")], ["old"]),
        ([("Failed", "old", "new")], []),
        ([("RolledBack", "old", "new")], []),
        ([("Building", "old", "new")], []),
        ([("Live", "old", "new"), ("Live", "new", "third")], ["old", "new"]),
        ([("Live", "old", "new"), ("Live", "new", "old")], ["new"]),
        ([("Live", "same", "same")], []),
    ],
)
def test_which_databases_are_left(moves: list[tuple[str, str, str]], expected: list[str]) -> None:
    gates = [(f"2026-01-0{n + 1}", Gate("m", f"m-{n}", state, MigrationSide(a), b)) for n, (state, a, b) in enumerate(moves)]
    assert [actual_gate.source.connection for actual_gate in migrated_away(gates[::-1])] == expected
