"""Values for rows by which a test finds out whether a row is told to anybody: in a plan, an event, an error or a log.

A test writes `MARKER` or `NUMBER` into rows. Whatever runs the engine in a test (`tests.support.engine.Move`) holds all that came out of it
against both, so a test needs no check of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

MARKER = "r0wm4rk"
NUMBER = 4071828183
_MARKS = (MARKER, str(NUMBER), MARKER.encode().hex())


def rows_in(texts: Iterable[str]) -> list[str]:
    """The texts in which a row is to be read, without regard to case."""
    return [text for text in texts if any(mark in text.lower() for mark in _MARKS)]


def chain(error: BaseException | None) -> Iterator[str]:
    """The messages of an error that are shown. Causes are not: they are for a debugger alone."""
    if error is not None:
        yield str(error)
        yield from (str(note) for note in getattr(error, "__notes__", ()))
