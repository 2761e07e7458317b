"""The end of a run, while writers are locked out: compare, bring up to date, compare again, cut over."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence

from landfall.engine.clients.postgresql import Control
from landfall.engine.copy.run_context import Work
from landfall.engine.copy.worker_pool import stopped
from landfall.engine.errors import (
    ApprovalRequiredError,
    ConnectionLostError,
    CutoverHeldError,
    EngineError,
    SourceBusyError,
    VerdictError,
)
from landfall.engine.model.events import Event
from landfall.engine.model.identifiers import literal, quoted
from landfall.engine.model.options import Engine, Quiesce
from landfall.engine.model.plan import Stage, TablePlan
from landfall.engine.model.run_state import State
from landfall.engine.run.phases import Outcome, carry_out, carry_out_all
from landfall.engine.sources.base import Freeze, Reader
from landfall.engine.sources.mysql import dialect as mysql
from landfall.engine.targets.postgresql import schema_swap
from landfall.engine.verify import repair
from landfall.engine.verify.compare import Comparison, TableDifference
from landfall.engine.verify.narrow import narrow

_DELTA_ROUNDS = 3


class Finale:
    """Freeze, compare, delta, compare, keys, cutover: all while writers are locked out."""

    def __init__(
        self, work: Work, check_source: Callable[[Work], None], handed_over: Callable[[Outcome, Callable[[], None]], None] | None
    ) -> None:
        self._handed_over = handed_over
        self._check_source = check_source
        self._work = work
        self._outcome = Outcome(work.lease.key, tables=sum(1 for t in work.plan.tables if t.moved))
        self._freeze: Freeze | None = None

    def run(self) -> Outcome:
        """Bring the run to its end. Raises CutoverHeldError outside the hours of the cutover."""
        work = self._work
        self._check_hours()
        if not work.plan.moves_rows:
            self._keys()
            if work.stop.asked:
                raise stopped()
            if not work.options.rehearsal:
                self._cut_over()
            return self._outcome
        if work.plan.quiesce == Quiesce.CONFIRM and not work.options.quiesced:
            message = "everything is copied; with quiesce: Confirm a person says when the source's writers have stopped"
            raise ApprovalRequiredError(message, advice="Stop them, then run the same command again with --quiesced.")
        began = time.monotonic()
        with self._frozen(), self._readers() as readers:
            mark = self._mark()
            self._compare(readers)
            self._late_indexes()
            self._counters(readers[0])
            self._keys()
            self._check_standstill(mark, readers)
            if work.stop.asked:
                raise stopped()
            if work.options.rehearsal:
                return self._outcome
            self._check_hours()
            self._outcome.frozen_seconds = round(
                time.monotonic() - began, 3
            )  # what the ledger keeps, should this process die now
            self._cut_over()
            self._outcome.frozen_seconds = round(time.monotonic() - began, 3)
            if self._handed_over and self._freeze:
                self._handed_over(self._outcome, self._still_frozen)
        return self._outcome

    def _check_hours(self) -> None:
        if not self._work.dials.may_cut_over() and not self._work.options.rehearsal:
            message = "everything is copied, and the cutover waits"
            raise CutoverHeldError(message, advice="It goes on when its hour has come, and its app is built.")

    @contextlib.contextmanager
    def _frozen(self) -> Iterator[None]:
        work = self._work
        if work.plan.quiesce != Quiesce.ENGINE:
            yield
            return
        tables = [(t.schema, t.name) for t in work.plan.tables]
        self._freeze = work.source.freeze(tables)
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
            raise VerdictError(message, advice="Nothing was cut over. See docs/guides/troubles.md for what to look at.")
        for planned in work.plan.tables:
            if planned.moved:
                work.ledger.verified(work.lease, planned.number)
        for (table, _), count in comparison.source_rows().items():
            self._outcome.final_rows[str(table)] = self._outcome.final_rows.get(str(table), 0) + count
        self._outcome.rows = sum(self._outcome.final_rows.values())
        work.report(Event("verdict", rows=self._outcome.rows, text="equal"))

    def _check_schema(self) -> None:
        self._check_source(self._work)

    def _mend(self, reader: Reader, difference: TableDifference) -> None:
        narrow(self._work, reader, difference)
        self._outcome.redone_rows += repair.apply(self._work, reader, difference)
        self._outcome.corrected.append(difference.describe())

    def _late_indexes(self) -> None:
        """Unique indexes that had to wait for the delta. One that still fails is a finding, not a detail."""
        work = self._work
        done = work.ledger.done(work.lease.key)
        for statement in work.plan.of_stage(Stage.INDEXES):
            if statement.number not in done:
                carry_out(work, statement, work.ledger.control)

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
                following = _next_value(reader, work.engine, table, counter.source_column) if counter.source_column else 0
                _set_sequence(control, sequence, largest, following, counter.increment)

    def _keys(self) -> None:
        work = self._work
        if not work.stop.asked:
            carry_out_all(work, work.plan.of_stage(Stage.KEYS), work.ledger.control)
            carry_out_all(work, work.plan.of_stage(Stage.LAST), work.ledger.control)

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
        unverified = ledger.unverified(work.lease) if work.plan.moves_rows else 0
        if unverified:
            message = f"{unverified} chunks were not compared under the freeze"
            raise VerdictError(message)
        self._outcome.converted = [
            f"{t.label}.{c.source}: {v.rows} rows, {v.kind} → {v.rule}"
            for t in work.plan.tables
            for c in t.columns
            for v in c.converted
        ]
        retain = work.options.retain_seconds if work.options.generate_rollback else 0
        result = self._outcome.as_dict()
        schema_swap.cut_over(ledger, work.lease, record, work.plan, result, frozen=self._still_frozen, retain_seconds=retain)
        work.report(Event("state", text=State.CUT_OVER.value))
        self._outcome.unvalidated = schema_swap.validate_dependants(ledger.control, work.plan)

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
        sequence = reader.rows(f"SELECT pg_get_serial_sequence({where},{literal(column)})")[0][0]
        if not sequence:
            return 0
        value, called = reader.rows(f"SELECT last_value,is_called FROM {sequence}")[0]
        step = int(reader.rows(f"SELECT seqincrement FROM pg_sequence WHERE seqrelid={literal(sequence)}::regclass")[0][0] or 1)
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
