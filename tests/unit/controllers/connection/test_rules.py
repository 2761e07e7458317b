"""How a Connection or a Webhook is decided on: asked once for each spec, Secret and request; told as it stands; asked again while it fails."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from landfall.api.annotations import look_requested
from landfall.api.fields import ProbedStatus
from landfall.api.worker_protocol import Report
from landfall.controllers.actions import DeleteJob
from landfall.controllers.connection.actions import ProbeAction, ProbeDecision, StartProbe
from landfall.controllers.connection.rules import ObservedProbe, decide
from landfall.controllers.decision import conditions

_NOW = datetime(2026, 1, 1, tzinfo=UTC)
_PROBE = "old-probe-1"
_ANSWER = {"probe": {"version": "10.11", "latencyMilliseconds": 3}}
_REFUSAL = {"failure": {"reason": "PasswordRefused", "message": "the password is refused"}}


def _report(fields: dict[str, Any]) -> Report:
    return Report.model_validate({"sequence": 1, "final": True, **fields})


def _observed(**more: Any) -> ObservedProbe:
    return ObservedProbe(now=_NOW, generation=1, probe=_PROBE, **more)


def _remembered(fields: dict[str, Any], probe: str = _PROBE) -> ObservedProbe:
    """As it is seen once its status has what a probe told, and the report is forgotten."""
    observed = _observed(report=_report(fields))
    status = ProbedStatus(probe=probe, probed_at=_NOW, conditions=conditions(observed, decide(observed)))
    return replace(observed, report=None, before=status, conditions=status.conditions)


def _outcome(decision: ProbeDecision) -> tuple[str, str, ProbeAction | None]:
    return decision.phase, decision.ready[1], decision.action


@pytest.mark.parametrize(
    ("observed", "expected"),
    [
        pytest.param(_observed(), ("Probing", "Probing", StartProbe(_PROBE)), id="new"),
        pytest.param(_observed(job_there=True), ("Probing", "Probing", None), id="being asked"),
        pytest.param(
            _observed(job_there=True, job_over=True), ("Probing", "Probing", DeleteJob(_PROBE)), id="its answer was lost"
        ),
        pytest.param(_observed(missing_secrets=("old",)), ("Pending", "SecretMissing", None), id="no secret"),
        pytest.param(_observed(report=_report(_ANSWER), job_there=True), ("Ready", "Reachable", None), id="answers"),
        pytest.param(_observed(report=_report(_REFUSAL), job_there=True), ("Failed", "PasswordRefused", None), id="refuses"),
        pytest.param(_remembered(_ANSWER), ("Ready", "Reachable", None), id="has answered"),
        pytest.param(
            _remembered(_ANSWER, "old-probe-0"), ("Probing", "Probing", StartProbe(_PROBE)), id="answered another question"
        ),
        pytest.param(_remembered(_REFUSAL), ("Failed", "PasswordRefused", StartProbe(_PROBE)), id="is asked again"),
        pytest.param(
            replace(_remembered(_REFUSAL), job_there=True, job_over=True, ended_seconds=61),
            ("Failed", "PasswordRefused", DeleteJob(_PROBE)),
            id="makes room for the next question",
        ),
        pytest.param(_observed(request_problem="no request"), ("Failed", "RequestInvalid", None), id="a request that is none"),
    ],
)
def test_what_is_done(observed: ObservedProbe, expected: tuple[str, str, ProbeAction | None]) -> None:
    assert _outcome(decide(observed)) == expected


@pytest.mark.parametrize(("failed_seconds", "pause"), [(0, 60), (120, 60), (400, 100), (86_400, 300)])
def test_what_fails_for_long_is_asked_seldom(failed_seconds: int, pause: int) -> None:
    failing = replace(_remembered(_REFUSAL), now=_NOW + timedelta(seconds=failed_seconds), job_there=True, job_over=True)
    early, late = (decide(replace(failing, ended_seconds=pause + more)) for more in (-1, 1))
    assert (early.action, early.again_seconds) == (None, 1)
    assert late.action == DeleteJob(_PROBE)


def test_a_request_is_read_or_told_what_it_looks_like() -> None:
    assert look_requested("") == (None, "")
    request, problem = look_requested('{"id": "a", "verb": "test"}')
    assert (request.id if request else "", problem) == ("a", "")
    assert '"verb": "test"' in look_requested("test")[1]
    assert '"verb": "test"' in look_requested('{"id": "a", "verb": "plan"}')[1]
