"""Snapshots, readers and the write lock of MySQL and MariaDB."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from landfall.engine.errors import EngineError
from landfall.engine.model.key_span import Span
from landfall.engine.model.options import Endpoint
from landfall.engine.model.rows import Moved, Row
from landfall.engine.sources.base import (
    LOCK_SECONDS,
    LOCK_TRIES,
    CopyJob,
    Reader,
    RowSink,
    count_and_sum,
    while_busy,
)
from landfall.engine.sources.copy_blocks import all_blocks, send_rows
from landfall.engine.sources.mysql import dialect as mysql
from landfall.engine.sources.mysql.fence import MOST_TABLES_AT_ONCE, MySqlLock, Tables, remove_fence
from landfall.engine.sources.mysql.session import MySqlSession


class _MySqlReader:
    def __init__(self, endpoint: Endpoint) -> None:
        self.session = MySqlSession(endpoint)
        self.session.rows("SET SESSION TRANSACTION READ ONLY")
        self.session.rows("SET SESSION autocommit=1")  # outside a snapshot, a statement keeps no definition locked
        self.backend = str(self.session.id)

    def rows(self, sql: str) -> list[Row]:
        return self.session.rows(sql)

    def sums(self, sql: str) -> tuple[int, int]:
        return count_and_sum(self.rows(sql))

    def copy(self, job: CopyJob, target: RowSink) -> Moved:
        return send_rows(all_blocks(self.session, job, self.session.blocks(job.query)), target, job.copy_in)

    def trial(self, seconds: int) -> contextlib.AbstractContextManager[None]:
        return self.session.trial(seconds)

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
        for _ in range(LOCK_TRIES * 2):
            marks = set()
            for reader in readers:
                reader.rows("ROLLBACK")
                reader.rows("START TRANSACTION WITH CONSISTENT SNAPSHOT")
                marks.add(tuple(reader.rows("SHOW STATUS LIKE 'binlog_snapshot_%'")))
            if len(marks) == 1 and any(value for row in next(iter(marks)) for value in row[1:]):
                return True
        return len(readers) == 1

    def freeze(self, tables: Sequence[tuple[str, str]], *, fenced: bool = False) -> MySqlLock:
        """Where a fence follows, one session per group of tables, because a session gives up all of its locks at once.

        The server cannot see a deadlock across several sessions of ours, so all give up what they hold before another attempt.
        """
        size = MOST_TABLES_AT_ONCE if fenced else max(1, len(tables))
        groups = [tuple(tables[at : at + size]) for at in range(0, len(tables), size)]
        return MySqlLock(self._endpoint, while_busy(lambda: self._locked(groups)))

    def _locked(self, groups: Sequence[Tables]) -> list[tuple[MySqlSession, Tables]]:
        sessions: list[tuple[MySqlSession, Tables]] = []
        try:
            for group in groups:
                session = MySqlSession(self._endpoint)
                sessions.append((session, group))
                session.rows(f"SET SESSION lock_wait_timeout={LOCK_SECONDS}")
                session.rows(f"LOCK TABLES {','.join(f'{mysql.name(s)}.{mysql.name(n)} READ' for s, n in group)}")
        except EngineError:
            for session, _ in sessions:
                session.close()
            raise
        return sessions

    def unfence(self, name: str) -> int:
        session = MySqlSession(self._endpoint)
        try:
            session.rows(f"SET SESSION lock_wait_timeout={LOCK_SECONDS}")
            return remove_fence(session, name)
        finally:
            session.close()

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

    def written(self) -> str | None:
        """The server's counts of rows written, in all of its databases.

        MariaDB does not count inserts for InnoDB; its `Handler_write` leaves out the server's own temporary tables, which that of MySQL
        counts, so that each query of the catalog would move it.
        """
        names = "'Innodb_rows_inserted','Innodb_rows_updated','Innodb_rows_deleted','Handler_update','Handler_delete'"
        session = MySqlSession(self._endpoint)
        try:
            names += ",'Handler_write'" if session.is_mariadb else ""
            counters = session.rows(f"SHOW GLOBAL STATUS WHERE Variable_name IN ({names})")
        finally:
            session.close()
        return str(sorted(counters)) if counters else None

    def kill(self, backends: Sequence[str]) -> None:
        session = MySqlSession(self._endpoint)
        user = self._endpoint.username
        for row in session.rows("SELECT ID,USER FROM information_schema.PROCESSLIST"):
            if row[0] in backends and row[1] == user:
                with contextlib.suppress(EngineError):
                    session.rows(f"KILL {int(row[0] or 0)}")
        session.close()
