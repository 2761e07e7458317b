"""The census: one scan per table counts rows and every kind of value that the target could not hold."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence

from landfall.engine.connect.source import Reader, Source
from landfall.engine.dialects import mysql, sqlite
from landfall.engine.dialects.mapping import Violation
from landfall.engine.errors import EngineError
from landfall.engine.options import Engine, Options
from landfall.engine.planning.build import Census, selected
from landfall.engine.schema.model import Catalog, Table
from landfall.engine.schema.names import quoted


def take(source: Source, catalog: Catalog, options: Options, told: Callable[[str], None]) -> Census:
    """Count everything that planning asks, several tables at a time."""
    tables: queue.SimpleQueue[Table] = queue.SimpleQueue()
    chosen = [t for t in selected(catalog, options) if t.holds_rows]
    for table in sorted(chosen, key=lambda t: -t.bytes):
        tables.put(table)
    counted = _Counted(Engine(catalog.engine))
    threads = min(max(1, options.parallelism), source.most_readers, len(chosen) or 1)
    failures: list[EngineError] = []

    def body() -> None:
        reader: Reader | None = None
        try:
            reader = source.reader()
            while not failures:
                table = tables.get_nowait()
                counted.table(reader, table)
                told(f"{table.name}: {counted.rows[(table.schema, table.name)]} rows")
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
    return Census(counted.rows, counted.largest, counted.violations)


class _Counted:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.rows: dict[tuple[str, str], int] = {}
        self.largest: dict[tuple[str, str], int] = {}
        self.violations: dict[tuple[str, str, str], dict[Violation, int]] = {}

    def table(self, reader: Reader, table: Table) -> None:
        where = (table.schema, table.name)
        if self._engine is Engine.POSTGRESQL:
            name = f"{quoted(table.schema)}.{quoted(table.name)}"
            sizes = "+".join(f"coalesce(octet_length({quoted(c)}),0)" for c in _wide(table)) or "0"
            row = reader.rows(f"SELECT count(*),coalesce(max({sizes}),0) FROM ONLY {name}")[0]
            self.rows[where], self.largest[where] = int(row[0] or 0), int(row[1] or 0)
            return
        dialect = sqlite if self._engine is Engine.SQLITE else mysql
        asked = [(c.name, p) for c in table.columns for p in dialect.probes(c)]
        octets = dialect.long_octets(table)
        columns = ["COUNT(*)", f"MAX({octets})" if octets else "0"]
        columns += [f"SUM({p.predicate})" for _, p in asked]
        answers: list[str | None] = []
        for part in _parts(columns):
            answers += reader.rows(f"SELECT {','.join(part)} FROM {dialect.table_name(table)}")[0]
        self.rows[where], self.largest[where] = int(answers[0] or 0), int(answers[1] or 0)
        for (column, probe), answer in zip(asked, answers[2:], strict=True):
            count = int(float(answer or 0))
            if count:
                self.violations.setdefault((*where, column), {})[probe.kind] = count


def _wide(table: Table) -> list[str]:
    return [c.name for c in table.columns if c.type.name in {"text", "bytea", "character varying"} and c.generated is None]


def _parts(columns: Sequence[str]) -> list[Sequence[str]]:
    """At most 300 expressions a query: servers limit how many they take."""
    return [columns[at : at + 300] for at in range(0, len(columns), 300)]
