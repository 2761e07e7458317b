"""The status of a Release, derived from what the Service selects and from what was recorded before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Never

from landfall.api.deployment import GateSeen
from landfall.api.phases import ReleasePhase
from landfall.api.release import ReleaseStatus
from landfall.controllers.decision import ReconcileDecision
from landfall.controllers.deployment.observed import ObservedDeployment, ObservedRelease


def release_status(observed: ObservedDeployment, release: ObservedRelease) -> ReleaseStatus:
    """The status with times and phase. Results of builds and failures are already in it."""
    service, status = observed.service, release.status
    serves = service is not None and service.release == release.name
    live_at, left_at = status.live_at, status.left_at
    if serves and (live_at is None or left_at is not None):
        live_at, left_at = service.switched_at if service else None, None
    elif not serves and service and live_at and left_at is None:
        left_at = service.switched_at
    elif service and service.previous == release.name and not serves and live_at is None:
        live_at = left_at = service.switched_at  # it was live for less than one reconcile
    updated = status.model_copy(update={"live_at": live_at, "left_at": left_at, "observed_generation": 1})
    return updated.model_copy(
        update={"phase": str(_phase(observed, ObservedRelease(release.name, release.spec, updated, release.job), serves=serves))}
    )


def begun(observed: ObservedDeployment, at: ObservedRelease) -> dict[str, object]:
    """What is recorded when its pods are requested: the time, and the run of its data. Recorded again if another run cuts over first."""
    status, gate = at.status, observed.gate
    goal, serves = observed.release(at.spec.rollback_to), bool(observed.live and observed.live.name == at.name)
    other_run = not goal and not serves and not status.live_at and gate is not None and gate.open and gate.run != status.gate
    if status.deploying_at and not other_run:
        return {}
    before = observed.live.status.gate if observed.live else ""
    return {"deploying_at": observed.now, "gate": goal.status.gate if goal else gate.run if gate and gate.open else before}


def observed_gate(observed: ObservedDeployment) -> GateSeen | None:
    """What is recorded about the Migration that migrates the data: once it is written, no later reconcile goes live against it."""
    gate, live = observed.gate, observed.live
    if gate is None:
        return None
    of_gate = [r for r in observed.releases if gate.run and r.status.gate == gate.run]
    serving = live is not None and live in of_gate and (not live.status.failure or observed.before is not None)
    return GateSeen(run=gate.run, state=gate.state, serving=serving, served=serving or any(r.status.live_at for r in of_gate))


def _phase(observed: ObservedDeployment, release: ObservedRelease, *, serves: bool) -> ReleasePhase:
    status = release.status
    if status.failure:
        return ReleasePhase.ROLLED_BACK if status.live_at and not serves else ReleasePhase.FAILED
    if serves:
        return ReleasePhase.LIVE
    if status.superseded:
        return ReleasePhase.SUPERSEDED
    if status.live_at:
        serving = observed.service.release if observed.service else ""
        back = any(r.spec.rollback_from == release.name and (r.status.live_at or r.name == serving) for r in observed.releases)
        return ReleasePhase.ROLLED_BACK if back else ReleasePhase.SUPERSEDED
    if release.image:
        return ReleasePhase.DEPLOYING
    return ReleasePhase.BUILDING if release.job or status.attempts else ReleasePhase.QUEUED


def release_ready(release: ObservedRelease, status: ReleaseStatus) -> ReconcileDecision[Never]:
    """The conditions of a Release: Ready means that it is live."""
    phase = ReleasePhase(status.phase)
    if phase is ReleasePhase.LIVE:
        return ReconcileDecision(phase, ("True", "Live"), f"{release.name} is live")
    if status.failure:
        return ReconcileDecision(phase, ("False", status.failure.reason), status.failure.message, stalled=True)
    if phase in {ReleasePhase.SUPERSEDED, ReleasePhase.ROLLED_BACK}:
        return ReconcileDecision(phase, ("False", phase), status.superseded or "another release is live")
    return ReconcileDecision(phase, ("False", phase), f"{phase.lower()}", working=True)


_SAID: Mapping[str, str] = {
    ReleasePhase.QUEUED: "pending",
    ReleasePhase.BUILDING: "pending",
    ReleasePhase.DEPLOYING: "pending",
    ReleasePhase.LIVE: "success",
    ReleasePhase.FAILED: "failure",
    ReleasePhase.ROLLED_BACK: "failure",
}
REFUSED = "refused"


def state_to_report(release: ObservedRelease) -> str:
    """The state to report to its commit; empty if nothing is new, or it has no commit on GitHub or no token."""
    source, status = release.spec.source, release.status
    if source is None or source.github is None or source.github.token_secret_ref is None or release.spec.rollback_to:
        return ""
    state = _SAID.get(status.phase, "")
    if status.phase == ReleasePhase.ROLLED_BACK and not status.failure:
        return ""  # a user rolled it back: the commit has not failed
    return state if state and status.reported not in {state, REFUSED} else ""
