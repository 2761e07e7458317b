"""A run from an approved plan to the cutover. Every step asks the ledger what is done, so running again resumes."""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from landfall.engine.connect.postgresql import Control
from landfall.engine.connect.source import Freeze, Reader, source_of
from landfall.engine.cutover import swap
from landfall.engine.dialects import mysql
from landfall.engine.errors import (
    ConnectionLostError,
    EngineError,
    PlanBlockedError,
    RunEndedError,
    SourceBusyError,
    SourceChangedError,
    SpecError,
    ValueRefusedError,
    VerdictError,
)
from landfall.engine.ledger.records import ORDER, RunRecord, State
from landfall.engine.options import Endpoint, Engine, Mode, Options, Quiesce
from landfall.engine.planning.assemble import changed_objects
from landfall.engine.planning.model import Plan, Stage, Statement, TablePlan
from landfall.engine.run.key import run_key
from landfall.engine.run.plan import read_catalog
from landfall.engine.schema.names import literal, quoted
from landfall.engine.store.ledger import Lease, Ledger
from landfall.engine.transfer.streams import Streams, split_tables, stage_path, stopped
from landfall.engine.transfer.work import Event, Stop, Work
from landfall.engine.validate import delta
from landfall.engine.validate.compare import Comparison, TableDifference, narrow

_DELTA_ROUNDS = 3
_HEARTBEAT_SECONDS = 3


@dataclass(slots=True)
class Outcome:
    """How a run ended."""

    key: str
    already: bool = False
    rows: int = 0
    tables: int = 0
    seconds: float = 0.0
    frozen_seconds: float = 0.0
    redone_rows: int = 0
    recovered: int = 0
    corrected: list[str] = field(default_factory=list)
    converted: list[str] = field(default_factory=list)
    unvalidated: list[str] = field(default_factory=list)
    consistent_as_of: str = ""
    final_rows: dict[str, int] = field(default_factory=dict)

    def as_dict(self) -> dict[str, object]:
        """For the ledger and for machines."""
        return {name: getattr(self, name) for name in self.__slots__}


class Migration:
    """One migration on its way. `report` is called from several threads."""

    def __init__(self, source: Endpoint, target: Endpoint, options: Options, report: Callable[[Event], None]) -> None:
        self.source = source
        self.target = target
        self.options = options
        self.key = run_key(source, target, options)
        self.stop = Stop()
        self._told = report
        self._recovered = 0
        self._control = Control(target, "target")
        self.ledger = Ledger(self._control, options.ledger_schema)

    def close(self) -> None:
        """Close the control connection."""
        self._control.close()

    def _report(self, event: Event) -> None:
        if event.kind == "recovered":
            self._recovered += 1
        self._told(event)

    def existing(self) -> RunRecord | None:
        """The run of this migration, if it was begun before. Raises RunEndedError when it can not go on."""
        record = self.ledger.find(self.key)
        if record and record.state.ended:
            message = f"this migration was {record.state.value.replace('_', ' ')} and its key is used up"
            raise RunEndedError(message, advice="Change spec.data.rerunToken to run it again.")
        return record

    # -- the whole ----------------------------------------------------------------------------------------------------

    def run(self, name: str, plan: Plan | None) -> Outcome:
        """Carry out a plan, or go on with the one in the ledger. `plan` is needed when there is none."""
        began = time.monotonic()
        record = self.existing()
        if record and record.state is State.CUT_OVER:
            return Outcome(self.key, already=True)
        lease = self._begun(name, plan, record)
        self.ledger.register_backend(lease, "target", str(self._control.pid))
        work = self._work(lease)
        beat = _Heartbeat(self.target, self.options.ledger_schema, lease, self.stop)
        beat.start()
        try:
            outcome = self._steps(work)
        except ConnectionLostError as error:
            if beat.failure:
                raise beat.failure from error
            if self.stop.asked:
                raise stopped() from error
            raise
        finally:
            beat.end()
        outcome.seconds = round(time.monotonic() - began, 3)
        outcome.recovered = self._recovered
        self.ledger.note(self.key, outcome.as_dict())
        return outcome

    def _begun(self, name: str, plan: Plan | None, record: RunRecord | None) -> Lease:
        if record:
            lease, left = self.ledger.take_over(self.key, self.options.takeover_seconds)
            if left:
                with contextlib.suppress(EngineError):
                    source_of(self.source).kill(left)
            self._report(Event("notice", text=f"resuming at {record.state.value}, attempt {lease.attempt}"))
            return lease
        if plan is None:
            message = "there is no plan to run"
            raise SpecError(message)
        if plan.blockers:
            first = plan.blockers[0]
            message = f"{first.affected}: {first.description}"
            raise PlanBlockedError(message, advice=first.mitigation)
        self.ledger.create()
        return self.ledger.begin(self.key, name, plan)

    def _work(self, lease: Lease) -> Work:
        plan = self.ledger.plan(self.key)
        record = self.ledger.find(self.key)
        stage = record.stage_schema if record else ""
        return Work(
            plan,
            self.options,
            self.source,
            self.target,
            source_of(self.source),
            self.ledger,
            lease,
            stage,
            self._report,
            self.stop,
        )

    def _steps(self, work: Work) -> Outcome:
        record = self.ledger.find(self.key)
        state = record.state if record else State.SCHEMA
        if state is not State.COMPARING:
            self._check_source(work)
        full = work.plan.mode == Mode.FULL
        steps: tuple[tuple[State, Callable[[Work], None]], ...] = (
            (State.SCHEMA, _schema),
            (State.COPYING, _copy if full else _nothing),
            (State.INDEXING, _indexes),
        )
        for step, body in steps:
            if ORDER.index(state) > ORDER.index(step):
                continue
            self._report(Event("state", text=step.value))
            body(work)
            if self.stop.asked:
                raise stopped()
            self.ledger.advance(work.lease, ORDER[ORDER.index(step) + 1])
        self._report(Event("state", text=State.COMPARING.value))
        return _Finale(self, work).run()

    def _check_source(self, work: Work) -> None:
        changed = changed_objects(work.plan, read_catalog(self.source, self.options), self.options)
        if changed:
            message = f"the source's schema changed since the plan was made: {', '.join(changed[:10])}"
            raise SourceChangedError(
                message, advice="Run `landfall rollback` to drop what was staged, then plan again with a new rerunToken."
            )


def _nothing(_work: Work) -> None:
    """A step that this mode leaves out."""


# -- steps ------------------------------------------------------------------------------------------------------------


def _schema(work: Work) -> None:
    control, ledger = work.ledger.control, work.ledger
    if control.value("SELECT to_regnamespace(%s)", quoted(work.stage)) is None:
        with control.transaction():
            control.run(f"CREATE SCHEMA {quoted(work.stage)}")
            control.run(f"REVOKE ALL ON SCHEMA {quoted(work.stage)} FROM PUBLIC")
    statements = [*work.plan.of_stage(Stage.PREPARE), *work.plan.of_stage(Stage.TABLES)]
    _statements(work, statements, control)
    if work.plan.mode == Mode.FULL:
        ledger.check(work.lease)


def _statements(work: Work, statements: Sequence[Statement], control: Control) -> None:
    done = work.ledger.done(work.lease.key)
    for statement in statements:
        if statement.number in done:
            continue
        if work.stop.asked:
            raise stopped()
        _statement(work, statement, control)


def _statement(work: Work, statement: Statement, control: Control) -> None:
    with control.transaction():
        control.run(f"SET LOCAL search_path={stage_path(work)}")
        control.run("SET LOCAL check_function_bodies=off")
        control.run("SET LOCAL maintenance_work_mem='256MB'")
        work.ledger.mark_done(work.lease, statement.number, control)
        control.run(statement.sql)
    work.report(Event("step", statement.table, text=f"{statement.kind} {statement.name}"))


def _copy(work: Work) -> None:
    split_tables(work)
    Streams(work).run()


def _indexes(work: Work) -> None:
    """Indexes of different tables in parallel, then what only touches the catalog."""
    statements = [s for s in work.plan.of_stage(Stage.INDEXES) if s.number not in work.ledger.done(work.lease.key)]
    _in_parallel(work, statements, _index)
    _statements(work, work.plan.of_stage(Stage.FINISH), work.ledger.control)
    if work.plan.mode == Mode.FULL:
        for table in work.plan.tables:
            if table.moved:
                work.ledger.control.run(f"ANALYZE {quoted(work.stage)}.{quoted(table.target)}")


def _index(work: Work, statement: Statement, control: Control) -> None:
    """Build an index; a unique one that fails now may be right after the delta, so it is built then."""
    try:
        _statement(work, statement, control)
    except ValueRefusedError as error:
        work.report(Event("notice", statement.table, text=f"{statement.name} waits for the delta: {error.message}"))


def _in_parallel(work: Work, statements: Sequence[Statement], body: Callable[[Work, Statement, Control], None]) -> None:
    tasks: queue.SimpleQueue[Statement] = queue.SimpleQueue()
    for statement in statements:
        tasks.put(statement)
    failures: list[EngineError] = []

    def thread() -> None:
        control: Control | None = None
        try:
            control = Control(work.target_endpoint, "target")
            work.ledger.register_backend(work.lease, "target", str(control.pid))
            work.stop.register(control, control.raw.cancel)
            while not failures and not work.stop.asked:
                body(work, tasks.get_nowait(), control)
        except queue.Empty:
            pass
        except EngineError as error:
            failures.append(error)
        finally:
            if control:
                work.stop.forget(control)
                control.close()

    threads = [threading.Thread(target=thread, daemon=True) for _ in range(min(work.threads, len(statements)))]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    if work.stop.asked:
        raise stopped()
    if failures:
        raise failures[0]


# -- the finale -------------------------------------------------------------------------------------------------------


class _Finale:
    """Freeze, compare, delta, compare, keys, cutover: all while writers are locked out."""

    def __init__(self, migration: Migration, work: Work) -> None:
        self._migration = migration
        self._work = work
        self._outcome = Outcome(migration.key, tables=sum(1 for t in work.plan.tables if t.moved))
        self._freeze: Freeze | None = None

    def run(self) -> Outcome:
        """Bring the run to its end."""
        work = self._work
        if work.plan.mode != Mode.FULL:
            self._keys(compared=False)
            self._cut_over()
            return self._outcome
        began = time.monotonic()
        with self._frozen(), self._readers() as readers:
            mark = self._mark()
            self._compare(readers)
            self._late_indexes()
            self._counters(readers[0])
            self._keys(compared=True)
            self._check_standstill(mark, readers)
            if work.stop.asked:
                raise stopped()
            self._cut_over()
            self._outcome.frozen_seconds = round(time.monotonic() - began, 3)
        return self._outcome

    @contextlib.contextmanager
    def _frozen(self) -> Iterator[None]:
        work = self._work
        if work.plan.quiesce != Quiesce.ENGINE:
            yield
            return
        tables = [(t.schema, t.name) for t in work.plan.tables]
        self._freeze = work.source.freeze(tables, work.plan.freeze_seconds)
        work.report(Event("notice", text="writers of the source are locked out"))
        try:
            yield
        finally:
            self._freeze.release()
            work.report(Event("notice", text="writers of the source may go on"))

    @contextlib.contextmanager
    def _readers(self) -> Iterator[list[Reader]]:
        """Sessions that see the frozen source; without a freeze they must at least see one moment."""
        work = self._work
        readers: list[Reader] = []
        try:
            for _ in range(work.readers):
                reader = work.source.reader()
                readers.append(reader)
                work.stop.register(reader, reader.abort)
                work.ledger.register_backend(work.lease, "source", reader.backend)
            common = work.source.snapshot(readers)
            if not common and work.plan.quiesce != Quiesce.ENGINE:
                for spare in readers[1:]:
                    work.stop.forget(spare)
                    spare.close()
                del readers[1:]
            self._outcome.consistent_as_of = str(work.ledger.control.value("SELECT clock_timestamp()::text"))
            yield readers
        finally:
            for reader in readers:
                work.stop.forget(reader)
                reader.close()

    # -- compare and delta --------------------------------------------------------------------------------------------

    def _compare(self, readers: Sequence[Reader]) -> None:
        work = self._work
        self._check_schema()
        comparison = Comparison(work, readers)
        differences = comparison.run()
        for _ in range(_DELTA_ROUNDS):
            if not differences:
                break
            for difference in differences:
                self._mend(readers[0], difference)
            differences = comparison.rescan([d.table for d in differences])
        if differences:
            for difference in differences:
                narrow(work, readers[0], difference)
            told = "; ".join(d.describe() for d in differences)
            work.report(Event("verdict", text=f"different: {told}"))
            message = f"source and target differ: {told}"
            raise VerdictError(message, advice="Nothing was cut over. See docs/guides/verdict.md for what to look at.")
        for planned in work.plan.tables:
            if planned.moved:
                work.ledger.verified(work.lease, planned.number)
        for (table, _), (count, _) in comparison.source_sums().items():
            self._outcome.final_rows[str(table)] = self._outcome.final_rows.get(str(table), 0) + count
        self._outcome.rows = sum(self._outcome.final_rows.values())
        work.report(Event("verdict", rows=self._outcome.rows, text="equal"))

    def _check_schema(self) -> None:
        self._migration._check_source(self._work)  # noqa: SLF001  the two halves of one run

    def _mend(self, reader: Reader, difference: TableDifference) -> None:
        narrow(self._work, reader, difference)
        self._outcome.redone_rows += delta.apply(self._work, reader, difference)
        self._outcome.corrected.append(difference.describe())

    def _late_indexes(self) -> None:
        """Unique indexes that had to wait for the delta. One that still fails is a finding, not a detail."""
        work = self._work
        done = work.ledger.done(work.lease.key)
        for statement in work.plan.of_stage(Stage.INDEXES):
            if statement.number not in done:
                _statement(work, statement, work.ledger.control)

    def _counters(self, reader: Reader) -> None:
        """Set every sequence past the largest value and to the source's own counter, whichever is further."""
        work = self._work
        control = work.ledger.control
        for source, target in work.plan.sequences:
            value, called = reader.rows(f"SELECT last_value,is_called FROM {source}")[0]
            name = f"{quoted(work.stage)}.{quoted(target)}"
            control.run("SELECT setval(%s::regclass,%s,%s)", name, int(value or 1), called == "t")
        for table in work.plan.tables:
            for counter in table.counters:
                name = f"{quoted(work.stage)}.{quoted(table.target)}"
                sequence = control.value("SELECT pg_get_serial_sequence(%s,%s)", name, counter.column)
                if sequence is None:
                    continue
                edge = "max" if counter.increment > 0 else "min"
                largest = control.value(f"SELECT {edge}({quoted(counter.column)}) FROM {name}")
                following = _next_value(reader, work.engine, table, counter.source_column)
                _set_sequence(control, sequence, largest, following, counter.increment)

    def _keys(self, *, compared: bool) -> None:
        work = self._work
        del compared
        if not work.stop.asked:
            _statements(work, work.plan.of_stage(Stage.KEYS), work.ledger.control)
            _statements(work, work.plan.of_stage(Stage.LAST), work.ledger.control)

    # -- standstill and cutover ---------------------------------------------------------------------------------------

    def _mark(self) -> str | None:
        return self._work.source.position() if self._work.plan.quiesce == Quiesce.CONFIRM else None

    def _check_standstill(self, mark: str | None, readers: Sequence[Reader]) -> None:
        """With `Confirm`, prove that nothing was written since the comparison: by the log position, or by summing again."""
        work = self._work
        if work.plan.quiesce != Quiesce.CONFIRM:
            return
        if mark is not None and work.source.position() == mark:
            return
        for reader in readers:
            reader.rows("ROLLBACK") if work.engine is not Engine.SQLITE else None
        work.source.snapshot(readers)
        differences = Comparison(work, readers).run()
        if differences:
            message = f"the source was written to during the cutover: {', '.join(d.table.label for d in differences)}"
            raise SourceBusyError(
                message, advice="Stop its writers, then run the same command again; it goes on where it stopped."
            )

    def _cut_over(self) -> None:
        work = self._work
        ledger = work.ledger
        record = ledger.find(work.lease.key)
        if record is None:
            message = "the run is gone from the ledger"
            raise EngineError(message)
        unverified = ledger.unverified(work.lease) if work.plan.mode == Mode.FULL else 0
        if unverified:
            message = f"{unverified} chunks were not compared under the freeze"
            raise VerdictError(message)
        self._outcome.converted = [
            f"{t.label}.{c.source}: {v.rows} rows, {v.kind} → {v.rule}"
            for t in work.plan.tables
            for c in t.columns
            for v in c.converted
        ]
        retain = work.options.retain_seconds
        result = self._outcome.as_dict()
        swap.cut_over(ledger, work.lease, record, work.plan, result, frozen=self._still_frozen, retain_seconds=retain)
        work.report(Event("state", text=State.CUT_OVER.value))
        self._outcome.unvalidated = swap.validate_dependants(ledger.control, work.plan)

    def _still_frozen(self) -> None:
        if self._freeze and not self._freeze.alive():
            message = "source: the session that locks writers out has ended"
            raise ConnectionLostError(message, advice="Nothing was cut over; run the same command again.")


def _next_value(reader: Reader, engine: Engine, table: TablePlan, column: str) -> int:
    """What the source's own counter would give next; 0 where it keeps none."""
    if engine is Engine.SQLITE:
        if not reader.rows("SELECT 1 FROM sqlite_master WHERE name='sqlite_sequence'"):
            return 0
        name = "'" + table.name.replace("'", "''") + "'"
        found = reader.rows(f"SELECT seq FROM sqlite_sequence WHERE name={name}")
        return int(found[0][0] or 0) + 1 if found else 0
    if engine is Engine.POSTGRESQL:
        where = literal(f"{quoted(table.schema)}.{quoted(table.name)}")
        name = reader.rows(f"SELECT pg_get_serial_sequence({where},{literal(column)})")[0][0]
        if not name:
            return 0
        value, called = reader.rows(f"SELECT last_value,is_called FROM {name}")[0]
        step = int(reader.rows(f"SELECT seqincrement FROM pg_sequence WHERE seqrelid={literal(name)}::regclass")[0][0] or 1)
        return int(value or 0) + (step if called == "t" else 0)
    found = reader.rows(
        "SELECT AUTO_INCREMENT FROM information_schema.TABLES WHERE TABLE_SCHEMA="
        f"{mysql.hexed(table.schema)} AND TABLE_NAME={mysql.hexed(table.name)}"
    )
    return int(found[0][0] or 0) if found else 0


def _set_sequence(control: Control, sequence: str, largest: int | None, following: int, increment: int) -> None:
    past = None if largest is None else int(largest) + increment
    candidates = [v for v in (past, following or None) if v is not None]
    if not candidates:
        return
    value = max(candidates) if increment > 0 else min(candidates)
    low, high = control.rows("SELECT seqmin,seqmax FROM pg_sequence WHERE seqrelid=%s::regclass", sequence)[0]
    within = min(max(value, low), high)
    exhausted = not low <= value <= high
    control.run("SELECT setval(%s::regclass,%s,%s)", sequence, within, exhausted)


class _Heartbeat(threading.Thread):
    """Tells the ledger every few seconds that this process lives, and stops the run when another took it over."""

    def __init__(self, target: Endpoint, schema: str, lease: Lease, stop: Stop) -> None:
        super().__init__(daemon=True)
        self._control = Control(target, "target")
        self._ledger = Ledger(self._control, schema)
        self._lease = lease
        self._run_stop = stop
        self._ended = threading.Event()
        self.failure: EngineError | None = None
        self._ledger.register_backend(lease, "target", str(self._control.pid))

    def run(self) -> None:
        """Beat until the end."""
        while not self._ended.wait(_HEARTBEAT_SECONDS):
            try:
                self._ledger.heartbeat(self._lease)
            except EngineError as error:
                self.failure = error
                self._run_stop.now()
                return

    def end(self) -> None:
        """Stop beating."""
        self._ended.set()
        self.join()
        with contextlib.suppress(EngineError):
            self._control.run(
                f"DELETE FROM {self._ledger.schema}.backend WHERE run=%s AND attempt=%s", self._lease.key, self._lease.attempt
            )
        self._control.close()
