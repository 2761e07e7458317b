"""Profiling: one scan of each table counts its rows and every kind of value that the target cannot store."""

from __future__ import annotations

import contextlib
import itertools
import queue
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from landfall.engine.errors import EngineError, ObjectMissingError, UnreadableTableError, ValueRefusedError
from landfall.engine.model.catalog import Catalog, Table
from landfall.engine.model.fingerprint import selected
from landfall.engine.model.key_span import Span
from landfall.engine.model.mapping import Probe, Violation
from landfall.engine.model.options import Options
from landfall.engine.planning.tables import SourceProfile
from landfall.engine.prepare.orphans import count_orphans
from landfall.engine.sources.base import Reader, Screening, Source
from landfall.engine.sources.engine import ScreeningDialect, SourceEngine
from landfall.engine.sources.registry import engine_of

MoreProbes = Mapping[tuple[str, str], Sequence[tuple[str, Probe]]]
_WORTH_SPLITTING = 200_000


def profile(  # noqa: C901  the thread body is inside
    source: Source, catalog: Catalog, options: Options, report: Callable[[str], None], more: MoreProbes = MappingProxyType({})
) -> SourceProfile:
    """Count everything that planning needs, several tables at a time.

    Args:
        source: The source.
        catalog: Its catalog.
        options: The options of the migration.
        report: Called with a line for each table.
        more: Additional probes by (schema, table), as (column, probe).
    """
    tasks: queue.SimpleQueue[tuple[Table, _Part]] = queue.SimpleQueue()
    tables = [t for t in selected(catalog, options) if t.holds_rows]
    counted = _Counted(engine_of(catalog.engine), more)
    most = min(max(1, options.parallelism), source.most_readers)
    first = source.reader()
    try:
        for table in sorted(tables, key=lambda t: -t.bytes):
            with _naming(table):
                parts = counted.parts(first, table, most)
            for part in parts:
                tasks.put((table, part))
    finally:
        first.close()
    threads = min(most, tasks.qsize() or 1)
    failures: list[EngineError] = []

    def body() -> None:
        reader: Reader | None = None
        try:
            reader = source.reader()
            while not failures:
                table, part = tasks.get_nowait()
                with _naming(table):
                    counted.table(reader, table, part)
                report(f"{table.name}: {counted.rows[(table.schema, table.name)]} rows")
        except queue.Empty:
            pass
        except EngineError as error:
            failures.append(error)
        finally:
            if reader:
                reader.close()

    workers = [threading.Thread(target=body, daemon=True) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    if failures:
        raise failures[0]
    return SourceProfile(
        counted.rows, counted.largest, counted.violations, count_orphans(source, catalog, selected(catalog, options))
    )


@contextlib.contextmanager
def _naming(table: Table) -> Iterator[None]:
    """Turn a server's refusal to read a table into an error that names it. What concerns the connection or the credential is passed on."""
    try:
        yield
    except EngineError as error:
        if type(error) not in {EngineError, ObjectMissingError, ValueRefusedError}:
            raise
        message = f"table {table.schema}.{table.name} cannot be read: {error.message}"
        advice = "Read it with a client of the source and repair it there, or exclude it with spec.data.source.excludeTables."
        raise UnreadableTableError(message, advice=advice) from error


@dataclass(frozen=True, slots=True)
class _Part:
    """A range of a table's key, `low` inclusive, `high` exclusive; without a key, the whole table."""

    key: str
    low: int | None = None
    high: int | None = None

    @property
    def where(self) -> str:
        """The WHERE clause; empty for the whole table."""
        ends = [f"{self.key}{sign}{at}" for sign, at in ((">=", self.low), ("<", self.high)) if at is not None]
        return f" WHERE {' AND '.join(ends)}" if ends else ""


class _Counted:
    def __init__(self, engine: SourceEngine, more: MoreProbes) -> None:
        self._more = more
        self._dialect = engine.dialect
        self._strict = engine.capabilities.typed_values
        self._lock = threading.Lock()
        self.rows: dict[tuple[str, str], int] = {}
        self.largest: dict[tuple[str, str], int] = {}
        self.violations: dict[tuple[str, str, str], dict[Violation, int]] = {}

    def parts(self, reader: Reader, table: Table, count: int) -> list[_Part]:
        """Divide a large table into equal ranges of its integer key, so that several sessions count it."""
        key = self._dialect.count_key(table)
        if not key or table.rows < _WORTH_SPLITTING:
            return [_Part(key)]
        low, high = reader.rows(f"SELECT MIN({key}),MAX({key}) FROM {self._dialect.table_name(table)}")[0]
        if low is None or high is None:
            return [_Part(key)]
        step = (int(high) - int(low)) // count + 1
        cuts: list[int | None] = [int(low) + step * n for n in range(1, count)]
        return [_Part(key, lower, upper) for lower, upper in itertools.pairwise([None, *cuts, None])]

    def table(self, reader: Reader, table: Table, part: _Part) -> None:
        """Count one part of a table and add it to the totals."""
        dialect = self._dialect
        octets, name = dialect.long_octets(table), dialect.scanned(table)
        required = self._required(table)
        columns_and_probes = [(c.name, p) for c in table.columns for p in dialect.probes(c)]
        more = list(self._more.get((table.schema, table.name), ()))
        sized = ["COUNT(*)", f"MAX({octets})" if octets else "0"]
        if isinstance(reader, Screening) and isinstance(dialect, ScreeningDialect) and part.key:
            nulls = [dialect.count_if(p.predicate) for _, p in required]
            rows, largest, *missing = _counted_values(reader, [*sized, *nulls], f"{name}{part.where}")
            doubtful = _doubtful(reader, dialect, table, part, int(largest or 0))
            columns_and_probes = [(column, probe) for column, probe in columns_and_probes if column in doubtful] + more
            answers = [
                rows,
                largest,
                *missing,
                *_counted_values(reader, [dialect.count_if(p.predicate) for _, p in columns_and_probes], f"{name}{part.where}"),
            ]
            columns_and_probes = required + columns_and_probes
        else:
            columns_and_probes = required + columns_and_probes + more
            answers = _counted_values(
                reader, [*sized, *(dialect.count_if(p.predicate) for _, p in columns_and_probes)], f"{name}{part.where}"
            )
        self._add((table.schema, table.name), columns_and_probes, answers)

    def _required(self, table: Table) -> list[tuple[str, Probe]]:
        """The columns that the target makes NOT NULL and that may hold NULL in the source, each with its probe."""
        keys = {p.column for p in table.primary.parts} if table.primary else set()
        doubtful = [c for c in table.columns if not c.identity and (c.name in keys if c.nullable else not self._strict)]
        return [(c.name, Probe(Violation.NULL, self._dialect.is_null(self._dialect.operand(c)))) for c in doubtful]

    def _add(self, table_id: tuple[str, str], columns_and_probes: list[tuple[str, Probe]], answers: list[str | None]) -> None:
        with self._lock:
            self.rows[table_id] = self.rows.get(table_id, 0) + int(answers[0] or 0)
            self.largest[table_id] = max(self.largest.get(table_id, 0), int(answers[1] or 0))
            for (column, probe), answer in zip(columns_and_probes, answers[2:], strict=True):
                count = int(float(answer or 0))
                if count:
                    counts = self.violations.setdefault((*table_id, column), {})
                    counts[probe.kind] = counts.get(probe.kind, 0) + count


def _parts(columns: Sequence[str]) -> list[Sequence[str]]:
    """Groups of at most 300 expressions: servers limit the number per query."""
    return [columns[at : at + 300] for at in range(0, len(columns), 300)]


def _counted_values(reader: Reader, columns: Sequence[str], relation: str) -> list[str | None]:
    values: list[str | None] = []
    for some in _parts(columns):
        values += reader.rows(f"SELECT {','.join(some)} FROM {relation}")[0]
    return values


def _doubtful(reader: Screening, dialect: ScreeningDialect, table: Table, part: _Part, largest: int) -> set[str]:
    """The columns whose values must be checked one by one. A fast check of whole pages excludes most columns."""
    stored = [c for c in table.columns if c.generated is None]
    name, tests = dialect.table_name(table), {c.name: dialect.misfit(c) for c in stored}
    testable = [column for column, test in tests.items() if test is not None]
    answers = _counted_values(reader, [f"MAX({tests[column]})" for column in testable], f"{name}{part.where}")
    doubtful = {column for column, answer in zip(testable, answers, strict=True) if int(answer or 0)}
    doubtful |= {column for column, test in tests.items() if test is None}
    texts = dialect.screened(stored)
    page = dialect.page(f"FROM {name} WHERE {part.key} BETWEEN ?1 AND ?2", part.key, texts, "\n")
    if texts and not reader.clean(page, Span.of(part.low, part.high, Span.rows_of(largest))):
        doubtful |= {c.name for c in stored}
    return doubtful
