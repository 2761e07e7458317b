"""The comparison: every chunk on both sides, at one point in time of the source.

If a table is divided by a unique integer key that has an index in the target, a chunk is the same range of keys on both sides: its
digests are compared first, and its sums if the digests differ. In other tables, the rows of a chunk are those that its transaction
wrote, and sums are additive: chunks that differ, rows of earlier repairs and rows of unknown transactions form one group for each
table. The sum of the group must equal the sum of its chunks on the source.

The rule: a chunk is equal only if the digest or the sum of all its rows is equal; a suspected chunk counts as different.
"""

from __future__ import annotations

import queue
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from landfall.engine.copy.run_context import Work
from landfall.engine.copy.worker_pool import ThreadGroup
from landfall.engine.errors import concerning
from landfall.engine.model import chunk_range
from landfall.engine.model.events import Event, EventKind
from landfall.engine.model.plan import TablePlan
from landfall.engine.model.run_state import Chunk
from landfall.engine.sources.base import Reader
from landfall.engine.targets.engine import Loader
from landfall.engine.verify.digest import Place, digested, digestible

_NAMED = 20
_TID_SCANS_SINCE = 140000
_LEAST_BLOCKS = 4096

Sum = tuple[int, int]
_Scan = tuple[TablePlan, tuple[int, int | None] | None, tuple[str, ...] | None]
_Task = TypeVar("_Task")


@dataclass(slots=True)
class TableDifference:
    """The difference of one table.

    The rows of `chunks` differ from those in the target: in their range of keys (`by_range`), or of the transactions `xids`.
    `naming.name_rows` fills in the keys of the rows.
    """

    table: TablePlan
    chunks: tuple[Chunk, ...]
    by_range: bool = False
    xids: tuple[str, ...] = ()
    missing: list[str] = field(default_factory=list)
    extra: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)

    @property
    def rows(self) -> int:
        """Number of rows of the chunks when they were copied."""
        return sum(c.rows for c in self.chunks)

    def describe(self) -> str:
        """Describe the difference in one line, with the keys of the rows."""
        lists = [
            f"{word} {', '.join(keys[:_NAMED])}{' …' if len(keys) > _NAMED else ''}"
            for word, keys in (("missing", self.missing), ("surplus", self.extra), ("changed", self.changed))
            if keys
        ]
        many = f"{len(self.chunks)} chunk{'' if len(self.chunks) == 1 else 's'} of {self.rows} rows"
        return f"{self.table.label}: {'; '.join(lists) or 'rows differ'} ({many})"


class Comparison:
    """The comparison of all tables, at one point in time of a source that is not written to, or of its snapshots.

    `final`: the source is not written to, so equal tables are reported and the sums of the source stay valid.
    """

    def __init__(self, work: Work, readers: Sequence[Reader], *, final: bool = True) -> None:
        self._work = work
        self._readers = list(readers)
        self._final = final
        self._tables = {t.number: t for t in work.plan.tables if t.moved}
        self._rows: dict[Place, int] = {}
        self._source: dict[Place, Sum] = {}
        self._target: dict[int, dict[str, Sum]] = {}
        self._lock = threading.Lock()
        self.chunks = 0

    def run(self) -> list[TableDifference]:
        """Compare every chunk of every table. Return the tables that differ."""
        return self._compared(self._work.ledger.chunks(self._work.lease.key), None)

    def again(self, repaired: Sequence[TableDifference]) -> list[TableDifference]:
        """Compare only what was repaired; everything else is equal, and the source is not written to.

        In a table without ranges of keys, one scan of the target sums only the rows of these chunks and of the deleted transactions.
        """
        places = {(d.table.number, c.number) for d in repaired for c in d.chunks}
        chunks = [c for c in self._work.ledger.chunks(self._work.lease.key) if (c.table, c.number) in places]
        return self._compared(chunks, {d.table.number: d.xids for d in repaired})

    def source_rows(self) -> dict[Place, int]:
        """Number of rows of every chunk on the source, by (table, number)."""
        return self._rows

    def _compared(self, chunks: Sequence[Chunk], removed: Mapping[int, tuple[str, ...]] | None) -> list[TableDifference]:
        self.chunks += len(chunks)
        ranged = digestible(self._work)
        differing = self._by_range([c for c in chunks if c.table in ranged], ranged)
        by_number = {
            n: TableDifference(t, of_table, by_range=True)
            for n, t in ranged.items()
            if (of_table := tuple(c for c in differing if c.table == n))
        }
        by_writer = [c for c in chunks if c.table not in ranged]
        touched = {c.table for c in by_writer} | ((removed or {}).keys() - ranged.keys())
        if touched:
            by_number |= self._by_writer(by_writer, {n: self._tables[n] for n in touched}, removed)
        for number in ({c.table for c in chunks} | touched) - by_number.keys():
            if self._final:
                rows = sum(c.rows for c in chunks if c.table == number)
                self._work.report(Event(EventKind.TABLE, self._tables[number].label, rows, text="equal"))
        return list(by_number.values())

    # -- by ranges of keys --------------------------------------------------------------------------------------------

    def _by_range(self, chunks: Sequence[Chunk], tables: dict[int, TablePlan]) -> list[Chunk]:
        """The chunks that are not known to be equal.

        Digests may differ although the rows are equal (a server that reads in another order). So one such chunk of each table is
        compared by its sum as well; if it is equal, the sums of all such chunks of its table are compared.
        """
        looked = digested(self._work, self._readers, chunks, tables)
        self._rows |= {place: rows for place, rows in looked.items() if rows is not None}
        undigested = [c for c in chunks if looked.get((c.table, c.number)) is None]
        samples = {c.table: c for c in undigested if (c.table, c.number) in looked}
        unlooked = [c for c in undigested if (c.table, c.number) not in looked]
        differing = self._unequal([*unlooked, *samples.values()], tables)
        remaining = [c for c in undigested if c not in unlooked and c is not samples[c.table]]
        misled = {n for n, c in samples.items() if c not in differing}
        differing += self._unequal([c for c in remaining if c.table in misled], tables)
        return differing + [c for c in remaining if c.table not in misled]

    def _unequal(self, chunks: Sequence[Chunk], tables: dict[int, TablePlan]) -> list[Chunk]:
        """The chunks whose sums over their range of keys differ."""
        if not chunks:
            return []
        target_sums: dict[Place, Sum] = {}
        threads, source_tasks, target_tasks = ThreadGroup(self._work.stop), queued(chunks), queued(chunks)
        bodies = [partial(self._sum_source, threads, r, source_tasks, tables, unlooked=False) for r in self._readers]
        count = min(self._work.threads, len(chunks))
        bodies += [
            partial(self._on_target, partial(self._sum_ranges, threads, target_tasks, tables, target_sums)) for _ in range(count)
        ]
        threads.run(bodies)
        return [c for c in chunks if self._source[(c.table, c.number)] != target_sums[(c.table, c.number)]]

    def _sum_ranges(
        self,
        threads: ThreadGroup,
        tasks: queue.SimpleQueue[Chunk],
        tables: dict[int, TablePlan],
        sums: dict[Place, Sum],
        loader: Loader,
    ) -> None:
        queries = {n: self._work.queries(t) for n, t in tables.items()}
        for chunk in threads.each(tasks):
            with _comparing(tables[chunk.table]):
                count, total = loader.rows(queries[chunk.table].range_sums(*chunk_range.bounds(chunk.range)))[0]
            sums[(chunk.table, chunk.number)] = (int(count or 0), int(total or 0))

    # -- by the transactions that wrote -------------------------------------------------------------------------------

    def _by_writer(
        self, chunks: Sequence[Chunk], tables: dict[int, TablePlan], removed: Mapping[int, tuple[str, ...]] | None
    ) -> dict[int, TableDifference]:
        known_sums = self._source if self._final else {}
        order = sorted((c for c in chunks if (c.table, c.number) not in known_sums), key=lambda c: -tables[c.table].bytes)
        scans = self._scans(sorted(tables.values(), key=lambda t: -t.bytes), chunks, removed)
        threads, tasks = ThreadGroup(self._work.stop), queued(order)
        bodies = [partial(self._sum_source, threads, r, tasks, tables, unlooked=removed is None) for r in self._readers]
        count = min(scans.qsize(), self._work.threads)
        bodies += [partial(self._on_target, partial(self._sum_written, threads, scans)) for _ in range(count)]
        threads.run(bodies)
        deltas = self._work.ledger.deltas(self._work.lease.key) if removed is None else {}
        by_number = {}
        for number, table in tables.items():
            of_table = [c for c in chunks if c.table == number]
            difference = self._difference(table, of_table, deltas.get(number, []))
            if difference:
                by_number[number] = difference
        return by_number

    def _sum_source(
        self,
        threads: ThreadGroup,
        reader: Reader,
        tasks: queue.SimpleQueue[Chunk],
        tables: dict[int, TablePlan],
        *,
        unlooked: bool,
    ) -> None:
        condition = self._work.engine.dialect.condition
        queries = {n: self._work.engine.queries(self._work.shape(t)) for n, t in tables.items()}
        for chunk in threads.each(tasks):
            with _comparing(tables[chunk.table]):
                count, total = reader.sums(queries[chunk.table].sums(condition(chunk.range)))
            self._source[(chunk.table, chunk.number)] = (count, total)
            self._rows[(chunk.table, chunk.number)] = count
            if unlooked:
                self._work.report(Event(EventKind.COMPARED, tables[chunk.table].label, count))

    def _scans(
        self, tables: Sequence[TablePlan], chunks: Sequence[Chunk], removed: Mapping[int, tuple[str, ...]] | None
    ) -> queue.SimpleQueue[_Scan]:
        """The scans on the target: large tables in ranges of blocks, so that all streams are busy until the end."""
        scans: queue.SimpleQueue[_Scan] = queue.SimpleQueue()
        can_split = self._work.plan.target_version_number >= _TID_SCANS_SINCE
        for table in tables:
            self._target[table.number] = {}
            writers = tuple(dict.fromkeys(c.xid for c in chunks if c.table == table.number and c.xid))
            only = None if removed is None else (*writers, *removed.get(table.number, ()))
            queries = self._work.queries(table)
            blocks = int(self._work.database.session.value(queries.blocks())) if can_split else 0
            step = max(_LEAST_BLOCKS, blocks // (self._work.threads * 4) + 1)
            lows = list(range(0, max(blocks, 1), step))
            for low, high in zip(lows, [*lows[1:], None], strict=True):
                scans.put((table, (low, high) if len(lows) > 1 else None, only))
        return scans

    def _on_target(self, body: Callable[[Loader], None]) -> None:
        with self._work.loader() as loader:
            body(loader)

    def _sum_written(self, threads: ThreadGroup, scans: queue.SimpleQueue[_Scan], loader: Loader) -> None:
        for table, blocks, only in threads.each(scans):
            with _comparing(table):
                writer_groups = loader.rows(self._work.queries(table).groups(blocks, only))
            with self._lock:
                groups = self._target[table.number]
                for xid, count, total in writer_groups:
                    groups[str(xid)] = _total([groups.get(str(xid), (0, 0)), (int(count or 0), int(total or 0))])

    def _difference(self, table: TablePlan, chunks: list[Chunk], deltas: list[str]) -> TableDifference | None:
        groups = self._target[table.number]
        writers = {c.xid for c in chunks} | set(deltas)
        strangers = [x for x in groups if x not in writers]
        shared = {x for x, n in Counter(c.xid for c in chunks if c.xid).items() if n > 1}
        suspects = [
            c for c in chunks if c.patched or c.xid in shared or self._source[(c.table, c.number)] != groups.get(c.xid, (0, 0))
        ]
        if not suspects and not strangers:
            return None
        xids = tuple(dict.fromkeys([*(c.xid for c in suspects if c.xid), *deltas, *strangers]))
        expected = _total([self._source[(c.table, c.number)] for c in suspects])
        actual = _total([groups[x] for x in xids if x in groups])
        if expected == actual and not strangers:
            return None
        return TableDifference(table, tuple(suspects), xids=xids)


def _comparing(table: TablePlan) -> AbstractContextManager[None]:
    return concerning(f"the comparison of table {table.label}")


def _total(sums: Sequence[Sum]) -> Sum:
    return sum(s[0] for s in sums), sum(s[1] for s in sums)


def queued(tasks: Iterable[_Task]) -> queue.SimpleQueue[_Task]:
    """Return a queue of tasks for a thread group."""
    tasks_queue: queue.SimpleQueue[_Task] = queue.SimpleQueue()
    for task in tasks:
        tasks_queue.put(task)
    return tasks_queue
