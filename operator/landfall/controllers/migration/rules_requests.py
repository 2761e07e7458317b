"""The rules of one-time requests: what a request asks for, and when it is handled."""

from __future__ import annotations

from landfall.controllers.job_state import made_from
from landfall.controllers.migration import outcomes
from landfall.controllers.migration.actions import MigrationDecision
from landfall.controllers.migration.observed import ObservedMigration
from landfall.ledger_states import last_startable_phase
from landfall.lifecycle import PHASE_NAMES, Phase, not_reached_message


def request_invalid(seen: ObservedMigration) -> MigrationDecision | None:
    """The annotation does not contain a valid request."""
    return outcomes.stalled("RequestInvalid", seen.request_problem) if seen.request_problem else None


def start_refused(seen: ObservedMigration) -> MigrationDecision | None:
    """A start from a phase whose earlier phases are not done: refused before the run continues. A running worker is not interrupted."""
    asked, active = seen.pending, seen.active
    if not asked or asked.verb != "start" or asked.from_ is None or (active and not active.suspended):
        return None
    reached = last_startable_phase(seen.state)
    if PHASE_NAMES.index(asked.from_) <= reached:
        return None
    name = seen.migration.metadata.name if seen.migration else ""
    return outcomes.stalled("RequestRefused", f"{not_reached_message(name, asked.from_, reached)} (request {asked.id}).")


def rehearsal_requested(seen: ObservedMigration) -> MigrationDecision | None:
    """A rehearsal: everything except the cutover, once, before the run begins."""
    asked, done = seen.request, seen.run.rehearsal if seen.run else None
    if not asked or asked.verb != "rehearse" or seen.state or seen.started or (done and done.request == asked.id):
        return None
    return outcomes.failed(seen, "rehearse") or outcomes.working(
        Phase.REHEARSING, "Rehearsing", "starting the rehearsal", outcomes.job(seen, "rehearse"), again=15
    )


def handled(seen: ObservedMigration) -> str:
    """The last handled request: the current one, or the one before it."""
    status, asked = seen.migration.status if seen.migration else None, seen.pending
    before = status.last_handled_request if status else ""
    if asked is None:
        return before
    if seen.migration and seen.migration.spec.data is None:
        return asked.id  # a Migration without data has no plan, rehearsal or start options
    last = seen.last("plan")
    planned = bool(seen.run and seen.run.plan and last and last.made_from == made_from(seen.inputs))
    rehearsed = bool(seen.run and seen.run.rehearsal and seen.run.rehearsal.request == asked.id)
    started = bool(seen.state) and start_refused(seen) is None
    done = {"plan": planned or bool(seen.state), "rehearse": rehearsed or bool(seen.state), "start": started}[asked.verb]
    return asked.id if done else before
