"""Types between sources and targets: what the values of a column are, without the name that an engine gives to them.

A source maps its types to these, and a target renders these as its own, so an engine on either side needs to know no engine on the other.
The canonical text of a value, by which both sides are compared, is defined here: see `Form` and the types.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Form(StrEnum):
    """How the values of a column are written in the line of a row that both sides compute.

    PRINTED: the canonical text of the type.
    SHORTEST: the same for a decimal number, without zeros at the end of its fraction.
    DIGEST: SHA2-256 of the octets, or of the text in UTF-8, in hexadecimal digits.
    """

    PRINTED = "printed"
    SHORTEST = "shortest"
    DIGEST = "digest"


@dataclass(frozen=True, slots=True)
class Boolean:
    """True or false. Canonical text: `1` or `0`."""


@dataclass(frozen=True, slots=True)
class Integer:
    """A whole number of so many bits, the sign among them. Canonical text: decimal digits.

    An unsigned one of 63 bits is a counter that a signed type of 64 bits holds.
    """

    bits: int
    signed: bool = True

    @property
    def magnitude(self) -> int:
        """Bits without the sign."""
        return self.bits - self.signed


@dataclass(frozen=True, slots=True)
class Decimal:
    """A decimal number; without a precision, any. Canonical text: all digits of its scale, or `Form.SHORTEST`."""

    precision: int | None = None
    scale: int = 0
    signed: bool = True


@dataclass(frozen=True, slots=True)
class Float:
    """A binary floating-point number of 32 or 64 bits. Canonical text: `engine.sources.floats`."""

    bits: int
    signed: bool = True


@dataclass(frozen=True, slots=True)
class Bits:
    """A string of so many bits. Canonical text: its digits `0` and `1`."""

    size: int


@dataclass(frozen=True, slots=True)
class Text:
    """A text of at most so many characters; without a limit, any."""

    max_characters: int | None = None


@dataclass(frozen=True, slots=True)
class Json:
    """A JSON document, kept as the text that it was written as. It is compared as `Form.DIGEST`."""


@dataclass(frozen=True, slots=True)
class Bytes:
    """Octets. They are compared as `Form.DIGEST`."""


@dataclass(frozen=True, slots=True)
class Date:
    """A day of the Gregorian calendar. Canonical text: `YYYY-MM-DD`."""


@dataclass(frozen=True, slots=True)
class Timestamp:
    """A date and a time of day, with so many digits of a second's fraction (None: as many as the target has).

    `zoned`: a moment that is stored in UTC. Canonical text: `YYYY-MM-DD HH:MM:SS[.ffffff]`, in UTC where it is zoned, the fraction without
    zeros at its end.
    """

    digits: int | None = None
    zoned: bool = False


@dataclass(frozen=True, slots=True)
class Interval:
    """A duration that may be negative, with so many digits of a second's fraction. Canonical text: `[-]HHH:MM:SS[.ffffff]`."""

    digits: int


@dataclass(frozen=True, slots=True)
class Uuid:
    """A UUID. Canonical text: lower case with hyphens."""


@dataclass(frozen=True, slots=True)
class Address:
    """An address of IPv4 or IPv6. Canonical text: the host in lower case."""


@dataclass(frozen=True, slots=True)
class Enumeration:
    """One of these labels. Canonical text: the label."""

    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LabelSet:
    """Any of these labels, each at most once. Canonical text: the labels, joined by commas."""

    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Native:
    """A type of the target itself, which only a source that speaks the target's SQL knows. `builtin`: its name means the same everywhere."""

    name: str
    builtin: bool = True


LogicalType = (
    Boolean
    | Integer
    | Decimal
    | Float
    | Bits
    | Text
    | Json
    | Bytes
    | Date
    | Timestamp
    | Interval
    | Uuid
    | Address
    | Enumeration
    | LabelSet
    | Native
)
