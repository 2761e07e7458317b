"""Events of a run, as reported to its observers: the worker's reports, the command line, the tests."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class EventKind(StrEnum):
    """What happened. Lines of logs and of `landfall run --json` have the values.

    `STATE`: the run entered the state `text`.
    `STEP`: a statement was executed; `text` names it.
    `BEGUN`: a stream began to copy the chunk of number `text`.
    `CHUNK`: the chunk of number `text` was copied, with its rows and bytes.
    `ROUND`: a round of the comparison begins.
    `COMPARED`: so many rows were compared.
    `DELTA`: so many rows were repaired.
    `TABLE`: the table is equal on both sides.
    `RECOVERED`: a stream lost its connection, for the reason `text`, and opens another.
    `RETURNED`: the write lock was released before the cutover.
    `NOTICE`: `text` is for the log.
    `VERDICT`: the result of the verification.
    """

    STATE = "state"
    STEP = "step"
    TABLE = "table"
    BEGUN = "begun"
    CHUNK = "chunk"
    ROUND = "round"
    COMPARED = "compared"
    DELTA = "delta"
    RECOVERED = "recovered"
    RETURNED = "returned"
    NOTICE = "notice"
    VERDICT = "verdict"


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened. `table` is the label of a table."""

    kind: EventKind
    table: str = ""
    rows: int = 0
    bytes: int = 0
    text: str = ""
