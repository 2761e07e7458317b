"""Converts events of the engine to progress reports and log lines."""

from __future__ import annotations

import math
import resource
import time
from collections.abc import Callable, Mapping

from landfall.api.progress import Progress, TableProgress
from landfall.engine.model.events import Event
from landfall.engine.model.plan import Plan
from landfall.engine.model.run_state import State
from landfall.engine.run.phases import Outcome
from landfall.engine.run.progress import ProgressCounter
from landfall.worker.reporter import Reporter

_KIBIBYTE = 1024
_SHOWN_TABLES = 50
_REPORT_SECONDS = 1.0
_COUNTED = frozenset({"chunk", "recovered", "table", "compared", "begun"})


class EventReporter:
    """Converts events of the engine to progress reports and log lines. `states`: whether to report the states (not in a rehearsal)."""

    def __init__(
        self,
        reporter: Reporter,
        plan: Plan,
        done: Mapping[str, tuple[int, int]],
        say: Callable[[str], None],
        *,
        states: bool = True,
    ) -> None:
        self._reporter = reporter
        self._say = say
        self._states = states
        self._tally = ProgressCounter(plan, done)
        self._reported_at = 0.0
        self._returned = 0

    def event(self, event: Event) -> None:
        """Count and report an event. Thread-safe."""
        self._tally.count(event)
        if event.kind in _COUNTED and time.monotonic() - self._reported_at > _REPORT_SECONDS:  # reports are not sent more often
            self._reported_at = time.monotonic()
            self._reporter.update(progress=self.progress())
        elif event.kind == "state" and self._states and event.text != State.CUT_OVER.value:
            self._reporter.update(state=event.text)  # a cutover is reported later, with its result and its rows
        elif event.kind == "returned":
            self._returned += 1
            self._reporter.update(locks_given_back=self._returned)
        if event.kind in {"state", "step", "notice", "recovered", "verdict", "delta", "round", "returned"}:
            self._say(" ".join(word for word in (event.kind, event.table, event.text) if word))

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
