"""A rehearsal: the whole run but the cutover, with real rows and real checks, in a scratch schema. It leaves nothing.

Writers of the source are not locked out: both sides are compared under a snapshot, and rows that were written meanwhile
are brought up to date as they would be under the freeze.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from landfall.engine.model.events import Event
from landfall.engine.model.options import Endpoint, Options, Quiesce
from landfall.engine.model.plan import Plan
from landfall.engine.run.rollback import roll_back
from landfall.engine.run.runner import Migration
from landfall.engine.sources.run_key import run_key
from landfall.engine.targets.postgresql.ledger import opened


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """What was measured: rows that were moved and compared, rows that had to be brought up to date, seconds by step."""

    rows: int = 0
    redone_rows: int = 0
    seconds: dict[str, float] = field(default_factory=dict)


class Rehearsal:
    """One rehearsal on its way. It stops as a run does, by `migration.stop`, and then leaves nothing either."""

    def __init__(self, source: Endpoint, target: Endpoint, options: Options, report: Callable[[Event], None]) -> None:
        self._options = replace(options, rehearsal=options.rehearsal or "rehearsal", quiesce=Quiesce.NONE)
        self._report = report
        self._began: list[tuple[str, float]] = []
        with opened(target, self._options.ledger_schema) as ledger:
            self._left_before = ledger.exists()
        self._target = target
        self.key = run_key(source, target, self._options)
        self._tidy()
        self.migration = Migration(source, target, self._options, self._event)

    def run(self, name: str, plan: Plan) -> Rehearsed:
        """Rehearse a plan. Raises what a run would raise, after everything was taken away again."""
        try:
            outcome = self.migration.run(f"rehearsal of {name}", replace(plan, quiesce=Quiesce.NONE.value))
        finally:
            self.migration.close()
            self._tidy()
        ended = [*self._began[1:], ("", time.monotonic())]
        seconds = {state: round(after - at, 3) for (state, at), (_, after) in zip(self._began, ended, strict=True)}
        return Rehearsed(outcome.rows, outcome.redone_rows, seconds)

    def _event(self, event: Event) -> None:
        if event.kind == "state":
            self._began.append((event.text, time.monotonic()))
        self._report(event)

    def _tidy(self) -> None:
        """Drop what this rehearsal staged, now or in a process that was killed; and the ledger, if it was made for it."""
        with opened(self._target, self._options.ledger_schema) as ledger:
            known = ledger.exists() and ledger.find(self.key) is not None
        if known:
            roll_back(self._target, replace(self._options, takeover_seconds=0), self.key, forget=True)
        if not self._left_before:
            with opened(self._target, self._options.ledger_schema) as ledger:
                ledger.remove()
