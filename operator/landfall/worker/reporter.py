"""Reports to the intake: the newest in the background while work goes on, the last one until it has arrived.

Lines of the log go along until the journal has taken them, and wait in a spool meanwhile. A worker never waits for the
journal: at its end it lets go of what was not taken, for the pod's own log has it too.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from landfall.api.worker_protocol import Dials, Line, Report, Taken
from landfall.lib import outgoing
from landfall.lib.backoff import Backoff
from landfall.worker.termination_message import leave

TOKEN = Path("/var/run/landfall/token")
_EVERY_SECONDS = 2
_GATHER_SECONDS, _APART_SECONDS = 0.05, 0.3  # lines come in bunches, and somebody may be reading
_LIMITS = outgoing.Limits(total=10)
_PATIENCE_SECONDS = 120
_BACKOFF = Backoff(0.2, 5)
_LINES_PATIENCE_SECONDS = 6
_BAD_REQUEST = 400
_LATER = frozenset({"key", "locks_given_back"})  # fields that an intake of version 0.1 refuses
_SPOOL, _AT_ONCE, _LONGEST = 10_000, 500, 4000


class Reporter(threading.Thread):
    """Sends what it was told last. Losing a report in between loses nothing, for the next one says it all."""

    def __init__(self, intake: str, verb: str, token: Path = TOKEN, words: Path | None = None) -> None:
        super().__init__(daemon=True)
        self._intake = intake
        self._verb = verb
        self._token = token
        self._words = words
        self._latest = Report(sequence=0)
        self._sent = -1
        self._spool: deque[Line] = deque(maxlen=_SPOOL)
        self._lines = 0
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._news = threading.Event()
        self._hurried = threading.Event()
        self._heed: Callable[[Dials], None] | None = None

    def heed(self, turn: Callable[[Dials], None]) -> None:
        """From now on, ask every few seconds how to go on, and pass the answer on."""
        self._heed = turn

    def tell(self, **fields: object) -> None:
        """Take over what has changed."""
        with self._lock:
            self._latest = self._latest.model_copy(update={**fields, "sequence": self._latest.sequence + 1, "at": _now()})

    def line(self, message: str, level: Literal["info", "warning", "error"] = "info") -> None:
        """A line for the journal. Beyond ten thousand that nobody took, the oldest go."""
        with self._lock:
            phase = self._latest.state or self._verb
            self._spool.append(Line(number=self._lines, at=_now(), level=level, phase=phase, message=message[:_LONGEST]))
            self._lines += 1
        self._news.set()

    def hurry(self) -> None:
        """Somebody waits for what was told: send it now."""
        self._hurried.set()
        self._news.set()

    def latest(self) -> Report:
        """What would be sent now."""
        with self._lock:
            return self._latest.model_copy(update={"lines": tuple(self._spool)[:_AT_ONCE]})

    def run(self) -> None:
        """Send what is new: numbers every few seconds, lines within a moment; a worker that has a choice of how to go on asks each time."""
        sent = -_APART_SECONDS
        while True:
            if self._news.wait(_EVERY_SECONDS):
                self._hurried.wait(max(_GATHER_SECONDS, sent + _APART_SECONDS - time.monotonic()))
            sent = time.monotonic()
            self._news.clear()
            self._hurried.clear()
            if self._ended.is_set():
                return
            report = self.latest()
            if report.sequence > self._sent or report.lines or self._heed:
                self._deliver(report)

    def finish(self, **fields: object) -> bool:
        """Leave the last report in the pod, and send it until it has arrived; whether it has, within two minutes. Then a moment for the last lines."""
        self.tell(final=True, **fields)
        if self._words:
            leave(self.latest(), self._words)
        self._ended.set()
        self.hurry()
        attempt, deadline = 1, time.monotonic() + _PATIENCE_SECONDS
        while not self._deliver(self.latest()):
            if time.monotonic() > deadline:
                return False
            time.sleep(_BACKOFF.pause(attempt))
            attempt += 1
        deadline = time.monotonic() + _LINES_PATIENCE_SECONDS
        while self._spool and time.monotonic() < deadline:
            time.sleep(_BACKOFF.pause(attempt))
            self._deliver(self.latest())
        return True

    def _deliver(self, report: Report) -> bool:
        """Whether the report has arrived. What the journal took along is spooled no longer."""
        taken = self._answer(report)
        if taken is None:
            return False
        self._sent = max(self._sent, report.sequence)
        if taken.dials and self._heed and not report.final:
            self._heed(taken.dials)
        with self._lock:
            while self._spool and self._spool[0].number <= taken.lines:
                self._spool.popleft()
        return True

    def _answer(self, report: Report) -> Taken | None:
        """What the intake says. One of version 0.1 refuses a report with fields that it does not know, and is sent it without them."""
        unsaid = {name for name in _LATER if getattr(report, name) == Report.model_fields[name].default}
        try:
            status, answer = self._posted(report, unsaid)
            if status == _BAD_REQUEST and unsaid != _LATER:
                status, answer = self._posted(report, set(_LATER))
            return Taken.model_validate_json(answer) if status < 300 else None
        except (outgoing.OutgoingError, OSError, ValidationError):
            return None

    def _posted(self, report: Report, unsaid: set[str]) -> tuple[int, bytes]:
        """Send it without these fields. The token is read each time, for the kubelet renews it."""
        headers = {
            "Authorization": f"Bearer {self._token.read_text(encoding='ascii').strip()}",
            "Content-Type": "application/json",
        }
        body = report.model_dump_json(by_alias=True, exclude=unsaid).encode()
        return outgoing.post(f"{self._intake}/v1/reports", body, headers, _LIMITS)


def _now() -> datetime:
    return datetime.now(UTC)  # noqa: TID251  the worker's clock, for the journal alone
