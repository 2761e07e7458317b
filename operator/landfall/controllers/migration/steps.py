"""The five steps of a run, as users see them."""

from __future__ import annotations

from collections.abc import Sequence

from landfall.api.progress import Step
from landfall.controllers.migration.actions import MigrationDecision
from landfall.controllers.migration.observed import ObservedMigration
from landfall.ledger_states import STATES
from landfall.lifecycle import STEPS


def steps(observed: ObservedMigration, decision: MigrationDecision, before: Sequence[Step] = ()) -> tuple[Step, ...]:
    """The steps with their status, and the times at which each was first observed as running and as done."""
    if observed.run is None:
        return ()
    row = STATES[observed.state] if observed.state else None
    at = (STEPS.index(row.step) if row.step else len(STEPS)) if row else 1 if observed.run.plan else 0
    has_begun = bool(observed.state) or observed.last("plan") is not None
    by_name = {step.name: step for step in before}
    timed_steps = []
    for number, name in enumerate(STEPS):
        step = _step(number, name, at, observed, stalled=decision.stalled, has_begun=has_begun)
        was = by_name.get(step.name)
        started = (was.started_at if was else None) or (observed.now if step.status in {"Running", "Done"} else None)
        finished = (was.finished_at if was else None) or (observed.now if step.status == "Done" else None)
        times = {"started_at": started, "finished_at": finished if step.status == "Done" else None}
        timed_steps.append(step.model_copy(update=times))
    return tuple(timed_steps)


def _step(number: int, name: str, at: int, observed: ObservedMigration, *, stalled: bool, has_begun: bool) -> Step:
    if number < at:
        return Step.model_validate({"name": name, "status": "Done", "percent": 100})
    waiting = number > at or not has_begun or (number == 1 and not observed.state)
    if waiting:
        return Step.model_validate({"name": name, "status": "Pending"})
    percent = observed.run.progress.step_percent if observed.run and observed.run.progress and observed.state else 0
    return Step.model_validate({"name": name, "status": "Failed" if stalled else "Running", "percent": percent})
