"""Signals that ask a process to stop, for as long as a piece of work lasts."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def stop_signals(asked: Callable[..., None]) -> Iterator[None]:
    """SIGINT and SIGTERM go to `asked`; afterwards to whoever had them before."""
    before = {number: signal.signal(number, asked) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
