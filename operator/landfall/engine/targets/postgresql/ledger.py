"""Reading and writing the ledger in the target.

Whatever records a change of data commits together with it; the callers hold the transaction. A change of state waits
for the chunks in flight, because each of them holds a share lock on its run.
"""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Callable, Sequence

from landfall.engine.clients.postgresql import Cells, PgSession
from landfall.engine.errors import LedgerTooNewError, PrivilegeMissingError, RunConflictError, SourceBusyError
from landfall.engine.model.chunk_range import ChunkRange, range_of, text_of
from landfall.engine.model.identifiers import literal, quoted
from landfall.engine.model.plan import Plan
from landfall.engine.model.plan_codec import packed, unpacked
from landfall.engine.model.run_state import FORMAT, OF_A_RUN, Chunk, RunRecord, create
from landfall.engine.targets.ledger import Lease, superseded
from landfall.engine.targets.postgresql.trust import check_ledger
from landfall.ledger_states import State, may_follow

_RUN = "id,name,attempt,state,target_schema,source,plan_digest,started_at,finished_at,retain_until,result"
_IN_SCHEMA = "SELECT 1 FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid=c.relnamespace WHERE n.nspname=%s AND c.relname=%s"


class PostgresqlLedger:
    """The ledger in one schema of the target. What yields SQL is for the sessions that move rows."""

    def __init__(self, control: PgSession, schema: str) -> None:
        self.control = control
        self.name = schema
        self.schema = quoted(schema)
        self._trusted = False

    # -- the ledger itself --------------------------------------------------------------------------------------------

    def exists(self) -> bool:
        """Whether there is one. Raises LedgerTooNewError if a newer version wrote it, TargetInTheWayError if it is another role's."""
        if not self._trusted:
            check_ledger(self.control, self.schema)
        if self.control.value("SELECT to_regclass(%s)", f"{self.schema}.format") is None:
            return False
        self._trusted = True
        version = self.control.value(f"SELECT max(version) FROM {self.schema}.format")
        if version > FORMAT:
            message = f"the ledger in schema {self.name} of the target has format {version}; this version knows {FORMAT}"
            raise LedgerTooNewError(message, advice="Use the version of Landfall that wrote it, or a newer one.")
        return True

    def create(self) -> None:
        """Make the ledger where there is none."""
        if self.exists():
            return
        with self.control.transaction():
            self.control.run("SELECT pg_advisory_xact_lock(7640891576956012808)")
            # The catalogs, and not to_regclass(): in a transaction that has waited, its cache does not have what another one committed.
            if self.control.rows(_IN_SCHEMA, self.name, "format"):
                return
            if not self.control.rows("SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname=%s", self.name):
                database = self.control.raw.info.dbname
                if not self.control.value("SELECT has_database_privilege(current_database(), 'CREATE')"):
                    message = f"target: the credential lacks CREATE on database {database}"
                    raise PrivilegeMissingError(message, advice=f"GRANT CREATE ON DATABASE {database} TO the role.")
                self.control.run(f"CREATE SCHEMA {self.schema}")
                self.control.run(f"REVOKE ALL ON SCHEMA {self.schema} FROM PUBLIC")
            for statement in create(self.schema).split(";"):
                if statement.strip():
                    self.control.run(statement)

    # -- runs ---------------------------------------------------------------------------------------------------------

    def remove(self) -> None:
        """Take the whole ledger away, if it knows no run."""
        if not self.exists() or self.every():
            return
        with self.control.transaction():
            for table in (*OF_A_RUN, "run", "format"):
                self.control.run(f"DROP TABLE {self.schema}.{table}")
            self.control.run(f"DROP SCHEMA {self.schema}")

    def find(self, key: str) -> RunRecord | None:
        """The run of that key."""
        if not self.exists():
            return None
        rows = self.control.rows(f"SELECT {_RUN} FROM {self.schema}.run WHERE id=%s", key)
        return _record(rows[0]) if rows else None

    def every(self) -> list[RunRecord]:
        """All runs, the newest first."""
        if not self.exists():
            return []
        return [_record(r) for r in self.control.rows(f"SELECT {_RUN} FROM {self.schema}.run ORDER BY started_at DESC")]

    def retention_ended(self, key: str) -> bool:
        """Whether the retained tables of a run may be dropped."""
        return bool(self.control.value(f"SELECT coalesce(retain_until<=now(),true) FROM {self.schema}.run WHERE id=%s", key))

    def plan(self, key: str) -> Plan:
        """The plan as it was approved."""
        return unpacked(bytes(self.control.value(f"SELECT plan FROM {self.schema}.run WHERE id=%s", key)))

    def begin(self, key: str, name: str, plan: Plan) -> Lease:
        """Record an approved plan and take the target schema. Raises RunConflictError if another run holds it."""
        with self.control.transaction():
            recorded = self.control.value(
                f"INSERT INTO {self.schema}.run (id,name,state,target_schema,source,plan,plan_digest)"
                " VALUES (%s,%s,%s,%s,%s,%s,%s) ON CONFLICT (id) DO NOTHING RETURNING id",
                *(key, name, State.SCHEMA.value, plan.target_label, plan.source, packed(plan), plan.digest()),
            )
            if recorded is None:
                message = "another process began this migration at the same moment"
                raise RunConflictError(message, advice="Run `landfall status` to see it.")
            for schema in sorted(plan.target_schemas):
                self._take(schema, key)
            self._register(key, 1)
        return Lease(key, 1)

    def _take(self, schema: str, key: str) -> None:
        """Reserve a target schema for a run."""
        self.control.run(f"INSERT INTO {self.schema}.target_lock VALUES (%s,%s) ON CONFLICT DO NOTHING", schema, key)
        holder = self.control.value(f"SELECT run FROM {self.schema}.target_lock WHERE target_schema=%s", schema)
        if holder != key:
            other = self.control.value(f"SELECT name FROM {self.schema}.run WHERE id=%s", holder)
            message = f"target: another migration, {other!r}, is moving into schema {schema}"
            raise RunConflictError(message, advice="Let it finish, or roll it back with `landfall rollback`.")

    def take_over(self, key: str, patience: int) -> tuple[Lease, list[str]]:
        """Become the process that works on a run; the source sessions that an earlier process left behind.

        Raises RunConflictError while that process is alive: its sessions are there and it was heard of within
        `patience` seconds.
        """
        record = self.find(key)
        attempt = record.attempt if record else 1
        backends = self._backends(key)
        alive = [pid for side, pid, _ in backends if side == "target"]
        helping = [pid for side, pid, _ in backends if side == "helper"]
        age = self.control.value(
            f"SELECT extract(epoch FROM clock_timestamp()-max(heartbeat))::int FROM {self.schema}.worker WHERE run=%s", key
        )
        if alive and age is not None and age < patience:
            owner = self.control.value(f"SELECT owner FROM {self.schema}.worker WHERE run=%s ORDER BY attempt DESC", key)
            message = f"this migration is being run by {owner}, heard of {age} s ago"
            raise RunConflictError(message, advice=f"Stop it, or wait {patience} s after it was killed, and run again.")
        for pid in (*alive, *helping):
            self.control.run("SELECT pg_terminate_backend(%s)", pid)
        self.control.run("SET lock_timeout='20s'")
        try:
            with self.control.transaction():
                changed = f"UPDATE {self.schema}.run SET attempt=attempt+1 WHERE id=%s AND attempt=%s RETURNING attempt"
                if self.control.value(changed, key, attempt) is None:
                    message = "another process took this migration over at the same moment"
                    raise RunConflictError(message, advice="Run `landfall status` to see it.")
                self._register(key, attempt + 1)
        finally:
            self.control.run("SET lock_timeout=0")
        sources = [pid for side, pid, _ in backends if side == "source"]
        self.control.run(f"DELETE FROM {self.schema}.backend WHERE run=%s AND attempt<=%s", key, attempt)
        return Lease(key, attempt + 1), [str(p) for p in sources]

    def _register(self, key: str, attempt: int) -> None:
        owner = f"{socket.gethostname()}:{os.getpid()}"
        self.control.run(f"INSERT INTO {self.schema}.worker (run,attempt,owner) VALUES (%s,%s,%s)", key, attempt, owner)

    def _backends(self, key: str) -> list[Cells]:
        """Sessions of earlier processes that still exist: on the target by the time of their start, on the source as recorded."""
        return self.control.rows(
            f"SELECT b.side,b.pid,b.attempt FROM {self.schema}.backend b LEFT JOIN pg_stat_activity a"
            " ON a.pid=b.pid AND a.backend_start::text=b.born WHERE b.run=%s AND (b.side='source' OR a.pid IS NOT NULL)",
            key,
        )

    def register_backend(self, lease: Lease, side: str, pid: str) -> None:
        """Record a session, so that a process that takes over can end exactly that one."""
        side = "helper" if lease.helper and side == "target" else side
        if pid:
            self.control.run(
                f"INSERT INTO {self.schema}.backend SELECT %s,%s,%s,%s,coalesce((SELECT backend_start::text FROM"
                " pg_stat_activity WHERE pid=%s),'')",
                *(lease.key, lease.attempt, side, int(pid), int(pid)),
            )

    def forget_backends(self, lease: Lease) -> None:
        """Remove the sessions of an attempt from the record."""
        self.control.run(f"DELETE FROM {self.schema}.backend WHERE run=%s AND attempt=%s", lease.key, lease.attempt)

    def end_helpers(self, lease: Lease) -> None:
        """End the sessions of helpers: what they held may be claimed again."""
        for side, pid, _ in self._backends(lease.key):
            if side == "helper":
                self.control.run("SELECT pg_terminate_backend(%s)", pid)

    def heartbeat(self, lease: Lease) -> None:
        """Say that this process lives. Raises SupersededError if another one took over."""
        self.control.run(
            f"UPDATE {self.schema}.worker SET heartbeat=clock_timestamp() WHERE run=%s AND attempt=%s", lease.key, lease.attempt
        )
        self.check(lease)

    def check(self, lease: Lease) -> None:
        """Raise SupersededError if another process took over."""
        if self.control.value(f"SELECT attempt FROM {self.schema}.run WHERE id=%s", lease.key) != lease.attempt:
            raise superseded()

    def advance(self, lease: Lease, then: State, *, seconds: float = 20) -> None:
        """Change the state, waiting for the chunks in flight."""
        now = State(self.control.value(f"SELECT state FROM {self.schema}.run WHERE id=%s", lease.key))
        if now is then:
            return
        if not may_follow(now, then):
            message = f"a run in state {now.value} cannot become {then.value}"
            raise RunConflictError(message)
        deadline = time.monotonic() + seconds
        while True:
            try:
                with self.control.transaction():
                    self.control.run("SET LOCAL lock_timeout='2s'")
                    changed = self.control.rows(
                        f"UPDATE {self.schema}.run SET state=%s WHERE id=%s AND attempt=%s RETURNING 1",
                        *(then.value, lease.key, lease.attempt),
                    )
            except SourceBusyError:
                if time.monotonic() > deadline:
                    raise
                continue
            if not changed:
                raise superseded()
            return

    def finish(self, key: str, state: State, result: dict[str, object], *, retain_seconds: int = 0) -> None:
        """Write the end of a run, inside the caller's transaction."""
        self.control.run(
            f"UPDATE {self.schema}.run SET state=%s, finished_at=now(), result=result||%s::jsonb,"
            " retain_until=now()+make_interval(secs=>%s) WHERE id=%s",
            *(state.value, json.dumps(result), retain_seconds, key),
        )
        self.control.run(f"DELETE FROM {self.schema}.target_lock WHERE run=%s", key)

    def forget(self, key: str) -> None:
        """Take everything about a run out of the ledger, inside the caller's transaction."""
        for table in OF_A_RUN:
            self.control.run(f"DELETE FROM {self.schema}.{table} WHERE run=%s", key)
        self.control.run(f"DELETE FROM {self.schema}.run WHERE id=%s", key)

    def note(self, key: str, result: dict[str, object]) -> None:
        """Add facts to the record of a run."""
        self.control.run(f"UPDATE {self.schema}.run SET result=result||%s::jsonb WHERE id=%s", json.dumps(result), key)

    def fence(self, lease: Lease, state: State) -> str:
        """SQL that yields a row while this process owns the run in `state`, and holds that state until commit."""
        return (
            f"SELECT 1 FROM {self.schema}.run WHERE id={literal(lease.key)} AND attempt={lease.attempt}"
            f" AND state={literal(state.value)} FOR SHARE"
        )

    # -- statements ---------------------------------------------------------------------------------------------------

    def done(self, key: str) -> set[int]:
        """The statements of the plan that have run."""
        return {r[0] for r in self.control.rows(f"SELECT statement FROM {self.schema}.done WHERE run=%s", key)}

    def mark_done(self, lease: Lease, number: int) -> None:
        """Record a statement in the transaction that ran it."""
        changed = self.control.rows(
            f"INSERT INTO {self.schema}.done SELECT %s,%s FROM {self.schema}.run WHERE id=%s AND attempt=%s RETURNING 1",
            *(lease.key, number, lease.key, lease.attempt),
        )
        if not changed:
            raise superseded()

    def mark_undone(self, lease: Lease, number: int) -> None:
        """Take the record of a statement back, in the transaction that undid it."""
        self.check(lease)
        self.control.run(f"DELETE FROM {self.schema}.done WHERE run=%s AND statement=%s", lease.key, number)

    # -- chunks -------------------------------------------------------------------------------------------------------

    def split_tables(self, key: str) -> set[int]:
        """The tables that have been cut into chunks."""
        return {r[0] for r in self.control.rows(f'SELECT "table" FROM {self.schema}.split WHERE run=%s', key)}

    def add_chunks(self, lease: Lease, table: int, ranges: Sequence[ChunkRange], priority: int) -> None:
        """Record the chunks of one table, all at once."""
        with self.control.transaction():
            self.control.run(f'INSERT INTO {self.schema}.split (run,"table") VALUES (%s,%s)', lease.key, table)
            with self.control.raw.cursor().copy(
                f'COPY {self.schema}.chunk (run,"table",number,priority,range) FROM STDIN'.encode()
            ) as copy:
                for number, condition in enumerate(map(text_of, ranges)):
                    copy.write_row((lease.key, table, number, priority, condition))
            self.check(lease)

    def cut_again(self, lease: Lease, cut: Callable[[ChunkRange], Sequence[ChunkRange]]) -> None:
        """Replace the chunks that no stream has claimed by smaller ones that cover the same rows."""
        with self.control.transaction():
            self.check(lease)
            waiting = self.control.rows(
                f"SELECT \"table\",number,priority,range FROM {self.schema}.chunk WHERE run=%s AND state='todo' FOR UPDATE SKIP LOCKED",
                lease.key,
            )
            last: dict[int, int] = dict(
                self.control.rows(f'SELECT "table",max(number) FROM {self.schema}.chunk WHERE run=%s GROUP BY 1', lease.key)
            )
            for table, number, priority, condition in waiting:
                first, *more = map(text_of, cut(range_of(condition)))
                condition_of_chunk = 'WHERE run=%s AND "table"=%s AND number=%s'
                self.control.run(f"UPDATE {self.schema}.chunk SET range=%s {condition_of_chunk}", first, lease.key, table, number)
                for piece in more:
                    last[table] += 1
                    self.control.run(
                        f'INSERT INTO {self.schema}.chunk (run,"table",number,priority,range) VALUES (%s,%s,%s,%s,%s)',
                        *(lease.key, table, last[table], priority, piece),
                    )

    def chunks(self, key: str) -> list[Chunk]:
        """Every chunk of a run."""
        rows = self.control.rows(
            f"SELECT \"table\",number,range,state='done',coalesce(rows,0),coalesce(bytes,0),coalesce(xid,''),patched"
            f' FROM {self.schema}.chunk WHERE run=%s ORDER BY "table",number',
            key,
        )
        return [Chunk(table, number, range_of(text), *numbers) for table, number, text, *numbers in rows]

    def copied_rows(self, key: str) -> dict[int, int]:
        """How many rows were copied, by table."""
        return dict(self.control.rows(f'SELECT "table",sum(rows) FROM {self.schema}.chunk WHERE run=%s GROUP BY 1', key))

    def claimable(self, lease: Lease) -> bool:
        """Whether there is a chunk that no stream has claimed."""
        with self.control.transaction():
            return bool(self.control.rows(self.claim(lease)))

    def left(self, key: str) -> int:
        """How many chunks are not done."""
        return int(self.control.value(f"SELECT count(*) FROM {self.schema}.chunk WHERE run=%s AND state='todo'", key))

    def claim(self, lease: Lease) -> str:
        """SQL that claims the next chunk for the open transaction: (table, number, range)."""
        return (
            f"SELECT \"table\",number,range FROM {self.schema}.chunk WHERE run={literal(lease.key)} AND state='todo'"
            ' ORDER BY priority DESC,"table",number LIMIT 1 FOR UPDATE SKIP LOCKED'
        )

    def complete(self, lease: Lease, table: int, number: int, rows: int, size: int) -> str:
        """SQL that records a chunk in the transaction that wrote its rows."""
        return (
            f"UPDATE {self.schema}.chunk SET state='done',rows={rows},bytes={size},attempt={lease.attempt},"
            f"copied_epoch={lease.attempt},xid=pg_current_xact_id()::xid::text"
            f' WHERE run={literal(lease.key)} AND "table"={table} AND number={number}'
        )

    def recopied(self, lease: Lease, chunk: Chunk) -> str:
        """SQL that records a chunk that was copied again, or is a new one, in the transaction that wrote its rows."""
        columns = 'run,"table",number,priority,range,state,rows,bytes,attempt,copied_epoch,xid'
        values = (
            f"{literal(lease.key)},{chunk.table},{chunk.number},0,{literal(text_of(chunk.range))},'done',{chunk.rows},{chunk.bytes},"
            f"{lease.attempt},{lease.attempt},pg_current_xact_id()::xid::text"
        )
        assignments = ",".join(
            f"{name}=excluded.{name}" for name in ("range", "state", "rows", "bytes", "attempt", "copied_epoch", "xid")
        )
        on_conflict = f'ON CONFLICT (run,"table",number) DO UPDATE SET {assignments},patched=false,verified_epoch=NULL'
        return f"INSERT INTO {self.schema}.chunk ({columns}) VALUES ({values}) {on_conflict}"

    def taken_out(self, lease: Lease, chunks: Sequence[Chunk]) -> str:
        """SQL that records what is to be put in, without rows so far, in the transaction that took rows out.

        Chunks that are new are added and those that are known get the range given here: together they cover what was taken out.
        """
        columns = 'run,"table",number,priority,range,state,rows,bytes,attempt'
        values = ",".join(
            f"({literal(lease.key)},{c.table},{c.number},0,{literal(text_of(c.range))},'done',{c.rows},{c.bytes},{lease.attempt})"
            for c in chunks
        )
        assignments = "range=excluded.range,rows=excluded.rows,bytes=excluded.bytes,xid=NULL,patched=false,verified_epoch=NULL"
        return f'INSERT INTO {self.schema}.chunk ({columns}) VALUES {values} ON CONFLICT (run,"table",number) DO UPDATE SET {assignments}'

    def deltas(self, key: str) -> dict[int, list[str]]:
        """The transactions that applied deltas, by table."""
        transactions: dict[int, list[str]] = {}
        for table, xid in self.control.rows(f'SELECT "table",xid FROM {self.schema}.delta WHERE run=%s', key):
            transactions.setdefault(table, []).append(xid)
        return transactions

    def unverify(self, lease: Lease) -> None:
        """Remove what was recorded under a write lock that is released."""
        self.control.run(f"UPDATE {self.schema}.chunk SET verified_epoch=NULL WHERE run=%s", lease.key)

    def verified(self, lease: Lease, table: int) -> None:
        """Record that every chunk of a table was equal under this attempt's write lock."""
        self.control.run(
            f'UPDATE {self.schema}.chunk SET verified_epoch=%s WHERE run=%s AND "table"=%s', lease.attempt, lease.key, table
        )

    def unverified(self, lease: Lease) -> int:
        """How many chunks were not found equal under this attempt's write lock."""
        count = self.control.value(
            f"SELECT count(*) FROM {self.schema}.chunk WHERE run=%s AND verified_epoch IS DISTINCT FROM %s",
            *(lease.key, lease.attempt),
        )
        return int(count)


def _record(row: Cells) -> RunRecord:
    key, name, attempt, state, schema, source, digest, started, finished, retain, result = row
    return RunRecord(key, name, attempt, State(state), schema, source, digest, started, finished, retain, dict(result))
