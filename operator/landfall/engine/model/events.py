"""Events of a run, as reported to whoever follows it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened, for whoever watches. `kind` is one of the words in EVENTS."""

    kind: str
    table: str = ""
    rows: int = 0
    bytes: int = 0
    text: str = ""


EVENTS = ("state", "step", "table", "begun", "chunk", "round", "compared", "delta", "recovered", "returned", "notice", "verdict")
