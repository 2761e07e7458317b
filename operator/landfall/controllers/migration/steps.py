"""The five steps of a run, as users see them."""

from __future__ import annotations

from collections.abc import Sequence

from landfall.api.progress import Step
from landfall.controllers.migration.actions import MigrationDecision
from landfall.controllers.migration.observed import ObservedMigration
from landfall.ledger_states import STATES
from landfall.lifecycle import STEPS


def steps(seen: ObservedMigration, decision: MigrationDecision, before: Sequence[Step] = ()) -> tuple[Step, ...]:
    """The steps with their status, and the times at which each was first observed as running and as done."""
    if seen.run is None:
        return ()
    row = STATES[seen.state] if seen.state else None
    at = (STEPS.index(row.step) if row.step else len(STEPS)) if row else 1 if seen.run.plan else 0
    begun = bool(seen.state) or seen.last("plan") is not None
    known = {step.name: step for step in before}
    found = []
    for number, name in enumerate(STEPS):
        step = _step(number, name, at, seen, stalled=decision.stalled, begun=begun)
        was = known.get(step.name)
        started = (was.started_at if was else None) or (seen.now if step.status in {"Running", "Done"} else None)
        finished = (was.finished_at if was else None) or (seen.now if step.status == "Done" else None)
        times = {"started_at": started, "finished_at": finished if step.status == "Done" else None}
        found.append(step.model_copy(update=times))
    return tuple(found)


def _step(number: int, name: str, at: int, seen: ObservedMigration, *, stalled: bool, begun: bool) -> Step:
    if number < at:
        return Step.model_validate({"name": name, "status": "Done", "percent": 100})
    waiting = number > at or not begun or (number == 1 and not seen.state)
    if waiting:
        return Step.model_validate({"name": name, "status": "Pending"})
    percent = seen.run.progress.step_percent if seen.run and seen.run.progress and seen.state else 0
    return Step.model_validate({"name": name, "status": "Failed" if stalled else "Running", "percent": percent})
