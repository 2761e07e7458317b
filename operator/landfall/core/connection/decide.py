"""The rules of a Connection: it is probed when it, or the Secret that opens it, has changed; and again while it fails."""

from __future__ import annotations

from dataclasses import dataclass

from landfall.api.connection import Connection
from landfall.api.report import Report
from landfall.core.outcome import Act, Decision, Seen

_AGAIN_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Observed(Seen):
    """One Connection. `probe` is the name that a probe of just this spec and these Secrets has."""

    connection: Connection | None = None
    missing_secrets: tuple[str, ...] = ()
    probe: str = ""
    job_there: bool = False
    job_over: bool = False
    ended_seconds: float = 0
    report: Report | None = None


def decide(seen: Observed) -> Decision:
    """What to do next."""
    if seen.missing_secrets:
        message = f"there is no Secret {seen.missing_secrets[0]!r} in this namespace. Create it."
        return Decision("Pending", ("False", "SecretMissing"), message, stalled=True, again_seconds=5)
    found = _reported(seen) or _remembered(seen)
    if found:
        return found
    if seen.job_over:  # it ended, and what it found was lost with the process that was told
        return _probing(Act("delete-job", seen.probe))
    return _probing(None if seen.job_there else Act("probe", seen.probe))


def _reported(seen: Observed) -> Decision | None:
    """What the probe has just told."""
    report = seen.report
    if report is None or not report.final:
        return None
    if report.failure:
        return _failed(seen, report.failure.reason, report.failure.message)
    return Decision("Ready", ("True", "Reachable"), f"{report.probe.version if report.probe else 'the database'} answers")


def _remembered(seen: Observed) -> Decision | None:
    """What an earlier probe of the same spec and Secrets found."""
    status = seen.connection.status if seen.connection else None
    ready = next((c for c in seen.conditions if c.type == "Ready"), None)
    if not status or status.probe != seen.probe or not status.probed_at or ready is None:
        return None
    if ready.status == "True":
        return Decision("Ready", ("True", ready.reason), ready.message)
    return _failed(seen, ready.reason, ready.message)


def _failed(seen: Observed, reason: str, message: str) -> Decision:
    """It is asked again after a while, for servers come back."""
    act = None if seen.job_there else Act("probe", seen.probe)
    if seen.job_over and seen.ended_seconds > _AGAIN_SECONDS:
        act = Act("delete-job", seen.probe)
    return Decision("Failed", ("False", reason), message, act, stalled=True, again_seconds=_AGAIN_SECONDS if act is None else 2)


def _probing(act: Act | None) -> Decision:
    return Decision("Probing", ("False", "Probing"), "asking the database", act, working=True, again_seconds=15)
