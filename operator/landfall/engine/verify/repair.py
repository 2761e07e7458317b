"""The delta: what differs is taken out and put in again, in one transaction per table.

All deletes come before all inserts, for swapped unique values in two chunks would collide otherwise. Foreign keys and
triggers are not there yet, so nothing cascades.
"""

from __future__ import annotations

from landfall.engine.clients.postgresql_wire import Wire
from landfall.engine.copy.run_context import Work
from landfall.engine.copy.streams import job_builder
from landfall.engine.model.events import Event
from landfall.engine.model.run_state import State
from landfall.engine.sources.base import Reader
from landfall.engine.targets.postgresql.queries import TargetQueries
from landfall.engine.verify.compare import TableDifference


def apply(work: Work, reader: Reader, difference: TableDifference) -> int:
    """Make the target's rows those of the source; how many rows were put in."""
    table = difference.table
    queries = TargetQueries(work.shape(table), work.stage)
    job = job_builder(work, table)
    ledger, lease = work.ledger, work.lease
    wire = Wire(work.target_endpoint, "target", work.session)
    work.stop.register(wire, wire.abort)
    work.ledger.register_backend(work.lease, "target", str(wire.pid))
    moved = 0
    try:
        if not wire.rows(f"BEGIN; {ledger.fence(lease, State.COMPARING)}"):
            ledger.check(lease)
        wire.rows(queries.delete(difference.xids, difference.buckets))
        for chunk in difference.chunks:
            moved += reader.copy(job(chunk.range, difference.buckets), wire).rows
        for statement in ledger.patch(lease, table.number, (c.number for c in difference.chunks), moved):
            wire.rows(statement)
        wire.rows("COMMIT")
    finally:
        work.stop.forget(wire)
        wire.close()
    work.report(Event("delta", table.label, moved, text=difference.describe()))
    return moved
