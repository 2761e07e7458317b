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


def decide(observed: ObservedMigration) -> MigrationDecision:
    """The next action, phase and conditions of a Migration."""
    decision = next((decision_of_rule for rule in RULES if (decision_of_rule := rule(observed))), None) or _run(observed)
    helping = helper_workers.action(observed) if decision.action is None else None
    again = 2.0 if helping else decision.again_seconds
    return replace(
        decision, action=decision.action or helping, again_seconds=again, facts=(*_reachable(observed), *decision.facts)
    )


# -- the rules --------------------------------------------------------------------------------------------------------


def being_deleted(observed: ObservedMigration) -> MigrationDecision | None:
    """Deletion: delete workers, drop staged tables, remove the finalizer. Never blocks the deletion of a namespace."""
    if not observed.deleting:
        return None
    if not observed.finalizer:
        return ReconcileDecision(Phase.DELETING, ("False", "Deleting"), "being deleted")
    active, last = observed.active, observed.last("back")
    if active and active.verb != "back":
        return outcomes.working(Phase.DELETING, "Deleting", "stopping the worker", DeleteJob(active.name), again=2)
    if _nothing_to_undo(observed):
        return outcomes.working(Phase.DELETING, "Deleting", "nothing is left to clean up", ReleaseFinalizer())
    if last and last.failed and not active:
        return outcomes.again(observed, last, "Deleting", "dropping the staged tables failed; it is retried")
    return outcomes.working(
        Phase.DELETING,
        "Deleting",
        "dropping the staged tables",
        _resumed(active) if active else outcomes.job(observed, "back"),
        again=5,
    )


def _resumed(active: ObservedJob) -> MigrationAction | None:
    """Resume a worker that was suspended during its rollback."""
    return ResumeJob(active.name) if active.suspended else None


def _nothing_to_undo(observed: ObservedMigration) -> bool:
    """Whether nothing was staged, the staged tables are to be retained, or they can no longer be dropped."""
    retained = observed.migration is not None and observed.migration.spec.deletion_policy == "Retain"
    staged = observed.run is not None and (observed.state.staged if observed.state else observed.started)
    is_unreachable = bool(observed.missing_secrets) or any(c is None for c in observed.connections.values())
    return retained or not staged or is_unreachable or observed.namespace_ends or observed.deleting_seconds > _GIVE_UP_SECONDS


def app_only(observed: ObservedMigration) -> MigrationDecision | None:
    """A Migration without data. No later rule applies to it."""
    spec, status = (
        observed.migration.spec if observed.migration else None,
        observed.migration.status if observed.migration else None,
    )
    if spec is None or spec.data or observed.app is None:
        return None
    completed = bool(status and status.completion_time)
    waits = (
        None if completed else spec_impossible(observed) or rules_schedule.closed(observed) or rules_schedule.not_yet(observed)
    )
    has_template = bool(spec.app and spec.app.template)
    return waits or rules_app.decided(
        observed.app, outcomes.desired_state(observed), observed.hold, has_template=has_template, completed=completed
    )


def spec_impossible(observed: ObservedMigration) -> MigrationDecision | None:
    """The spec asks for something that this version, or no version, can do."""
    schedule = observed.migration.spec.schedule if observed.migration else None
    wrong = (maintenance_window.problem(schedule) if schedule else "") or _unsupported(observed)
    return outcomes.stalled("SpecInvalid", wrong) if wrong and not observed.active else None


def _unsupported(observed: ObservedMigration) -> str:
    ends = [c for c in observed.connections.values() if c and c.spec.unsupported]
    return f"Connection {ends[0].metadata.name}: {ends[0].spec.unsupported}" if ends else ""


def reference_missing(observed: ObservedMigration) -> MigrationDecision | None:
    """A Connection or Secret does not exist yet. Secrets cannot be watched, so the rule polls."""
    if observed.active:
        return None
    for name, connection in observed.connections.items():
        if connection is None:
            return outcomes.stalled(
                "ConnectionMissing", f"Connection {name!r} not found in this namespace. Create it.", phase=Phase.PENDING
            )
    if observed.missing_secrets:
        name = observed.missing_secrets[0]
        return outcomes.stalled(
            "SecretMissing", f"Secret {name!r} not found in this namespace. Create it.", phase=Phase.PENDING, again=5
        )
    return None


def finalizer_missing(observed: ObservedMigration) -> MigrationDecision | None:
    """Add the finalizer before anything outside the object is created."""
    return outcomes.working(Phase.PENDING, "Starting", "starting", AddFinalizer()) if not observed.finalizer else None


def run_foreign(observed: ObservedMigration) -> MigrationDecision | None:
    """The Run belongs to a deleted Migration of the same name and is being garbage-collected."""
    return (
        outcomes.working(Phase.PENDING, "Starting", "the earlier Run is being deleted", again=2) if observed.run_foreign else None
    )


def run_missing(observed: ObservedMigration) -> MigrationDecision | None:
    """Create the Run before the first worker."""
    return outcomes.working(Phase.PLANNING, "Planning", "starting", DeclareRun()) if observed.run is None else None


def ended(observed: ObservedMigration) -> MigrationDecision | None:
    """Cancelled or rolled back: the run's key cannot be used again."""
    if observed.state is None or not observed.state.ended:
        return None
    reached = STATES[observed.state].phase
    if outcomes.desired_state(observed) in {Desired.CANCELLED, Desired.ROLLED_BACK}:
        return ReconcileDecision(reached, ("True", reached), f"{reached}: the target is as it was before the run")
    if observed.run_differs:
        return outcomes.working(Phase.PENDING, "Starting", "waiting until the worker of the previous run has ended", again=2)
    return rules_app_and_data.failed_for_it(observed) or outcomes.stalled(
        "RunEnded", f"this run has ended ({reached}). Change spec.data.rerunToken to start a new run.", phase=reached
    )


def cancelled_at_once(observed: ObservedMigration) -> MigrationDecision | None:
    """Cancelled, and no worker has to undo anything."""
    if outcomes.desired_state(observed) is not Desired.CANCELLED:
        return None
    if observed.state is State.CUT_OVER:
        message = "the migration is completed and cannot be cancelled. Set desiredState: RolledBack to undo the cutover."
        return (
            None
            if rules_app_and_data.discards(observed)
            else outcomes.stalled("AlreadyCompleted", message, phase=Phase.COMPLETED)
        )
    if observed.migration and observed.migration.spec.cancel and not observed.migration.spec.cancel.rollback:
        return _cancelled(observed, "Cancelled; the staged tables are kept until the Migration is deleted")
    if not observed.state and not observed.started:
        return _cancelled(observed, "Cancelled before the run began")
    return None


def rollback_of_nothing(observed: ObservedMigration) -> MigrationDecision | None:
    """RolledBack before the run has begun: there is nothing to undo, and the run's key remains usable."""
    if outcomes.desired_state(observed) is not Desired.ROLLED_BACK or observed.state or observed.started or observed.active:
        return None
    message = (
        "nothing has been cut over, so there is nothing to roll back."
        " Set desiredState: Planned or Completed to continue, or Cancelled if it must not run."
    )
    is_planned = observed.run is not None and observed.run.plan is not None
    return outcomes.stalled("NothingToRollBack", message, phase=Phase.PLAN_READY if is_planned else Phase.PENDING)


def cancelling_or_rolling_back(observed: ObservedMigration) -> MigrationDecision | None:
    """Cancelled or RolledBack: a worker drops the staged tables or undoes the cutover."""
    desired = outcomes.desired_state(observed)
    if desired not in {Desired.CANCELLED, Desired.ROLLED_BACK}:
        return None
    phase = Phase.CANCELLING if desired is Desired.CANCELLED else Phase.ROLLING_BACK
    return rules_app_and_data.roll_back(
        observed, phase, "dropping the staged tables" if observed.state is not State.CUT_OVER else "rolling back the cutover"
    )


def _cancelled(observed: ObservedMigration, message: str) -> MigrationDecision:
    active = observed.active
    if active:
        return outcomes.working(Phase.CANCELLING, "Cancelling", "stopping the worker", DeleteJob(active.name), again=2)
    return ReconcileDecision(Phase.CANCELLED, ("True", "Cancelled"), message)


def run_differs(observed: ObservedMigration) -> MigrationDecision | None:
    """The spec was changed so that it declares another run while one is in progress: pause at a checkpoint until a user decides."""
    active = observed.active
    if not observed.run_differs or (active and active.verb == "back"):
        return None  # let a rollback finish
    message = (
        f"run {observed.run_name} is in progress, and the spec now declares another run because of changes to {', '.join(observed.changed)}."
        " To continue this run, undo the changes. To drop the staged tables and start over, set desiredState: Cancelled first."
    )
    action = SuspendJob(active.name) if active and not active.suspended else None
    return replace(outcomes.stalled("RunStarted", message, phase=Phase.PAUSED), action=action)


def completed(observed: ObservedMigration) -> MigrationDecision | None:
    """Cut over, and the app is live if there is one."""
    if observed.state is not State.CUT_OVER:
        return None
    unfinished = rules_app_and_data.unfinished(observed)
    if unfinished:
        return unfinished
    reason = "AlreadyCompleted" if observed.run and observed.run.adopted else "Completed"
    rows = observed.run.rows if observed.run else 0
    message = f"{rows} rows are in the target and verified equal" if observed.run and observed.run.verdict else "cut over"
    message += rules_app_and_data.serving(observed)
    if observed.run and observed.run.expired:
        message += "; the retained tables are dropped, so it can no longer be rolled back"
    facts: tuple[Fact, ...] = (("Succeeded", ("True", reason)), ("Validated", ("True", "Equal")), *_quiesced(observed))
    releasing = 15.0 if rules_app_and_data.is_joint(observed.migration) and observed.active else None
    decision: MigrationDecision = ReconcileDecision(
        Phase.COMPLETED, ("True", reason), message, facts=facts, again_seconds=releasing
    )
    return _expiring(observed, decision) if observed.run and observed.run.kept and not observed.run.expired else decision


def _expiring(observed: ObservedMigration, decision: MigrationDecision) -> MigrationDecision:
    """Drop the retained tables when their retention period has expired; after that, a rollback is impossible."""
    status = observed.migration.status if observed.migration else None
    if observed.migration is None or status is None or status.completion_time is None:
        return replace(decision, again_seconds=1)
    remaining = (kept_until(status.completion_time, observed.migration) - observed.now).total_seconds()
    last = observed.last("tidy")
    if remaining > 0:
        return replace(decision, again_seconds=min(remaining, outcomes.LONGEST_PAUSE))
    if observed.active or (last and last.failed and last.ended_seconds < outcomes.LONGEST_PAUSE):
        return replace(decision, again_seconds=15)
    return replace(decision, action=outcomes.job(observed, "tidy"), again_seconds=15)


def kept_until(completed: datetime, migration: Migration) -> datetime:
    """The end of the retention period of the retained tables."""
    return completed + timedelta(seconds=migration.spec.rollback.retain_seconds)


def paused(observed: ObservedMigration) -> MigrationDecision | None:
    """Paused by the spec or by the annotation: Jobs are suspended, and their workers stop at the next checkpoint."""
    active = observed.active
    if not observed.hold and outcomes.desired_state(observed) is not Desired.PAUSED:
        return None
    reason = observed.hold or (
        observed.migration.spec.pause.reason if observed.migration and observed.migration.spec.pause else ""
    )
    message = f"paused{': ' + reason if reason else ''}"
    if active and not active.suspended:
        return outcomes.working(Phase.PAUSING, "Pausing", f"{message}{_checkpoint(observed)}", SuspendJob(active.name), again=2)
    return ReconcileDecision(Phase.PAUSED, ("True", "Paused"), message)


def _checkpoint(observed: ObservedMigration) -> str:
    """When the worker will have stopped, as the end of a message."""
    pause = observed.migration.spec.pause if observed.migration else None
    progress = observed.run.progress if observed.run else None
    if pause and pause.immediate and not observed.hold:
        return "; the chunks in progress are aborted"
    if progress and progress.checkpoint_seconds is not None:
        return f"; the next checkpoint is in about {progress.checkpoint_seconds} s"
    return "; at the next checkpoint"


def resumable(observed: ObservedMigration) -> MigrationDecision | None:
    """Resume a suspended Job: nothing pauses it any more."""
    active = observed.active
    if active and active.suspended:
        last = observed.run.progress.checkpoint if observed.run and observed.run.progress else ""
        message = f"resuming from checkpoint {last}" if last else "resuming"
        return outcomes.working(Phase.RUNNING, "Resuming", message, ResumeJob(active.name), again=5)
    return None


def worker_active(observed: ObservedMigration) -> MigrationDecision | None:
    """A worker is active: start nothing else."""
    active = observed.active
    if not active:
        return None
    if active.verb == "plan":
        return outcomes.working(Phase.PLANNING, "Planning", "reading source and target and making the plan", again=15)
    if active.verb == "back":
        return outcomes.working(Phase.ROLLING_BACK, "RollingBack", "rolling back", again=15)
    if active.verb == "rehearse":
        return outcomes.working(Phase.REHEARSING, "Rehearsing", "rehearsing: everything except the cutover", again=15)
    progress = observed.run.progress if observed.run else None
    message = (
        f"{progress.rows} of {progress.total_rows} rows, {progress.rows_per_second} rows/s{_remaining_text(progress.remaining_seconds)}"
        if progress
        else "starting the worker"
    )
    phase = STATES[observed.state].phase if observed.state and observed.state.staged else Phase.RUNNING
    until = rules_schedule.opening(observed).changes
    again = min(15, max((until - observed.now).total_seconds(), 0.2)) if until else 15
    return ReconcileDecision(
        phase, ("False", phase), message, working=True, again_seconds=again, facts=outcomes.plan_facts(observed, approved=True)
    )


def _remaining_text(seconds: int | None) -> str:
    return "" if seconds is None else f", about {seconds} s left"


def plan_missing(observed: ObservedMigration) -> MigrationDecision | None:
    """Plan, or plan again if the inputs of the plan have changed."""
    plan = observed.run.plan if observed.run else None
    last = observed.last("plan")
    if plan and last and last.made_from == made_from(observed.inputs) and observed.plan_stored:
        return None
    if observed.state:
        return None  # the run has begun: the ledger contains the plan
    return outcomes.failed(observed, "plan") or outcomes.working(
        Phase.PLANNING, "Planning", "reading source and target and making the plan", outcomes.job(observed, "plan"), again=15
    )


def plan_blocked(observed: ObservedMigration) -> MigrationDecision | None:
    """The plan has blocking risks, which a user must resolve."""
    plan = observed.run.plan if observed.run else None
    if not plan or not plan.blockers or observed.state:
        return None
    first = plan.risks[0]
    more = f" (and {plan.blockers - 1} more)" if plan.blockers > 1 else ""
    message = f"{first.affected}: {first.description}. {first.mitigation}{more}"
    return ReconcileDecision(
        Phase.PLAN_READY, ("False", "PlanBlocked"), message, stalled=True, facts=outcomes.plan_facts(observed, approved=False)
    )


def planned_wanted(observed: ObservedMigration) -> MigrationDecision | None:
    """The desired state is Planned: stop after planning."""
    if outcomes.desired_state(observed) is not Desired.PLANNED:
        return None
    return ReconcileDecision(
        Phase.PLAN_READY,
        ("True", "Planned"),
        outcomes.plan_summary(observed),
        facts=(*outcomes.plan_facts(observed, approved=False), *rules_schedule.too_short(observed)),
    )


def approval_missing(observed: ObservedMigration) -> MigrationDecision | None:
    """Wait until a user approves the plan by its digest."""
    plan = observed.run.plan if observed.run else None
    waiting = open_review_items(observed)
    if not plan or observed.state or not waiting:
        return None
    if waiting == plan.to_review:
        which = f"{counted(waiting, 'review item', 'need')} your approval"
    else:
        which = f"{waiting} of {plan.to_review} review items {'is new and needs' if waiting == 1 else 'are new and need'} your approval"
    other = "; spec.data.approval has the digest of another plan" if approved_digest(observed) else ""
    message = (
        f"{outcomes.plan_summary(observed)}; {which}{other}. Read the plan, then set spec.data.approval.planDigest: {plan.digest}"
    )
    facts = (*outcomes.plan_facts(observed, approved=False, outdated=bool(other)), *rules_schedule.too_short(observed))
    return ReconcileDecision(Phase.PLAN_READY, ("False", "ApprovalRequired"), message, facts=facts, awaits_approval=True)


def _run(observed: ObservedMigration) -> MigrationDecision:
    if not observed.started:
        return replace(
            outcomes.working(Phase.APPROVED, "Starting", "starting", again=1),
            starts=True,
            facts=outcomes.plan_facts(observed, approved=True),
        )
    decision = outcomes.failed(observed, "run") or outcomes.working(
        Phase.APPROVED, "Running", "starting the worker", outcomes.job(observed, "run"), again=15
    )
    return replace(decision, facts=outcomes.plan_facts(observed, approved=True))


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


def _reachable(observed: ObservedMigration) -> tuple[Fact, ...]:
    """The results of the last tests of source and target."""
    data = outcomes.data_of(observed)
    ends = (("SourceReachable", data.source.connection_ref), ("TargetReachable", data.target.connection_ref)) if data else ()
    facts: list[Fact] = []
    for kind, reference in ends:
        connection = observed.connections.get(reference.name)
        probed = connection.status.conditions if connection and connection.status else ()
        facts += [(kind, (c.status, c.reason, c.message)) for c in probed if c.type == "Ready"]
    return tuple(facts)


def _quiesced(observed: ObservedMigration) -> tuple[Fact, ...]:
    """Whether writes to the source were stopped from the final comparison to the cutover."""
    how = observed.run.plan.quiesce if observed.run and observed.run.plan else None
    if not observed.run or not how or not observed.run.verdict:
        return ()
    if how != "None":
        return (("SourceQuiesced", ("True", how)),)
    message = f"writes to the source were not stopped: the migrated data is consistent as of {observed.run.consistent_as_of or 'the comparison'}"
    return (("SourceQuiesced", ("False", "NotAsked", message)),)


__all__ = ["RULES", "decide"]
