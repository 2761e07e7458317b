"""Snapshots, readers and the write lock of SQLite."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

from landfall.engine.model.key_span import Span
from landfall.engine.model.options import Endpoint
from landfall.engine.model.rows import Moved, Row
from landfall.engine.sources.base import CopyJob, Reader, RowSink, acquire_lock
from landfall.engine.sources.copy_blocks import all_blocks, send_rows
from landfall.engine.sources.sqlite.fence import SqliteLock, remove_fence
from landfall.engine.sources.sqlite.session import SqliteSession


class _SqliteReader:
    backend = ""

    def __init__(self, endpoint: Endpoint) -> None:
        self.session = SqliteSession(endpoint)

    def rows(self, sql: str) -> list[Row]:
        return self.session.rows(sql)

    def sums(self, sql: str) -> tuple[int, int]:
        return self.session.line_sum(sql)

    def copy(self, job: CopyJob, target: RowSink) -> Moved:
        rendered = self.session.pages(job.query, job.span) if job.span else self.session.blocks(job.query)
        return send_rows(all_blocks(self.session, job, rendered), target, job.copy_in)

    def digest(self, sql: str, span: Span) -> tuple[int, str]:
        return self.session.digest(sql, span)

    def clean(self, sql: str, span: Span) -> bool:
        return self.session.clean(sql, span)

    @contextlib.contextmanager
    def trial(self, seconds: int) -> Iterator[None]:
        """The file is open only for reading."""
        limit = threading.Timer(seconds, self.abort)
        limit.daemon = True
        limit.start()
        try:
            yield
        finally:
            limit.cancel()

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
        """In WAL mode a read transaction costs writers nothing; elsewhere it would block them, so none is held."""
        if readers[0].rows("PRAGMA journal_mode")[0][0] != "wal":
            return False
        marks = set()
        for reader in readers:
            reader.rows("BEGIN")
            marks.add(reader.rows("SELECT count(*) FROM sqlite_master")[0][0])
        return False

    def freeze(self, tables: Sequence[tuple[str, str]], *, fenced: bool = False) -> SqliteLock:
        del tables, fenced
        session = SqliteSession(self._endpoint, write=True)
        acquire_lock(session, ("BEGIN IMMEDIATE",))
        return SqliteLock(session)

    def unfence(self, name: str) -> int:
        session = SqliteSession(self._endpoint, write=True)
        try:
            return remove_fence(session, name)
        finally:
            session.close()

    def position(self) -> str | None:
        """No mark of SQLite survives from one connection to the next; the rows are summed up again instead."""
        return None

    def written(self) -> str | None:
        """Sizes and times of the file and of its write-ahead log."""
        files = (Path(self._endpoint.path + end) for end in ("", "-wal"))
        return str([(s.st_size, s.st_mtime_ns) for s in (f.stat() for f in files if f.exists())])

    def kill(self, backends: Sequence[str]) -> None:
        """There is no server: the operating system ends locks with their process."""
