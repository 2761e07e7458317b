"""The table of what may be done when, and that each door reads it: the gateway, the command line, and the operator's rules."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from itertools import product
from typing import Any, cast, get_args

import pytest
import typer.main
from click.testing import CliRunner

from landfall import lifecycle, refusals
from landfall.api.migration import DesiredState
from landfall.api.progress import Rehearsed, Step
from landfall.api.run import RunStatus
from landfall.api.transitions import KUBECTL, UNDOING
from landfall.api.worker_protocol import Verb
from landfall.cli import cluster_client
from landfall.cli.cluster_client import ClusterClient, ClusterOptions
from landfall.cli.main import app
from landfall.controllers.migration.rules import decide
from landfall.kube.client import Kube
from landfall.ledger_states import LOG_TAGS, ORDER, PHASE_ESTIMATES, STATES, WORK, Estimate, LogPart, State
from landfall.lifecycle import (
    ACTIONS,
    ENDED,
    PHASE_NAMES,
    PHASES,
    STEPS,
    WORKER_RUNS,
    Action,
    Actor,
    Desired,
    Phase,
    PhaseName,
    desired_of,
)
from landfall.refusals import Refusal
from tests.support.asgi import Client
from tests.support.gateway import Namespace
from tests.support.migrations import DONE, PLAN, PLANNED, RUNNING, migration
from tests.support.moves import ID, SPEC

Object = dict[str, Any]
_DIGEST = "sha256:" + "a" * 64
_COMMAND = typer.main.get_command(app)


@dataclass(frozen=True)
class Asked:
    """A request as each door takes it: the path and body of REST, the words of the command line, and what the table says of it."""

    path: str
    body: Object
    words: tuple[str, ...]
    refusal: Callable[[Object], Refusal | None]
    action: Action


def _plain(action: Action) -> Asked:
    return Asked(action, {}, (action,), lambda raw: refusals.refusal(action, raw), action)


def _start(body: Object, *words: str, first: PhaseName | None = None, skip: bool = False, rehearse: bool = False) -> Asked:
    action = Action.REHEARSE if rehearse else Action.START
    return Asked(
        "start",
        body,
        ("start", *words),
        lambda raw: refusals.start_refusal(raw, skip_approval=skip, rehearse=rehearse, first=first),
        action,
    )


def _rollback(body: Object, *words: str, discard: bool) -> Asked:
    return Asked(
        "rollback",
        body,
        ("rollback", *words),
        lambda raw: refusals.rollback_refusal(raw, discard_writes=discard),
        Action.ROLLBACK,
    )


_APPROVE = Asked(
    "plan/approve",
    {"digest": _DIGEST},
    ("approve", "--yes", "--digest", _DIGEST),
    lambda raw: refusals.approval_refusal(raw, _DIGEST),
    Action.APPROVE,
)
_REQUESTS = {
    "start": _start({}),
    "start, approved": _start({"skip_approval": True}, "--skip-approval", skip=True),
    "start from the validation": _start(
        {"start_from_phase": "validation", "skip_approval": True},
        "--from",
        "validation",
        "--skip-approval",
        first="validation",
        skip=True,
    ),
    "rehearse": _start({"dry_run": True}, "--dry-run", rehearse=True),
    "pause": _plain(Action.PAUSE),
    "resume": _plain(Action.RESUME),
    "cancel": _plain(Action.CANCEL),
    "rollback": _rollback({}, discard=False),
    "rollback, discarding": _rollback({"discard_writes": True}, "--discard-writes", discard=True),
    "approve": _APPROVE,
}
# What of these options makes a client see the action among `allowed_actions`.
_WIDEST = {"start, approved", "rehearse", "pause", "resume", "cancel", "rollback, discarding", "approve"}
_STEPS = [{"name": "schema_migration", "status": "Done"}, {"name": "data_transfer", "status": "Done"}]
_BEGUN = {"startTime": "2026-01-01T00:00:00Z", "steps": _STEPS}
_MOMENTS: dict[str, Object] = {"new": {}, "begun": _BEGUN, "cut over": {**_BEGUN, "completionTime": "2026-01-01T01:00:00Z"}}
_APP = {"app": {"template": {"source": {"image": "registry.example.com/shop@" + _DIGEST}}}}


@dataclass(frozen=True)
class Cell:
    """A state of a Migration in which each request is made."""

    phase: Phase
    desired: Desired
    moment: str
    app: bool

    def put(self, cluster: Namespace) -> Object:
        """Put the Migration into the namespace; returns it as it is read."""
        status: Object = {"phase": str(self.phase), **_MOMENTS[self.moment]}
        if self.phase is Phase.FAILED:
            message = "12 rows were written to orders since the cutover"
            status["conditions"] = [{"type": "Ready", "status": "False", "reason": "WrittenSinceCutover", "message": message}]
        if not self.app:
            status["plan"] = {"digest": _DIGEST, "toReview": 1 if self.phase in {Phase.PLAN_READY, Phase.PENDING} else 0}
        cluster.ours.clear()
        spec = _APP if self.app else SPEC
        return cluster.put("Migration", "shop", {**spec, "desiredState": str(self.desired)}, status)


_CELLS = [Cell(*parts) for parts in product(Phase, Desired, _MOMENTS, (False, True))]
# Each phase with each desired state, with times and kinds in turn: a fourth of the cells, for what is slow.
_SOME_CELLS = [cell for index, cell in enumerate(_CELLS) if (index // 6 + index % 6 * 2) % 4 == 0]


def test_every_state_has_a_step_a_status_a_label_and_a_line_of_documentation() -> None:
    assert set(STATES) == set(State)
    for state, row in STATES.items():
        assert row.step is None or row.step in STEPS
        assert PHASES[row.phase].status
        assert row.label
        assert row.doc.endswith(".")
        assert bool(row.estimates) == bool(row.duration) == state.staged, "work to do has an estimate and is measured"
    assert set(PHASES) == set(Phase)
    assert all(row.doc.endswith(".") for row in PHASES.values())
    assert set(LOG_TAGS) >= set(STEPS)
    tags = [tag for found in LOG_TAGS.values() for tag in found]
    assert set(tags) >= set(STATES)
    assert len(tags) == len(set(tags)), "a line of the log belongs to one part"
    assert set(tags) >= set(get_args(Verb)) - {"probe", "notify", "ping"}, "these three write no log of a Migration"
    assert set(get_args(LogPart)) == set(LOG_TAGS)


def test_each_estimate_is_part_of_the_progress_and_in_the_plan_of_the_rest_contract() -> None:
    assert [estimate for row in STATES.values() for estimate in row.estimates] == list(Estimate)
    assert tuple(PHASE_ESTIMATES) == PHASE_NAMES
    assert set(PHASE_ESTIMATES.values()) == set(Estimate) - {Estimate.INDEX}
    measured = {STATES[state].estimates[0].value for state in WORK}
    assert measured <= {field.alias for field in Rehearsed.model_fields.values()}, "a rehearsal measures them"


def test_states_of_a_run_are_in_the_order_in_which_it_passes_them() -> None:
    assert ORDER == (State.SCHEMA, State.COPYING, State.INDEXING, State.COMPARING, State.CUT_OVER)
    assert [state for state in State if state.staged] == list(WORK) == list(ORDER[:-1])
    assert [state for state in State if state.ended] == [State.CANCELLED, State.ROLLED_BACK]
    assert [STEPS.index(row.step) for row in STATES.values() if row.step] == [1, 2, 3, 3]


def test_who_acts_in_a_phase_agrees_with_what_the_phase_allows() -> None:
    assert all(PHASES[phase].actor is Actor.WORKER for phase in WORKER_RUNS)
    assert {PHASES[row.phase].actor for row in STATES.values() if row.step} == {Actor.WORKER}
    assert {row.status for row in PHASES.values() if row.actor is Actor.NONE} < ENDED
    assert all(Action.CANCEL in row.actions for row in PHASES.values() if row.actor is Actor.USER)
    assert all(Action.PAUSE in PHASES[phase].actions for phase in WORKER_RUNS)


def test_the_steps_of_the_api_are_those_of_the_table() -> None:
    assert Step.model_fields["name"].annotation.__args__ == STEPS  # type: ignore[union-attr]


def test_every_action_has_phases_in_which_it_is_allowed() -> None:
    assert set(ACTIONS) == set(Action)
    assert all(Phase.DELETING not in phases for phases in ACTIONS.values())


def test_every_action_says_what_kubectl_does() -> None:
    assert set(KUBECTL) == set(Action)
    assert {action for action, row in KUBECTL.items() if "API server rejects" in row.otherwise} == {
        r.action for r in UNDOING.values()
    }


def test_desired_states_and_their_default() -> None:
    assert get_args(DesiredState) == tuple(Desired)
    assert [desired_of(None), desired_of(""), desired_of("Paused")] == [Desired.COMPLETED, Desired.COMPLETED, Desired.PAUSED]
    assert desired_of("OfALaterVersion") is Desired.PLANNED


def test_what_a_client_may_offer_is_what_is_accepted(cluster: Namespace) -> None:
    for cell in _CELLS:
        raw = cell.put(cluster)
        accepted = {
            request_row.action for name, request_row in _REQUESTS.items() if name in _WIDEST and request_row.refusal(raw) is None
        }
        deleted = {Action.DELETE} if cell.phase in ACTIONS[Action.DELETE] else set()
        assert set(refusals.allowed_actions(raw)) == accepted | deleted, cell
        narrow = {request_row.action for request_row in _REQUESTS.values() if request_row.refusal(raw) is None}
        assert narrow <= accepted, (cell, "an option only widens what is accepted")


@pytest.mark.parametrize("name", _REQUESTS)
def test_every_door_allows_the_same_and_refuses_it_in_the_same_words(
    door: Client, cluster: Namespace, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    @contextlib.asynccontextmanager
    async def connected(options: ClusterOptions) -> AsyncIterator[ClusterClient]:
        yield ClusterClient(cast("Kube", cluster), "shop", options.force)

    monkeypatch.setattr(cluster_client, "connected", connected)
    request_row, outcomes = _REQUESTS[name], set()
    for cell in _SOME_CELLS:
        refusal = request_row.refusal(cell.put(cluster))
        outcomes.add(refusal is None)
        over_http = door.post(f"/v1/migrations/{ID}/{request_row.path}", request_row.body)
        spec_after = cluster.ours.get(("Migration", "shop"), {}).get("spec")
        cell.put(cluster)
        result = CliRunner().invoke(_COMMAND, [request_row.words[0], "shop", *request_row.words[1:]])
        assert (over_http.status, result.exit_code) == ((409, 1) if refusal else (202, 0)), (cell, result.output)
        if refusal:
            assert over_http.json()["error"] == {**over_http.json()["error"], "code": refusal.code, "message": refusal.message}, (
                cell
            )
            assert result.stderr.strip() == refusal.message, cell
        else:
            assert spec_after == cluster.ours.get(("Migration", "shop"), {}).get("spec"), cell
    assert outcomes == {True, False}, "some are allowed, and some refused"


def test_the_gateway_offers_and_deletes_what_the_table_says(door: Client, cluster: Namespace) -> None:
    for cell in _SOME_CELLS:
        raw = cell.put(cluster)
        detail = door.get(f"/v1/migrations/{ID}").json()
        offered = (detail["data"] if cell.app else detail)["allowed_actions"]
        assert offered == [str(action) for action in refusals.allowed_actions(raw)], cell
        answer = door.ask("DELETE", f"/v1/migrations/{ID}")
        assert (answer.status == 200) == ("delete" in offered), cell


def test_a_failed_rollback_is_refused_until_a_request_changes_something(cluster: Namespace) -> None:
    """Both doors refuse it: a repeated request does not change the spec, so that nothing would happen."""
    raw = Cell(Phase.FAILED, Desired.ROLLED_BACK, "cut over", app=False).put(cluster)
    refused = refusals.rollback_refusal(raw, discard_writes=False)
    assert refused
    assert refused.code == "rollback_failed"
    assert refused.message.startswith("the requested rollback failed: 12 rows were written to orders since the cutover")
    assert "discard_writes; on the command line: --discard-writes" in refused.message
    assert refusals.rollback_refusal(raw, discard_writes=True) is None
    raw["spec"]["rollback"] = {"discardWrites": True}
    again = refusals.rollback_refusal(raw, discard_writes=True)
    assert again
    assert "discard_writes" not in again.message, "it is set already"
    raw["metadata"]["generation"], raw["status"]["observedGeneration"] = 2, 1
    assert refusals.rollback_refusal(raw, discard_writes=False) is None, "the operator has not tried it yet"
    raw["spec"].pop("rollback")
    raw["status"] |= {"observedGeneration": 2, "conditions": [{"type": "Ready", "reason": "FenceLeft", "message": "left"}]}
    other = refusals.rollback_refusal(raw, discard_writes=False)
    assert other
    assert other.message == "the requested rollback failed: left", "no advice that does not help"


def test_a_rollback_of_a_plan_that_never_ran_is_refused_and_uses_up_nothing() -> None:
    observed = replace(PLANNED, migration=migration(desiredState="RolledBack"))
    decision = decide(observed)
    assert (decision.phase, decision.ready, decision.stalled, decision.action) == (
        "PlanReady",
        ("False", "NothingToRollBack"),
        True,
        None,
    )
    again = decide(replace(observed, migration=migration(desiredState="Completed")))
    assert (again.starts, again.stalled) == (True, False), "the run's key is as good as new"


def test_what_the_rules_make_of_a_state_that_the_doors_refuse() -> None:
    """A new object may have any desired state: what the doors refuse is stalled, or does what the doors point to."""
    cancelled = decide(replace(DONE, migration=migration(desiredState="Cancelled")))
    assert (cancelled.phase, cancelled.ready[1], cancelled.stalled) == ("Completed", "AlreadyCompleted", True)
    paused = decide(replace(DONE, migration=migration(desiredState="Paused")))
    assert (paused.phase, paused.ready) == ("Completed", ("True", "Completed"))
    before = decide(replace(RUNNING, migration=migration(desiredState="RolledBack")))
    assert before.phase == "RollingBack", "what was staged is dropped, as by a cancel"
    cancelled_run = replace(PLANNED, migration=migration(desiredState="Completed"), run=RunStatus(plan=PLAN, state="cancelled"))
    assert decide(cancelled_run).ready[1] == "RunEnded"


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
