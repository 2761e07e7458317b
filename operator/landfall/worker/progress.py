"""The engine's events as numbers and lines, for the operator and for the log."""

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
_TELLING_SECONDS = 1.0
_COUNTED = frozenset({"chunk", "recovered", "table", "compared", "begun"})


class Watch:
    """Turns the engine's events into numbers and lines. `states`: whether its states are those of the run."""

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
        self._told = 0.0
        self._returned = 0

    def event(self, event: Event) -> None:
        """Count; called from several threads."""
        self._tally.count(event)
        if (
            event.kind in _COUNTED and time.monotonic() - self._told > _TELLING_SECONDS
        ):  # more often than reports go out helps nobody
            self._told = time.monotonic()
            self._reporter.tell(progress=self.progress())
        elif event.kind == "state" and self._states and event.text != State.CUT_OVER.value:
            self._reporter.tell(state=event.text)  # a cutover is told with its verdict and its rows, once they are known
        elif event.kind == "returned":
            self._returned += 1
            self._reporter.tell(locks_given_back=self._returned)
        if event.kind in {"state", "step", "notice", "recovered", "verdict", "delta", "round", "returned"}:
            self._say(" ".join(word for word in (event.kind, event.table, event.text) if word))

    def completed(self, outcome: Outcome, plan: Plan) -> None:
        """The run was cut over by an earlier worker: the numbers are those of the ledger."""
        self._tally.complete({int(number): rows for number, rows in outcome.final_rows.items()}, plan)

    def progress(self) -> Progress:
        """The numbers so far."""
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
