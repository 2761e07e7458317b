"""The leader of a copy and its helpers: what the ledger says, and what is told of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import pytest

from landfall.engine.copy.cancellation import CancellationToken
from landfall.engine.model.chunk_range import Whole
from landfall.engine.model.events import Event
from landfall.engine.model.run_state import Chunk
from landfall.engine.run import phases


@dataclass
class Ledger:
    """One chunk, on which a helper works until just after somebody has asked so many questions."""

    answers: int
    asked: int = 0

    def chunks(self, _key: str) -> list[Chunk]:
        """All there are."""
        return [Chunk(0, 0, Whole(), done=self._done(), rows=500)]

    def left(self, _key: str) -> int:
        """How many are not done."""
        return 0 if self._done() else 1

    def _done(self) -> bool:
        self.asked += 1
        return self.asked > self.answers


@dataclass
class Told:
    """What the leader reports."""

    rows: list[int] = field(default_factory=list)

    def __call__(self, event: Event) -> None:
        """Keep it."""
        self.rows.append(event.rows)


@pytest.mark.parametrize("answers", range(1, 6))
def test_what_a_helper_finishes_is_told_whenever_that_is(answers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(phases, "Streams", lambda _work, _followed: SimpleNamespace(run=lambda: None))
    monkeypatch.setattr(phases, "split_tables", lambda _work: None)
    told = Told()
    work: Any = SimpleNamespace(
        plan=SimpleNamespace(tables=[SimpleNamespace(number=0, label="shop.t")]),
        ledger=Ledger(answers),
        lease=SimpleNamespace(key="k"),
        dials=SimpleNamespace(workers=2),
        options=SimpleNamespace(takeover_seconds=60),
        stop=cast("CancellationToken", SimpleNamespace(requested=False, wait=lambda _seconds: None)),
        report=told,
    )
    phases.copy(work)
    assert told.rows == [500]
