"""Shared by the rules of a Migration: how decisions are built, and what follows when a worker fails."""

from __future__ import annotations

from dataclasses import replace

from landfall.api.migration import DataSpec
from landfall.api.worker_protocol import Verb
from landfall.controllers.decision import Fact, ReconcileDecision
from landfall.controllers.job_state import ObservedJob
from landfall.controllers.migration.actions import CreateJob, MigrationAction, MigrationDecision
from landfall.controllers.migration.observed import ObservedMigration
from landfall.errors import Retry, rule_of
from landfall.lib.backoff import Backoff
from landfall.lifecycle import Desired, Phase, desired_of

LONGEST_PAUSE = 300.0
_BACKOFF = Backoff(5, LONGEST_PAUSE)


def working(
    phase: Phase, reason: str, message: str, action: MigrationAction | None = None, again: float | None = None
) -> MigrationDecision:
    """The operator or a worker is working, or about to."""
    return ReconcileDecision(phase, ("False", reason), message, action, working=True, again_seconds=again)


def stalled(reason: str, message: str, *, phase: Phase = Phase.FAILED, again: float | None = None) -> MigrationDecision:
    """A user must act; the message says how."""
    return ReconcileDecision(phase, ("False", reason), message, stalled=True, again_seconds=again)


def data_of(seen: ObservedMigration) -> DataSpec | None:
    """The data part of the spec."""
    return seen.migration.spec.data if seen.migration else None


def desired_state(seen: ObservedMigration) -> Desired:
    """The desired state, with its default."""
    return desired_of(seen.migration.spec.desired_state if seen.migration else None)


def _attempt(seen: ObservedMigration, verb: Verb) -> int:
    last = seen.last(verb)
    return last.attempt + 1 if last else 1


def job(seen: ObservedMigration, verb: Verb) -> MigrationAction:
    """Start the next worker of a verb."""
    return CreateJob(verb, _attempt(seen, verb))


def failed(seen: ObservedMigration, verb: Verb) -> MigrationDecision | None:
    """What to do if the last worker of a verb failed and its inputs have not changed: retry later, or ask a user to act."""
    last = seen.last(verb)
    if not last or not last.failed or last.inputs != seen.inputs:
        return None
    failure = seen.run.failure if seen.run else None
    if failure is None or failure.job != last.name:
        why = last.reason or "its pod no longer exists (node lost or pod deleted?)"
        return again(seen, last, "WorkerLost", f"worker {last.name} exited without a report: {why}. It is retried")
    if failure.transient:
        return again(seen, last, failure.reason, failure.message)
    if rule_of(failure.reason).retry is not Retry.AFTER_CHANGE:
        return stalled(failure.reason, failure.message)
    left = LONGEST_PAUSE - last.ended_seconds
    return replace(stalled(failure.reason, failure.message, again=max(left, 1)), action=job(seen, verb) if left <= 0 else None)


def again(seen: ObservedMigration, last: ObservedJob, reason: str, message: str) -> MigrationDecision:
    """Retry a worker with exponential back-off."""
    left = _BACKOFF.pause(last.attempt) - last.ended_seconds
    return working(Phase.PENDING, reason, message, job(seen, last.verb) if left <= 0 and last.verb else None, again=max(left, 1))


def plan_summary(seen: ObservedMigration) -> str:
    """The plan in short."""
    plan = seen.run.plan if seen.run else None
    return f"{plan.tables} tables, {plan.rows} rows, about {plan.estimated_seconds} s" if plan else ""


def planned(seen: ObservedMigration, *, approved: bool, outdated: bool = False) -> tuple[Fact, ...]:
    """The conditions of a plan. `outdated`: the spec approves another plan."""
    if not seen.run or not seen.run.plan:
        return ()
    missing = "PlanChanged" if outdated else "ApprovalRequired"
    approval = ("Approved", ("True", "Approved") if approved else ("False", missing))
    return (("PlanReady", ("True", "Planned")), approval, *_rehearsed(seen))


def _rehearsed(seen: ObservedMigration) -> tuple[Fact, ...]:
    done = seen.run.rehearsal if seen.run else None
    if not done:
        return ()
    whole = done.schema_seconds + done.copy_seconds + done.index_seconds + done.validation_seconds
    message = f"rehearsal copied {done.rows} rows and found them equal in {whole:.1f} s ({done.validation_seconds:.1f} s of verification); its tables are dropped"
    return (("Rehearsed", ("True", "Equal", message)),)
