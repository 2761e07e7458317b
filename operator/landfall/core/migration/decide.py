"""The rules of a Migration, in order; the first with an opinion wins.

They look at what is, never at what changed: any two looks at the same objects decide the same. At most one Job of a Run
is ever active, for every rule that makes one stands behind `worker_active`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from landfall.api.migration import DataSpec
from landfall.core.migration import schedule
from landfall.core.migration.observed import ENDED, JobSeen, Observed, made_from
from landfall.core.outcome import Act, Decision, Fact

_GIVE_UP_SECONDS = 600
_FIRST_PAUSE, _LONGEST_PAUSE = 5.0, 300.0
# What people mend in the databases themselves, where nobody here can see it: tried again now and then.
_MENDED_OUTSIDE = frozenset(
    {"CredentialRefused", "PrivilegeMissing", "ObjectMissing", "DiskFull", "TargetInTheWay", "DependantInTheWay"}
)
_PHASE_NAMES = ("schema_migration", "data_transfer", "validation", "cutover")
_PROVEN = {"copying": 1, "indexing": 2, "comparing": 2}
_PHASES = {"schema": "Running", "copying": "Running", "indexing": "Running", "comparing": "Validating"}


def decide(seen: Observed) -> Decision:
    """What to do next."""
    decision = next((found for rule in RULES if (found := rule(seen))), None) or _run(seen)
    return replace(decision, facts=(*_reachable(seen), *decision.facts))


def _working(phase: str, reason: str, message: str, act: Act | None = None, again: float | None = None) -> Decision:
    return Decision(phase, ("False", reason), message, act, working=True, again_seconds=again)


def _stalled(reason: str, message: str, *, phase: str = "Failed", again: float | None = None) -> Decision:
    return Decision(phase, ("False", reason), message, stalled=True, again_seconds=again)


def _data(seen: Observed) -> DataSpec | None:
    return seen.migration.spec.data if seen.migration else None


def _wanted(seen: Observed) -> str:
    return (seen.migration.spec.desired_state if seen.migration else None) or "Completed"


def _attempt(seen: Observed, verb: str) -> int:
    last = seen.last(verb)
    return last.attempt + 1 if last else 1


def _job(seen: Observed, verb: str) -> Act:
    return Act("job", verb, _attempt(seen, verb))


# -- the rules --------------------------------------------------------------------------------------------------------


def being_deleted(seen: Observed) -> Decision | None:
    """Take workers away, undo what was staged, and let go. Never in the way of a namespace that ends."""
    if not seen.deleting:
        return None
    if not seen.finalizer:
        return Decision("Deleting", ("False", "Deleting"), "being deleted")
    active, last = seen.active, seen.last("back")
    if active and active.verb != "back":
        return _working("Deleting", "Deleting", "ending the worker", Act("delete-job", active.name), again=2)
    if _nothing_to_undo(seen):
        return _working("Deleting", "Deleting", "nothing is left to tidy up", Act("release"))
    if last and last.failed and not active:
        return _again(seen, last, "Deleting", "trying again to drop what was staged")
    return _working(
        "Deleting", "Deleting", "dropping what was staged", _resumed(active) if active else _job(seen, "back"), again=5
    )


def _resumed(active: JobSeen) -> Act | None:
    """A worker that was held while it went back is let go on."""
    return Act("resume", active.name) if active.suspended else None


def _nothing_to_undo(seen: Observed) -> bool:
    """Nothing was staged, it shall be kept, or there is no way left to undo it."""
    retained = seen.migration is not None and seen.migration.spec.deletion_policy == "Retain"
    staged = seen.run is not None and bool(seen.state or seen.started) and seen.state not in ENDED | {"cut_over"}
    gone = bool(seen.missing_secrets) or any(c is None for c in seen.connections.values())
    return retained or not staged or gone or seen.namespace_ends or seen.deleting_seconds > _GIVE_UP_SECONDS


def not_data(seen: Observed) -> Decision | None:
    """A Migration without data is for a later version of the operator."""
    if _data(seen) is None or (seen.migration and seen.migration.spec.app):
        return _stalled("AppUnsupported", "spec.app is not supported by this version. Remove it, and move the data alone.")
    return None


def spec_impossible(seen: Observed) -> Decision | None:
    """What this version cannot do, or nobody."""
    wanted = seen.migration.spec.schedule if seen.migration else None
    wrong = seen.unsupported or (schedule.problem(wanted) if wanted else "")
    return _stalled("SpecInvalid", wrong) if wrong and not seen.active else None


def reference_missing(seen: Observed) -> Decision | None:
    """A Connection or Secret that is not there yet; a Secret cannot be watched, so it is looked for."""
    if seen.active:
        return None
    for name, connection in seen.connections.items():
        if connection is None:
            return _stalled(
                "ConnectionMissing", f"there is no Connection {name!r} in this namespace. Create it.", phase="Pending"
            )
    if seen.missing_secrets:
        name = seen.missing_secrets[0]
        return _stalled("SecretMissing", f"there is no Secret {name!r} in this namespace. Create it.", phase="Pending", again=5)
    return None


def finalizer_missing(seen: Observed) -> Decision | None:
    """Before anything outside the object is made."""
    return _working("Pending", "Starting", "starting", Act("finalize")) if not seen.finalizer else None


def run_foreign(seen: Observed) -> Decision | None:
    """The Run of an object of the same name that is being collected."""
    return _working("Pending", "Starting", "the former Run is being removed", again=2) if seen.run_foreign else None


def run_missing(seen: Observed) -> Decision | None:
    """The record, before the first worker."""
    return _working("Planning", "Planning", "starting", Act("run")) if seen.run is None else None


def ended(seen: Observed) -> Decision | None:
    """Cancelled or rolled back: the key is used up."""
    if seen.state not in ENDED:
        return None
    reached = {"cancelled": "Cancelled", "rolled_back": "RolledBack"}[seen.state]
    if _wanted(seen) in {"Cancelled", "RolledBack"}:
        return Decision(reached, ("True", reached), f"{reached}: what was there before is there again")
    return _stalled("RunEnded", f"this run has ended ({reached}). Change spec.data.rerunToken to run it again.", phase=reached)


def cancelled_at_once(seen: Observed) -> Decision | None:
    """Cancelled, where no worker has to undo anything for it."""
    if _wanted(seen) != "Cancelled":
        return None
    if seen.state == "cut_over":
        return _stalled(
            "AlreadyCompleted", "it is completed, so it cannot be cancelled. Ask for RolledBack to go back.", phase="Completed"
        )
    if seen.migration and seen.migration.spec.cancel and not seen.migration.spec.cancel.rollback:
        return _cancelled(seen, "Cancelled; what was staged is kept until the Migration is deleted")
    if not seen.state and not seen.started:
        return _cancelled(seen, "Cancelled; nothing had begun")
    return None


def going_back(seen: Observed) -> Decision | None:
    """Cancelled and RolledBack: levels, reached by a worker."""
    wanted = _wanted(seen)
    if wanted not in {"Cancelled", "RolledBack"}:
        return None
    active, phase = seen.active, "Cancelling" if wanted == "Cancelled" else "RollingBack"
    if active and active.verb != "back":
        return _working(phase, phase, "ending the worker", Act("delete-job", active.name), again=2)
    if active:
        return _working(phase, phase, "going back", _resumed(active), again=10)
    return _failed(seen, "back") or _working(phase, phase, "going back", _job(seen, "back"), again=10)


def _cancelled(seen: Observed, message: str) -> Decision:
    active = seen.active
    if active:
        return _working("Cancelling", "Cancelling", "ending the worker", Act("delete-job", active.name), again=2)
    return Decision("Cancelled", ("True", "Cancelled"), message)


def run_differs(seen: Observed) -> Decision | None:
    """The spec was changed into one of another run while this one is under way: it waits at a checkpoint for a word."""
    active = seen.active
    if not seen.run_differs or (active and active.verb == "back"):
        return None  # what goes back is let finish
    message = (
        f"the run {seen.run_name} has begun, and the spec has come to ask for another one (mode, rerunToken or a Connection changed)."
        " Set it back to go on; or set desiredState: Cancelled to drop what was staged, and then ask anew."
    )
    act = Act("suspend", active.name) if active and not active.suspended else None
    return replace(_stalled("RunStarted", message, phase="Paused"), act=act)


def completed(seen: Observed) -> Decision | None:
    """Done, and everything that was asked for below it is reached too."""
    if seen.state != "cut_over":
        return None
    word = "AlreadyCompleted" if seen.run and seen.run.adopted else "Completed"
    rows = seen.run.rows if seen.run else 0
    message = f"{rows} rows are in the target, compared and equal" if seen.run and seen.run.verdict else "cut over"
    facts: tuple[Fact, ...] = (("Succeeded", ("True", word)), ("Validated", ("True", "Equal")), *_quiesced(seen))
    return Decision("Completed", ("True", word), message, facts=facts)


def held_by_person(seen: Observed) -> Decision | None:
    """Paused, by the spec or by the annotation: Jobs are suspended, and their workers stop at the next checkpoint."""
    active = seen.active
    if not seen.hold and _wanted(seen) != "Paused":
        return None
    reason = seen.hold or (seen.migration.spec.pause.reason if seen.migration and seen.migration.spec.pause else "")
    message = f"paused{': ' + reason if reason else ''}"
    if active and not active.suspended:
        return _working("Pausing", "Pausing", f"{message}{_checkpoint(seen)}", Act("suspend", active.name), again=2)
    return Decision("Paused", ("True", "Paused"), message)


def _checkpoint(seen: Observed) -> str:
    """When it will have stopped."""
    pause = seen.migration.spec.pause if seen.migration else None
    progress = seen.run.progress if seen.run else None
    if pause and pause.immediate and not seen.hold:
        return "; the chunks in flight are given up"
    if progress and progress.checkpoint_seconds is not None:
        return f"; the next checkpoint is about {progress.checkpoint_seconds} s away"
    return "; at the next checkpoint"


def resumable(seen: Observed) -> Decision | None:
    """Nothing holds it any more."""
    active = seen.active
    if active and active.suspended:
        last = seen.run.progress.checkpoint if seen.run and seen.run.progress else ""
        told = f"resuming from checkpoint {last}" if last else "resuming"
        return _working("Running", "Resuming", told, Act("resume", active.name), again=5)
    return None


def closed(seen: Observed) -> Decision | None:
    """Outside its hours a run waits: one that works stops at the next checkpoint. Planning does not wait."""
    found = _opening(seen)
    active = seen.active
    if found.open or not (seen.state or seen.started) or (active and active.verb != "run"):
        return None
    message, again = _closed(seen, found)
    if active and not active.suspended:
        return _working("Pausing", "WindowClosed", message, Act("suspend", active.name), again=2)
    return Decision("Paused", ("False", "WindowClosed"), message, again_seconds=again, facts=_planned(seen, approved=True))


def not_yet(seen: Observed) -> Decision | None:
    """Planned and approved, and its hour has not come."""
    found = _opening(seen)
    if found.open:
        return None
    message, again = _closed(seen, found)
    return Decision("Approved", ("False", "Scheduled"), message, again_seconds=again, facts=_planned(seen, approved=True))


def _opening(seen: Observed) -> schedule.Opening:
    return schedule.opening(seen.migration.spec.schedule if seen.migration else None, seen.now)


def _closed(seen: Observed, found: schedule.Opening) -> tuple[str, float]:
    """What is told of a wait, and when to look again: at its end, and now and then, for clocks are set."""
    if found.changes is None:
        return "outside its hours", _LONGEST_PAUSE
    left = (found.changes - seen.now).total_seconds()
    return f"waits until {found.changes:%Y-%m-%dT%H:%M:%SZ}", min(max(left, 1), _LONGEST_PAUSE)


def worker_active(seen: Observed) -> Decision | None:
    """Something works: nothing else is begun."""
    active = seen.active
    if not active:
        return None
    if active.verb == "plan":
        return _working("Planning", "Planning", "reading both sides and planning", again=15)
    if active.verb == "back":
        return _working("RollingBack", "RollingBack", "going back", again=15)
    if active.verb == "rehearse":
        return _working("Rehearsing", "Rehearsing", "rehearsing: everything but the cutover", again=15)
    progress = seen.run.progress if seen.run else None
    told = (
        f"{progress.rows} of {progress.total_rows} rows, {progress.rows_per_second} a second{_left(progress.remaining_seconds)}"
        if progress
        else "starting the worker"
    )
    phase = _PHASES.get(seen.state, "Running")
    until = _opening(seen).changes
    again = min(15, max((until - seen.now).total_seconds(), 0.2)) if until else 15
    return Decision(phase, ("False", phase), told, working=True, again_seconds=again, facts=_planned(seen, approved=True))


def _left(seconds: int | None) -> str:
    return "" if seconds is None else f", about {seconds} s left"


def request_impossible(seen: Observed) -> Decision | None:
    """An annotation that is no request, or a start from where nothing is proven."""
    if seen.request_problem:
        return _stalled("RequestInvalid", seen.request_problem)
    asked = seen.pending
    if not asked or asked.verb != "start" or asked.from_ is None:
        return None
    reached = _PROVEN.get(seen.state, 0)
    if _PHASE_NAMES.index(asked.from_) <= reached:
        return None
    message = (
        f"the request {asked.id} asks to start from {asked.from_}, and the target's ledger proves nothing beyond {_PHASE_NAMES[reached]}."
        " Leave `from` out: a run goes on where the ledger says by itself."
    )
    return _stalled("RequestRefused", message)


def rehearsal_asked(seen: Observed) -> Decision | None:
    """Everything but the cutover, once, before the run begins."""
    asked, done = seen.request, seen.run.rehearsal if seen.run else None
    if not asked or asked.verb != "rehearse" or seen.state or seen.started or (done and done.request == asked.id):
        return None
    return _failed(seen, "rehearse") or _working(
        "Rehearsing", "Rehearsing", "starting the rehearsal", _job(seen, "rehearse"), again=15
    )


def plan_missing(seen: Observed) -> Decision | None:
    """Plan, or plan again where what it was made from has changed."""
    plan = seen.run.plan if seen.run else None
    last = seen.last("plan")
    if plan and last and last.made_from == made_from(seen.inputs) and seen.plan_stored:
        return None
    if seen.state:
        return None  # begun: the ledger holds the plan
    return _failed(seen, "plan") or _working(
        "Planning", "Planning", "reading both sides and planning", _job(seen, "plan"), again=15
    )


def plan_blocked(seen: Observed) -> Decision | None:
    """Something that must be decided or mended before it can run."""
    plan = seen.run.plan if seen.run else None
    if not plan or not plan.blockers or seen.state:
        return None
    first = plan.risks[0]
    more = f" (and {plan.blockers - 1} more)" if plan.blockers > 1 else ""
    message = f"{first.affected}: {first.description}. {first.mitigation}{more}"
    return Decision("PlanReady", ("False", "PlanBlocked"), message, stalled=True, facts=_planned(seen, approved=False))


def planned_wanted(seen: Observed) -> Decision | None:
    """As far as it was asked to go."""
    if _wanted(seen) != "Planned":
        return None
    return Decision("PlanReady", ("True", "Planned"), _told(seen), facts=_planned(seen, approved=False))


def approval_missing(seen: Observed) -> Decision | None:
    """A wait that a person ends, by committing the digest."""
    plan = seen.run.plan if seen.run else None
    if not plan or seen.state or not plan.to_review or seen.approved:
        return None
    message = f"{_told(seen)}; {plan.to_review} points need your word. Read the plan, then set spec.data.approval.planDigest: {plan.digest}"
    return Decision("PlanReady", ("False", "ApprovalRequired"), message, facts=_planned(seen, approved=False))


def _run(seen: Observed) -> Decision:
    if not seen.started:
        return replace(_working("Approved", "Starting", "starting", again=1), starts=True, facts=_planned(seen, approved=True))
    found = _failed(seen, "run") or _working("Approved", "Running", "starting the worker", _job(seen, "run"), again=15)
    return replace(found, facts=_planned(seen, approved=True))


RULES: tuple[Callable[[Observed], Decision | None], ...] = (
    being_deleted,
    not_data,
    spec_impossible,
    reference_missing,
    finalizer_missing,
    run_foreign,
    run_missing,
    ended,
    cancelled_at_once,
    going_back,
    run_differs,
    completed,
    held_by_person,
    closed,
    resumable,
    worker_active,
    request_impossible,
    plan_missing,
    plan_blocked,
    rehearsal_asked,
    planned_wanted,
    approval_missing,
    not_yet,
)


def _reachable(seen: Observed) -> tuple[Fact, ...]:
    """What the last probes of both ends found."""
    data = _data(seen)
    ends = (("SourceReachable", data.source.connection_ref), ("TargetReachable", data.target.connection_ref)) if data else ()
    found: list[Fact] = []
    for kind, reference in ends:
        connection = seen.connections.get(reference.name)
        probed = connection.status.conditions if connection and connection.status else ()
        found += [(kind, (c.status, c.reason, c.message)) for c in probed if c.type == "Ready"]
    return tuple(found)


def _quiesced(seen: Observed) -> tuple[Fact, ...]:
    """Whether writers of the source were kept away from the comparison to the cutover."""
    how = seen.run.plan.quiesce if seen.run and seen.run.plan else None
    if not seen.run or not how or not seen.run.verdict:
        return ()
    if how != "None":
        return (("SourceQuiesced", ("True", how)),)
    message = f"the source was not quiesced: what arrived is consistent as of {seen.run.consistent_as_of or 'the comparison'}"
    return (("SourceQuiesced", ("False", "NotAsked", message)),)


# -- what the rules share ---------------------------------------------------------------------------------------------


def _failed(seen: Observed, verb: str) -> Decision | None:
    """The last worker of this verb failed, and nothing that it was made from has changed: wait, or ask for a person."""
    last = seen.last(verb)
    if not last or not last.failed or last.inputs != seen.inputs:
        return None
    failure = seen.run.failure if seen.run else None
    if failure is None or failure.job != last.name:
        return _again(
            seen, last, "WorkerLost", f"the worker {last.name} ended without a word (out of memory, evicted?); trying again"
        )
    if failure.transient:
        return _again(seen, last, failure.reason, failure.message)
    if failure.reason not in _MENDED_OUTSIDE:
        return _stalled(failure.reason, failure.message)
    left = _LONGEST_PAUSE - last.ended_seconds
    return replace(_stalled(failure.reason, failure.message, again=max(left, 1)), act=_job(seen, verb) if left <= 0 else None)


def _again(seen: Observed, last: JobSeen, reason: str, message: str) -> Decision:
    """Another attempt, after a pause that grows with each."""
    left = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** min(last.attempt - 1, 8)) - last.ended_seconds
    return _working("Pending", reason, message, _job(seen, last.verb) if left <= 0 else None, again=max(left, 1))


def _told(seen: Observed) -> str:
    plan = seen.run.plan if seen.run else None
    return f"{plan.tables} tables, {plan.rows} rows, about {plan.estimated_seconds} s" if plan else ""


def _planned(seen: Observed, *, approved: bool) -> tuple[Fact, ...]:
    if not seen.run or not seen.run.plan:
        return ()
    approval = ("Approved", ("True", "Approved") if approved else ("False", "ApprovalRequired"))
    return (("PlanReady", ("True", "Planned")), approval, *_rehearsed(seen))


def _rehearsed(seen: Observed) -> tuple[Fact, ...]:
    done = seen.run.rehearsal if seen.run else None
    if not done:
        return ()
    whole = done.schema_seconds + done.copy_seconds + done.index_seconds + done.validation_seconds
    message = f"{done.rows} rows were moved and found equal in {whole:.1f} s, {done.validation_seconds:.1f} s of it comparing; nothing is left of it"
    return (("Rehearsed", ("True", "Equal", message)),)


def handled(seen: Observed) -> str:
    """The request that is handled by now: this one, or still the one before it."""
    status, asked = seen.migration.status if seen.migration else None, seen.pending
    before = status.last_handled_request if status else ""
    if asked is None:
        return before
    last = seen.last("plan")
    planned = bool(seen.run and seen.run.plan and last and last.made_from == made_from(seen.inputs))
    rehearsed = bool(seen.run and seen.run.rehearsal and seen.run.rehearsal.request == asked.id)
    done = {"plan": planned, "rehearse": rehearsed or bool(seen.state), "start": bool(seen.state)}[asked.verb]
    return asked.id if done else before


__all__ = ["RULES", "decide", "handled"]
