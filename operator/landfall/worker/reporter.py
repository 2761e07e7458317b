"""Reports to the intake: the newest in the background while work goes on, the last one until it has arrived."""

from __future__ import annotations

import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

from landfall.api.report import Report

TOKEN = Path("/var/run/landfall/token")
_EVERY_SECONDS = 2
_TIMEOUT_SECONDS = 10
_PATIENCE_SECONDS = 120


class Reporter(threading.Thread):
    """Sends what it was told last. Losing a report in between loses nothing, for the next one says it all."""

    def __init__(self, intake: str, token: Path = TOKEN) -> None:
        super().__init__(daemon=True)
        self._intake = intake
        self._token = token
        self._latest = Report(sequence=0)
        self._sent = -1
        self._lock = threading.Lock()
        self._ended = threading.Event()

    def tell(self, **fields: object) -> None:
        """Take over what has changed."""
        with self._lock:
            self._latest = self._latest.model_copy(update={**fields, "sequence": self._latest.sequence + 1})

    @property
    def latest(self) -> Report:
        """What would be sent now."""
        with self._lock:
            return self._latest

    def run(self) -> None:
        """Send what is new, every few seconds."""
        while not self._ended.wait(_EVERY_SECONDS):
            report = self.latest
            if report.sequence > self._sent and self._delivered(report):
                self._sent = report.sequence

    def finish(self, **fields: object) -> bool:
        """Send the last report until it has arrived; whether it has, within two minutes."""
        self.tell(final=True, **fields)
        self._ended.set()
        deadline, pause = time.monotonic() + _PATIENCE_SECONDS, 0.2
        while not self._delivered(self.latest):
            if time.monotonic() > deadline:
                return False
            time.sleep(pause)
            pause = min(pause * 2, 5)
        return True

    def _delivered(self, report: Report) -> bool:
        """The token is read each time, for the kubelet renews it."""
        try:
            request = urllib.request.Request(  # noqa: S310  the address comes from the operator
                f"{self._intake}/v1/reports",
                data=report.model_dump_json(by_alias=True).encode(),
                headers={
                    "Authorization": f"Bearer {self._token.read_text(encoding='ascii').strip()}",
                    "Content-Type": "application/json",
                },
                method="POST",
            )
            with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS):  # noqa: S310
                return True
        except (urllib.error.URLError, OSError, TimeoutError):
            return False
