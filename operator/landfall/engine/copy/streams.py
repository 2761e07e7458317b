"""The copy: streams claim chunks from the ledger and copy each one in one transaction together with its record.

A stream that loses a connection opens new ones and continues; the server has rolled back its chunk, which is claimed again. The
verification, not the copy, decides whether the result is correct.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, replace
from functools import partial

from landfall.engine.copy import chunking
from landfall.engine.copy.run_context import Work
from landfall.engine.copy.throttle import Budget, Throttle
from landfall.engine.copy.worker_pool import ThreadGroup
from landfall.engine.errors import ConnectionLostError, EngineError, SourceBusyError, UnreachableError, concerning
from landfall.engine.model import chunk_range
from landfall.engine.model.chunk_range import ChunkRange
from landfall.engine.model.events import Event, EventKind
from landfall.engine.model.key_span import Span
from landfall.engine.model.plan import TablePlan
from landfall.engine.sources.base import CopyJob, Reader
from landfall.engine.sources.engine import LargeRowQueries, PagedQueries
from landfall.engine.sources.expressions import chained
from landfall.engine.targets.engine import Loader
from landfall.lib.backoff import Backoff

_RETRIES = 4
_BACKOFF = Backoff(0.4, 30)
_FLOOR = 90 * 1024 * 1024
_LARGE = 4 * 1024 * 1024
_LOOK_SECONDS = 0.5
_FOLLOW_SECONDS = 2.0


@dataclass(slots=True)
class _Ends:
    """The two connections of a stream."""

    reader: Reader
    loader: Loader


class FollowedChunks:
    """Reports the chunks that other processes of the same run complete, each chunk once."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._labels = {t.number: t.label for t in work.plan.tables}
        self._known = {(c.table, c.number) for c in work.ledger.chunks(work.lease.key) if c.done}
        self._looked = time.monotonic()
        self._shared = False

    def claimed(self, table: int, number: int) -> None:
        """This process has claimed a chunk and reports it itself."""
        self._known.add((table, number))

    def lost(self, table: int, number: int) -> None:
        """This process has lost a chunk; another process may complete it."""
        self._known.discard((table, number))

    def look(self, *, at_once: bool = False) -> None:
        """Report chunks that other processes have completed: every 2 s if there are several processes, or immediately (`at_once`)."""
        self._shared = self._shared or self._work.dials.workers > 1
        if not self._shared or not (at_once or time.monotonic() - self._looked > _FOLLOW_SECONDS):
            return
        self._looked = time.monotonic()
        for chunk in self._work.ledger.chunks(self._work.lease.key):
            if chunk.done and (chunk.table, chunk.number) not in self._known:
                self._known.add((chunk.table, chunk.number))
                self._work.report(
                    Event(EventKind.CHUNK, self._labels[chunk.table], chunk.rows, chunk.bytes, text=str(chunk.number))
                )


class Streams:
    """All streams of the copy phase in one process. A copy helper has no `followed`: the leading process reports for all."""

    def __init__(self, work: Work, followed: FollowedChunks | None) -> None:
        self._work = work
        self._followed = followed
        self._tables = {t.number: t for t in work.plan.tables}
        self._jobs = {t.number: job_builder(work, t) for t in work.plan.tables if t.moved}
        self._budget = Budget(work.options.memory_bytes - _FLOOR)
        self._throttle = Throttle(work.dials)
        self._threads = ThreadGroup(work.stop)
        self._lock = threading.Lock()
        self._active: set[int] = set()
        self._drained = False
        self._refused = 0
        self._batch_rows = work.dials.batch_rows

    def run(self) -> None:
        """Copy every unclaimed chunk. Raises the first failure, or InterruptedRunError if a stop is requested."""
        work = self._work
        todo = work.ledger.left(work.lease.key)
        if not todo or not work.ledger.claimable(work.lease):
            return
        ends = [self._open() for _ in range(min(work.readers, todo))]
        common = work.source.snapshot([e.reader for e in ends])
        work.report(Event(EventKind.NOTICE, text="one common snapshot" if common else "each stream reads its own snapshot"))
        self._active = set(range(len(ends)))
        self._threads.run([partial(self._stream, number, e) for number, e in enumerate(ends)])

    def _adjust(self, number: int) -> bool:
        """Apply the live settings between two chunks: start more streams, use smaller chunks. Return whether this stream continues."""
        work = self._work
        with self._lock:
            if self._followed:
                self._followed.look()
            if work.dials.batch_rows < self._batch_rows and not work.lease.helper:
                count = -(-self._batch_rows // work.dials.batch_rows)
                work.ledger.cut_again(work.lease, lambda whole: chunk_range.pieces(whole, count))
                self._batch_rows = work.dials.batch_rows
            if number >= work.readers:
                return False
            if not self._drained and self._refused != work.dials.parallelism:
                for missing in sorted(set(range(work.readers)) - self._active):
                    self._active.add(missing)
                    self._threads.add(partial(self._added, missing))
        return True

    def _open(self) -> _Ends:
        work = self._work
        reader = work.source.reader()
        work.stop.register(reader, reader.abort)
        try:
            loader = work.open_loader()
        except BaseException:
            work.stop.forget(reader)
            reader.close()
            raise
        with self._lock:
            work.ledger.register_backend(work.lease, "source", reader.backend)
        return _Ends(reader, loader)

    def _close(self, ends: _Ends) -> None:
        for end in (ends.reader, ends.loader):
            self._work.stop.forget(end)
            end.close()

    def _added(self, number: int) -> None:
        """Start an additional stream. If a server rejects its connection, the run continues with the existing streams."""
        try:
            ends = self._open()
        except EngineError as error:
            self._refused = self._work.dials.parallelism
            self._work.report(Event(EventKind.NOTICE, text=f"an additional stream could not be opened: {error.message}"))
            with self._lock:
                self._active.discard(number)
            return
        self._stream(number, ends)

    def _stream(self, number: int, ends: _Ends) -> None:
        """Copy chunks until none is left. If a connection is lost, open new ones, up to four times in a row."""
        losses = 0
        try:
            while not self._threads.ended and self._adjust(number):
                try:
                    if not self._chunk(ends):
                        return
                    losses = 0
                except (ConnectionLostError, UnreachableError, SourceBusyError) as error:
                    losses += 1
                    if losses > _RETRIES or self._work.stop.requested:
                        raise
                    self._work.report(Event(EventKind.RECOVERED, text=error.message))
                    self._close(ends)
                    self._work.stop.wait(_BACKOFF.pause(losses))
                    ends = self._open()
        finally:
            with self._lock:
                self._active.discard(number)
            self._close(ends)

    def _chunk(self, ends: _Ends) -> bool:
        """Copy one chunk. Return False if none is left."""
        work = self._work
        chunk = ends.loader.claim(work.lease)
        if chunk is None:
            self._drained = True
            return False
        table, number = chunk.table, chunk.number
        work.report(Event(EventKind.BEGUN, self._tables[table].label, text=str(number)))
        octets = self._budget.take(work.weight(self._tables[table]))
        if self._followed:
            self._followed.claimed(table, number)
        try:
            try:
                with concerning(f"the copy of table {self._tables[table].label}"):
                    amount = ends.reader.copy(self._jobs[table](chunk.range), ends.loader)
            finally:
                self._budget.give(octets)
            ends.loader.complete(work.lease, chunk, amount)
        except EngineError:
            if self._followed:
                self._followed.lost(table, number)
            raise
        work.report(Event(EventKind.CHUNK, self._tables[table].label, amount.rows, amount.bytes, text=str(number)))
        ticket = self._throttle.take(amount.rows, amount.bytes)
        while not self._threads.ended and (seconds := self._throttle.left(ticket)) > 0:
            work.stop.wait(min(seconds, _LOOK_SECONDS))
        return True


def job_builder(work: Work, table: TablePlan) -> _JobBuilder:
    """Return a function that creates the copy job of a chunk of this table."""
    return _JobBuilder(work, table)


class _JobBuilder:
    """Creates copy jobs of one table: the usual query, and a second one for rows that exceed the server's packet size."""

    def __init__(self, work: Work, table: TablePlan) -> None:
        self._condition = work.engine.dialect.condition
        self._source = work.engine.queries(work.shape(table))
        self._copy_in = work.queries(table).copy_in(table.form)
        self._form = table.form
        self._page_rows = page_rows(work, table)
        self._octets = ""
        self._long = work.engine.dialect.long_columns(table)
        limit = min(work.plan.packet_bytes // 4 or _LARGE, _LARGE)
        if self._long and table.largest_row > limit and isinstance(self._source, LargeRowQueries):
            total = chained([self._source.octets(c) for c in self._long], "+")
            self._octets = f"({total})>{limit}"

    def __call__(self, chunk: ChunkRange) -> CopyJob:
        condition = self._condition(chunk)
        small = f"NOT ({self._octets})" if self._octets else ""
        if self._page_rows and isinstance(self._source, PagedQueries):
            span = Span.of(*chunk_range.bounds(chunk), self._page_rows)
            job = CopyJob(self._source.copy_page(small), self._copy_in, self._form, span=span)
        else:
            both = " AND ".join(f"({part})" for part in (condition, small) if part)
            job = CopyJob(self._source.copy(both), self._copy_in, self._form)
        if not self._octets or not isinstance(self._source, LargeRowQueries):
            return job
        large = f"({condition}) AND {self._octets}" if condition else self._octets
        query, kinds = self._source.raw(large, self._long)
        return replace(job, large=query, kinds=kinds)


def page_rows(work: Work, table: TablePlan) -> int:
    """Return the number of rows of a page of limited size; 0 if the table is not read in pages."""
    if not work.engine.capabilities.pages or not table.unique_key:
        return 0
    return Span.rows_of(table.largest_row)


def split_tables(work: Work) -> None:
    """Divide every table that has no chunks yet into chunks."""
    ledger, lease = work.ledger, work.lease
    already_split = ledger.split_tables(lease.key)
    reader = work.source.reader()
    try:
        for table in work.plan.tables:
            if table.moved and table.number not in already_split:
                ranges = chunking.ranges(reader, work.engine.dialect, table, work.options.batch_rows)
                ledger.add_chunks(lease, table.number, ranges, priority=max(table.bytes, table.rows))
    finally:
        reader.close()
