"""`landfall worker`: one task from a file, done with the engine.

Exit status: 0 the goal is reached and told, 75 start me again (SIGTERM, or a last report that could not be delivered),
1 anything else, and the report says whether trying again may help.
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
from typing import Literal

from landfall.api.progress import Rehearsed
from landfall.api.worker_protocol import EXIT_AGAIN, EXIT_DONE, EXIT_FAILED, Dials, Failure, Probe, Task
from landfall.engine.errors import CutoverHeldError, EngineError, SourceChangedError, SpecError
from landfall.engine.model.events import Event
from landfall.engine.model.plan import Plan
from landfall.engine.model.plan_codec import unpacked
from landfall.engine.model.run_state import State
from landfall.engine.prepare.make_plan import make_plan
from landfall.engine.run.rehearsal import Rehearsal
from landfall.engine.run.rollback import roll_back, tidy
from landfall.engine.run.runner import MigrationRun, Outcome
from landfall.engine.sources.probe import probed
from landfall.errors import Retry
from landfall.lib.redact import redacted
from landfall.lib.signals import stop_signals
from landfall.lib.text import counted
from landfall.notifications.send import ping, tell
from landfall.runspec import ResolvedRun, RunInputs, endpoint, resolve
from landfall.worker.plan_report import _planned
from landfall.worker.progress import Watch
from landfall.worker.reporter import Reporter
from landfall.worker.termination_message import WORDS

ROOT = Path("/etc/landfall")
DATA = Path("/data")
_GRACE_SECONDS = 20
_HOLD_SECONDS = 0.5
_MEASURED = {"schema": "schema", "copy": "copying", "index": "indexing", "validation": "comparing"}


class Worker:
    """One task, from its file to its last report."""

    def __init__(self, task: Task, root: Path, reporter: Reporter) -> None:
        self._task = task
        self._root = root
        self._reporter = reporter
        self._secrets: list[str] = []
        self._watch: Watch | None = None
        self._key = ""

    def work(self) -> int:
        """Do the task; the exit status."""
        self._reporter.start()
        verbs = {
            "probe": self._probe,
            "plan": self._plan,
            "rehearse": self._rehearse,
            "run": self._run,
            "help": self._help,
            "back": self._back,
            "tidy": self._tidy,
            "notify": self._notify,
            "ping": self._ping,
        }
        try:
            found = verbs[self._task.verb]()
        except CutoverHeldError as error:
            self._say(error.message)
            found = {"state": State.COMPARING.value, **self._known()}
        except EngineError as error:
            transient = error.retry.by_itself
            failure = Failure(reason=error.reason, message=redacted(str(error), *self._secrets), transient=transient)
            self._say(f"{failure.reason}: {failure.message}", "warning" if transient else "error")
            told = self._reporter.finish(failure=failure, **self._known())
            return EXIT_FAILED if told and error.retry is not Retry.NOW else EXIT_AGAIN
        return EXIT_DONE if self._reporter.finish(**{"key": self._key, **found}) else EXIT_AGAIN

    def _known(self) -> dict[str, object]:
        """The key of the run in the ledger, and how far it came."""
        return {"key": self._key, **({"progress": self._watch.progress()} if self._watch else {})}

    # -- the verbs ----------------------------------------------------------------------------------------------------

    def _notify(self) -> dict[str, object]:
        if self._task.migration is None or self._task.notice is None:
            message = "the task names nobody to tell, or nothing"
            raise SpecError(message)
        tell(self._task.migration, self._task.notice, lambda name: dict(self._secret(name, "notification")))
        return {}

    def _ping(self) -> dict[str, object]:
        if self._task.webhook is None:
            message = "the task names no webhook"
            raise SpecError(message)
        return {"probe": Probe(version=ping(self._task.webhook, lambda name: dict(self._secret(name, "notification"))))}

    def _probe(self) -> dict[str, object]:
        name = next(iter(self._task.connections))
        began = time.monotonic()
        version, capabilities = probed(endpoint(name, self._ends(), "connection"))
        spent = int((time.monotonic() - began) * 1000)
        return {"probe": Probe(version=version, capabilities=capabilities, latency_milliseconds=spent)}

    def _plan(self) -> dict[str, object]:
        """The plan; or where the ledger knows the run already, how far it is."""
        wanted = self._resolved()
        with self._engine(wanted) as engine:
            record = engine.ledger.find(engine.key)
            if record:
                plan = engine.ledger.plan(engine.key)
                told: dict[str, object] = {"state": record.state.value, "already": record.state is State.CUT_OVER}
                if record.state is State.CUT_OVER:
                    told |= self._recorded(engine, plan, Outcome.recorded(record))
                return {**told, **_planned(plan, self._task.plans), "kept": bool(plan.replaced)}
        plan = make_plan(wanted.source, wanted.target, wanted.options)
        self._say(
            f"planned {counted(len(plan.tables), 'table')}: {counted(len(plan.to_review), 'point')} to review, {len(plan.blockers)} in the way"
        )
        return _planned(plan, self._task.plans)

    def _run(self) -> dict[str, object]:
        wanted = self._resolved()
        with self._engine(wanted) as engine, _stopped_on_term(engine):
            record = engine.existing()
            plan = None if record else self._approved(wanted)
            shown = plan or engine.ledger.plan(engine.key)
            watch = self._watch = Watch(self._reporter, shown, engine.moved(shown), self._say)
            self._heed(engine)
            kept = bool(shown.replaced) and wanted.options.generate_rollback
            engine.handed_over = partial(self._handed_over, engine, kept=kept)
            outcome = engine.run(wanted.name, plan)
        if outcome.already:
            watch.completed(outcome, shown)
        verdict = "equal" if shown.moves_rows else ""
        told = {**_cut_over(outcome, verdict, kept=kept), "already": outcome.already}
        return {**told, "progress": watch.progress()}

    def _recorded(self, engine: MigrationRun, plan: Plan, outcome: Outcome) -> dict[str, object]:
        """What the ledger tells of a run that is cut over, with the numbers of each table."""
        watch = Watch(self._reporter, plan, engine.moved(plan), self._say)
        watch.completed(outcome, plan)
        verdict = "equal" if plan.moves_rows else ""
        return {**_cut_over(outcome, verdict, kept=bool(plan.replaced)), "progress": watch.progress()}

    def _handed_over(self, engine: MigrationRun, outcome: Outcome, still: Callable[[], None], *, kept: bool) -> None:
        """With an app that moves along: keep the writers of the source out until it has, so that what they are told is written is moved."""
        if not engine.dials.hold:
            return
        self._reporter.tell(**_cut_over(outcome, "equal", kept=kept))
        self._reporter.hurry()
        self._say("cut over; writers of the source stay locked out until the app has moved")
        while engine.dials.hold and not engine.stop.requested:
            still()
            engine.stop.wait(_HOLD_SECONDS)

    def _help(self) -> dict[str, object]:
        """Share the copy of a run that another worker leads, which tells how far it is."""
        wanted = self._resolved()
        with self._engine(wanted) as engine, _stopped_on_term(engine):
            self._heed(engine)
            engine.help()
        self._say("nothing is left to help with")
        return {}

    def _heed(self, engine: MigrationRun) -> None:
        """Begin as the spec had it, and go on as it has it from then on."""
        if self._task.dials:
            _turned(engine, self._task.dials)
        self._reporter.heed(partial(_turned, engine))

    def _rehearse(self) -> dict[str, object]:
        wanted = self._resolved()
        plan = self._approved(wanted)
        rehearsal = Rehearsal(wanted.source, wanted.target, wanted.options, self._event)
        self._watch = Watch(self._reporter, plan, {}, self._say, states=False)
        with _stopped_on_term(rehearsal.migration):
            done = rehearsal.run(wanted.name, plan)
        spent = {f"{name}_seconds": done.seconds.get(state, 0.0) for name, state in _MEASURED.items()}
        told = {"request": self._task.request, "rows": done.rows, "redone_rows": done.redone_rows}
        measured = Rehearsed.model_validate({**told, **spent})
        self._say(f"rehearsed: {done.rows} rows in {sum(done.seconds.values()):.1f} s; nothing is left of it")
        return {"rehearsal": measured}

    def _approved(self, wanted: ResolvedRun) -> Plan:
        """The plan that was approved, as the operator kept it."""
        pieces = sorted((self._root / "plan").glob("*/plan"), key=lambda p: int(p.parent.name))
        if not pieces:
            message = "there is no plan to run"
            raise SpecError(message)
        plan = unpacked(b"".join(piece.read_bytes() for piece in pieces))
        if plan.digest() != self._task.digest:
            message = f"the plan of {wanted.name} is not the one that was approved"
            raise SourceChangedError(message)
        return plan

    def _back(self) -> dict[str, object]:
        """Go back; where the ledger knows no run, there is nothing to go back from."""
        wanted = self._resolved()
        migration = self._task.migration
        discard = migration.spec.rollback.discard_writes if migration else False
        with self._engine(wanted) as engine:
            key = engine.key
            if engine.ledger.find(key) is None:
                return {"state": State.CANCELLED.value}
        options = replace(wanted.options, takeover_seconds=0) if self._task.force else wanted.options
        done = roll_back(wanted.target, options, key, discard_writes=discard, forget=self._task.forget)
        return {"state": done.state.value}

    def _tidy(self) -> dict[str, object]:
        """Drop what was kept until now."""
        wanted = self._resolved()
        for schema in tidy(wanted.target, wanted.options.ledger_schema):
            self._say(f"dropped {schema}: its retention has ended")
        return {"expired": True}

    # -- what they share ----------------------------------------------------------------------------------------------

    def _say(self, text: str, level: Literal["info", "warning", "error"] = "info") -> None:
        """A line for the pod's log and for the journal."""
        told = redacted(text, *self._secrets)
        sys.stdout.write(f"{told}\n")
        sys.stdout.flush()
        self._reporter.line(told, level)

    @contextlib.contextmanager
    def _engine(self, wanted: ResolvedRun) -> Iterator[MigrationRun]:
        engine = MigrationRun(wanted.source, wanted.target, wanted.options, self._event)
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
            message = "the task names no Migration"
            raise SpecError(message)
        made = resolve(self._task.migration, self._ends(), self._task.plans)
        return replace(made, options=replace(made.options, quiesced=self._task.quiesced))

    def _ends(self) -> RunInputs:
        return RunInputs(self._task.connections, self._secret, {name: DATA / name for name in self._task.connections})

    def _secret(self, name: str, side: str) -> Mapping[str, str]:
        folder = self._root / "secrets" / name
        if not folder.is_dir():
            message = f"{side}: there is no Secret {name!r}"
            raise SpecError(message)
        found = {f.name: f.read_text(encoding="utf-8") for f in folder.iterdir() if f.is_file()}
        self._secrets += [value for key, value in found.items() if key in {"password", "url", "token", "key"}]
        return found


def _cut_over(outcome: Outcome, verdict: str, *, kept: bool) -> dict[str, object]:
    """What there is to tell of a cutover."""
    return {
        "state": State.CUT_OVER.value,
        "verdict": verdict,
        "rows": outcome.rows,
        "kept": kept,
        "frozen_seconds": outcome.frozen_seconds,
        "locks_given_back": outcome.locks_given_back,
        "consistent_as_of": outcome.consistent_as_of,
    }


def _turned(engine: MigrationRun, dials: Dials) -> None:
    """Go on as the spec has it now."""
    engine.dials.parallelism = dials.parallelism
    engine.dials.workers = dials.workers
    engine.dials.batch_rows = dials.batch_rows
    engine.dials.rows_per_second = dials.rows_per_second
    engine.dials.bytes_per_second = dials.bytes_per_second
    engine.dials.may_cut_over = partial(_open, dials)
    engine.dials.hold = dials.hold
    if dials.at_once and not engine.stop.forced:
        engine.stop.now()


def _open(dials: Dials) -> bool:
    """Whether the cutover may happen now, by this machine's clock."""
    now = datetime.now(UTC)  # noqa: TID251  the window is told as times, for the operator may be away when it closes
    return (
        not dials.cutover_held
        and not (dials.cutover_from and now < dials.cutover_from)
        and not (dials.cutover_until and now >= dials.cutover_until)
    )


@contextlib.contextmanager
def _stopped_on_term(engine: MigrationRun) -> Iterator[None]:
    """SIGTERM: finish the chunks in flight, and give them up when that takes too long."""

    def request_stop(*_: object) -> None:
        if not engine.stop.requested:
            engine.stop.gently()
            timer = threading.Timer(_GRACE_SECONDS, engine.stop.now)
            timer.daemon = True
            timer.start()

    with stop_signals(request_stop):
        yield


def main(root: Path = ROOT) -> int:
    """Read the task and do it."""
    task = Task.model_validate_json((root / "task" / "task.json").read_bytes())
    if task.build:
        from landfall.worker.build import Builder  # noqa: PLC0415  what moves data needs none of it

        return Builder(task.build, Reporter(task.intake, task.verb)).work()
    return Worker(task, root, Reporter(task.intake, task.verb, words=WORDS)).work()


__all__ = ["Worker", "main"]
