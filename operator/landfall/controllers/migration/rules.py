"""The rules of a Migration, in order; the first that applies wins.

Rules decide from the current state, never from a change: the same objects always give the same decision. At most one Job of a Run is
active, because every rule that creates one comes after `worker_active`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from landfall.api.migration import Migration
from landfall.controllers.actions import DeleteJob
from landfall.controllers.decision import Fact, ReconcileDecision
from landfall.controllers.job_state import ObservedJob, made_from
from landfall.controllers.migration import (
    helper_workers,
    maintenance_window,
    outcomes,
    rules_app,
    rules_app_and_data,
    rules_requests,
    rules_schedule,
)
from landfall.controllers.migration.actions import (
    AddFinalizer,
    DeclareRun,
    MigrationAction,
    MigrationDecision,
    ReleaseFinalizer,
    ResumeJob,
    SuspendJob,
)
from landfall.controllers.migration.approval import approved_digest, open_review_items
from landfall.controllers.migration.observed import ObservedMigration
from landfall.ledger_states import STATES, State
from landfall.lib.text import counted
from landfall.lifecycle import Desired, Phase

_GIVE_UP_SECONDS = 600


def decide(seen: ObservedMigration) -> MigrationDecision:
    """The next action, phase and conditions of a Migration."""
    decision = next((found for rule in RULES if (found := rule(seen))), None) or _run(seen)
    helping = helper_workers.action(seen) if decision.action is None else None
    again = 2.0 if helping else decision.again_seconds
    return replace(decision, action=decision.action or helping, again_seconds=again, facts=(*_reachable(seen), *decision.facts))


# -- the rules --------------------------------------------------------------------------------------------------------


def being_deleted(seen: ObservedMigration) -> MigrationDecision | None:
    """Deletion: delete workers, drop staged tables, remove the finalizer. Never blocks the deletion of a namespace."""
    if not seen.deleting:
        return None
    if not seen.finalizer:
        return ReconcileDecision(Phase.DELETING, ("False", "Deleting"), "being deleted")
    active, last = seen.active, seen.last("back")
    if active and active.verb != "back":
        return outcomes.working(Phase.DELETING, "Deleting", "stopping the worker", DeleteJob(active.name), again=2)
    if _nothing_to_undo(seen):
        return outcomes.working(Phase.DELETING, "Deleting", "nothing is left to clean up", ReleaseFinalizer())
    if last and last.failed and not active:
        return outcomes.again(seen, last, "Deleting", "dropping the staged tables failed; it is retried")
    return outcomes.working(
        Phase.DELETING,
        "Deleting",
        "dropping the staged tables",
        _resumed(active) if active else outcomes.job(seen, "back"),
        again=5,
    )


def _resumed(active: ObservedJob) -> MigrationAction | None:
    """Resume a worker that was suspended during its rollback."""
    return ResumeJob(active.name) if active.suspended else None


def _nothing_to_undo(seen: ObservedMigration) -> bool:
    """Whether nothing was staged, the staged tables are to be retained, or they can no longer be dropped."""
    retained = seen.migration is not None and seen.migration.spec.deletion_policy == "Retain"
    staged = seen.run is not None and (seen.state.staged if seen.state else seen.started)
    gone = bool(seen.missing_secrets) or any(c is None for c in seen.connections.values())
    return retained or not staged or gone or seen.namespace_ends or seen.deleting_seconds > _GIVE_UP_SECONDS


def app_only(seen: ObservedMigration) -> MigrationDecision | None:
    """A Migration without data. No later rule applies to it."""
    spec, status = seen.migration.spec if seen.migration else None, seen.migration.status if seen.migration else None
    if spec is None or spec.data or seen.app is None:
        return None
    completed = bool(status and status.completion_time)
    waits = None if completed else spec_impossible(seen) or rules_schedule.closed(seen) or rules_schedule.not_yet(seen)
    made = bool(spec.app and spec.app.template)
    return waits or rules_app.decided(seen.app, outcomes.desired_state(seen), seen.hold, made=made, completed=completed)


def spec_impossible(seen: ObservedMigration) -> MigrationDecision | None:
    """The spec asks for something that this version, or no version, can do."""
    wanted = seen.migration.spec.schedule if seen.migration else None
    wrong = (maintenance_window.problem(wanted) if wanted else "") or _unsupported(seen)
    return outcomes.stalled("SpecInvalid", wrong) if wrong and not seen.active else None


def _unsupported(seen: ObservedMigration) -> str:
    ends = [c for c in seen.connections.values() if c and c.spec.unsupported]
    return f"Connection {ends[0].metadata.name}: {ends[0].spec.unsupported}" if ends else ""


def reference_missing(seen: ObservedMigration) -> MigrationDecision | None:
    """A Connection or Secret does not exist yet. Secrets cannot be watched, so the rule polls."""
    if seen.active:
        return None
    for name, connection in seen.connections.items():
        if connection is None:
            return outcomes.stalled(
                "ConnectionMissing", f"Connection {name!r} not found in this namespace. Create it.", phase=Phase.PENDING
            )
    if seen.missing_secrets:
        name = seen.missing_secrets[0]
        return outcomes.stalled(
            "SecretMissing", f"Secret {name!r} not found in this namespace. Create it.", phase=Phase.PENDING, again=5
        )
    return None


def finalizer_missing(seen: ObservedMigration) -> MigrationDecision | None:
    """Add the finalizer before anything outside the object is created."""
    return outcomes.working(Phase.PENDING, "Starting", "starting", AddFinalizer()) if not seen.finalizer else None


def run_foreign(seen: ObservedMigration) -> MigrationDecision | None:
    """The Run belongs to a deleted Migration of the same name and is being garbage-collected."""
    return outcomes.working(Phase.PENDING, "Starting", "the earlier Run is being deleted", again=2) if seen.run_foreign else None


def run_missing(seen: ObservedMigration) -> MigrationDecision | None:
    """Create the Run before the first worker."""
    return outcomes.working(Phase.PLANNING, "Planning", "starting", DeclareRun()) if seen.run is None else None


def ended(seen: ObservedMigration) -> MigrationDecision | None:
    """Cancelled or rolled back: the run's key cannot be used again."""
    if seen.state is None or not seen.state.ended:
        return None
    reached = STATES[seen.state].phase
    if outcomes.desired_state(seen) in {Desired.CANCELLED, Desired.ROLLED_BACK}:
        return ReconcileDecision(reached, ("True", reached), f"{reached}: the target is as it was before the run")
    if seen.run_differs:
        return outcomes.working(Phase.PENDING, "Starting", "waiting until the worker of the previous run has ended", again=2)
    return rules_app_and_data.failed_for_it(seen) or outcomes.stalled(
        "RunEnded", f"this run has ended ({reached}). Change spec.data.rerunToken to start a new run.", phase=reached
    )


def cancelled_at_once(seen: ObservedMigration) -> MigrationDecision | None:
    """Cancelled, and no worker has to undo anything."""
    if outcomes.desired_state(seen) is not Desired.CANCELLED:
        return None
    if seen.state is State.CUT_OVER:
        message = "the migration is completed and cannot be cancelled. Set desiredState: RolledBack to undo the cutover."
        return None if rules_app_and_data.discards(seen) else outcomes.stalled("AlreadyCompleted", message, phase=Phase.COMPLETED)
    if seen.migration and seen.migration.spec.cancel and not seen.migration.spec.cancel.rollback:
        return _cancelled(seen, "Cancelled; the staged tables are kept until the Migration is deleted")
    if not seen.state and not seen.started:
        return _cancelled(seen, "Cancelled before the run began")
    return None


def rollback_of_nothing(seen: ObservedMigration) -> MigrationDecision | None:
    """RolledBack before the run has begun: there is nothing to undo, and the run's key remains usable."""
    if outcomes.desired_state(seen) is not Desired.ROLLED_BACK or seen.state or seen.started or seen.active:
        return None
    message = (
        "nothing has been cut over, so there is nothing to roll back."
        " Set desiredState: Planned or Completed to continue, or Cancelled if it must not run."
    )
    planned = seen.run is not None and seen.run.plan is not None
    return outcomes.stalled("NothingToRollBack", message, phase=Phase.PLAN_READY if planned else Phase.PENDING)


def cancelling_or_rolling_back(seen: ObservedMigration) -> MigrationDecision | None:
    """Cancelled or RolledBack: a worker drops the staged tables or undoes the cutover."""
    wanted = outcomes.desired_state(seen)
    if wanted not in {Desired.CANCELLED, Desired.ROLLED_BACK}:
        return None
    phase = Phase.CANCELLING if wanted is Desired.CANCELLED else Phase.ROLLING_BACK
    return rules_app_and_data.roll_back(
        seen, phase, "dropping the staged tables" if seen.state is not State.CUT_OVER else "rolling back the cutover"
    )


def _cancelled(seen: ObservedMigration, message: str) -> MigrationDecision:
    active = seen.active
    if active:
        return outcomes.working(Phase.CANCELLING, "Cancelling", "stopping the worker", DeleteJob(active.name), again=2)
    return ReconcileDecision(Phase.CANCELLED, ("True", "Cancelled"), message)


def run_differs(seen: ObservedMigration) -> MigrationDecision | None:
    """The spec was changed so that it declares another run while one is in progress: pause at a checkpoint until a user decides."""
    active = seen.active
    if not seen.run_differs or (active and active.verb == "back"):
        return None  # let a rollback finish
    message = (
        f"run {seen.run_name} is in progress, and the spec now declares another run because of changes to {', '.join(seen.changed)}."
        " To continue this run, undo the changes. To drop the staged tables and start over, set desiredState: Cancelled first."
    )
    action = SuspendJob(active.name) if active and not active.suspended else None
    return replace(outcomes.stalled("RunStarted", message, phase=Phase.PAUSED), action=action)


def completed(seen: ObservedMigration) -> MigrationDecision | None:
    """Cut over, and the app is live if there is one."""
    if seen.state is not State.CUT_OVER:
        return None
    unfinished = rules_app_and_data.unfinished(seen)
    if unfinished:
        return unfinished
    reason = "AlreadyCompleted" if seen.run and seen.run.adopted else "Completed"
    rows = seen.run.rows if seen.run else 0
    message = f"{rows} rows are in the target and verified equal" if seen.run and seen.run.verdict else "cut over"
    message += rules_app_and_data.serving(seen)
    if seen.run and seen.run.expired:
        message += "; the retained tables are dropped, so it can no longer be rolled back"
    facts: tuple[Fact, ...] = (("Succeeded", ("True", reason)), ("Validated", ("True", "Equal")), *_quiesced(seen))
    releasing = 15.0 if rules_app_and_data.is_joint(seen.migration) and seen.active else None
    done: MigrationDecision = ReconcileDecision(Phase.COMPLETED, ("True", reason), message, facts=facts, again_seconds=releasing)
    return _expiring(seen, done) if seen.run and seen.run.kept and not seen.run.expired else done


def _expiring(seen: ObservedMigration, done: MigrationDecision) -> MigrationDecision:
    """Drop the retained tables when their retention period has expired; after that, a rollback is impossible."""
    status = seen.migration.status if seen.migration else None
    if seen.migration is None or status is None or status.completion_time is None:
        return replace(done, again_seconds=1)
    left = (kept_until(status.completion_time, seen.migration) - seen.now).total_seconds()
    last = seen.last("tidy")
    if left > 0:
        return replace(done, again_seconds=min(left, outcomes.LONGEST_PAUSE))
    if seen.active or (last and last.failed and last.ended_seconds < outcomes.LONGEST_PAUSE):
        return replace(done, again_seconds=15)
    return replace(done, action=outcomes.job(seen, "tidy"), again_seconds=15)


def kept_until(completed: datetime, migration: Migration) -> datetime:
    """The end of the retention period of the retained tables."""
    return completed + timedelta(seconds=migration.spec.rollback.retain_seconds)


def paused(seen: ObservedMigration) -> MigrationDecision | None:
    """Paused by the spec or by the annotation: Jobs are suspended, and their workers stop at the next checkpoint."""
    active = seen.active
    if not seen.hold and outcomes.desired_state(seen) is not Desired.PAUSED:
        return None
    reason = seen.hold or (seen.migration.spec.pause.reason if seen.migration and seen.migration.spec.pause else "")
    message = f"paused{': ' + reason if reason else ''}"
    if active and not active.suspended:
        return outcomes.working(Phase.PAUSING, "Pausing", f"{message}{_checkpoint(seen)}", SuspendJob(active.name), again=2)
    return ReconcileDecision(Phase.PAUSED, ("True", "Paused"), message)


def _checkpoint(seen: ObservedMigration) -> str:
    """When the worker will have stopped, as the end of a message."""
    pause = seen.migration.spec.pause if seen.migration else None
    progress = seen.run.progress if seen.run else None
    if pause and pause.immediate and not seen.hold:
        return "; the chunks in progress are aborted"
    if progress and progress.checkpoint_seconds is not None:
        return f"; the next checkpoint is in about {progress.checkpoint_seconds} s"
    return "; at the next checkpoint"


def resumable(seen: ObservedMigration) -> MigrationDecision | None:
    """Resume a suspended Job: nothing pauses it any more."""
    active = seen.active
    if active and active.suspended:
        last = seen.run.progress.checkpoint if seen.run and seen.run.progress else ""
        message = f"resuming from checkpoint {last}" if last else "resuming"
        return outcomes.working(Phase.RUNNING, "Resuming", message, ResumeJob(active.name), again=5)
    return None


def worker_active(seen: ObservedMigration) -> MigrationDecision | None:
    """A worker is active: start nothing else."""
    active = seen.active
    if not active:
        return None
    if active.verb == "plan":
        return outcomes.working(Phase.PLANNING, "Planning", "reading source and target and making the plan", again=15)
    if active.verb == "back":
        return outcomes.working(Phase.ROLLING_BACK, "RollingBack", "rolling back", again=15)
    if active.verb == "rehearse":
        return outcomes.working(Phase.REHEARSING, "Rehearsing", "rehearsing: everything except the cutover", again=15)
    progress = seen.run.progress if seen.run else None
    message = (
        f"{progress.rows} of {progress.total_rows} rows, {progress.rows_per_second} rows/s{_left(progress.remaining_seconds)}"
        if progress
        else "starting the worker"
    )
    phase = STATES[seen.state].phase if seen.state and seen.state.staged else Phase.RUNNING
    until = rules_schedule.opening(seen).changes
    again = min(15, max((until - seen.now).total_seconds(), 0.2)) if until else 15
    return ReconcileDecision(
        phase, ("False", phase), message, working=True, again_seconds=again, facts=outcomes.planned(seen, approved=True)
    )


def _left(seconds: int | None) -> str:
    return "" if seconds is None else f", about {seconds} s left"


def plan_missing(seen: ObservedMigration) -> MigrationDecision | None:
    """Plan, or plan again if the inputs of the plan have changed."""
    plan = seen.run.plan if seen.run else None
    last = seen.last("plan")
    if plan and last and last.made_from == made_from(seen.inputs) and seen.plan_stored:
        return None
    if seen.state:
        return None  # the run has begun: the ledger contains the plan
    return outcomes.failed(seen, "plan") or outcomes.working(
        Phase.PLANNING, "Planning", "reading source and target and making the plan", outcomes.job(seen, "plan"), again=15
    )


def plan_blocked(seen: ObservedMigration) -> MigrationDecision | None:
    """The plan has blocking risks, which a user must resolve."""
    plan = seen.run.plan if seen.run else None
    if not plan or not plan.blockers or seen.state:
        return None
    first = plan.risks[0]
    more = f" (and {plan.blockers - 1} more)" if plan.blockers > 1 else ""
    message = f"{first.affected}: {first.description}. {first.mitigation}{more}"
    return ReconcileDecision(
        Phase.PLAN_READY, ("False", "PlanBlocked"), message, stalled=True, facts=outcomes.planned(seen, approved=False)
    )


def planned_wanted(seen: ObservedMigration) -> MigrationDecision | None:
    """The desired state is Planned: stop after planning."""
    if outcomes.desired_state(seen) is not Desired.PLANNED:
        return None
    return ReconcileDecision(
        Phase.PLAN_READY,
        ("True", "Planned"),
        outcomes.plan_summary(seen),
        facts=(*outcomes.planned(seen, approved=False), *rules_schedule.too_short(seen)),
    )


def approval_missing(seen: ObservedMigration) -> MigrationDecision | None:
    """Wait until a user approves the plan by its digest."""
    plan = seen.run.plan if seen.run else None
    waiting = open_review_items(seen)
    if not plan or seen.state or not waiting:
        return None
    if waiting == plan.to_review:
        which = f"{counted(waiting, 'review item', 'need')} your approval"
    else:
        which = f"{waiting} of {plan.to_review} review items {'is new and needs' if waiting == 1 else 'are new and need'} your approval"
    other = "; spec.data.approval has the digest of another plan" if approved_digest(seen) else ""
    message = (
        f"{outcomes.plan_summary(seen)}; {which}{other}. Read the plan, then set spec.data.approval.planDigest: {plan.digest}"
    )
    facts = (*outcomes.planned(seen, approved=False, outdated=bool(other)), *rules_schedule.too_short(seen))
    return ReconcileDecision(Phase.PLAN_READY, ("False", "ApprovalRequired"), message, facts=facts, awaits_approval=True)


def _run(seen: ObservedMigration) -> MigrationDecision:
    if not seen.started:
        return replace(
            outcomes.working(Phase.APPROVED, "Starting", "starting", again=1),
            starts=True,
            facts=outcomes.planned(seen, approved=True),
        )
    found = outcomes.failed(seen, "run") or outcomes.working(
        Phase.APPROVED, "Running", "starting the worker", outcomes.job(seen, "run"), again=15
    )
    return replace(found, facts=outcomes.planned(seen, approved=True))


RULES: tuple[Callable[[ObservedMigration], MigrationDecision | None], ...] = (
    being_deleted,
    app_only,
    spec_impossible,
    reference_missing,
    rules_app_and_data.impossible,
    finalizer_missing,
    run_foreign,
    run_missing,
    ended,
    cancelled_at_once,
    rollback_of_nothing,
    cancelling_or_rolling_back,
    run_differs,
    completed,
    paused,
    rules_schedule.closed,
    rules_requests.start_refused,
    resumable,
    worker_active,
    rules_requests.request_invalid,
    plan_missing,
    plan_blocked,
    rules_requests.rehearsal_requested,
    planned_wanted,
    approval_missing,
    rules_schedule.not_yet,
    rules_app_and_data.waiting,
)


def _reachable(seen: ObservedMigration) -> tuple[Fact, ...]:
    """The results of the last tests of source and target."""
    data = outcomes.data_of(seen)
    ends = (("SourceReachable", data.source.connection_ref), ("TargetReachable", data.target.connection_ref)) if data else ()
    found: list[Fact] = []
    for kind, reference in ends:
        connection = seen.connections.get(reference.name)
        probed = connection.status.conditions if connection and connection.status else ()
        found += [(kind, (c.status, c.reason, c.message)) for c in probed if c.type == "Ready"]
    return tuple(found)


def _quiesced(seen: ObservedMigration) -> tuple[Fact, ...]:
    """Whether writes to the source were stopped from the final comparison to the cutover."""
    how = seen.run.plan.quiesce if seen.run and seen.run.plan else None
    if not seen.run or not how or not seen.run.verdict:
        return ()
    if how != "None":
        return (("SourceQuiesced", ("True", how)),)
    message = f"writes to the source were not stopped: the migrated data is consistent as of {seen.run.consistent_as_of or 'the comparison'}"
    return (("SourceQuiesced", ("False", "NotAsked", message)),)


__all__ = ["RULES", "decide"]
