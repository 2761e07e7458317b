"""Live settings: what a worker can change during a run. Every response of the intake contains them."""

from __future__ import annotations

from datetime import datetime

from landfall.api.migration import Migration
from landfall.api.progress import AppMove
from landfall.api.worker_protocol import Dials
from landfall.controllers.migration.maintenance_window import opening, problem
from landfall.controllers.migration.rules_app_and_data import is_joint
from landfall.lifecycle import Desired, desired_of


def live_settings(migration: Migration, now: datetime) -> Dials | None:
    """The live settings of the spec. A cancelled or immediately paused run aborts its chunks; each chunk is one transaction."""
    spec, data = migration.spec, migration.spec.data
    if data is None or (spec.schedule and problem(spec.schedule)):
        return None
    hours = opening(spec.schedule, now, cutover=True)
    app_move = migration.status.app if migration.status else None
    desired = desired_of(spec.desired_state)
    paused = desired is Desired.PAUSED and spec.pause is not None and spec.pause.immediate
    return Dials(
        parallelism=data.parallelism,
        workers=data.workers,
        batch_rows=data.batch_size,
        rows_per_second=-(-data.limits.rows_per_second // data.workers),  # the limit is divided among the workers
        bytes_per_second=-(-data.limits.bytes_per_second // data.workers),
        cutover_from=None if hours.open else hours.changes,
        cutover_until=hours.changes if hours.open else None,
        cutover_held=is_joint(migration) and not (app_move and app_move.state == "Built"),
        hold=is_joint(migration) and not _is_over(app_move, now),
        at_once=paused or desired is Desired.CANCELLED,
    )


def _is_over(app: AppMove | None, now: datetime) -> bool:
    """Whether the source no longer needs to be locked for the app."""
    if app is None:
        return False
    return app.state in {"Failed", "RolledBack"} or (app.drained_at is not None and now >= app.drained_at)
