"""What the values of a column that is declared as a date or time are, by evidence: every value of the column must fit.

SQLite has no type for them. Programs keep texts with or without a time zone, seconds or milliseconds since 1970, or Julian days.
"""

from __future__ import annotations

from collections.abc import Mapping as Counts
from dataclasses import dataclass

from landfall.engine.model.logical_type import Date, LogicalType, Timestamp
from landfall.engine.model.mapping import Violation


@dataclass(frozen=True, slots=True)
class MomentReading:
    """One way to read the values of a column. `{c}` stands for the column.

    Attributes:
        fact: What a value is counted as that cannot be read so.
        misfit: The predicate of such a value.
        type: What the values are.
        copy: Their text for the target's COPY.
        check_source: Their canonical text.
        reason: Why it is read so.
        transformation: What becomes of the values, if they change their form and a person has to agree.
    """

    fact: Violation
    misfit: str
    type: LogicalType
    copy: str
    check_source: str
    reason: str
    transformation: str = ""


_ZONED = Timestamp(zoned=True)
_FRACTION = "(({c}%1000)+1000)%1000"
_DATE = MomentReading(
    Violation.NOT_DATE,
    "CASE WHEN {c} IS NULL OR date({c},'+0 days') IS {c} AND {c}>='0001' THEN 0 ELSE lf_date({c}) IS NULL END",
    Date(),
    "{c}",
    "CASE WHEN date({c},'+0 days') IS {c} AND {c}>='0001' THEN {c} ELSE lf_date({c}) END",
    "every value is an ISO date",
)
_LOCAL = MomentReading(
    Violation.NOT_TIMESTAMP,
    "CASE WHEN {c} IS NULL OR datetime({c},'+0 days') IS {c} AND {c}>='0001' THEN 0 ELSE lf_timestamp({c}) IS NULL END",
    Timestamp(),
    "{c}",
    "CASE WHEN datetime({c},'+0 days') IS {c} AND {c}>='0001' THEN {c} ELSE lf_timestamp({c}) END",
    "every value is an ISO date and time without a zone",
)
_WITH_ZONE = MomentReading(
    Violation.NOT_ZONED,
    "{c} IS NOT NULL AND lf_zoned({c}) IS NULL",
    _ZONED,
    "{c}",
    "lf_zoned({c})",
    "every value is an ISO date and time with a time zone: the moment is kept, the offset is not",
)
_MIXED = MomentReading(
    Violation.NOT_MOMENT,
    "{c} IS NOT NULL AND coalesce(lf_zoned({c}),lf_timestamp({c})) IS NULL",
    _ZONED,
    "{c}",
    "coalesce(lf_zoned({c}),lf_timestamp({c}))",
    "some values have a time zone, and others have none",
    "a time without a zone is read as UTC",
)
_SECONDS = MomentReading(
    Violation.NOT_SECONDS,
    "{c} IS NOT NULL AND NOT (typeof({c})='integer' AND ({c}=0 OR {c} BETWEEN 100000000 AND 9999999999"
    " OR {c} BETWEEN -2208988800 AND -100000000))",
    _ZONED,
    "strftime('%Y-%m-%d %H:%M:%S',{c},'unixepoch')||'+00'",
    "lf_epoch({c},1)",
    "every value is an integer like the seconds since 1970",
    "seconds since 1970 become a time",
)
_MILLISECONDS = MomentReading(
    Violation.NOT_MILLISECONDS,
    "{c} IS NOT NULL AND NOT (typeof({c})='integer' AND ({c}=0 OR {c} BETWEEN 100000000000 AND 9999999999999"
    " OR {c} BETWEEN -2208988800000 AND -100000000000))",
    _ZONED,
    f"strftime('%Y-%m-%d %H:%M:%S',({{c}}-{_FRACTION})/1000,'unixepoch')||printf('.%03d+00',{_FRACTION})",
    "lf_epoch({c},1000)",
    "every value is an integer like the milliseconds since 1970",
    "milliseconds since 1970 become a time",
)
_JULIAN = MomentReading(
    Violation.NOT_JULIAN,
    "{c} IS NOT NULL AND NOT (typeof({c}) IN ('integer','real') AND {c} BETWEEN 2305447.5 AND 2816787.5)",
    _ZONED,
    "strftime('%Y-%m-%d %H:%M:%f',{c})||'+00'",
    "lf_julian({c})",
    "every value is a number like a Julian day",
    "Julian days become a time, rounded to milliseconds",
)
_NUMBERS = (_SECONDS, _MILLISECONDS, _JULIAN)
READINGS = {
    "timestamp": (_LOCAL, _WITH_ZONE, _DATE, _MIXED, *_NUMBERS),
    "date": (_DATE, _LOCAL, _WITH_ZONE, _MIXED, *_NUMBERS),
}


def reading(family: str, counts: Counts[Violation, int], *, ask: bool) -> MomentReading | None:
    """The first way in which all values can be read; None if there is none.

    Args:
        family: `date` or `timestamp`.
        counts: In how many rows each way fails.
        ask: Whether to consider ways that a person has to agree to.
    """
    ways = READINGS.get(family, ())
    return next((w for w in ways if not counts.get(w.fact) and (ask or not w.transformation)), None)
