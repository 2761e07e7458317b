"""Snapshots, readers and the write lock of PostgreSQL."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

from landfall.engine.clients.postgresql import PINNED
from landfall.engine.clients.postgresql_wire import PgWireConnection
from landfall.engine.errors import EngineError
from landfall.engine.model.identifiers import quoted, searched_safely
from landfall.engine.model.options import Endpoint
from landfall.engine.model.rows import Moved, Row
from landfall.engine.sources.base import LOCK_SECONDS, CopyJob, Reader, RowSink, acquire_lock, count_and_sum
from landfall.engine.sources.postgresql import dialect as postgresql
from landfall.engine.sources.postgresql.fence import PostgresqlLock, remove_fence

_SAVE = "SAVEPOINT chunk"
_FREE = "ROLLBACK TO SAVEPOINT chunk; RELEASE SAVEPOINT chunk"  # released, for they would nest


def _wire(endpoint: Endpoint, **settings: str) -> PgWireConnection:
    """A session with a source, in which the names of the system's catalog come before all others."""
    wire = PgWireConnection(endpoint, "source", {**PINNED, **settings})
    search_path = wire.rows("SHOW search_path")[0][0] or ""
    wire.rows(f"SET search_path={searched_safely(search_path, endpoint.schemas)}")
    return wire


_CHECKED = (  # since version 14
    "SELECT set_config(name,'1s',false) FROM pg_settings WHERE name='client_connection_check_interval'"
)
_NOT_ON_THIS_PLATFORM = "22023"


def _end_with_client(wire: PgWireConnection) -> None:
    """Make the server end a query within a second after its client is gone. Otherwise the server reads the whole table."""
    try:
        wire.rows(_CHECKED)
    except EngineError as error:
        if error.code != _NOT_ON_THIS_PLATFORM:
            raise


class _PostgresqlReader:
    def __init__(self, endpoint: Endpoint) -> None:
        self.wire = _wire(endpoint, default_transaction_read_only="on")
        _end_with_client(self.wire)
        self.backend = str(self.wire.pid)
        self._in_transaction = False

    def begin(self, snapshot: str = "") -> None:
        self.wire.rows("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        if snapshot:
            self.wire.rows(f"SET TRANSACTION SNAPSHOT '{snapshot}'")
        self._in_transaction = True

    def rows(self, sql: str) -> list[Row]:
        """In a transaction, a read gives its table locks back at once. Its snapshot is that of the transaction, and stays."""
        if not self._in_transaction or not sql.startswith("SELECT"):
            return self.wire.rows(sql)
        return self.wire.rows(f"{_SAVE}; {sql}; {_FREE}")

    def sums(self, sql: str) -> tuple[int, int]:
        return count_and_sum(self.rows(sql))

    def copy(self, job: CopyJob, target: RowSink) -> Moved:
        """A savepoint around the read frees its table lock, so that a DDL on the source never queues behind us."""
        if not isinstance(target, PgWireConnection):
            message = "rows of PostgreSQL are passed on to a session with PostgreSQL only"
            raise TypeError(message)
        if self._in_transaction:
            self.wire.rows(_SAVE)
        target.copy_in(job.copy_in)
        amount = self.wire.copy_to(postgresql.copy_out(job.query, job.form), target)
        if self._in_transaction:
            self.wire.rows(_FREE)
        return amount

    @contextlib.contextmanager
    def trial(self, seconds: int) -> Iterator[None]:
        self.wire.rows(f"BEGIN READ ONLY; SET LOCAL statement_timeout='{seconds}s'")
        try:
            yield
        finally:
            with contextlib.suppress(EngineError):  # a session that is gone has rolled back
                self.wire.rows("ROLLBACK")

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
        own_readers = [r for r in readers if isinstance(r, _PostgresqlReader)]
        own_readers[0].begin()
        name = own_readers[0].wire.rows("SELECT pg_export_snapshot()")[0][0] or ""  # which a subtransaction may not
        for reader in own_readers[1:]:
            reader.begin(name)
        return True

    def freeze(self, tables: Sequence[tuple[str, str]], *, fenced: bool = False) -> PostgresqlLock:
        """The mode is the one that triggers are created in, so that the fence does not wait for another lock."""
        del fenced
        wire = _wire(self._endpoint, lock_timeout=f"{LOCK_SECONDS}s")
        listed = ",".join(f"{quoted(schema)}.{quoted(name)}" for schema, name in tables)
        acquire_lock(wire, ("BEGIN", f"LOCK TABLE {listed} IN SHARE ROW EXCLUSIVE MODE"), undo="ROLLBACK")
        return PostgresqlLock(wire)

    def unfence(self, name: str) -> int:
        wire = _wire(self._endpoint, lock_timeout=f"{LOCK_SECONDS}s")
        try:
            return remove_fence(wire, name)
        finally:
            wire.close()

    def position(self) -> str | None:
        """The next transaction identifier, while no transaction is in flight."""
        wire = _wire(self._endpoint)
        try:
            low, high = wire.rows("SELECT pg_snapshot_xmin(s)::text,pg_snapshot_xmax(s)::text FROM pg_current_snapshot() s")[0]
        finally:
            wire.close()
        return high if low == high else None

    def written(self) -> str | None:
        """The server's count of rows written to this database's tables; None where it does not count."""
        wire = PgWireConnection(self._endpoint, "source", dict(PINNED))
        try:
            if wire.rows("SHOW track_counts") != [("on",)]:
                return None
            return wire.rows("SELECT coalesce(sum(n_tup_ins+n_tup_upd+n_tup_del),0) FROM pg_stat_user_tables")[0][0]
        finally:
            wire.close()

    def kill(self, backends: Sequence[str]) -> None:
        if backends:
            wire = _wire(self._endpoint)
            pids = ",".join(str(int(b)) for b in backends)
            wire.rows(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name=current_setting('application_name')"
                f" AND usename=current_user AND pid IN ({pids})"
            )
            wire.close()
