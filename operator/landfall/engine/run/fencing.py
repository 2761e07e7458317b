"""The fence around a cutover: the source refuses writers from before its commit until a rollback.

The ledger knows of the fence before it exists. If the process dies between the fence and the commit of the cutover, the next one resumes
while writers are refused, or a rollback removes the fence: at no time does either side accept a write that the other one needs.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from landfall.engine.copy.run_context import Work
from landfall.engine.errors import EngineError, FenceLeftError
from landfall.engine.model.events import Event, EventKind
from landfall.engine.model.fence import Fence, fence_message, fence_name
from landfall.engine.model.options import Endpoint, Options
from landfall.engine.model.run_state import RunRecord
from landfall.engine.run.phases import Outcome
from landfall.engine.sources.base import FencingLock, FencingSource, Source, WriteLock, while_busy
from landfall.engine.sources.registry import source_of
from landfall.engine.targets.ledger import Ledger
from landfall.ledger_states import State


@contextlib.contextmanager
def fenced(work: Work, outcome: Outcome, lock: WriteLock | None) -> Iterator[None]:
    """Refuse the source's writers before the block, which cuts over; accept them again if it fails.

    Args:
        work: The run. Without `fence` in its plan, nothing is done.
        outcome: Gets the name of the fence.
        lock: The write lock. The fence releases it.
    """
    if not work.plan.fence or not isinstance(lock, FencingLock):
        yield
        return
    message = fence_message(work.target_endpoint, work.plan.target_label)
    fence = Fence(fence_name(work.lease.key), message, tuple((t.schema, t.name) for t in work.plan.tables))
    work.ledger.note(work.lease.key, {"fence": fence.name})
    outcome.fence = fence.name
    try:
        lock.fence(fence)
        work.report(Event(EventKind.NOTICE, text="the source refuses writers"))
        yield
    except BaseException:
        unfence_before_cutover(work, outcome)
        raise


def unfence_before_cutover(work: Work, outcome: Outcome) -> None:
    """Remove the fence after a failure, unless the target is cut over or the ledger cannot be read."""
    try:
        record = work.ledger.find(work.lease.key)
        if record and record.state is not State.CUT_OVER:
            _remove(work.source, outcome.fence)
            work.ledger.note(work.lease.key, {"fence": ""})
            outcome.fence = ""
    except EngineError as error:
        text = f"the source still refuses writers, until the run is resumed or rolled back: {error.message}"
        work.report(Event(EventKind.NOTICE, text=text))


def unfence_source(source: Endpoint, ledger: Ledger, record: RunRecord, options: Options) -> None:
    """Let the source of a run accept writers again. Raises FenceLeftError if it cannot be done now."""
    name = record.result.get("fence")
    if not isinstance(name, str) or not name or not options.fence:
        return
    try:
        _remove(source_of(source), name)
    except EngineError as error:
        message = f"the fence {name} of the source cannot be removed, and the source may still refuse writers: {error.message}"
        advice = "Roll back again when the source can be reached; spec.data.cutover.fence: None leaves the fence where it is."
        raise FenceLeftError(message, advice=advice) from error
    ledger.note(record.key, {"fence": ""})


def _remove(source: Source, name: str) -> None:
    """Remove a fence; try again where tables are locked."""
    if isinstance(source, FencingSource):
        while_busy(lambda: source.unfence(name))
