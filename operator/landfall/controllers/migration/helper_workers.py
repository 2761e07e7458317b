"""Copy helpers: a second Job of a run, whose pods share the copy through the ledger."""

from __future__ import annotations

from landfall.controllers.actions import DeleteJob
from landfall.controllers.migration.actions import CreateJob, MigrationAction, ScaleJob
from landfall.controllers.migration.observed import ObservedMigration
from landfall.ledger_states import STATES


def wanted_count(observed: ObservedMigration) -> int:
    """The number of copy helpers to run now: only while the leading worker copies."""
    active, data = observed.active, observed.migration.spec.data if observed.migration else None
    shared = observed.state is not None and STATES[observed.state].helpers
    copies = active is not None and active.verb == "run" and not active.suspended
    return data.workers - 1 if shared and copies and data and not observed.deleting and not observed.run_differs else 0


def action(observed: ObservedMigration) -> MigrationAction | None:
    """The next action for copy helpers. They continue under a replacement of their leader; there is at most one Job per leader."""
    count, active, last = wanted_count(observed), observed.active, observed.last("help")
    if last and not last.over and not count:
        return DeleteJob(last.name)
    if not count or active is None:
        return None
    if last is None or (last.over and last.attempt < active.attempt):
        return CreateJob("help", active.attempt)
    if not last.over and last.parallelism != count:
        return ScaleJob(last.name, count)
    return None
