"""The end of a run: repair without a lock, then lock writers out, compare, copy again what differs, cut over.

The rule: whatever the source is held locked for is bounded. Before the cutover's transaction begins, the limit
(`spec.data.cutover.maxPause`) releases the lock and ends every statement, from a thread of its own. The transaction of
the cutover is not interrupted: it waits for locks of the target for at most 3 s, five times, and no statement of it
takes over 60 s. Where an app moves along, the lock is held from the cutover on until the app has switched. That is
never limited from here: the new app may have written to the target already, and a writer that is let in to the source
would write what nobody moves. It ends when the operator says so (the app has moved or has failed, within the time
limits of its release), when the run is stopped, or when the session is lost, which is told.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from landfall.engine.clients.postgresql import Control
from landfall.engine.copy.run_context import Limit, Work
from landfall.engine.copy.worker_pool import stopped
from landfall.engine.errors import (
    ApprovalRequiredError,
    ConnectionLostError,
    CutoverHeldError,
    EngineError,
    PauseExceededError,
    SourceBusyError,
    VerificationError,
)
from landfall.engine.model.chunk_range import ChunkRange, uncovered
from landfall.engine.model.events import Event
from landfall.engine.model.identifiers import quoted
from landfall.engine.model.options import Quiesce
from landfall.engine.model.plan import Stage
from landfall.engine.model.run_state import State
from landfall.engine.run.phases import Outcome, carry_out, carry_out_all
from landfall.engine.run.rounds import LATE, back_off, keyed, pause_limit, repair_rounds, undo_foreign_keys
from landfall.engine.sources.base import Freeze, Reader
from landfall.engine.targets.postgresql import schema_swap
from landfall.engine.verify.compare import Comparison, TableDifference
from landfall.engine.verify.naming import named
from landfall.engine.verify.repair import repair

_REPAIRS = 3


class Finale:
    """Repair, lock, compare, repair, keys, cutover. `unwritten`: a hint that nothing was written to the source since the copy began."""

    def __init__(
        self,
        work: Work,
        check_source: Callable[[Work], None],
        handed_over: Callable[[Outcome, Callable[[], None]], None] | None,
        unwritten: Callable[[], bool],
    ) -> None:
        self._handed_over = handed_over
        self._unwritten = unwritten
        self._check_source = check_source
        self._work = work
        self._outcome = Outcome(work.lease.key, tables=sum(1 for t in work.plan.tables if t.moved))
        self._freeze: Freeze | None = None
        self._since = time.monotonic()

    def run(self) -> Outcome:
        """Bring the run to its end. Raises CutoverHeldError outside the hours of the cutover."""
        work = self._work
        self._check_hours()
        if not work.plan.moves_rows:
            carry_out_all(work, [s for stage in LATE for s in work.plan.of_stage(stage)], work.ledger.control)
            if work.stop.asked:
                raise stopped()
            if not work.options.rehearsal:
                self._cut_over()
            return self._outcome
        if work.plan.quiesce == Quiesce.CONFIRM and not work.options.quiesced:
            message = "everything is copied; with quiesce: Confirm a person says when the source's writers have stopped"
            raise ApprovalRequiredError(message, advice="Stop them, then run the same command again with --quiesced.")
        if work.plan.quiesce == Quiesce.ENGINE:
            self._with_lock()
        else:
            with self._opened() as readers:
                self._since = time.monotonic()
                self._finish(readers, None)
        return self._outcome

    def _with_lock(self) -> None:
        """Repair and lock until one lock suffices. Raises PauseExceededError when the lock was given back too often."""
        work = self._work
        if not self._unwritten():
            repair_rounds(work, self._seeing, self._outcome)
        seconds = pause_limit(work.options, work.plan)
        while not self._locked(seconds):
            self._outcome.locks_given_back += 1
            work.report(Event("returned", text=f"the write lock reached its limit of {seconds:.0f} s and was given back"))
            pause = back_off(self._outcome.locks_given_back)
            if pause is None:
                raise self._exceeded(seconds)
            work.stop.wait(pause)
            repair_rounds(work, self._seeing, self._outcome)

    def _locked(self, seconds: float) -> bool:
        """Lock writers out and finish; False where the limit passed first, and writers go on."""
        run = self._work
        limit = Limit(run.stop, seconds)
        limit.register(self, self._release)  # first, so that writers go on before any session is ended
        self._work = replace(run, stop=limit)
        try:
            with self._opened() as readers, self._frozen(limit):
                self._finish(readers, limit)
        except EngineError:
            if not limit.passed:
                raise
            return False
        finally:
            limit.end()
            self._work = run
        return True

    def _exceeded(self, seconds: float) -> PauseExceededError:
        took = self._outcome.comparison_seconds or self._work.plan.freeze_seconds
        message = (
            f"source: writers would be locked out for longer than the {seconds:.0f} s that are allowed (the comparison alone takes"
            f" about {took:.0f} s); the write lock was given back {self._outcome.locks_given_back} times"
        )
        advice = (
            "Nothing was cut over, and writers go on. Raise spec.data.cutover.maxPause, stop the source's writers, or run at a"
            " quieter hour; the run goes on where it stopped."
        )
        return PauseExceededError(message, advice=advice)

    def _finish(self, readers: list[Reader], limit: Limit | None) -> None:
        """Compare and cut over, at one moment of the source."""
        work = self._work
        mark = self._mark()  # before the snapshots: what is written between the two makes it differ in the end
        self._see(readers)
        self._compare(readers)
        self._late_indexes()
        self._counters(readers[0])
        self._keys(limit)
        self._check_standstill(mark, readers)
        if work.options.rehearsal:
            return
        self._outcome.frozen_seconds = round(time.monotonic() - self._since, 3)  # kept by the ledger, should this process die now
        self._cut_over()
        self._outcome.frozen_seconds = round(time.monotonic() - self._since, 3)
        if self._handed_over and self._freeze:
            self._handed_over(self._outcome, self._still_frozen)

    def _check_hours(self) -> None:
        if not self._work.dials.may_cut_over() and not self._work.options.rehearsal:
            message = "everything is copied, and the cutover waits"
            raise CutoverHeldError(message, advice="It goes on when its hour has come, and its app is built.")

    @contextlib.contextmanager
    def _frozen(self, limit: Limit) -> Iterator[None]:
        """Hold the write lock. The limit counts from the moment it is held, and releases it before it ends anything else."""
        work = self._work
        self._since = time.monotonic()
        self._freeze = work.source.freeze([(t.schema, t.name) for t in work.plan.tables])
        limit.register(work.ledger.control, work.ledger.control.raw.cancel)
        limit.start()
        work.report(Event("notice", text="writers of the source are locked out"))
        try:
            yield
        finally:
            limit.end()  # joins the timer, which may be releasing the lock itself
            self._release()
            work.report(Event("notice", text="writers of the source may go on"))

    def _release(self) -> None:
        """Let writers go on, from any thread."""
        if self._freeze:
            self._freeze.release()

    @contextlib.contextmanager
    def _opened(self) -> Iterator[list[Reader]]:
        """Sessions with the source, opened before it is locked."""
        work = self._work
        readers: list[Reader] = []
        try:
            for _ in range(work.readers):
                reader = work.source.reader()
                readers.append(reader)
                work.stop.register(reader, reader.abort)
                work.ledger.register_backend(work.lease, "source", reader.backend)
            yield readers
        finally:
            for reader in readers:
                work.stop.forget(reader)
                reader.close()

    @contextlib.contextmanager
    def _seeing(self) -> Iterator[list[Reader]]:
        """Sessions in snapshots, of one moment where the source can do that."""
        with self._opened() as readers:
            self._work.source.snapshot(readers)
            yield readers

    def _see(self, readers: list[Reader]) -> None:
        """Have sessions see the locked source; without a lock they must at least see one moment."""
        work = self._work
        common = work.source.snapshot(readers)
        if not common and work.plan.quiesce != Quiesce.ENGINE:
            for spare in readers[1:]:
                work.stop.forget(spare)
                spare.close()
            del readers[1:]
        self._outcome.consistent_as_of = str(work.ledger.control.value("SELECT clock_timestamp()::text"))

    # -- compare and repair -------------------------------------------------------------------------------------------

    def _compare(self, readers: Sequence[Reader]) -> None:
        """Compare everything; copy again what differs and compare that again, a few times. Raises VerificationError."""
        work, outcome = self._work, self._outcome
        self._check_schema()
        self._check_coverage()
        work.ledger.unverify(work.lease)
        comparison = Comparison(work, readers)
        differences = comparison.run()
        for _ in range(_REPAIRS):
            if not differences:
                break
            undo_foreign_keys(work)
            outcome.redone_rows += repair(work, readers, differences)
            outcome.repaired_locked += sum(len(d.chunks) for d in differences)
            outcome.corrected += [d.describe() for d in differences]
            # A trigger that is there already may have changed rows of other chunks.
            differences = comparison.run() if keyed(work) else comparison.again(differences)
        outcome.compared_locked = comparison.chunks
        if differences:
            self._refuse(readers[0], differences)
        self._check_coverage()
        for planned in work.plan.tables:
            if planned.moved:
                work.ledger.verified(work.lease, planned.number)
        outcome.final_rows = {}
        for (table, _), count in comparison.source_rows().items():
            outcome.final_rows[str(table)] = outcome.final_rows.get(str(table), 0) + count
        outcome.rows = sum(outcome.final_rows.values())
        work.report(Event("verdict", rows=outcome.rows, text="equal"))

    def _refuse(self, reader: Reader, differences: Sequence[TableDifference]) -> None:
        told = "; ".join(named(self._work, reader, d) for d in differences)
        self._work.report(Event("verdict", text=f"different: {told}"))
        message = f"source and target differ: {told}"
        raise VerificationError(message, advice="Nothing was cut over. See docs/guides/troubles.md for what to look at.")

    def _check_schema(self) -> None:
        self._check_source(self._work)

    def _check_coverage(self) -> None:
        """Refuse to compare by a ledger whose chunks are not every row of every table once: rows of no chunk are never looked at."""
        ranges: dict[int, list[ChunkRange]] = {t.number: [] for t in self._work.plan.tables if t.moved}
        for chunk in self._work.ledger.chunks(self._work.lease.key):
            ranges[chunk.table].append(chunk.range)
        for table in self._work.plan.tables:
            if table.moved and (why := uncovered(ranges[table.number])):
                message = f"{table.label}: the chunks in the ledger do not cover the table exactly once: {why}"
                advice = (
                    "Nothing was cut over. Run `landfall rollback` to drop what was staged, then run again with a new rerunToken."
                )
                raise VerificationError(message, advice=advice)

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
                following = work.engine.next_value(reader, table, counter.source_column) if counter.source_column else 0
                _set_sequence(control, sequence, largest, following, counter.increment)

    def _keys(self, limit: Limit | None) -> None:
        """What must not be there while rows are repaired, and the last word on whether to cut over: all or nothing."""
        work = self._work
        with work.ledger.control.transaction():
            carry_out_all(work, [s for stage in LATE for s in work.plan.of_stage(stage)], work.ledger.control)
            if work.stop.asked:
                raise stopped()
            self._check_hours()
            if limit and not limit.end():
                raise stopped()

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
            reader.rows("ROLLBACK") if work.engine.capabilities.transactional_reader else None
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
            raise VerificationError(message)
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
