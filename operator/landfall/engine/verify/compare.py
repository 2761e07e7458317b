"""The comparison: every chunk on both sides, under the freeze, and the narrowing of a difference to its rows.

Sums are additive: chunks that differ, rows of earlier deltas and rows that nobody accounts for form one group per
table, whose sum must equal the sum of its chunks on the source. A difference is narrowed to buckets of keys, then to rows.
"""

from __future__ import annotations

import queue
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

from landfall.engine.clients.postgresql_wire import Wire
from landfall.engine.copy.run_context import Work
from landfall.engine.copy.worker_pool import Crew
from landfall.engine.model.events import Event
from landfall.engine.model.plan import TablePlan
from landfall.engine.model.run_state import Chunk
from landfall.engine.sources.base import Reader
from landfall.engine.sources.queries import SourceQueries
from landfall.engine.targets.postgresql.queries import TargetQueries
from landfall.engine.verify.digest import Place, digested

_NAMED = 20
_TID_SCANS_SINCE = 140000
_LEAST_BLOCKS = 4096
_EXCLUDED = 500

Sum = tuple[int, int]
_Scan = tuple[TablePlan, tuple[int, int | None] | None, tuple[str, ...]]


@dataclass(slots=True)
class TableDifference:
    """What differs in one table: the group of chunks and transactions to look at, and once narrowed, the rows."""

    table: TablePlan
    chunks: tuple[Chunk, ...]
    xids: tuple[str, ...]
    expected: Sum
    found: Sum
    buckets: tuple[int, ...] | None = None
    missing: list[str] = field(default_factory=list)
    extra: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    rows: int = 0

    def describe(self) -> str:
        """In one line, rows by key."""
        told = [
            f"{word} {', '.join(keys[:_NAMED])}{' …' if len(keys) > _NAMED else ''}"
            for word, keys in (("missing", self.missing), ("surplus", self.extra), ("changed", self.changed))
            if keys
        ]
        rows = f"{self.expected[0]} rows in the source, {self.found[0]} in the target"
        return f"{self.table.label}: {'; '.join(told) or 'rows differ'} ({rows} of the chunks that differ)"


class Comparison:
    """The comparison of all tables at one moment of a frozen (or snapshotted) source."""

    def __init__(self, work: Work, readers: Sequence[Reader]) -> None:
        self._work = work
        self._readers = list(readers)
        self._digested: dict[Place, int | None] = {}
        self._aside: set[Place] = set()
        self._source: dict[Place, Sum] = {}
        self._target: dict[int, dict[str, Sum]] = {}
        self._lock = threading.Lock()

    def run(self) -> list[TableDifference]:
        """Compare digests, then sum up both sides of what they leave open; the tables that differ."""
        work = self._work
        tables = {t.number: t for t in work.plan.tables if t.moved}
        chunks = work.ledger.chunks(work.lease.key)
        self._digested = digested(work, self._readers, chunks)
        left = {c.table for c in chunks if self._digested.get((c.table, c.number)) is None}
        self._aside = self._set_aside(chunks, left)
        tasks: queue.SimpleQueue[Chunk] = queue.SimpleQueue()
        for chunk in sorted(chunks, key=lambda c: -tables[c.table].bytes):
            if (chunk.table, chunk.number) not in self._aside:
                tasks.put(chunk)
        scans = self._scans(sorted((tables[n] for n in left), key=lambda t: -t.bytes), chunks)
        crew = Crew(work.stop)
        bodies = [partial(self._sum_source, crew, r, tasks, tables) for r in self._readers]
        bodies += [partial(self._sum_target, crew, scans) for _ in range(min(scans.qsize(), work.threads))]
        crew.run(bodies if left else [])
        return self._differences(tuple(tables.values()), chunks)

    def _set_aside(self, chunks: Sequence[Chunk], left: set[int]) -> set[Place]:
        """The chunks that need no sum: all of a table that is equal, else those that are and whose rows have a writer of their own."""
        writers = Counter((c.table, c.xid) for c in chunks)
        return {
            (c.table, c.number)
            for c in chunks
            if self._digested.get((c.table, c.number)) is not None
            and (c.table not in left or not (c.patched or writers[(c.table, c.xid)] > 1))
        }

    def _sum_source(self, crew: Crew, reader: Reader, tasks: queue.SimpleQueue[Chunk], tables: dict[int, TablePlan]) -> None:
        queries = {n: SourceQueries(self._work.shape(t)) for n, t in tables.items()}
        for chunk in crew.each(tasks):
            count, total = reader.sums(queries[chunk.table].sums(chunk.range))
            self._source[(chunk.table, chunk.number)] = (count, total)
            if (chunk.table, chunk.number) not in self._digested:
                self._work.report(Event("compared", tables[chunk.table].label, count))

    def _scans(self, tables: Sequence[TablePlan], chunks: Sequence[Chunk]) -> queue.SimpleQueue[_Scan]:
        """What to scan on the target: large tables in ranges of blocks, so that all streams have work to the end."""
        scans: queue.SimpleQueue[_Scan] = queue.SimpleQueue()
        split = self._work.plan.target_version_number >= _TID_SCANS_SINCE
        for table in tables:
            self._target[table.number] = {}
            without = tuple(c.xid for c in chunks if c.table == table.number and (c.table, c.number) in self._aside)
            queries = TargetQueries(self._work.shape(table), self._work.stage)
            blocks = int(self._work.ledger.control.value(queries.blocks())) if split else 0
            step = max(_LEAST_BLOCKS, blocks // (self._work.threads * 4) + 1)
            lows = list(range(0, max(blocks, 1), step))
            for low, high in zip(lows, [*lows[1:], None], strict=True):
                scans.put((table, (low, high) if len(lows) > 1 else None, without))
        return scans

    def _sum_target(self, crew: Crew, scans: queue.SimpleQueue[_Scan]) -> None:
        wire = Wire(self._work.target_endpoint, "target", self._work.session)
        self._work.stop.register(wire, wire.abort)
        self._work.ledger.register_backend(self._work.lease, "target", str(wire.pid))
        try:
            for scan in crew.each(scans):
                self._scan(wire, *scan)
        finally:
            self._work.stop.forget(wire)
            wire.close()

    def _scan(self, wire: Wire, table: TablePlan, blocks: tuple[int, int | None] | None, without: tuple[str, ...]) -> None:
        queries = TargetQueries(self._work.shape(table), self._work.stage)
        found = wire.rows(queries.groups(blocks, without if len(without) <= _EXCLUDED else ()))
        with self._lock:
            groups = self._target[table.number]
            for xid, count, total in found:
                if xid not in without:
                    groups[str(xid)] = _total([groups.get(str(xid), (0, 0)), (int(count or 0), int(total or 0))])

    def rescan(self, tables: Sequence[TablePlan]) -> list[TableDifference]:
        """Compare some tables again after a delta; the source stands still, so its sums still hold."""
        chunks = self._work.ledger.chunks(self._work.lease.key)
        self._sum_target(Crew(self._work.stop), self._scans(tables, chunks))
        return self._differences(tables, chunks)

    def source_rows(self) -> dict[Place, int]:
        """Rows of every chunk on the source."""
        return {place: rows for place, rows in self._digested.items() if rows is not None} | {
            place: count for place, (count, _) in self._source.items()
        }

    def _differences(self, tables: Sequence[TablePlan], chunks: Sequence[Chunk]) -> list[TableDifference]:
        deltas = self._work.ledger.deltas(self._work.lease.key)
        found = []
        for table in tables:
            mine = [c for c in chunks if c.table == table.number]
            summed = [c for c in mine if (c.table, c.number) not in self._aside]
            difference = self._difference(table, summed, deltas.get(table.number, [])) if summed else None
            if difference:
                found.append(difference)
            else:
                self._work.report(Event("table", table.label, sum(c.rows for c in mine), text="equal"))
        return found

    def _difference(self, table: TablePlan, chunks: list[Chunk], deltas: list[str]) -> TableDifference | None:
        groups = self._target.get(table.number, {})
        known = {c.xid for c in chunks} | set(deltas)
        strangers = [x for x in groups if x not in known]
        shared = {x for x, n in Counter(c.xid for c in chunks if c.xid).items() if n > 1}
        suspects = [
            c for c in chunks if c.patched or c.xid in shared or self._source[(c.table, c.number)] != groups.get(c.xid, (0, 0))
        ]
        if not suspects and not strangers:
            return None
        xids = tuple(dict.fromkeys([*(c.xid for c in suspects if c.xid), *deltas, *strangers]))
        expected = _total([self._source[(c.table, c.number)] for c in suspects])
        held = _total([groups[x] for x in xids if x in groups])
        if expected == held and not strangers:
            return None
        return TableDifference(table, tuple(suspects), xids, expected, held)


def _total(sums: Sequence[Sum]) -> Sum:
    return sum(s[0] for s in sums), sum(s[1] for s in sums)


# -- narrowing --------------------------------------------------------------------------------------------------------
