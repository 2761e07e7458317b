"""What a worker may change while it works: told to it with every answer of the intake."""

from __future__ import annotations

from landfall.api.migration import Migration
from landfall.api.report import Dials


def dials(migration: Migration) -> Dials | None:
    """As the spec has it now. What is cancelled or paused at once gives up the chunks in flight; each is one transaction."""
    spec, data = migration.spec, migration.spec.data
    if data is None:
        return None
    paused = spec.desired_state == "Paused" and spec.pause is not None and spec.pause.immediate
    return Dials(
        parallelism=data.parallelism,
        batch_rows=data.batch_size,
        rows_per_second=data.limits.rows_per_second,
        bytes_per_second=data.limits.bytes_per_second,
        at_once=paused or spec.desired_state == "Cancelled",
    )
