"""What the default of a column computes, for defaults that every engine writes in its own way."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class ClockForm(StrEnum):
    """How the current time is given."""

    MOMENT = "moment"
    """`2024-02-29 12:00:00`"""
    DATE = "date"
    """`2024-02-29`"""
    TIME = "time"
    """`12:00:00`"""
    SECONDS = "seconds"
    """Whole seconds since 1970."""
    MILLISECONDS = "milliseconds"
    """Whole milliseconds since 1970."""
    JULIAN = "julian"
    """Days since noon of the first Julian day, with a fraction."""
    PATTERN = "pattern"
    """A text by a pattern of C's `strftime`, in which `%f` is seconds with three digits of a fraction."""


@dataclass(frozen=True, slots=True)
class CurrentTime:
    """The current time, in UTC, or in the time zone of the session if it is `local`. `pattern`: of ClockForm.PATTERN."""

    form: ClockForm
    local: bool = False
    pattern: str = ""


@dataclass(frozen=True, slots=True)
class RandomOctets:
    """Random octets, or their hexadecimal digits: `lower` or `upper`, empty for the octets themselves."""

    count: int
    digits: str = ""


@dataclass(frozen=True, slots=True)
class RandomInteger:
    """A random integer of 64 bits with its sign."""


@dataclass(frozen=True, slots=True)
class RandomUuid:
    """A random UUID (version 4) as text in lower case, or in upper case."""

    upper: bool = False


DefaultValue = CurrentTime | RandomOctets | RandomInteger | RandomUuid
