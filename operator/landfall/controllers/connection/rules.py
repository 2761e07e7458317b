"""The rules of a Connection and of a Webhook.

It is tested when it or its Secret has changed, or on request; and again with exponential back-off while the test fails.
"""

from __future__ import annotations

from dataclasses import dataclass

from landfall.api.annotations import LookRequest
from landfall.api.fields import ProbedStatus
from landfall.api.phases import ProbePhase
from landfall.api.worker_protocol import Report
from landfall.controllers.actions import DeleteJob
from landfall.controllers.connection.actions import ProbeAction, ProbeDecision, StartProbe
from landfall.controllers.decision import ObservedObject, ReconcileDecision
from landfall.lib.backoff import Backoff

_SOONEST_SECONDS = 60.0
_BACKOFF = Backoff(_SOONEST_SECONDS, 300)


@dataclass(frozen=True, slots=True)
class ObservedProbe(ObservedObject):
    """A Connection or a Webhook.

    `what`: its name in messages. `probe`: the name of the test of this spec, these Secrets and this request.
    """

    what: str = "the database"
    before: ProbedStatus | None = None
    missing_secrets: tuple[str, ...] = ()
    probe: str = ""
    job_there: bool = False
    job_over: bool = False
    ended_seconds: float = 0
    report: Report | None = None
    request: LookRequest | None = None
    request_problem: str = ""


def decide(observed: ObservedProbe) -> ProbeDecision:
    """The next action, and the conditions."""
    if observed.request_problem:
        return ReconcileDecision(ProbePhase.FAILED, ("False", "RequestInvalid"), observed.request_problem, stalled=True)
    if observed.missing_secrets:
        message = f"Secret {observed.missing_secrets[0]!r} not found in this namespace. Create it."
        return ReconcileDecision(ProbePhase.PENDING, ("False", "SecretMissing"), message, stalled=True, again_seconds=5)
    outcome = _reported(observed) or _remembered(observed)
    if outcome:
        return outcome
    if observed.job_over:  # its report was lost when the operator restarted
        return _probing(observed, DeleteJob(observed.probe))
    return _probing(observed, None if observed.job_there else StartProbe(observed.probe))


def _reported(observed: ObservedProbe) -> ProbeDecision | None:
    """The result of the running test, if it has one."""
    report = observed.report
    if report is None or not report.final:
        return None
    if report.failure:
        return _failed(observed, report.failure.reason, report.failure.message)
    return ReconcileDecision(
        ProbePhase.READY, ("True", "Reachable"), f"{report.probe.version if report.probe else observed.what} is reachable"
    )


def _remembered(observed: ObservedProbe) -> ProbeDecision | None:
    """The result of the last test, if it was of the same spec and Secrets."""
    status = observed.before
    ready = next((c for c in observed.conditions if c.type == "Ready"), None)
    if not status or status.probe != observed.probe or not status.probed_at or ready is None:
        return None
    if ready.status == "True":
        return ReconcileDecision(ProbePhase.READY, ("True", ready.reason), ready.message)
    return _failed(observed, ready.reason, ready.message)


def _failed(observed: ObservedProbe, reason: str, message: str) -> ProbeDecision:
    """Test again after a pause, which grows with the duration of the failure."""
    pause = _pause(observed)
    action: ProbeAction | None = None if observed.job_there else StartProbe(observed.probe)
    if observed.job_over and observed.ended_seconds > pause:
        action = DeleteJob(observed.probe)
    remaining = max(pause - observed.ended_seconds, 1.0) if observed.job_over else _SOONEST_SECONDS
    return ReconcileDecision(
        ProbePhase.FAILED, ("False", reason), message, action, stalled=True, again_seconds=remaining if action is None else 2
    )


def _pause(observed: ObservedProbe) -> float:
    """Seconds before the next test: a quarter of the duration of the failure, from 60 to 300."""
    stalled = next((c for c in observed.conditions if c.type == "Stalled" and c.status == "True"), None)
    failed = (observed.now - stalled.last_transition_time).total_seconds() if stalled else 0.0
    return _BACKOFF.after(failed)


def _probing(observed: ObservedProbe, action: ProbeAction | None) -> ProbeDecision:
    return ReconcileDecision(
        ProbePhase.PROBING, ("False", "Probing"), f"testing {observed.what}", action, working=True, again_seconds=15
    )
