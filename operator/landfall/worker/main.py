"""`landfall worker`: executes one task, which it reads from a file, with the engine.

Exit status: 0: the task is done and reported. 75: start again (SIGTERM, or the last report was not delivered). 1: any other failure;
the report says whether a retry can help.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Literal, assert_never

from landfall.api.progress import Rehearsed
from landfall.api.worker_protocol import (
    EXIT_AGAIN,
    EXIT_DONE,
    EXIT_FAILED,
    KNOWN_SECRET,
    ConnectionProbe,
    Dials,
    Failure,
    ReportFields,
    Task,
)
from landfall.engine.errors import CutoverHeldError, EngineError, SourceChangedError, SpecError
from landfall.engine.model.events import Event
from landfall.engine.model.plan import Plan
from landfall.engine.model.plan_codec import unpacked
from landfall.engine.prepare.make_plan import make_plan
from landfall.engine.run.rehearsal import Rehearsal
from landfall.engine.run.rollback import roll_back, tidy
from landfall.engine.run.runner import MigrationRun, Outcome
from landfall.engine.sources.probe import probed
from landfall.errors import Retry
from landfall.ledger_states import STATES, WORK, State
from landfall.lib import environment
from landfall.lib.redact import redacted
from landfall.lib.signals import stop_signals
from landfall.lib.text import counted
from landfall.notifications.send import ping, send
from landfall.runspec import ResolvedRun, RunInputs, endpoint, resolve
from landfall.worker.plan_report import _plan_fields
from landfall.worker.progress import EventReporter
from landfall.worker.reporter import Reporter
from landfall.worker.termination_message import TERMINATION_LOG

ROOT = Path("/etc/landfall")
DATA = Path("/data")
_GRACE_SECONDS = 20
_HOLD_SECONDS = 0.5


class Worker:
    """Executes one task and reports its result."""

    def __init__(self, task: Task, root: Path, reporter: Reporter) -> None:
        self._task = task
        self._root = root
        self._reporter = reporter
        self._secrets: list[str] = []
        self._watch: EventReporter | None = None
        self._key = ""

    def work(self) -> int:
        """Execute the task. Return the exit status."""
        self._reporter.start()
        try:
            fields = self._result()
        except CutoverHeldError as error:
            self._say(error.message)
            fields = {"state": State.COMPARING, **self._common_fields()}
        except EngineError as error:
            transient = error.retry.by_itself
            failure = Failure(reason=error.reason, message=redacted(str(error), *self._secrets), transient=transient)
            self._say(f"{failure.reason}: {failure.message}", "warning" if transient else "error")
            failed: ReportFields = {**self._common_fields(), "failure": failure}
            delivered = self._reporter.finish(**failed)
            return EXIT_FAILED if delivered and error.retry is not Retry.NOW else EXIT_AGAIN
        last: ReportFields = {"key": self._key, **fields}
        return EXIT_DONE if self._reporter.finish(**last) else EXIT_AGAIN

    def _result(self) -> ReportFields:  # noqa: C901, PLR0911  one case for each verb, and nothing else
        """Execute the verb of the task. Return the fields of the last report."""
        match self._task.verb:
            case "probe":
                return self._probe()
            case "plan":
                return self._plan()
            case "rehearse":
                return self._rehearse()
            case "run":
                return self._run()
            case "help":
                return self._help()
            case "back":
                return self._back()
            case "tidy":
                return self._tidy()
            case "notify":
                return self._notify()
            case "ping":
                return self._ping()
            case "build":
                message = "a builder executes this task, not a worker"
                raise SpecError(message)
            case _:
                assert_never(self._task.verb)

    def _common_fields(self) -> ReportFields:
        """The ledger key of the run, and its progress."""
        return {"key": self._key, **({"progress": self._watch.progress()} if self._watch else {})}

    # -- the verbs ----------------------------------------------------------------------------------------------------

    def _notify(self) -> ReportFields:
        if self._task.migration is None or self._task.notice is None:
            message = "the task contains no Migration or no notification"
            raise SpecError(message)
        send(self._task.migration, self._task.notice, lambda name: dict(self._secret(name, "notification")))
        return {}

    def _ping(self) -> ReportFields:
        if self._task.webhook is None:
            message = "the task contains no webhook"
            raise SpecError(message)
        return {"probe": ConnectionProbe(version=ping(self._task.webhook, lambda name: dict(self._secret(name, "notification"))))}

    def _probe(self) -> ReportFields:
        name = next(iter(self._task.connections))
        began = time.monotonic()
        version, capabilities = probed(endpoint(name, self._inputs(), "connection"))
        elapsed = int((time.monotonic() - began) * 1000)
        return {"probe": ConnectionProbe(version=version, capabilities=capabilities, latency_milliseconds=elapsed)}

    def _plan(self) -> ReportFields:
        """Create the plan; or if the ledger already has the run, report its plan and state."""
        resolved = self._resolved()
        with self._engine(resolved) as engine:
            record = engine.ledger.find(engine.key)
            if record:
                plan = engine.ledger.plan(engine.key)
                result: ReportFields = {"state": record.state, "already": record.state is State.CUT_OVER}
                if record.state is State.CUT_OVER:
                    result |= self._recorded(engine, plan, Outcome.recorded(record))
                return {**result, **_plan_fields(plan, self._task.plans), "kept": bool(plan.replaced)}
        plan = make_plan(resolved.source, resolved.target, resolved.options)
        self._say(
            f"planned {counted(len(plan.tables), 'table')}: {counted(len(plan.to_review), 'review item')}, {counted(len(plan.blockers), 'blocker')}"
        )
        return _plan_fields(plan, self._task.plans)

    def _run(self) -> ReportFields:
        resolved = self._resolved()
        with self._engine(resolved) as engine, _stopped_on_term(engine):
            record = engine.existing()
            plan = None if record else self._approved(resolved)
            stored_plan = plan or engine.ledger.plan(engine.key)
            watch = self._watch = EventReporter(self._reporter, stored_plan, engine.moved(stored_plan), self._say)
            self._follow_settings(engine)
            has_retained = bool(stored_plan.replaced) and resolved.options.generate_rollback
            engine.handed_over = partial(self._handed_over, engine, has_retained=has_retained)
            outcome = engine.run(resolved.name, plan)
        if outcome.already:
            watch.completed(outcome, stored_plan)
        verdict = "equal" if stored_plan.moves_rows else ""
        return {
            **_cut_over(outcome, verdict, has_retained=has_retained),
            "already": outcome.already,
            "progress": watch.progress(),
        }

    def _recorded(self, engine: MigrationRun, plan: Plan, outcome: Outcome) -> ReportFields:
        """The result of a completed run from the ledger, with the progress of each table."""
        watch = EventReporter(self._reporter, plan, engine.moved(plan), self._say)
        watch.completed(outcome, plan)
        verdict = "equal" if plan.moves_rows else ""
        return {**_cut_over(outcome, verdict, has_retained=bool(plan.replaced)), "progress": watch.progress()}

    def _handed_over(self, engine: MigrationRun, outcome: Outcome, still: Callable[[], None], *, has_retained: bool) -> None:
        """With an app: hold the write lock on the source until the app has switched, so that no confirmed write to the source is lost."""
        if not engine.dials.hold:
            return
        self._reporter.update(**_cut_over(outcome, "equal", has_retained=has_retained))
        self._reporter.send_now()
        self._say("cut over; the write lock on the source is held until the app has switched")
        while engine.dials.hold and not engine.stop.requested:
            still()
            engine.stop.wait(_HOLD_SECONDS)

    def _help(self) -> ReportFields:
        """Copy chunks of a run that another worker leads; that worker reports the progress."""
        resolved = self._resolved()
        with self._engine(resolved) as engine, _stopped_on_term(engine):
            self._follow_settings(engine)
            engine.help()
        self._say("no chunk is left to copy")
        return {}

    def _follow_settings(self, engine: MigrationRun) -> None:
        """Apply the live settings of the task, and later changes of them."""
        if self._task.dials:
            _apply(engine, self._task.dials)
        self._reporter.on_settings(partial(_apply, engine))

    def _rehearse(self) -> ReportFields:
        resolved = self._resolved()
        plan = self._approved(resolved)
        rehearsal = Rehearsal(resolved.source, resolved.target, resolved.options, self._event)
        self._watch = EventReporter(self._reporter, plan, {}, self._say, states=False)
        with _stopped_on_term(rehearsal.migration):
            result = rehearsal.run(resolved.name, plan)
        seconds_fields = {STATES[state].estimates[0].value: result.seconds.get(state, 0.0) for state in WORK}
        counts = {"request": self._task.request, "rows": result.rows, "redone_rows": result.redone_rows}
        measured = Rehearsed.model_validate({**counts, **seconds_fields})
        self._say(f"rehearsed: {result.rows} rows in {sum(result.seconds.values()):.1f} s; the scratch schema is dropped")
        return {"rehearsal": measured}

    def _approved(self, resolved: ResolvedRun) -> Plan:
        """Read the approved plan that the operator stored."""
        files = sorted((self._root / "plan").glob("*/plan"), key=lambda p: int(p.parent.name))
        if not files:
            message = f"migration {resolved.name}: the stored plan does not exist"
            raise SpecError(message, advice="Change spec.data.rerunToken to plan again.")
        plan = unpacked(b"".join(file.read_bytes() for file in files))
        if plan.digest() != self._task.digest:
            message = f"the plan of {resolved.name} is not the one that was approved"
            raise SourceChangedError(message, advice="Review the current plan and approve its digest.")
        return plan

    def _back(self) -> ReportFields:
        """Roll back. If the ledger has no run, there is nothing to roll back."""
        resolved = self._resolved()
        migration = self._task.migration
        discard = migration.spec.rollback.discard_writes if migration else False
        with self._engine(resolved) as engine:
            key = engine.key
            if engine.ledger.find(key) is None:
                return {"state": State.CANCELLED}
        options = replace(resolved.options, takeover_seconds=0) if self._task.force else resolved.options
        result = roll_back(resolved.source, resolved.target, options, key, discard_writes=discard, forget=self._task.forget)
        return {"state": result.state}

    def _tidy(self) -> ReportFields:
        """Drop retained tables whose retention period has ended."""
        resolved = self._resolved()
        result = tidy(resolved.target, resolved.options.ledger_schema)
        for schema in result.dropped:
            self._say(f"dropped schema {schema}: its retention period has ended")
        for left in result.left:
            self._say(f"schemas left: {left}", "warning")
        return {"expired": True}

    # -- shared by all verbs ------------------------------------------------------------------------------------------

    def _say(self, text: str, level: Literal["info", "warning", "error"] = "info") -> None:
        """Write a line to the pod's log and to the journal."""
        line = redacted(text, *self._secrets)
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
        self._reporter.line(line, level)

    @contextlib.contextmanager
    def _engine(self, resolved: ResolvedRun) -> Iterator[MigrationRun]:
        engine = MigrationRun(resolved.source, resolved.target, resolved.options, self._event)
        self._key = engine.key
        try:
            yield engine
        finally:
            engine.close()

    def _event(self, event: Event) -> None:
        if self._watch:
            self._watch.event(event)

    def _resolved(self) -> ResolvedRun:
        if self._task.migration is None:
            message = "the task contains no Migration"
            raise SpecError(message)
        resolved = resolve(self._task.migration, self._inputs(), self._task.plans)
        return replace(resolved, options=replace(resolved.options, quiesced=self._task.quiesced))

    def _inputs(self) -> RunInputs:
        return RunInputs(self._task.connections, self._secret, {name: DATA / name for name in self._task.connections})

    def _secret(self, name: str, side: str) -> Mapping[str, str]:
        folder = self._root / "secrets" / name
        if not folder.is_dir():
            message = f"{side}: Secret {name!r} not found"
            raise SpecError(message, advice="Create the Secret in the namespace of the Migration.")
        values = {f.name: f.read_text(encoding="utf-8") for f in folder.iterdir() if f.is_file()}
        self._secrets += [value for key, value in values.items() if key in {"password", "url", "token", "key"}]
        return values


def _cut_over(outcome: Outcome, verdict: str, *, has_retained: bool) -> ReportFields:
    """The fields of the report about a cutover."""
    return {
        "state": State.CUT_OVER,
        "verdict": verdict,
        "rows": outcome.rows,
        "kept": has_retained,
        "frozen_seconds": outcome.frozen_seconds,
        "locks_given_back": outcome.locks_given_back,
        "consistent_as_of": outcome.consistent_as_of,
    }


def _apply(engine: MigrationRun, dials: Dials) -> None:
    """Apply the live settings of the spec to a run."""
    engine.dials.parallelism = dials.parallelism
    engine.dials.workers = dials.workers
    engine.dials.batch_rows = dials.batch_rows
    engine.dials.rows_per_second = dials.rows_per_second
    engine.dials.bytes_per_second = dials.bytes_per_second
    engine.dials.may_cut_over = partial(_open, dials)
    engine.dials.hold = dials.hold
    if dials.at_once and not engine.stop.forced:
        engine.stop.abort()


def _open(dials: Dials) -> bool:
    """Whether the cutover is allowed now, by the clock of this machine."""
    now = datetime.now(UTC)  # noqa: TID251  the window is sent as times, because the operator may be down when it closes
    return (
        not dials.cutover_held
        and not (dials.cutover_from and now < dials.cutover_from)
        and not (dials.cutover_until and now >= dials.cutover_until)
    )


@contextlib.contextmanager
def _stopped_on_term(engine: MigrationRun) -> Iterator[None]:
    """On SIGTERM: complete the current chunks, and abort them if that takes too long."""

    def request_stop(*_: object) -> None:
        if not engine.stop.requested:
            engine.stop.request()
            timer = threading.Timer(_GRACE_SECONDS, engine.stop.abort)
            timer.daemon = True
            timer.start()

    with stop_signals(request_stop):
        yield


def main(root: Path = ROOT) -> int:
    """Read the task and execute it. Return the exit status."""
    task = Task.model_validate_json((root / "task" / "task.json").read_bytes())
    if task.build:
        from landfall.worker.build import Builder  # noqa: PLC0415  not needed by a data migration

        return Builder(task.build, Reporter(task.intake, task.verb)).without(environment.values(KNOWN_SECRET)).work()
    return Worker(task, root, Reporter(task.intake, task.verb, words=TERMINATION_LOG)).work()


__all__ = ["Worker", "main"]
