"""Constant requests to an app's Service, over fresh and over pooled connections, each of them counted with who answered and when."""

from __future__ import annotations

import contextlib
import re
import threading
import time
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException, RemoteDisconnected
from pathlib import Path
from typing import Self

_PAUSE_SECONDS = 0.03
_TIMEOUT_SECONDS = 60  # a request that fails is answered wrongly or not at all; one that is slow is not


@dataclass
class Load:
    """`fresh` and `pooled` clients ask for a page until the end. A kept connection that was closed while it idled is opened anew once, as every client's library does."""

    host: str
    fresh: int = 2
    pooled: int = 2
    failures: list[str] = field(default_factory=list)
    answers: list[tuple[float, str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._ended = threading.Event()
        kinds = [(self._fresh, "fresh")] * self.fresh + [(self._pooled, "pooled")] * self.pooled
        self._threads = [threading.Thread(target=work, args=(kind,), daemon=True) for work, kind in kinds]

    def __enter__(self) -> Self:
        self._began = time.monotonic()
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join(_TIMEOUT_SECONDS)

    def since(self, moment: float) -> set[str]:
        """What was answered to requests that began after a moment."""
        return {body for began, _, body in self.answers if began > moment}

    def _fresh(self, kind: str) -> None:
        while not self._ended.wait(_PAUSE_SECONDS):
            connection = HTTPConnection(self.host, 80, timeout=_TIMEOUT_SECONDS)
            self._one(connection, kind)
            connection.close()

    def _pooled(self, kind: str) -> None:
        connection = HTTPConnection(self.host, 80, timeout=_TIMEOUT_SECONDS)
        while not self._ended.wait(_PAUSE_SECONDS):
            used = connection.sock is not None
            try:
                self._ask(connection, kind)
            except (RemoteDisconnected, BrokenPipeError, ConnectionResetError) as error:
                connection.close()
                if used:
                    self._one(connection, kind)
                else:
                    self.failures.append(f"{kind}: {error!r}")
            except (OSError, HTTPException) as error:
                self.failures.append(f"{kind}: {error!r}")
                connection.close()

    def _one(self, connection: HTTPConnection, kind: str) -> None:
        began = time.monotonic()
        try:
            self._ask(connection, kind)
        except (OSError, HTTPException) as error:
            stage, now = "connecting" if connection.sock is None else "reading", time.monotonic()
            last = max((at, body) for at, _, body in self.answers if at < began)[1]
            lasted, running = now - began, began - self._began
            self.failures.append(
                f"{kind}: {error!r} while {stage}, after {lasted:.1f} s, {running:.1f} s in, when {last!r} answered; {self._sent()}"
            )
            with contextlib.suppress(OSError):
                connection.close()

    def _sent(self) -> str:
        """Where the node sent what nobody has answered: to a pod that it should not have known any more, or over a connection of before."""
        entries = Path("/proc/net/nf_conntrack").read_text(encoding="ascii").splitlines()
        unanswered = [
            entry for entry in entries if f" dst={self.host} " in entry and not re.search("ESTABLISHED|TIME_WAIT", entry)
        ]
        return " | ".join(" ".join(entry.split()[4:]) for entry in unanswered)

    def _ask(self, connection: HTTPConnection, kind: str) -> None:
        began = time.monotonic()
        connection.request("GET", "/")
        answer = connection.getresponse()
        body = answer.read().decode()
        if answer.status != 200:
            self.failures.append(f"{kind}: {answer.status} {body[:80]}")
        self.answers.append((began, kind, body))
