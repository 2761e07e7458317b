"""The last phase of a run: repair without a lock, then acquire the write lock, verify, repair, cut over.

The rule: the time under the write lock is limited. Before the transaction of the cutover begins, a thread releases the lock and ends
every statement when the limit (`spec.data.cutover.maxPause`) has passed. The transaction of the cutover is not interrupted: it waits
for locks on the target for at most 3 s, five times, and each of its statements takes at most 60 s. If the migration includes an app,
the write lock is held after the cutover until the app has switched. This time is not limited here: the new app may have written to
the target already, and later writes to the source would be lost. The lock is released when the operator reports the end (the app has
switched or has failed, within the time limits of its release), when the run is stopped, or when the session is lost, which is reported.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from landfall.engine.copy.run_context import Limit, Work
from landfall.engine.copy.worker_pool import stopped
from landfall.engine.errors import (
    ApprovalRequiredError,
    ConnectionLostError,
    CutoverHeldError,
    EngineError,
    PauseExceededError,
    SourceBusyError,
    TargetInTheWayError,
    VerificationError,
)
from landfall.engine.model.chunk_range import ChunkRange, uncovered
from landfall.engine.model.events import Event, EventKind
from landfall.engine.model.options import Quiesce
from landfall.engine.model.plan import Stage
from landfall.engine.planning.grouping import not_migrated
from landfall.engine.run.fencing import fenced
from landfall.engine.run.phases import Outcome, carry_out, carry_out_all
from landfall.engine.run.rounds import LATE, back_off, keyed, pause_limit, repair_rounds, undo_foreign_keys
from landfall.engine.sources.base import FencingLock, Reader, WriteLock
from landfall.engine.sources.engine import SequenceSource
from landfall.engine.targets.engine import CutoverChecks
from landfall.engine.verify.compare import Comparison, TableDifference
from landfall.engine.verify.naming import describe_with_keys
from landfall.engine.verify.repair import repair
from landfall.engine.verify.views import budget, compare_views
from landfall.ledger_states import State
from landfall.lib.text import counted

_REPAIRS = 3


class FinalPhase:
    """Repair, lock, verification, repair, keys, cutover. `unwritten`: whether the source reports no write since the copy began."""

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
        self._freeze: WriteLock | None = None
        self._since = time.monotonic()

    def run(self) -> Outcome:
        """Run the phase. Raises CutoverHeldError before the start time or outside the maintenance window."""
        work = self._work
        self._check_hours()
        if not work.plan.moves_rows:
            carry_out_all(work, [s for stage in LATE for s in work.plan.of_stage(stage)])
            if work.stop.requested:
                raise stopped()
            if not work.options.rehearsal:
                self._cut_over()
            return self._outcome
        if work.plan.quiesce == Quiesce.CONFIRM and not work.options.quiesced:
            message = "everything is copied; quiesce: Confirm requires your confirmation that the source's writers have stopped"
            raise ApprovalRequiredError(message, advice="Stop the writers, then run the same command again with --quiesced.")
        if work.plan.quiesce == Quiesce.ENGINE:
            self._with_lock()
        else:
            with self._opened() as readers:
                self._since = time.monotonic()
                self._finish(readers, None)
        return self._outcome

    def _with_lock(self) -> None:
        """Repair and lock until the phase ends within one lock. Raises PauseExceededError after too many attempts."""
        work = self._work
        if not self._unwritten():
            repair_rounds(work, self._seeing, self._outcome)
        seconds = pause_limit(work.options, work.plan)
        while not self._locked(seconds):
            self._outcome.locks_given_back += 1
            work.report(Event(EventKind.RETURNED, text=f"the write lock reached its limit of {seconds:.0f} s and was released"))
            pause = back_off(self._outcome.locks_given_back)
            if pause is None:
                raise self._exceeded(seconds)
            work.stop.wait(pause)
            repair_rounds(work, self._seeing, self._outcome)

    def _locked(self, seconds: float) -> bool:
        """Acquire the write lock and finish. Return False if the limit passed first and the lock was released."""
        run = self._work
        self._check_schema()  # before the lock, which then has to detect only what changes from now on
        limit = Limit(run.stop, seconds)
        limit.register(self, self._release)  # first, so that the lock is released before any session is ended
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
            f"source: the write lock would last longer than the allowed {seconds:.0f} s (the verification takes about {took:.0f} s);"
            f" it was released {self._outcome.locks_given_back} times"
        )
        advice = (
            "Nothing was cut over, and the source is writable. Raise spec.data.cutover.maxPause, stop the source's writers, or run"
            " when there is less load; the run resumes where it stopped."
        )
        return PauseExceededError(message, advice=advice)

    def _finish(self, readers: list[Reader], limit: Limit | None) -> None:
        """Verify and cut over, at one point in time of the source."""
        work = self._work
        mark = self._mark()  # before the snapshots, so that a write between the two is detected at the end
        self._see(readers)
        self._compare(readers)
        self._late_indexes()
        self._counters(readers[0])
        self._keys(readers[0], limit)
        self._check_standstill(mark, readers)
        if work.options.rehearsal:
            return
        self._outcome.frozen_seconds = round(
            time.monotonic() - self._since, 3
        )  # recorded in the ledger in case this process dies now
        self._end_transactions(readers)
        with fenced(work, self._outcome, self._freeze):
            self._cut_over()
        self._outcome.frozen_seconds = round(time.monotonic() - self._since, 3)
        if self._handed_over and self._freeze:
            self._handed_over(self._outcome, self._still_frozen)

    def _check_hours(self) -> None:
        if not self._work.dials.may_cut_over() and not self._work.options.rehearsal:
            message = "everything is copied, and the cutover waits"
            raise CutoverHeldError(
                message, advice="It continues when its start time or maintenance window is reached and its app is built."
            )

    @contextlib.contextmanager
    def _frozen(self, limit: Limit) -> Iterator[None]:
        """Hold the write lock. The limit counts from its acquisition, and releases it before it ends any other statement."""
        work = self._work
        self._since = time.monotonic()
        self._freeze = work.source.freeze([(t.schema, t.name) for t in work.plan.tables], fenced=work.plan.fence)
        for backend in self._freeze.backends if isinstance(self._freeze, FencingLock) else ():
            work.ledger.register_backend(work.lease, "source", backend)
        limit.register(work.database.session, work.database.session.cancel)
        limit.start()
        work.report(Event(EventKind.NOTICE, text="the write lock on the source is acquired"))
        try:
            yield
        finally:
            limit.end()  # joins the timer thread, which may be releasing the lock at this moment
            self._release()
            refused = ", and its writers are refused" if self._outcome.fence else ""
            work.report(Event(EventKind.NOTICE, text=f"the write lock on the source is released{refused}"))

    def _release(self) -> None:
        """Release the write lock, from any thread."""
        if self._freeze:
            self._freeze.release()

    @contextlib.contextmanager
    def _opened(self) -> Iterator[list[Reader]]:
        """Sessions on the source, opened before the write lock."""
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
        """Sessions in one snapshot, or without any where it would keep definitions from being changed until the end of the round.

        A round is not binding, so each statement may read for itself. A statement that waits for such a lock holds up all later ones.
        """
        with self._opened() as readers:
            if not self._work.engine.capabilities.snapshot_locks:
                self._work.source.snapshot(readers)
            yield readers

    def _see(self, readers: list[Reader]) -> None:
        """Open snapshots on the locked source. Without a lock, all sessions must see the same point in time, or one session remains."""
        work = self._work
        common = work.source.snapshot(readers)
        if not common and work.plan.quiesce != Quiesce.ENGINE:
            for spare in readers[1:]:
                work.stop.forget(spare)
                spare.close()
            del readers[1:]
        self._outcome.consistent_as_of = work.database.clock()

    # -- compare and repair -------------------------------------------------------------------------------------------

    def _compare(self, readers: Sequence[Reader]) -> None:
        """Compare everything; repair what differs and compare it again, up to three times. Raises VerificationError."""
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
            # A trigger that exists already may have changed rows of other chunks.
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
        work.report(Event(EventKind.VERDICT, rows=outcome.rows, text="equal"))

    def _refuse(self, reader: Reader, differences: Sequence[TableDifference]) -> None:
        listed = "; ".join(describe_with_keys(self._work, reader, d) for d in differences)
        self._work.report(Event(EventKind.VERDICT, text=f"different: {listed}"))
        message = f"source and target differ: {listed}"
        raise VerificationError(message, advice="Nothing was cut over. See the reason VerdictBad in docs/guides/troubles.md.")

    def _check_schema(self) -> None:
        self._check_source(self._work)

    def _check_coverage(self) -> None:
        """Check that the chunks in the ledger cover every table exactly once: rows outside all chunks would not be compared."""
        ranges: dict[int, list[ChunkRange]] = {t.number: [] for t in self._work.plan.tables if t.moved}
        for chunk in self._work.ledger.chunks(self._work.lease.key):
            ranges[chunk.table].append(chunk.range)
        for table in self._work.plan.tables:
            if table.moved and (reason := uncovered(ranges[table.number])):
                message = f"{table.label}: the chunks in the ledger do not cover the table exactly once: {reason}"
                advice = "Nothing was cut over. Run `landfall rollback` to drop the staged tables, then run again with a new rerunToken."
                raise VerificationError(message, advice=advice)

    def _late_indexes(self) -> None:
        """Build the unique indexes that had to wait for the repair. If one still fails, the run fails."""
        work = self._work
        executed = work.ledger.done(work.lease.key)
        for statement in work.plan.of_stage(Stage.INDEXES):
            if statement.number not in executed:
                carry_out(work, statement, work.database)

    def _counters(self, reader: Reader) -> None:
        """Set every sequence to the value after the largest one, or to the next value of the source, whichever is further."""
        work, staging = self._work, self._work.staging
        if isinstance(work.engine, SequenceSource):
            for source, target, target_schema in work.plan.placed_sequences:
                value, is_called = work.engine.sequence_position(reader, source)
                work.staging_of(target_schema).set_sequence(target, value, is_called=is_called)
            for source, target in () if work.options.rehearsal else work.plan.followed:
                value, is_called = work.engine.sequence_position(reader, source)
                staging.follow_sequence(target, value, is_called=is_called)
        for table in work.plan.tables:
            for counter in table.counters:
                following = work.engine.next_value(reader, table, counter.source_column) if counter.source_column else 0
                work.staging_of(work.plan.within(table)).set_counter(table.target, counter, following)

    def _keys(self, reader: Reader, limit: Limit | None) -> None:
        """Create what must not exist during a repair, compare the views, and check a last time whether to cut over, in one transaction."""
        work = self._work
        with work.database.session.transaction():
            carry_out_all(work, [s for stage in LATE for s in work.plan.of_stage(stage)])
            if work.stop.requested:
                raise stopped()
            self._views(reader)
            self._check_hours()
            if limit and not limit.end():
                raise stopped()

    def _views(self, reader: Reader) -> None:
        """Compare the translated views. Raises VerificationError if one returns other rows than in the source."""
        work = self._work
        locked = work.plan.quiesce == Quiesce.ENGINE
        results = compare_views(work, reader, budget(pause_limit(work.options, work.plan)) if locked else None)
        self._outcome.views_equal, self._outcome.views_uncompared = results.equal, results.uncompared
        for line in results.uncompared:
            work.report(Event(EventKind.NOTICE, text=f"view not compared: {line}"))
        if results.different:
            listed = "; ".join(results.different)
            work.report(Event(EventKind.VERDICT, text=f"different: views {listed}"))
            message = f"these views return other rows in the target than in the source: {listed}"
            advice = (
                "Nothing was cut over. Compare the view on both sides, and report the difference. To leave it out and create it manually, add"
                " it to spec.data.source.excludeTables and change spec.data.rerunToken."
            )
            raise VerificationError(message, advice=advice)
        if results.equal:
            work.report(Event(EventKind.NOTICE, text=f"{counted(results.equal, 'view', 'return')} the same rows on both sides"))

    # -- last check and cutover ---------------------------------------------------------------------------------------

    def _mark(self) -> str | None:
        return self._work.source.position() if self._work.plan.quiesce == Quiesce.CONFIRM else None

    def _check_standstill(self, mark: str | None, readers: Sequence[Reader]) -> None:
        """With `Confirm`, check that nothing was written since the verification: by the log position, or by comparing again."""
        work = self._work
        if work.plan.quiesce != Quiesce.CONFIRM:
            return
        if mark is not None and work.source.position() == mark:
            return
        self._end_transactions(readers)
        work.source.snapshot(readers)
        differences = Comparison(work, readers).run()
        if differences:
            message = f"the source was written to during the cutover: {', '.join(d.table.label for d in differences)}"
            raise SourceBusyError(
                message, advice="Stop its writers, then run the same command again; it resumes where it stopped."
            )

    def _end_transactions(self, readers: Sequence[Reader]) -> None:
        """Give up the snapshots: on some engines they hold locks that keep definitions from being changed."""
        if self._work.engine.capabilities.transactional_reader:
            for reader in readers:
                reader.rows("ROLLBACK")

    def _cut_over(self) -> None:
        work = self._work
        ledger = work.ledger
        record = ledger.find(work.lease.key)
        if record is None:
            message = f"target: the run {work.lease.key[:12]} no longer exists in the ledger"
            raise EngineError(message, advice="Run the same command again; if the ledger was deleted, the run starts again.")
        unverified = ledger.unverified(work.lease) if work.plan.moves_rows else 0
        if unverified:
            message = f"{unverified} chunks were not compared under the write lock"
            raise VerificationError(message, advice="Nothing was cut over. Run the same command again.")
        self._outcome.converted = [
            f"{t.label}.{c.source}: {v.rows} rows, {v.kind} → {v.rule}"
            for t in work.plan.tables
            for c in t.columns
            for v in c.converted
        ]
        result = self._outcome.as_dict()
        work.database.swap.cut_over(
            work.lease,
            record,
            work.plan,
            result,
            checks=CutoverChecks(self._still_same, self._still_frozen),
            retain_seconds=work.options.retention_seconds,
        )
        for line in not_migrated(work.plan):
            work.report(Event(EventKind.NOTICE, text=f"not migrated: {line}"))
        work.report(Event(EventKind.STATE, text=State.CUT_OVER.value))
        self._outcome.unvalidated = work.database.swap.validate_dependants(work.plan)

    def _still_same(self) -> None:
        """Compare the existing tables whose rows stay with their staged copies."""
        work = self._work
        for table in work.plan.tables:
            if table.target in work.plan.kept:
                now = work.target.queries(work.shape(table), work.plan.target_of(table)).range_sums(None, None)
                staged = work.queries(table).range_sums(None, None)
                if work.database.session.rows(now) != work.database.session.rows(staged):
                    message = (
                        f"target: {table.target} and the source held the same rows when the plan was made, and do not any more"
                    )
                    raise TargetInTheWayError(message, advice="Cancel, and plan again with a new rerunToken.")

    def _still_frozen(self) -> None:
        if self._freeze and not self._freeze.alive():
            message = "source: the session that holds the write lock has ended"
            raise ConnectionLostError(message, advice="Nothing was cut over; run the same command again.")
