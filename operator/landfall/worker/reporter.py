"""Reports to the intake: the latest one in the background during the work, the last one until it is delivered.

Log lines are sent with the reports until the journal has stored them, and wait in a queue meanwhile. A worker never waits long for the
journal: at its end it discards lines that are not stored, because the pod's log has them as well.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, Unpack

from pydantic import ValidationError

from landfall.api.worker_protocol import Dials, Line, Report, ReportFields, Taken, Verb
from landfall.lib import outgoing
from landfall.lib.backoff import Backoff
from landfall.worker.termination_message import write_termination_message

TOKEN = Path("/var/run/landfall/token")
_EVERY_SECONDS = 2
_GATHER_SECONDS, _APART_SECONDS = 0.05, 0.3  # lines come in groups, and a user may be following the log
_LIMITS = outgoing.Timeouts(total=10)
_PATIENCE_SECONDS = 120
_BACKOFF = Backoff(0.2, 5)
_LINES_PATIENCE_SECONDS = 6
_BAD_REQUEST = 400
_LATER = frozenset({"key", "locks_given_back"})  # fields that an intake of version 0.1 rejects
_SPOOL, _AT_ONCE, _LONGEST = 10_000, 500, 4000


class Reporter(threading.Thread):
    """Sends the latest report in the background. A lost report has no effect, because the next one contains everything."""

    def __init__(self, intake: str, verb: Verb, token: Path = TOKEN, words: Path | None = None) -> None:
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
        self._on_settings: Callable[[Dials], None] | None = None

    def on_settings(self, apply: Callable[[Dials], None]) -> None:
        """Request the live settings every few seconds from now on, and pass them to `apply`."""
        self._on_settings = apply

    def update(self, **fields: Unpack[ReportFields]) -> None:
        """Change fields of the next report."""
        with self._lock:
            self._latest = self._latest.model_copy(update={**fields, "sequence": self._latest.sequence + 1, "at": _now()})

    def line(self, message: str, level: Literal["info", "warning", "error"] = "info") -> None:
        """Add a line for the journal. If more than 10,000 lines wait, the oldest ones are discarded."""
        with self._lock:
            phase = self._latest.state or self._verb
            self._spool.append(Line(number=self._lines, at=_now(), level=level, phase=phase, message=message[:_LONGEST]))
            self._lines += 1
        self._news.set()

    def send_now(self) -> None:
        """Send the report immediately."""
        self._hurried.set()
        self._news.set()

    def latest(self) -> Report:
        """Return the report that would be sent now."""
        with self._lock:
            return self._latest.model_copy(update={"lines": tuple(self._spool)[:_AT_ONCE]})

    def run(self) -> None:
        """Send reports until `finish` is called: progress every 2 s, log lines within 0.3 s."""
        sent_at = -_APART_SECONDS
        while True:
            if self._news.wait(_EVERY_SECONDS):
                self._hurried.wait(max(_GATHER_SECONDS, sent_at + _APART_SECONDS - time.monotonic()))
            sent_at = time.monotonic()
            self._news.clear()
            self._hurried.clear()
            if self._ended.is_set():
                return
            report = self.latest()
            if report.sequence > self._sent or report.lines or self._on_settings:
                self._deliver(report)

    def finish(self, **fields: Unpack[ReportFields]) -> bool:
        """Write the last report to the termination message, and send it until it is delivered, for at most two minutes.

        Afterwards wait at most 6 s until the last lines are stored.

        Returns:
            Whether the report was delivered.
        """
        last: ReportFields = {**fields, "final": True}
        self.update(**last)
        if self._words:
            write_termination_message(self.latest(), self._words)
        self._ended.set()
        self.send_now()
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
        """Send a report. Return whether it was delivered. Lines that the journal has stored are removed from the queue."""
        answer = self._answer(report)
        if answer is None:
            return False
        self._sent = max(self._sent, report.sequence)
        if answer.dials and self._on_settings and not report.final:
            self._on_settings(answer.dials)
        with self._lock:
            while self._spool and self._spool[0].number <= answer.lines:
                self._spool.popleft()
        return True

    def _answer(self, report: Report) -> Taken | None:
        """Send a report and return the response. An intake of version 0.1 rejects unknown fields and gets the report without them."""
        omitted = {name for name in _LATER if getattr(report, name) == Report.model_fields[name].default}
        try:
            status, answer = self._posted(report, omitted)
            if status == _BAD_REQUEST and omitted != _LATER:
                status, answer = self._posted(report, set(_LATER))
            return Taken.model_validate_json(answer) if status < 300 else None
        except (outgoing.OutgoingError, OSError, ValidationError):
            return None

    def _posted(self, report: Report, omitted: set[str]) -> tuple[int, bytes]:
        """Send a report without these fields. The token is read each time, because the kubelet renews it."""
        headers = {
            "Authorization": f"Bearer {self._token.read_text(encoding='ascii').strip()}",
            "Content-Type": "application/json",
        }
        body = report.model_dump_json(by_alias=True, exclude=omitted).encode()
        return outgoing.post(f"{self._intake}/v1/reports", body, headers, _LIMITS)


def _now() -> datetime:
    return datetime.now(UTC)  # noqa: TID251  the worker's clock; only the journal uses it
