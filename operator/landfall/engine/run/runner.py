"""A run from an approved plan to the cutover. Every phase reads in the ledger what is done, so running again resumes."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from landfall.engine.copy.cancellation import CancellationToken
from landfall.engine.copy.run_context import Work
from landfall.engine.copy.worker_pool import stopped
from landfall.engine.errors import (
    ConnectionLostError,
    EngineError,
    PlanBlockedError,
    RunEndedError,
    SpecError,
    SupersededError,
)
from landfall.engine.model.events import Event, EventKind
from landfall.engine.model.options import Endpoint, Options
from landfall.engine.model.plan import Plan
from landfall.engine.model.run_settings import Dials
from landfall.engine.model.run_state import RunRecord
from landfall.engine.run import phases
from landfall.engine.run.cutover import FinalPhase
from landfall.engine.run.phases import Outcome
from landfall.engine.run.source_check import SourceCheck
from landfall.engine.sources.registry import source_of
from landfall.engine.sources.run_key import run_keys
from landfall.engine.targets.ledger import Lease
from landfall.engine.targets.registry import target_of
from landfall.ledger_states import ORDER, State

_HEARTBEAT_SECONDS = 3
_HELP_SECONDS = 0.5


class MigrationRun:
    """One run of a migration. `report` is called from several threads.

    `handed_over` is called after the cutover, under the write lock, with the outcome and a function that raises if the write lock is
    lost. The write lock is held until it returns.
    """

    def __init__(self, source: Endpoint, target: Endpoint, options: Options, report: Callable[[Event], None]) -> None:
        self.source = replace(source, schemas=options.schemas)
        self.target = target
        self.options = options
        self.stop = CancellationToken()
        self.dials = Dials(options)
        self.handed_over: Callable[[Outcome, Callable[[], None]], None] | None = None
        self._told = report
        self._recovered = 0
        self._database = target_of(target).connect(target, options.ledger_schema)
        self.ledger = self._database.ledger
        try:
            self.key = self._recorded_key(run_keys(source, target, options))
        except BaseException:
            self.close()
            raise

    def _recorded_key(self, keys: Sequence[str]) -> str:
        """The key under which the ledger has this run; if it has none, the first."""
        key, *former = keys
        return key if not former else next((name for name in keys if self.ledger.find(name)), key)

    def close(self) -> None:
        """Close the control connection."""
        self._database.close()

    def _report(self, event: Event) -> None:
        if event.kind == EventKind.RECOVERED:
            self._recovered += 1
        self._told(event)

    def existing(self) -> RunRecord | None:
        """Return the record of this run if it was started before. Raises RunEndedError if it cannot be resumed."""
        record = self.ledger.find(self.key)
        if record and record.state.ended:
            message = f"this run was {record.state.value.replace('_', ' ')} and cannot be resumed"
            raise RunEndedError(message, advice="Change spec.data.rerunToken to run it again.")
        return record

    def moved(self, plan: Plan) -> dict[str, tuple[int, int]]:
        """Return what earlier attempts copied, as (rows, bytes) by the label of the table."""
        labels = {t.number: t.label for t in plan.tables}
        copied: dict[str, tuple[int, int]] = {}
        for chunk in self.ledger.chunks(self.key) if self.ledger.exists() else ():
            if chunk.done:
                rows, size = copied.get(labels[chunk.table], (0, 0))
                copied[labels[chunk.table]] = (rows + chunk.rows, size + chunk.bytes)
        return copied

    # -- the whole ----------------------------------------------------------------------------------------------------

    def run(self, name: str, plan: Plan | None) -> Outcome:
        """Run a plan, or resume the one in the ledger. `plan` is required if the ledger has none."""
        began = time.monotonic()
        record = self.existing()
        if record and record.state is State.CUT_OVER:
            return Outcome.recorded(record)
        lease = self._begun(name, plan, record)
        self.ledger.register_backend(lease, "target", self._database.session.backend)
        work = self._work(lease)
        beat = _Heartbeat(self.target, self.options.ledger_schema, lease, self.stop)
        beat.start()
        try:
            outcome = self._steps(work)
        except ConnectionLostError as error:
            if beat.failure:
                raise beat.failure from error
            if self.stop.requested:
                raise stopped() from error
            raise
        finally:
            beat.end()
        outcome.seconds = round(time.monotonic() - began, 3)
        outcome.recovered = self._recovered
        self.ledger.note(self.key, outcome.as_dict())
        return outcome

    def help(self) -> None:
        """Copy chunks as a copy helper until none is left. If the leading process dies, wait until another one takes over."""
        work: Work | None = None
        while not self.stop.requested:
            record = self.ledger.find(self.key) if self.ledger.exists() else None
            state = record.state if record else State.SCHEMA
            if state not in {State.SCHEMA, State.COPYING}:
                return
            if record and state is State.COPYING:
                if work is None or work.lease.attempt != record.attempt:
                    work = self._work(Lease(self.key, record.attempt, helper=True))
                try:
                    open_chunks = phases.help_copy(work)
                except (ConnectionLostError, SupersededError) as error:
                    self._report(Event(EventKind.RECOVERED, text=error.message))
                else:
                    if not open_chunks and {t.number for t in work.plan.tables if t.moved} <= self.ledger.split_tables(self.key):
                        return
            self.stop.wait(_HELP_SECONDS)
        raise stopped()

    def _begun(self, name: str, plan: Plan | None, record: RunRecord | None) -> Lease:
        if record:
            lease, backends = self.ledger.take_over(self.key, self.options.takeover_seconds)
            if backends:
                with contextlib.suppress(EngineError):
                    source_of(self.source).kill(backends)
            self._report(Event(EventKind.NOTICE, text=f"resuming at {record.state.value}, attempt {lease.attempt}"))
            return lease
        if plan is None:
            message = f"migration {name}: no plan to run"
            raise SpecError(message, advice="Create a plan first.")
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
            self._database,
            lease,
            stage,
            self._report,
            self.stop,
            self.dials,
        )

    def _steps(self, work: Work) -> Outcome:
        record = self.ledger.find(self.key)
        state = record.state if record else State.SCHEMA
        check = SourceCheck(work.engine, self.source, self.options)
        if state is not State.COMPARING:
            check(work)
        full = work.plan.moves_rows
        last_written = work.source.written() if full and not any(c.done for c in work.ledger.chunks(self.key)) else None
        order: tuple[tuple[State, Callable[[Work], None]], ...] = (
            (State.SCHEMA, phases.schema),
            (State.COPYING, phases.copy if full else phases.nothing),
            (State.INDEXING, phases.indexes),
        )
        for step, body in order:
            if ORDER.index(state) > ORDER.index(step):
                continue
            self._report(Event(EventKind.STATE, text=step.value))
            body(work)
            if self.stop.requested:
                raise stopped()
            self.ledger.advance(work.lease, ORDER[ORDER.index(step) + 1])
        self._report(Event(EventKind.STATE, text=State.COMPARING.value))
        return FinalPhase(
            work, check, self.handed_over, lambda: last_written is not None and work.source.written() == last_written
        ).run()


class _Heartbeat(threading.Thread):
    """Writes a heartbeat to the ledger every 3 s, and stops the run if another process has taken it over."""

    def __init__(self, target: Endpoint, schema: str, lease: Lease, stop: CancellationToken) -> None:
        super().__init__(daemon=True)
        self._database = target_of(target).connect(target, schema)
        self._ledger = self._database.ledger
        self._lease = lease
        self._run_stop = stop
        self._ended = threading.Event()
        self.failure: EngineError | None = None
        self._ledger.register_backend(lease, "target", self._database.session.backend)

    def run(self) -> None:
        """Write heartbeats until `end` is called."""
        while not self._ended.wait(_HEARTBEAT_SECONDS):
            try:
                self._ledger.heartbeat(self._lease)
            except EngineError as error:
                self.failure = error
                self._run_stop.abort()
                return

    def end(self) -> None:
        """Stop the heartbeat."""
        self._ended.set()
        self.join()
        with contextlib.suppress(EngineError):
            self._ledger.forget_backends(self._lease)
        self._database.close()


__all__ = ["MigrationRun", "Outcome"]
