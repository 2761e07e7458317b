"""The repair: chunks that differ are deleted in the target, all of a table in one transaction, and copied again by all streams.

A chunk is copied completely: copying 10,000 rows takes less time than finding those that differ. A separate transaction writes each
chunk, and its rows carry the transaction ID, so that the next comparison can assign rows to chunks. All deletes come before all
inserts, because unique values that moved between two chunks would collide otherwise. An interrupted repair leaves chunks without rows,
which the next comparison finds.
"""

from __future__ import annotations

import queue
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

from landfall.engine.copy.run_context import Work
from landfall.engine.copy.streams import job_builder
from landfall.engine.copy.worker_pool import ThreadGroup
from landfall.engine.errors import concerning
from landfall.engine.model import chunk_range
from landfall.engine.model.events import Event, EventKind
from landfall.engine.model.run_state import Chunk
from landfall.engine.sources.base import Reader
from landfall.engine.targets.engine import Loader
from landfall.engine.verify.compare import TableDifference, queued
from landfall.engine.verify.finer import finer_chunks
from landfall.engine.verify.naming import name_rows

_RECORDED_AT_ONCE = 1000


def repair(work: Work, readers: Sequence[Reader], differences: Sequence[TableDifference], *, finer: bool = False) -> int:
    """Copy every chunk that differs again.

    Args:
        work: The run.
        readers: Sessions that see the same data as the comparison. Each is used by one stream.
        differences: The result of the comparison. The keys of differing rows are filled in if the number of rows is small.
        finer: Divide the chunks into smaller ones of 500 rows, so that a later write makes fewer rows differ.

    Returns:
        The number of copied rows.

    Raises:
        EngineError: The first failure.
    """
    if not differences:
        return 0
    tables = queued(differences)
    chunks = finer_chunks(work, readers[0], differences) if finer else {d.table.number: d.chunks for d in differences}
    _side_by_side(
        work,
        readers[: len(differences)],
        lambda threads, reader, loader: _take_out_all(work, threads, tables, chunks, reader, loader),
    )
    put_in = _PutIn(work, [c for d in differences for c in chunks[d.table.number]])
    _side_by_side(work, readers, put_in)
    for difference in differences:
        rows = put_in.rows(difference.table.number)
        work.report(Event(EventKind.DELTA, difference.table.label, rows, text=difference.describe()))
    return put_in.rows()


def _side_by_side(work: Work, readers: Sequence[Reader], body: Callable[[ThreadGroup, Reader, Loader], None]) -> None:
    threads = ThreadGroup(work.stop)

    def stream(reader: Reader) -> None:
        with work.loader() as loader:
            body(threads, reader, loader)

    threads.run([partial(stream, reader) for reader in readers])


def _take_out_all(
    work: Work,
    threads: ThreadGroup,
    tables: queue.SimpleQueue[TableDifference],
    chunks: Mapping[int, Sequence[Chunk]],
    reader: Reader,
    loader: Loader,
) -> None:
    for difference in threads.each(tables):
        with concerning(f"the repair of table {difference.table.label}"):
            name_rows(work, reader, loader, difference)
            loader.begin_repair(work.lease)
            _take_out(work, loader, difference)
        put_in = chunks[difference.table.number]
        for at in range(0, len(put_in), _RECORDED_AT_ONCE):
            loader.record_removal(work.lease, put_in[at : at + _RECORDED_AT_ONCE])
        loader.commit()


def _take_out(work: Work, loader: Loader, difference: TableDifference) -> None:
    queries = work.queries(difference.table)
    if not difference.by_range:
        loader.rows(queries.delete(difference.xids))
        return
    for chunk in difference.chunks:
        loader.rows(queries.range_delete(*chunk_range.bounds(chunk.range)))


class _PutIn:
    """Copies chunks again, each in one transaction with its record; called by every stream."""

    def __init__(self, work: Work, chunks: Sequence[Chunk]) -> None:
        self._work = work
        self._jobs = {t.number: job_builder(work, t) for t in work.plan.tables if t.number in {c.table for c in chunks}}
        self._labels = {t.number: t.label for t in work.plan.tables}
        self._tasks = queued(chunks)
        self._moved: list[tuple[int, int]] = []

    def rows(self, table: int | None = None) -> int:
        """Number of copied rows, of one table or of all."""
        return sum(rows for number, rows in self._moved if table in {None, number})

    def __call__(self, threads: ThreadGroup, reader: Reader, loader: Loader) -> None:
        """Copy chunks until the queue is empty."""
        work = self._work
        for chunk in threads.each(self._tasks):
            loader.begin_repair(work.lease)
            with concerning(f"the repair of table {self._labels[chunk.table]}"):
                amount = reader.copy(self._jobs[chunk.table](chunk.range), loader)
            written_chunk = replace(chunk, rows=amount.rows, bytes=amount.bytes)
            loader.complete_repair(work.lease, written_chunk)
            self._moved.append((chunk.table, amount.rows))  # atomic, because other streams do the same
