"""Converts events of the engine to progress reports and log lines."""

from __future__ import annotations

import math
import resource
import time
from collections.abc import Callable, Mapping
from typing import assert_never

from landfall.api.progress import Progress, TableProgress
from landfall.engine.model.events import Event, EventKind
from landfall.engine.model.plan import Plan
from landfall.engine.run.phases import Outcome
from landfall.engine.run.progress import ProgressCounter
from landfall.ledger_states import State
from landfall.worker.reporter import Reporter

_KIBIBYTE = 1024
_SHOWN_TABLES = 50
_REPORT_SECONDS = 1.0
_NUMBERS = frozenset({EventKind.BEGUN, EventKind.CHUNK, EventKind.COMPARED, EventKind.TABLE})  # no lines of the log


class EventReporter:
    """Converts events of the engine to progress reports and log lines. `states`: whether to report the states (not in a rehearsal)."""

    def __init__(
        self,
        reporter: Reporter,
        plan: Plan,
        earlier: Mapping[str, tuple[int, int]],
        say: Callable[[str], None],
        *,
        states: bool = True,
    ) -> None:
        self._reporter = reporter
        self._say = say
        self._states = states
        self._tally = ProgressCounter(plan, earlier)
        self._reported_at = 0.0
        self._returned = 0

    def event(self, event: Event) -> None:
        """Count and report an event. Thread-safe."""
        self._tally.count(event)
        match event.kind:
            case EventKind.BEGUN | EventKind.CHUNK | EventKind.COMPARED | EventKind.TABLE | EventKind.RECOVERED:
                self._counted()
            case EventKind.STATE:
                self._entered(State(event.text))
            case EventKind.RETURNED:
                self._returned += 1
                self._reporter.update(locks_given_back=self._returned)
            case EventKind.STEP | EventKind.ROUND | EventKind.DELTA | EventKind.NOTICE | EventKind.VERDICT:
                pass  # a line of the log is all
            case _:
                assert_never(event.kind)
        if event.kind not in _NUMBERS:
            self._say(" ".join(word for word in (event.kind, event.table, event.text) if word))

    def _counted(self) -> None:
        if time.monotonic() - self._reported_at > _REPORT_SECONDS:  # reports are not sent more often
            self._reported_at = time.monotonic()
            self._reporter.update(progress=self.progress())

    def _entered(self, state: State) -> None:
        if self._states and state is not State.CUT_OVER:  # a cutover is reported later, with its result and its rows
            self._reporter.update(state=state)

    def completed(self, outcome: Outcome, plan: Plan) -> None:
        """Record that an earlier worker cut the run over: the numbers come from the ledger."""
        self._tally.complete({int(number): rows for number, rows in outcome.final_rows.items()}, plan)

    def progress(self) -> Progress:
        """Return the current progress."""
        now, used = self._tally.numbers(), resource.getrusage(resource.RUSAGE_SELF)
        return Progress(
            percent=now.percent,
            step_percent=now.step_percent,
            rows=now.rows,
            total_rows=now.total,
            bytes=now.bytes,
            rows_per_second=int(now.rows_per_second),
            bytes_per_second=int(now.bytes_per_second),
            remaining_seconds=None if now.remaining_seconds is None else round(now.remaining_seconds),
            checkpoint=now.checkpoint,
            checkpoint_seconds=None if now.checkpoint_seconds is None else round(now.checkpoint_seconds + 0.5),
            tables_done=now.equal,
            compared_rows=now.compared,
            corrected_rows=now.corrected,
            cpu_seconds=math.ceil(used.ru_utime + used.ru_stime),
            memory_bytes=used.ru_maxrss * _KIBIBYTE,
            recovered_errors=now.recovered,
            tables=tuple(
                TableProgress.model_validate(
                    {
                        "table": label,
                        "state": t.state,
                        "rows": t.rows,
                        "total_rows": t.total,
                        "bytes": t.bytes,
                        "compared_rows": t.compared,
                        "corrected_rows": t.corrected,
                    }
                )
                for label, t in self._tally.tables(_SHOWN_TABLES)
            ),
        )
