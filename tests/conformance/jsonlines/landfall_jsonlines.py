"""A source engine outside the product: a folder of JSON-lines files, one a table, whose first line has the columns and the key.

It shows how much an engine needs. Each reader loads the files into a SQLite database in memory, and so speaks that SQL. Writers hold
the folder's `.lock`.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from landfall.engine.errors import ConnectionLostError, EngineError, ObjectMissingError, SourceBusyError
from landfall.engine.matching.type_families import Kind
from landfall.engine.model.catalog import Catalog, Column, ColumnType, Index, IndexPart, Table
from landfall.engine.model.logical_type import Boolean, Bytes, Form, Integer, Text
from landfall.engine.model.mapping import ColumnFacts, Probe, SourceMapping, Violation
from landfall.engine.model.options import Endpoint, Options
from landfall.engine.model.plan import TablePlan
from landfall.engine.model.rows import Moved, Row
from landfall.engine.model.table_shape import Shape
from landfall.engine.sources.base import CopyJob, Reader, RowSink, Source, WriteLock
from landfall.engine.sources.copy_blocks import send_rows
from landfall.engine.sources.engine import SourceCapabilities, SourceEngine
from landfall.engine.sources.keyed_dialect import KeyedDialect
from landfall.engine.sources.queries import Columns, QueryParts, TableQueries, columns_of

_SQL = {"int": "BIGINT", "bool": "BOOLEAN", "text": "TEXT", "bytes": "BLOB"}


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _number(line: str) -> int:
    return int.from_bytes(hashlib.sha256(line.encode()).digest()[:8]) >> 4


def _sha256(value: str | bytes | None) -> str | None:
    data = value.encode() if isinstance(value, str) else value
    return None if data is None else hashlib.sha256(data).hexdigest()


# -- files ------------------------------------------------------------------------------------------------------------


def _header(file: Path) -> dict[str, list]:
    with file.open() as lines:
        return json.loads(next(lines))


def _loaded(folder: Path, into: sqlite3.Connection) -> None:
    for file in sorted(folder.glob("*.jsonl")):
        columns = _header(file)["columns"]
        table = _quoted(file.stem)
        into.execute(f"DROP TABLE IF EXISTS {table}")
        into.execute(f"CREATE TABLE {table} ({','.join(f'{_quoted(name)} {_SQL[kind]}' for name, kind in columns)})")
        rows = (
            [bytes.fromhex(v) if k == "bytes" and v is not None else v for v, (_, k) in zip(row, columns, strict=True)]
            for row in map(json.loads, file.read_text().splitlines()[1:])
        )
        into.executemany(f"INSERT INTO {table} VALUES ({','.join('?' * len(columns))})", rows)
    into.commit()


@contextlib.contextmanager
def locked(folder: Path, *, wait: bool = True) -> Iterator[None]:
    """What a writer holds while it writes. Raises BlockingIOError where it does not wait and another has it."""
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        yield


# -- sessions ---------------------------------------------------------------------------------------------------------


class _Reader:
    backend = ""

    def __init__(self, folder: Path) -> None:
        self.db = sqlite3.connect(":memory:", check_same_thread=False)
        self.db.create_function("sha256", 1, _sha256, deterministic=True)
        self.db.create_function("number", 1, _number, deterministic=True)
        self._ended = False
        _loaded(folder, self.db)

    def _stream(self, sql: str) -> Iterator[tuple]:
        try:
            if self._ended:
                raise sqlite3.ProgrammingError
            yield from self.db.execute(sql)
        except sqlite3.Error as error:
            if self._ended:
                message = "source: reading was stopped on request"
                raise ConnectionLostError(message) from error
            message = f"source: {error}"
            raise EngineError(message) from error

    def rows(self, sql: str) -> list[Row]:
        return [
            tuple(None if v is None else v.decode() if isinstance(v, bytes) else str(v) for v in row) for row in self._stream(sql)
        ]

    def sums(self, sql: str) -> tuple[int, int]:
        numbers = [_number(line) for (line,) in self._stream(sql)]
        return len(numbers), sum(numbers)

    def copy(self, job: CopyJob, target: RowSink) -> Moved:
        return send_rows(((1, line.encode()) for (line,) in self._stream(job.query)), target, job.copy_in)

    @contextlib.contextmanager
    def trial(self, seconds: int) -> Iterator[None]:
        del seconds  # what it reads is a copy of its own
        self.db.execute("PRAGMA query_only=1")
        try:
            yield
        finally:
            self.db.execute("PRAGMA query_only=0")

    def abort(self) -> None:
        self._ended = True
        self.db.interrupt()

    def close(self) -> None:
        self._ended = True
        self.db.close()


class _Held:
    def __init__(self, folder: Path) -> None:
        self._file = (folder / ".lock").open("w")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            message = f"source: another process writes to {folder}"
            raise SourceBusyError(message, advice="Try again when it is done.") from error

    def alive(self) -> bool:
        return not self._file.closed

    def release(self) -> None:
        self._file.close()


class _Source:
    most_readers = 2

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def reader(self) -> Reader:
        return _Reader(self._folder)

    def snapshot(self, readers: Sequence[Reader]) -> bool:
        own = [r for r in readers if isinstance(r, _Reader)]
        _loaded(self._folder, own[0].db)
        image = own[0].db.serialize()
        for other in own[1:]:
            other.db.deserialize(image)
        return True

    def freeze(self, tables: Sequence[tuple[str, str]], *, fenced: bool = False) -> WriteLock:
        del tables, fenced
        return _Held(self._folder)

    def position(self) -> str | None:
        return None

    def written(self) -> str | None:
        return str(sorted((f.name, f.stat().st_mtime_ns) for f in self._folder.glob("*.jsonl")))

    def kill(self, backends: Sequence[str]) -> None:
        """There is no server."""


# -- SQL --------------------------------------------------------------------------------------------------------------


def _check_line(columns: Columns) -> str:
    return "||'|'||".join(f"coalesce({m.check_source},'~')" for _, m in columns) or "''"


def _copy_line(columns: Columns) -> str:
    told = []
    for _, mapped in columns:
        quoted = f"char(1)||replace({mapped.copy},char(1),char(1,1))||char(1)"
        told.append(f"coalesce({quoted if mapped.quoted else mapped.copy},'')")
    return "||char(2)||".join(told) + "||char(10)"


class _Queries(TableQueries):
    def __init__(self, shape: Shape) -> None:
        copied, compared, keys = columns_of(shape)
        self._line = _check_line(compared)
        parts = QueryParts(_quoted(shape.name), _copy_line(copied), f"number({self._line})", _check_line(keys))
        super().__init__(shape, parts)

    def sums(self, where: str) -> str:
        return self._select(self._line, where)


class _Dialect(KeyedDialect):
    grammar = "sqlite"
    opaque = frozenset({"bytes"})
    functions = frozenset()

    def name(self, identifier: str) -> str:
        return _quoted(identifier)

    def table_name(self, table: Table | TablePlan) -> str:
        return _quoted(table.name)

    def text(self, value: str, kind: ColumnType) -> str:
        del kind
        return self.cast_text(value)

    def cast_text(self, value: str) -> str:
        return f"CAST({value} AS TEXT)"

    def char_length(self, value: str) -> str:
        return f"length({value})"

    def as_bytes(self, value: str) -> str:
        return f"CAST({value} AS BLOB)"

    def mapping(self, column: Column, facts: ColumnFacts) -> SourceMapping:
        del facts
        c = self.operand(column)
        return {
            "int": SourceMapping(Integer(64), c, c),
            "bool": SourceMapping(Boolean(), c, c),
            "text": SourceMapping(Text(), c, f"sha256({c})", Form.DIGEST, quoted=True),
            "bytes": SourceMapping(Bytes(), f"iif({c} IS NULL,NULL,'\\x'||hex({c}))", f"sha256({c})", Form.DIGEST),
        }[column.type.name]

    def probes(self, column: Column) -> tuple[Probe, ...]:
        c = self.as_bytes(self.operand(column))
        return (Probe(Violation.NUL_BYTE, f"instr({c},X'00')>0"),) if column.type.name == "text" else ()

    def long_octets(self, table: Table) -> str:
        del table
        return ""

    def long_columns(self, table: TablePlan) -> tuple[str, ...]:
        del table
        return ()

    def unlisted(self, value: str, labels: Sequence[str]) -> str:
        listed = ",".join("'" + label.replace("'", "''") + "'" for label in labels)
        return f"{value} NOT IN ({listed})"

    def unfit_number(self, value: str, precision: int, scale: int) -> str:
        return f"abs({value})>={10 ** (precision - scale)}"

    def misspelled(self, column: Column, source_kind: Kind, existing: str, existing_kind: Kind) -> Probe | None:
        del column, source_kind, existing, existing_kind

    def chunk_literal(self, table: TablePlan, column: str) -> str:
        del table
        return f"quote({_quoted(column)})"


# -- the engine -------------------------------------------------------------------------------------------------------


def _table(file: Path) -> Table:
    header = _header(file)
    columns = tuple(Column(name, ColumnType(kind, kind), nullable=name not in header["key"]) for name, kind in header["columns"])
    key = Index("key", tuple(IndexPart(name) for name in header["key"]), unique=True, primary=True)
    rows = len(file.read_text().splitlines()) - 1
    return Table("", file.stem, columns, (key,), rows=rows, bytes=file.stat().st_size)


class _Engine(SourceEngine):
    name = "JSONLines"
    aliases = ()
    default_port = None
    capabilities = SourceCapabilities(transactional_reader=False, common_snapshot=True)
    dialect = _Dialect()
    client = None
    write_lock_grants = "write access to the folder"

    def identity(self, endpoint: Endpoint) -> str:
        return f"jsonlines:{endpoint.path}"

    def probe(self, endpoint: Endpoint) -> tuple[str, tuple[str, ...]]:
        self._folder(endpoint)
        return "JSONLines 1", ("source",)

    def _folder(self, endpoint: Endpoint) -> Path:
        folder = Path(endpoint.path)
        if not folder.is_dir():
            message = f"source: there is no folder {folder}"
            raise ObjectMissingError(message, advice="Correct its path.")
        return folder

    def catalog(self, endpoint: Endpoint, options: Options) -> Catalog:
        del options
        tables = tuple(_table(file) for file in sorted(self._folder(endpoint).glob("*.jsonl")))
        return Catalog(self.name, "1", 1, endpoint.path, ("",), tables, features=frozenset({"freeze"}))

    def connect(self, endpoint: Endpoint) -> Source:
        return _Source(self._folder(endpoint))

    def queries(self, shape: Shape) -> _Queries:
        return _Queries(shape)

    def type_of(self, endpoint: Endpoint, value: str, table: str) -> ColumnType:
        del endpoint, value, table
        return ColumnType("text", "text")

    def next_value(self, reader: Reader, table: TablePlan, column: str) -> int:
        del reader, table, column
        return 0


JSONLINES = _Engine()


def written(folder: Path, table: str, header: dict[str, object], rows: Sequence[Sequence[object]]) -> None:
    """Write a table as a whole; a reader sees the old file or the new one."""
    lines = [header, *([v.hex() if isinstance(v, bytes) else v for v in row] for row in rows)]
    with tempfile.NamedTemporaryFile("w", dir=folder, delete=False) as made:
        made.writelines(f"{json.dumps(line)}\n" for line in lines)
    Path(made.name).rename(folder / f"{table}.jsonl")
