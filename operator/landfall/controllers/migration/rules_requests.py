"""The rules of one-time requests: what a request asks for, and when it is handled."""

from __future__ import annotations

from landfall.controllers.job_state import made_from
from landfall.controllers.migration import outcomes
from landfall.controllers.migration.actions import MigrationDecision
from landfall.controllers.migration.observed import ObservedMigration
from landfall.ledger_states import last_startable_phase
from landfall.lifecycle import PHASE_NAMES, Phase, not_reached_message


def request_invalid(observed: ObservedMigration) -> MigrationDecision | None:
    """The annotation does not contain a valid request."""
    return outcomes.stalled("RequestInvalid", observed.request_problem) if observed.request_problem else None


def start_refused(observed: ObservedMigration) -> MigrationDecision | None:
    """A start from a phase whose earlier phases are not done: refused before the run continues. A running worker is not interrupted."""
    request, active = observed.pending, observed.active
    if not request or request.verb != "start" or request.from_ is None or (active and not active.suspended):
        return None
    reached = last_startable_phase(observed.state)
    if PHASE_NAMES.index(request.from_) <= reached:
        return None
    name = observed.migration.metadata.name if observed.migration else ""
    return outcomes.stalled("RequestRefused", f"{not_reached_message(name, request.from_, reached)} (request {request.id}).")


def rehearsal_requested(observed: ObservedMigration) -> MigrationDecision | None:
    """A rehearsal: everything except the cutover, once, before the run begins."""
    request, rehearsal = observed.request, observed.run.rehearsal if observed.run else None
    if (
        not request
        or request.verb != "rehearse"
        or observed.state
        or observed.started
        or (rehearsal and rehearsal.request == request.id)
    ):
        return None
    return outcomes.failed(observed, "rehearse") or outcomes.working(
        Phase.REHEARSING, "Rehearsing", "starting the rehearsal", outcomes.job(observed, "rehearse"), again=15
    )


def handled(observed: ObservedMigration) -> str:
    """The last handled request: the current one, or the one before it."""
    status, request = observed.migration.status if observed.migration else None, observed.pending
    before = status.last_handled_request if status else ""
    if request is None:
        return before
    if observed.migration and observed.migration.spec.data is None:
        return request.id  # a Migration without data has no plan, rehearsal or start options
    last = observed.last("plan")
    is_planned = bool(observed.run and observed.run.plan and last and last.made_from == made_from(observed.inputs))
    rehearsed = bool(observed.run and observed.run.rehearsal and observed.run.rehearsal.request == request.id)
    started = bool(observed.state) and start_refused(observed) is None
    is_handled = {"plan": is_planned or bool(observed.state), "rehearse": rehearsed or bool(observed.state), "start": started}[
        request.verb
    ]
    return request.id if is_handled else before
