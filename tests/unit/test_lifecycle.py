"""The table of what may be done when, and that each door reads it: the gateway, the command line, and the operator's rules."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any, cast

import pytest
from typer.testing import CliRunner

from landfall import lifecycle
from landfall.api.progress import Step
from landfall.api.run import RunStatus
from landfall.cli import cluster_client
from landfall.cli.cluster_client import Reach, Where
from landfall.cli.main import app
from landfall.controllers.migration.rules import decide
from landfall.engine.model.run_state import State
from landfall.kube.client import Kube
from landfall.lifecycle import ACTIONS, LOG_TAGS, PHASES, STATES, STEPS, Action, Phase
from tests.support.asgi import Client
from tests.support.gateway import Namespace
from tests.support.migrations import DONE, PLAN, PLANNED, RUNNING, migration
from tests.support.moves import ID, SPEC

Object = dict[str, Any]
_DIGEST = "sha256:" + "a" * 64
_HTTP = {
    Action.START: ("start", {}),
    Action.REHEARSE: ("start", {"dry_run": True}),
    Action.PAUSE: ("pause", {}),
    Action.RESUME: ("resume", {}),
    Action.CANCEL: ("cancel", {}),
    Action.ROLLBACK: ("rollback", {"discard_writes": True}),
    Action.APPROVE: ("plan/approve", {"digest": _DIGEST}),
}
_WORDS = {
    Action.START: ["start"],
    Action.REHEARSE: ["start", "--dry-run"],
    Action.ROLLBACK: ["rollback", "--discard-writes"],
    Action.APPROVE: ["approve", "--yes", "--digest", _DIGEST],
}


def test_every_state_has_a_step_a_status_a_label_and_a_line_of_documentation() -> None:
    assert set(STATES) == {state.value for state in State}
    for row in STATES.values():
        assert row.step is None or row.step in STEPS
        assert PHASES[row.phase].status
        assert row.label
        assert row.doc.endswith(".")
    assert set(PHASES) == set(Phase)
    assert all(row.doc.endswith(".") for row in PHASES.values())
    assert set(LOG_TAGS) >= set(STEPS)
    assert {tag for tags in LOG_TAGS.values() for tag in tags} >= set(STATES)
    assert Step.model_fields["name"].annotation.__args__ == STEPS  # type: ignore[union-attr]


def test_every_action_has_phases_in_which_it_is_allowed() -> None:
    assert set(ACTIONS) == set(Action)
    assert all(Phase.DELETING not in phases for phases in ACTIONS.values())


def _put(cluster: Namespace, phase: Phase, desired: str, *, begun: bool) -> None:
    status: Object = {"phase": str(phase), "plan": {"digest": _DIGEST}}
    if begun:
        status["startTime"] = "2026-01-01T00:00:00Z"
    cluster.ours.clear()
    cluster.put("Migration", "shop", {**SPEC, "desiredState": desired}, status)


@pytest.mark.parametrize("action", sorted(_HTTP))
@pytest.mark.parametrize("desired", ["Planned", "Completed", "Paused"])
def test_every_door_allows_the_same_and_refuses_it_in_the_same_words(
    door: Client, cluster: Namespace, monkeypatch: pytest.MonkeyPatch, action: Action, desired: str
) -> None:
    @contextlib.asynccontextmanager
    async def connected(where: Where) -> AsyncIterator[Reach]:
        yield Reach(cast("Kube", cluster), "shop", where.force)

    monkeypatch.setattr(cluster_client, "connected", connected)
    path, body = _HTTP[action]
    words = _WORDS.get(action, [action.value])
    for phase in Phase:
        for begun in (False, True):
            _put(cluster, phase, desired, begun=begun)
            refusal = lifecycle.refusal(action, cluster.objects["Migration", "shop"])
            over_http = door.post(f"/v1/migrations/{ID}/{path}", body)
            said = cluster.ours.get(("Migration", "shop"), {}).get("spec")
            _put(cluster, phase, desired, begun=begun)
            told = CliRunner().invoke(app, [words[0], "shop", *words[1:]])
            where = f"{action} in {phase or 'no phase'}, desired {desired}, begun {begun}"
            assert (over_http.status, told.exit_code) == ((409, 1) if refusal else (202, 0)), (where, told.output)
            if refusal:
                assert over_http.json()["error"]["message"] == refusal.message == told.stderr.strip(), where
            else:
                assert said == cluster.ours.get(("Migration", "shop"), {}).get("spec"), where


def test_the_gateway_deletes_what_the_table_says(door: Client, cluster: Namespace) -> None:
    for phase in Phase:
        _put(cluster, phase, "Completed", begun=True)
        answer = door.ask("DELETE", f"/v1/migrations/{ID}")
        assert (answer.status == 200) == (phase in ACTIONS[Action.DELETE]), phase


def test_a_rollback_of_a_plan_that_never_ran_is_refused_and_uses_up_nothing() -> None:
    asked = replace(PLANNED, migration=migration(desiredState="RolledBack"))
    decision = decide(asked)
    assert (decision.phase, decision.ready, decision.stalled, decision.action) == (
        "PlanReady",
        ("False", "NothingToRollBack"),
        True,
        None,
    )
    again = decide(replace(asked, migration=migration(desiredState="Completed")))
    assert (again.starts, again.stalled) == (True, False), "the run's key is as good as new"


def test_what_the_rules_make_of_a_state_that_the_doors_refuse() -> None:
    """A new object may have any desired state: what the doors refuse is stalled, or does what the doors point to."""
    cancelled = decide(replace(DONE, migration=migration(desiredState="Cancelled")))
    assert (cancelled.phase, cancelled.ready[1], cancelled.stalled) == ("Completed", "AlreadyCompleted", True)
    paused = decide(replace(DONE, migration=migration(desiredState="Paused")))
    assert (paused.phase, paused.ready) == ("Completed", ("True", "Completed"))
    before = decide(replace(RUNNING, migration=migration(desiredState="RolledBack")))
    assert before.phase == "RollingBack", "what was staged is dropped, as by a cancel"
    gone = replace(PLANNED, migration=migration(desiredState="Completed"), run=RunStatus(plan=PLAN, state="cancelled"))
    assert decide(gone).ready[1] == "RunEnded"


def test_what_was_asked_for_counts_before_the_operator_has_seen_it() -> None:
    def at(phase: str, desired: str) -> lifecycle.MigrationFacts:
        raw = {
            "metadata": {"name": "shop", "generation": 2},
            "spec": {**SPEC, "desiredState": desired},
            "status": {"phase": phase, "observedGeneration": 1, "startTime": "2026-01-01T00:00:00Z"},
        }
        return lifecycle.facts_of(raw)

    assert lifecycle.refusal_message(Action.RESUME, at("Running", "Paused")) == ""
    assert lifecycle.refusal_message(Action.PAUSE, at("Pausing", "Completed")) == ""
    assert lifecycle.refusal_message(Action.ROLLBACK, at("Completed", "RolledBack")) == ""
    assert "cancelling" in lifecycle.refusal_message(Action.PAUSE, at("Running", "Cancelled"))
