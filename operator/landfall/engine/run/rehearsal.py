"""A rehearsal: the whole run except the cutover, with all rows and checks, in a scratch schema that is dropped afterwards.

There is no write lock on the source: both sides are compared under a snapshot, and rows that were written meanwhile are repaired as
they would be under the write lock.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from landfall.engine.model.events import Event, EventKind
from landfall.engine.model.options import Endpoint, Options, Quiesce
from landfall.engine.model.plan import Plan
from landfall.engine.run.rollback import roll_back
from landfall.engine.run.runner import MigrationRun
from landfall.engine.sources.run_key import run_keys
from landfall.engine.targets.registry import opened


@dataclass(frozen=True, slots=True)
class RehearsalResult:
    """Result of a rehearsal: rows copied and compared, rows repaired, and seconds for each phase."""

    rows: int = 0
    redone_rows: int = 0
    seconds: dict[str, float] = field(default_factory=dict)


class Rehearsal:
    """One rehearsal. It is stopped like a run, by `migration.stop`, and drops its scratch schema in this case, too."""

    def __init__(self, source: Endpoint, target: Endpoint, options: Options, report: Callable[[Event], None]) -> None:
        self._options = replace(options, rehearsal=options.rehearsal or "rehearsal", quiesce=Quiesce.NONE)
        self._report = report
        self._began: list[tuple[str, float]] = []
        with opened(target, self._options.ledger_schema) as database:
            self._left_before = database.ledger.exists()
        self._source, self._target = source, target
        self._keys = run_keys(source, target, self._options)
        self._tidy()
        self.migration = MigrationRun(source, target, self._options, self._event)
        self.key = self.migration.key

    def run(self, name: str, plan: Plan) -> RehearsalResult:
        """Rehearse a plan. Raises the errors of a run, after the scratch schema is dropped."""
        try:
            outcome = self.migration.run(f"rehearsal of {name}", replace(plan, quiesce=Quiesce.NONE.value))
        finally:
            self.migration.close()
            self._tidy()
        times = [*self._began[1:], ("", time.monotonic())]
        seconds = {state: round(after - at, 3) for (state, at), (_, after) in zip(self._began, times, strict=True)}
        return RehearsalResult(outcome.rows, outcome.redone_rows, seconds)

    def _event(self, event: Event) -> None:
        if event.kind == EventKind.STATE:
            self._began.append((event.text, time.monotonic()))
        self._report(event)

    def _tidy(self) -> None:
        """Drop the staged tables of this rehearsal or of a killed attempt of any version, and the ledger if the rehearsal created it."""
        with opened(self._target, self._options.ledger_schema) as database:
            existing = [key for key in self._keys if database.ledger.exists() and database.ledger.find(key) is not None]
        for key in existing:
            roll_back(self._source, self._target, replace(self._options, takeover_seconds=0), key, forget=True)
        if not self._left_before:
            with opened(self._target, self._options.ledger_schema) as database:
                database.ledger.remove()
