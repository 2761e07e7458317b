"""The rules of a Connection and of a Webhook: it is probed when it, or the Secret that opens it, has changed, or somebody asks; and again while it fails, ever more seldom."""

from __future__ import annotations

from dataclasses import dataclass

from landfall.api.annotations import LookRequest
from landfall.api.fields import ProbedStatus
from landfall.api.worker_protocol import Report
from landfall.controllers.actions import DeleteJob
from landfall.controllers.connection.actions import ProbeAction, ProbeDecision, StartProbe
from landfall.controllers.decision import Decision, ObservedObject
from landfall.controllers.phases import ProbePhase
from landfall.lib.backoff import Backoff

_SOONEST_SECONDS = 60.0
_BACKOFF = Backoff(_SOONEST_SECONDS, 300)


@dataclass(frozen=True, slots=True)
class ObservedProbe(ObservedObject):
    """One of them, in whose words `what` is asked. `probe` is the name that a probe of just this spec, these Secrets and this request has."""

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


def decide(seen: ObservedProbe) -> ProbeDecision:
    """What to do next."""
    if seen.request_problem:
        return Decision(ProbePhase.FAILED, ("False", "RequestInvalid"), seen.request_problem, stalled=True)
    if seen.missing_secrets:
        message = f"there is no Secret {seen.missing_secrets[0]!r} in this namespace. Create it."
        return Decision(ProbePhase.PENDING, ("False", "SecretMissing"), message, stalled=True, again_seconds=5)
    found = _reported(seen) or _remembered(seen)
    if found:
        return found
    if seen.job_over:  # it ended, and what it found was lost with the process that was told
        return _probing(seen, DeleteJob(seen.probe))
    return _probing(seen, None if seen.job_there else StartProbe(seen.probe))


def _reported(seen: ObservedProbe) -> ProbeDecision | None:
    """What the probe has just told."""
    report = seen.report
    if report is None or not report.final:
        return None
    if report.failure:
        return _failed(seen, report.failure.reason, report.failure.message)
    return Decision(ProbePhase.READY, ("True", "Reachable"), f"{report.probe.version if report.probe else seen.what} answers")


def _remembered(seen: ObservedProbe) -> ProbeDecision | None:
    """What an earlier probe of the same spec and Secrets found."""
    status = seen.before
    ready = next((c for c in seen.conditions if c.type == "Ready"), None)
    if not status or status.probe != seen.probe or not status.probed_at or ready is None:
        return None
    if ready.status == "True":
        return Decision(ProbePhase.READY, ("True", ready.reason), ready.message)
    return _failed(seen, ready.reason, ready.message)


def _failed(seen: ObservedProbe, reason: str, message: str) -> ProbeDecision:
    """It is asked again after a while, for servers come back; the longer it has failed, the more seldom."""
    pause = _pause(seen)
    action: ProbeAction | None = None if seen.job_there else StartProbe(seen.probe)
    if seen.job_over and seen.ended_seconds > pause:
        action = DeleteJob(seen.probe)
    left = max(pause - seen.ended_seconds, 1.0) if seen.job_over else _SOONEST_SECONDS
    return Decision(
        ProbePhase.FAILED, ("False", reason), message, action, stalled=True, again_seconds=left if action is None else 2
    )


def _pause(seen: ObservedProbe) -> float:
    """A quarter of the time that it has failed for, between one minute and five."""
    stalled = next((c for c in seen.conditions if c.type == "Stalled" and c.status == "True"), None)
    failed = (seen.now - stalled.last_transition_time).total_seconds() if stalled else 0.0
    return _BACKOFF.after(failed)


def _probing(seen: ObservedProbe, action: ProbeAction | None) -> ProbeDecision:
    return Decision(ProbePhase.PROBING, ("False", "Probing"), f"asking {seen.what}", action, working=True, again_seconds=15)
