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


def data_of(observed: ObservedMigration) -> DataSpec | None:
    """The data part of the spec."""
    return observed.migration.spec.data if observed.migration else None


def desired_state(observed: ObservedMigration) -> Desired:
    """The desired state, with its default."""
    return desired_of(observed.migration.spec.desired_state if observed.migration else None)


def _attempt(observed: ObservedMigration, verb: Verb) -> int:
    last = observed.last(verb)
    return last.attempt + 1 if last else 1


def job(observed: ObservedMigration, verb: Verb) -> MigrationAction:
    """Start the next worker of a verb."""
    return CreateJob(verb, _attempt(observed, verb))


def failed(observed: ObservedMigration, verb: Verb) -> MigrationDecision | None:
    """What to do if the last worker of a verb failed and its inputs have not changed: retry later, or ask a user to act."""
    last = observed.last(verb)
    if not last or not last.failed or last.inputs != observed.inputs:
        return None
    failure = observed.run.failure if observed.run else None
    if failure is None or failure.job != last.name:
        reason = last.reason or "its pod no longer exists (node lost or pod deleted?)"
        return again(observed, last, "WorkerLost", f"worker {last.name} exited without a report: {reason}. It is retried")
    if failure.transient:
        return again(observed, last, failure.reason, failure.message)
    if rule_of(failure.reason).retry is not Retry.AFTER_CHANGE:
        return stalled(failure.reason, failure.message)
    remaining = LONGEST_PAUSE - last.ended_seconds
    return replace(
        stalled(failure.reason, failure.message, again=max(remaining, 1)), action=job(observed, verb) if remaining <= 0 else None
    )


def again(observed: ObservedMigration, last: ObservedJob, reason: str, message: str) -> MigrationDecision:
    """Retry a worker with exponential back-off."""
    remaining = _BACKOFF.pause(last.attempt) - last.ended_seconds
    return working(
        Phase.PENDING,
        reason,
        message,
        job(observed, last.verb) if remaining <= 0 and last.verb else None,
        again=max(remaining, 1),
    )


def plan_summary(observed: ObservedMigration) -> str:
    """The plan in short."""
    plan = observed.run.plan if observed.run else None
    return f"{plan.tables} tables, {plan.rows} rows, about {plan.estimated_seconds} s" if plan else ""


def plan_facts(observed: ObservedMigration, *, approved: bool, outdated: bool = False) -> tuple[Fact, ...]:
    """The conditions of a plan. `outdated`: the spec approves another plan."""
    if not observed.run or not observed.run.plan:
        return ()
    missing = "PlanChanged" if outdated else "ApprovalRequired"
    approval = ("Approved", ("True", "Approved") if approved else ("False", missing))
    return (("PlanReady", ("True", "Planned")), approval, *_rehearsed(observed))


def _rehearsed(observed: ObservedMigration) -> tuple[Fact, ...]:
    rehearsal = observed.run.rehearsal if observed.run else None
    if not rehearsal:
        return ()
    whole = rehearsal.schema_seconds + rehearsal.copy_seconds + rehearsal.index_seconds + rehearsal.validation_seconds
    message = f"rehearsal copied {rehearsal.rows} rows and found them equal in {whole:.1f} s ({rehearsal.validation_seconds:.1f} s of verification); its tables are dropped"
    return (("Rehearsed", ("True", "Equal", message)),)
