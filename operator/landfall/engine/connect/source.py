"""A source of any engine behind one face: sessions that read, a common snapshot, and the freeze.

Ask what a source can do, never what it is: the differences between engines end in this file.
"""

from __future__ import annotations

import binascii
import contextlib
import itertools
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from landfall.engine.connect.mysql import MySqlSession
from landfall.engine.connect.postgresql import PINNED
from landfall.engine.connect.sqlite import Span, SqliteSession
from landfall.engine.connect.wire import Moved, Row, Wire
from landfall.engine.dialects import mysql, postgresql
from landfall.engine.errors import ConnectionLostError, EngineError, SourceBusyError
from landfall.engine.options import Endpoint, Engine
from landfall.engine.schema.names import quoted, searched_safely

_LOCK_TRIES = 3
_LOCK_SECONDS = 3
_PIECE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class CopyJob:
    """One range to copy. `large` reads the rows that the server cannot render, column by column.

    `kinds` says for each of its columns how to render it here: plain, text or bytes. With a `span`, `query` is a page.
    """

    query: str
    copy_in: str
    form: str
    large: str = ""
    kinds: tuple[str, ...] = ()
    span: Span | None = None


class Reader(Protocol):
    """One session that reads."""

    @property
    def backend(self) -> str:
        """How the server calls this session; empty where there is no server."""

    def rows(self, sql: str) -> list[Row]:
        """Run a statement; its rows as text."""

    def sums(self, sql: str) -> tuple[int, int]:
        """Count and sum of the row numbers that a query of `SourceQueries.sums` stands for."""

    def copy(self, job: CopyJob, target: Wire) -> Moved:
        """Read a query into the target's COPY. Rows read and rows written are proven equal."""

    def abort(self) -> None:
        """Stop at once, from any thread."""

    def close(self) -> None:
        """Close."""


class Freeze(Protocol):
    """Writers are locked out as long as this lives."""

    def alive(self) -> bool:
        """Whether the lock is still held."""

    def release(self) -> None:
        """Let writers go on."""


class Source(Protocol):
    """A database to read from. `most_readers` is how many sessions at once still make it faster."""

    most_readers: int

    def reader(self) -> Reader:
        """A new session."""

    def snapshot(self, readers: Sequence[Reader]) -> bool:
        """Put all readers into a transaction; whether they see the same moment."""

    def freeze(self, tables: Sequence[tuple[str, str]]) -> Freeze:
        """Lock writers out. Raises SourceBusyError when the lock cannot be had."""

    def position(self) -> str | None:
        """A mark that moves with every write, or None where the server has none."""

    def kill(self, backends: Sequence[str]) -> None:
        """End sessions that an earlier process left behind."""


@runtime_checkable
class Digesting(Reader, Protocol):
    """A reader that can tell a digest of a range in the order of its key."""

    def digest(self, sql: str, span: Span) -> tuple[int, str]:
        """Count and SHA2-256 of the lines of a query of `SourceQueries.digest`; empty where there is no row."""


@runtime_checkable
class Screening(Reader, Protocol):
    """A reader that looks at texts faster than its database does."""

    def clean(self, sql: str, span: Span) -> bool:
        """Whether the texts of a range are valid UTF-8 without NUL bytes, all of them."""


class _Streams(Protocol):
    def raw_rows(self, sql: str) -> Iterator[tuple[bytes | None, ...]]: ...


def _blocks(session: _Streams, job: CopyJob, rendered: Iterable[tuple[int, bytes]]) -> Iterable[tuple[int, bytes]]:
    """The rendered rows, and behind them the large ones, which are rendered here in pieces."""
    return itertools.chain(rendered, _large(session.raw_rows(job.large), job.kinds)) if job.large else rendered


def _large(rows: Iterable[tuple[bytes | None, ...]], kinds: tuple[str, ...]) -> Iterator[tuple[int, bytes]]:
    for row in rows:
        for at, (value, kind) in enumerate(zip(row, kinds, strict=True)):
            if at:
                yield 0, b"\x02"
            if value is not None:
                yield from ((0, piece) for piece in _rendered(value, kind))
        yield 1, b"\n"


def _rendered(value: bytes, kind: str) -> Iterator[bytes]:
    """One field in pieces, so that a large value is held once and not once more as text."""
    view = memoryview(value)
    pieces = (view[at : at + _PIECE] for at in range(0, len(value), _PIECE))
    if kind == "bytes":
        yield b"\\x"
        yield from (binascii.hexlify(piece) for piece in pieces)
    elif kind == "text":
        yield b"\x01"
        yield from (bytes(piece).replace(b"\x01", b"\x01\x01") for piece in pieces)
        yield b"\x01"
    else:
        yield value


class _Session(Protocol):
    def rows(self, sql: str) -> list[Row]: ...

    def close(self) -> None: ...


class _Held:
    """A session that holds a lock until it is released; the lock dies with the session."""

    def __init__(self, session: _Session) -> None:
        self._session = session

    def alive(self) -> bool:
        """Whether the session, and with it the lock, is still there."""
        with contextlib.suppress(EngineError):
            return self._session.rows("SELECT 1") == [("1",)]
        return False

    def release(self) -> None:
        """Let go."""
        self._session.close()


def _locked(session: _Session, lock: Sequence[str], undo: str = "") -> _Held:
    """Take a lock that is waited for a few seconds, a few times. Raises SourceBusyError when it cannot be had."""
    for attempt in itertools.count(1):
        try:
            for statement in lock:
                session.rows(statement)
        except SourceBusyError:
            if attempt == _LOCK_TRIES:
                session.close()
                raise
            if undo:
                session.rows(undo)
            time.sleep(0.5 * attempt)
        else:
            break
    return _Held(session)


def _summed(rows: list[Row]) -> tuple[int, int]:
    count, total = rows[0][:2]
    return int(count or 0), int(total or 0)


def source_of(endpoint: Endpoint) -> Source:
    """The source behind an endpoint."""
    if endpoint.engine is Engine.POSTGRESQL:
        return _PostgresqlSource(endpoint)
    if endpoint.engine is Engine.SQLITE:
        return _SqliteSource(endpoint)
    return _MySqlSource(endpoint)


def _sent(blocks: Iterable[tuple[int, bytes]], target: Wire, copy_in: str) -> Moved:
    target.copy_in(copy_in)
    read = size = 0
    try:
        for rows, block in blocks:
            target.copy_data(block)
            read += rows
            size += len(block)
    except EngineError:
        target.copy_fail()
        raise
    written = target.copy_end()
    if read != written:
        message = f"{read} rows read, but {written} written"
        raise ConnectionLostError(message, advice="Run the same command again.")
    return Moved(written, size)


# -- PostgreSQL -------------------------------------------------------------------------------------------------------


def _wire(endpoint: Endpoint, **settings: str) -> Wire:
    """A session with a source, in which the names of the system's catalog come before all others."""
    wire = Wire(endpoint, "source", {**PINNED, **settings})
    shown = wire.rows("SHOW search_path")[0][0] or ""
    wire.rows(f"SET search_path={searched_safely(shown)}")
    return wire


class _PostgresqlReader:
    def __init__(self, endpoint: Endpoint) -> None:
        self.wire = _wire(endpoint)
        self.backend = str(self.wire.pid)
        self._in_transaction = False

    def begin(self, snapshot: str = "") -> None:
        self.wire.rows("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        if snapshot:
            self.wire.rows(f"SET TRANSACTION SNAPSHOT '{snapshot}'")
        self._in_transaction = True

    def rows(self, sql: str) -> list[Row]:
        return self.wire.rows(sql)

    def sums(self, sql: str) -> tuple[int, int]:
        return _summed(self.rows(sql))

    def copy(self, job: CopyJob, target: Wire) -> Moved:
        """A savepoint around the read frees its table lock, so that a DDL on the source never queues behind us."""
        if self._in_transaction:
            self.wire.rows("SAVEPOINT chunk")
        target.copy_in(job.copy_in)
        moved = self.wire.copy_to(postgresql.copy_out(job.query, job.form), target)
        if self._in_transaction:
            self.wire.rows("ROLLBACK TO SAVEPOINT chunk")
        return moved

    def abort(self) -> None:
        self.wire.abort()

    def close(self) -> None:
        self.wire.close()


class _PostgresqlSource:
    most_readers = 64

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint

    def reader(self) -> _PostgresqlReader:
        return _PostgresqlReader(self._endpoint)

    def snapshot(self, readers: Sequence[Reader]) -> bool:
        own = [r for r in readers if isinstance(r, _PostgresqlReader)]
        own[0].begin()
        name = own[0].rows("SELECT pg_export_snapshot()")[0][0] or ""
        for reader in own[1:]:
            reader.begin(name)
        return True

    def freeze(self, tables: Sequence[tuple[str, str]]) -> Freeze:
        wire = _wire(self._endpoint, lock_timeout=f"{_LOCK_SECONDS}s")
        listed = ",".join(f"{quoted(schema)}.{quoted(name)}" for schema, name in tables)
        return _locked(wire, ("BEGIN", f"LOCK TABLE {listed} IN SHARE MODE"), undo="ROLLBACK")

    def position(self) -> str | None:
        """The next transaction identifier, while no transaction is in flight."""
        wire = _wire(self._endpoint)
        try:
            low, high = wire.rows("SELECT pg_snapshot_xmin(s)::text,pg_snapshot_xmax(s)::text FROM pg_current_snapshot() s")[0]
        finally:
            wire.close()
        return high if low == high else None

    def kill(self, backends: Sequence[str]) -> None:
        if backends:
            wire = _wire(self._endpoint)
            pids = ",".join(str(int(b)) for b in backends)
            wire.rows(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name='landfall'"
                f" AND usename=current_user AND pid IN ({pids})"
            )
            wire.close()


# -- MySQL and MariaDB ------------------------------------------------------------------------------------------------


class _MySqlReader:
    def __init__(self, endpoint: Endpoint) -> None:
        self.session = MySqlSession(endpoint)
        self.backend = str(self.session.id)

    def rows(self, sql: str) -> list[Row]:
        return self.session.rows(sql)

    def sums(self, sql: str) -> tuple[int, int]:
        return _summed(self.rows(sql))

    def copy(self, job: CopyJob, target: Wire) -> Moved:
        return _sent(_blocks(self.session, job, self.session.blocks(job.query)), target, job.copy_in)

    def digest(self, sql: str, span: Span) -> tuple[int, str]:
        del span
        count, digest = self.rows(sql)[0]
        return int(count or 0), digest or ""

    def abort(self) -> None:
        self.session.abort()

    def close(self) -> None:
        self.session.close()


class _MySqlSource:
    most_readers = 64

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint

    def reader(self) -> _MySqlReader:
        return _MySqlReader(self._endpoint)

    def snapshot(self, readers: Sequence[Reader]) -> bool:
        """Open all snapshots; they are common when the binary log stands at one place in all of them."""
        for _ in range(_LOCK_TRIES * 2):
            marks = set()
            for reader in readers:
                reader.rows("ROLLBACK")
                reader.rows("START TRANSACTION WITH CONSISTENT SNAPSHOT")
                marks.add(tuple(reader.rows("SHOW STATUS LIKE 'binlog_snapshot_%'")))
            if len(marks) == 1 and any(value for row in next(iter(marks)) for value in row[1:]):
                return True
        return len(readers) == 1

    def freeze(self, tables: Sequence[tuple[str, str]]) -> Freeze:
        session = MySqlSession(self._endpoint)
        session.rows(f"SET SESSION lock_wait_timeout={_LOCK_SECONDS}")
        listed = ",".join(f"{mysql.name(schema)}.{mysql.name(name)} READ" for schema, name in tables)
        return _locked(session, (f"LOCK TABLES {listed}",))

    def position(self) -> str | None:
        session = MySqlSession(self._endpoint)
        try:
            if session.rows("SELECT @@log_bin")[0][0] != "1":
                return None
            with contextlib.suppress(EngineError):
                return str(session.rows("SHOW MASTER STATUS")[0][:2])
            return str(session.rows("SHOW BINARY LOG STATUS")[0][:2])
        except EngineError:
            return None
        finally:
            session.close()

    def kill(self, backends: Sequence[str]) -> None:
        session = MySqlSession(self._endpoint)
        user = self._endpoint.username
        for row in session.rows("SELECT ID,USER FROM information_schema.PROCESSLIST"):
            if row[0] in backends and row[1] == user:
                with contextlib.suppress(EngineError):
                    session.rows(f"KILL {int(row[0] or 0)}")
        session.close()


# -- SQLite -----------------------------------------------------------------------------------------------------------


class _SqliteReader:
    backend = ""

    def __init__(self, endpoint: Endpoint) -> None:
        self.session = SqliteSession(endpoint)

    def rows(self, sql: str) -> list[Row]:
        return self.session.rows(sql)

    def sums(self, sql: str) -> tuple[int, int]:
        return self.session.line_sum(sql)

    def copy(self, job: CopyJob, target: Wire) -> Moved:
        rendered = self.session.pages(job.query, job.span) if job.span else self.session.blocks(job.query)
        return _sent(_blocks(self.session, job, rendered), target, job.copy_in)

    def digest(self, sql: str, span: Span) -> tuple[int, str]:
        return self.session.digest(sql, span)

    def clean(self, sql: str, span: Span) -> bool:
        return self.session.clean(sql, span)

    def abort(self) -> None:
        self.session.abort()

    def close(self) -> None:
        self.session.close()


class _SqliteSource:
    most_readers = max(2, min(8, os.cpu_count() or 1))  # it computes in this process

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint

    def reader(self) -> _SqliteReader:
        return _SqliteReader(self._endpoint)

    def snapshot(self, readers: Sequence[Reader]) -> bool:
        """In WAL mode a read transaction costs writers nothing; elsewhere it would lock them out, so none is held."""
        if readers[0].rows("PRAGMA journal_mode")[0][0] != "wal":
            return False
        marks = set()
        for reader in readers:
            reader.rows("BEGIN")
            marks.add(reader.rows("SELECT count(*) FROM sqlite_master")[0][0])
        return False

    def freeze(self, tables: Sequence[tuple[str, str]]) -> Freeze:
        del tables
        session = SqliteSession(self._endpoint, write=True)
        return _locked(session, ("BEGIN IMMEDIATE",))

    def position(self) -> str | None:
        """No mark of SQLite survives from one connection to the next; the rows are summed up again instead."""
        return None

    def kill(self, backends: Sequence[str]) -> None:
        """There is no server: the operating system ends locks with their process."""
