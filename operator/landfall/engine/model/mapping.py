"""What a dialect answers for one column: how it is stored, copied, checked and probed.

Copy and check expressions of one column never share code: a fault in one must show in the other.
"""

from __future__ import annotations

from collections.abc import Mapping as Counts
from dataclasses import dataclass, field
from enum import StrEnum

from landfall.engine.model.catalog import Column
from landfall.engine.model.logical_type import Form, LogicalType


class Violation(StrEnum):
    """A kind of value that the target type cannot hold, or a fact that decides the type."""

    ZERO_DATE = "zeroDate"
    NUL_BYTE = "nulByte"
    OUT_OF_RANGE = "outOfRange"
    INVALID_ENCODING = "invalidEncoding"
    TYPE_MISMATCH = "typeMismatch"
    NOT_BOOLEAN = "notBoolean"
    NOT_DATE = "notDate"
    NOT_TIMESTAMP = "notTimestamp"
    NOT_INTEGER = "notInteger"
    NOT_NUMBER = "notNumber"
    NOT_JSON = "notJson"
    NOT_BLOB = "notBlob"
    NOT_ZONED = "notZoned"
    NOT_MOMENT = "notMoment"
    NOT_SECONDS = "notSeconds"
    NOT_MILLISECONDS = "notMilliseconds"
    NOT_JULIAN = "notJulian"
    HELD = "held"
    NULL = "null"
    TOO_LONG = "tooLong"
    HAS_BLOB = "hasBlob"
    MISSING = "missing"
    OVERSIZED = "oversized"
    OVERLONG = "overlong"
    NOT_LISTED = "notListed"
    NOT_SO_WRITTEN = "notSoWritten"
    UNRESOLVED = "unresolved"


@dataclass(frozen=True, slots=True)
class Probe:
    """A predicate in the source's SQL that is true for the rows to be counted."""

    kind: Violation
    predicate: str


@dataclass(frozen=True, slots=True)
class Rule:
    """How offending values of one kind are treated: `action` is Fail, Null, Strip, Replace, Map or Text.

    `chosen`: a person chose it, so it is not the default.
    """

    action: str
    argument: str = ""
    chosen: bool = True

    @property
    def text(self) -> str:
        """The rule as a person writes it in a policy."""
        return f"{self.action}:{self.argument}" if self.argument else self.action


def rule_from(text: str) -> Rule:
    """Read `Fail`, `Null` or `Map:2000-01-01`."""
    action, _, argument = text.partition(":")
    return Rule(action, argument)


@dataclass(frozen=True, slots=True)
class SourceMapping:
    """One column as its source gives it: what its values are, and the source's SQL that copies and checks them. A target makes a `Mapping` of it.

    The fields are those of `Mapping`; `form` says what `check_source` yields.
    """

    type: LogicalType
    copy: str
    check_source: str
    form: Form = Form.PRINTED
    quoted: bool = False
    measured: bool = False
    confidence: int = 100
    reasons: tuple[str, ...] = ()
    transformation: str = ""


@dataclass(frozen=True, slots=True)
class Mapping:
    """One column on its way: SQL of the source on the left, SQL of the target on the right.

    `copy` yields the field's text or NULL; `quoted` fields may hold any byte. `check_source` and `check_target` yield
    the same canonical text, or NULL; those with `measured` are length-prefixed in the row because they hold any text.
    `operand` is the expression that a person put in the column's place, if any. Where a column is not `nullable` the queries spare themselves the question, row by row, whether it is NULL.
    """

    target_type: str
    copy: str
    quoted: bool
    check_source: str
    check_target: str
    measured: bool = False
    confidence: int = 100
    reasons: tuple[str, ...] = ()
    transformation: str = ""
    type_statement: str = ""
    type_name: str = ""
    checks: tuple[tuple[str, str], ...] = ()
    nullable: bool = True
    operand: str = ""


@dataclass(frozen=True, slots=True)
class ColumnFacts:
    """What profiling counted for one column, and the rules in force for it.

    `relatives` are the columns that foreign keys connect with it, itself among them; `together` is what was counted in all of them.
    """

    counts: Counts[Violation, int]
    rules: Counts[Violation, Rule]
    relatives: tuple[Column, ...] = ()
    together: Counts[Violation, int] = field(default_factory=dict)

    def count(self, kind: Violation) -> int:
        """Rows of that kind; zero where it was not probed."""
        return self.counts.get(kind, 0)

    def count_together(self, kind: Violation) -> int:
        """Rows of that kind in the column and its relatives, which get the same type."""
        return self.together.get(kind, 0) if self.relatives else self.count(kind)

    def rule(self, kind: Violation) -> Rule | None:
        """The rule to apply where such rows exist, else nothing."""
        return self.rules.get(kind) if self.count(kind) else None
