"""Functions over dates and times."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime

from landfall.engine.model.identifiers import literal
from landfall.engine.sources.mysql.views.texts import constant_integer, constant_text
from landfall.engine.sources.mysql.views.values import (
    Value,
    ValueKind,
    as_date,
    as_integer,
    as_moment,
    as_number,
    as_time,
    integer,
    is_plain_date,
    text,
)

_FIRST_DAY = 366  # TO_DAYS('0001-01-01')
_LONGEST = 3_020_399
_SPANS = {"MICROSECOND": 1, "SECOND": 1, "MINUTE": 60, "HOUR": 3600, "DAY": 86400, "WEEK": 604800}
_MONTHS = {"MONTH": 1, "QUARTER": 3, "YEAR": 12}
_DAYS = {"DAY": 1, "WEEK": 7}
_FORMS = {
    "Y": "YYYY", "y": "YY", "m": "MM", "c": "FMMM", "d": "DD", "e": "FMDD", "H": "HH24", "k": "FMHH24", "h": "HH12", "I": "HH12",
    "l": "FMHH12", "i": "MI", "s": "SS", "S": "SS", "p": "AM", "T": "HH24:MI:SS", "r": "HH12:MI:SS AM", "f": "US", "M": "FMMonth",
    "b": "Mon", "W": "FMDay", "a": "Dy", "j": "DDD", "D": "FMDDth", "v": "IW", "x": "IYYY", "w": "",
}  # fmt: skip
_READ = {
    "Y": "%Y",
    "y": "%y",
    "m": "%m",
    "c": "%m",
    "d": "%d",
    "e": "%d",
    "H": "%H",
    "k": "%H",
    "i": "%M",
    "s": "%S",
    "S": "%S",
    "T": "%H:%M:%S",
}
_OFFSET = re.compile(r"([+-])(\d\d?):(\d\d)")


def shifted(value: Value, count: Value, unit: str, *, back: bool) -> Value:
    """A date plus or minus some units. A date stays one where the unit is a day or longer."""
    sign, number = "-" if back else "+", as_number(count)
    if unit in {"SECOND", "MICROSECOND"}:
        many, span = f"({number.sql})", f"1 {unit.lower()}"
        scale = 6 if unit == "MICROSECOND" or number.kind is not ValueKind.INT else 0
    elif unit in _MONTHS:
        many, span, scale = as_integer(number).sql, f"{_MONTHS[unit]} month", 0
    elif unit in _SPANS:
        many, span, scale = as_integer(number).sql, f"1 {unit.lower()}", 0
    else:
        message = f"INTERVAL … {unit}"
        raise ValueError(message)
    start = as_moment(value)
    step = f"interval '{span}'" if many == "1" else f"{many} * interval '{span}'"
    sql = f"({start.sql} {sign} {step})"
    if is_plain_date(value) and (unit in _MONTHS or unit in _DAYS):
        return Value(f"{sql}::date", ValueKind.DATE)
    return Value(sql, ValueKind.MOMENT, scale=max(scale, start.scale))


def difference(unit: str, start: Value, end: Value) -> Value:
    """TIMESTAMPDIFF: whole units, towards zero."""
    a, b = as_moment(start).sql, as_moment(end).sql
    if unit == "MICROSECOND":
        return integer(f"round(extract(epoch FROM {b} - {a})::numeric * 1000000)::bigint")
    if unit in _SPANS:
        return integer(f"trunc(extract(epoch FROM {b} - {a})::numeric / {_SPANS[unit]})::bigint")
    if unit not in _MONTHS:
        message = f"TIMESTAMPDIFF in {unit}"
        raise ValueError(message)

    def months(low: str, high: str) -> str:
        age = f"age({high}, {low})"
        return f"(extract(year FROM {age}) * 12 + extract(month FROM {age}))"

    whole = f"CASE WHEN {b} >= {a} THEN {months(a, b)} ELSE -{months(b, a)} END"
    return integer(f"trunc(({whole})::numeric / {_MONTHS[unit]})::bigint")


def part(unit: str, value: Value) -> Value:
    """EXTRACT."""
    if unit == "YEAR_MONTH":
        x = as_moment(value).sql
        return integer(f"(extract(year FROM {x}) * 100 + extract(month FROM {x}))::integer")
    function = FUNCTIONS.get(unit.lower())
    if unit not in {"YEAR", "MONTH", "DAY", "HOUR", "MINUTE", "SECOND", "QUARTER", "MICROSECOND"} or function is None:
        message = f"EXTRACT({unit} …)"
        raise ValueError(message)
    return function(value)


def _field(name: str, *, more: str = "") -> Callable[[Value], Value]:
    def call(value: Value) -> Value:
        source = value.sql if value.kind is ValueKind.TIME and name in {"hour", "minute"} else as_moment(value).sql
        return integer(f"(extract({name} FROM {source}){more})::integer")

    return call


def _second(value: Value) -> Value:
    return integer(f"floor(extract(second FROM {as_moment(value).sql}))::integer")


def _microsecond(value: Value) -> Value:
    return integer(f"mod(extract(microseconds FROM {as_moment(value).sql})::bigint, 1000000)::integer")


def _week(value: Value, mode: Value | None = None) -> Value:
    x, kind = as_moment(value).sql, 0 if mode is None else constant_integer(mode, "the mode of WEEK")
    day, iso = f"extract(doy FROM {x})::integer", f"extract(week FROM {x})::integer"
    if kind == 0:
        return integer(f"(({day} + 6 - extract(dow FROM {x})::integer) / 7)")
    if kind == 5:
        return integer(f"(({day} + 7 - extract(isodow FROM {x})::integer) / 7)")
    if kind == 3:
        return integer(iso)
    if kind == 1:
        years = f"extract(isoyear FROM {x}) - extract(year FROM {x})"
        return integer(f"(CASE {years} WHEN -1 THEN 0 WHEN 1 THEN 53 ELSE {iso} END)")
    message = f"WEEK in mode {kind}"
    raise ValueError(message)


def _yearweek(value: Value, mode: Value | None = None) -> Value:
    x, kind = as_moment(value).sql, 0 if mode is None else constant_integer(mode, "the mode of YEARWEEK")
    if kind in {1, 3}:
        return integer(f"(extract(isoyear FROM {x}) * 100 + extract(week FROM {x}))::integer")
    if kind not in {0, 2}:
        message = f"YEARWEEK in mode {kind}"
        raise ValueError(message)
    sunday = f"({as_date(value).sql} - extract(dow FROM {x})::integer)"
    return integer(f"(extract(year FROM {sunday})::integer * 100 + (extract(doy FROM {sunday})::integer + 6) / 7)")


def _name_in_form(form: str) -> Callable[[Value], Value]:
    return lambda value: text(f"to_char({as_moment(value).sql}, '{form}')")


def _last_day(value: Value) -> Value:
    return Value(f"(date_trunc('month', {as_moment(value).sql}) + interval '1 month - 1 day')::date", ValueKind.DATE)


def _date_format(value: Value, form: Value) -> Value:
    form_text, moment, form_so_far, at = constant_text(form, "the format of DATE_FORMAT"), as_moment(value), "", 0
    pieces: list[str] = []
    while at < len(form_text):
        mark = form_text[at + 1 : at + 2] if form_text[at] == "%" else ""
        if mark in {"w", "u", "U"}:
            pieces += [_formed(moment, form_so_far)] if form_so_far else []
            pieces.append(_numbered(value, mark))
            form_so_far = ""
        elif mark and mark in _FORMS:
            form_so_far += _FORMS[mark]
        elif mark in {"X", "V"}:
            message = f"DATE_FORMAT with %{mark}"
            raise ValueError(message)
        else:  # the source leaves an unknown letter without its percent sign
            form_so_far += '"' + (mark or form_text[at]).replace("\\", "\\\\").replace('"', '\\"') + '"'
        at += 2 if mark else 1
    pieces += [_formed(moment, form_so_far)] if form_so_far or not pieces else []
    return text(f"({' || '.join(pieces)})")


def _formed(moment: Value, form: str) -> str:
    return f"to_char({moment.sql}, {literal(form.replace(chr(34) * 2, ''))})"


def _numbered(value: Value, mark: str) -> str:
    if mark == "w":
        return f"extract(dow FROM {as_moment(value).sql})::integer::text"
    week = _week(value, Value(str(int(mark == "u")), ValueKind.INT, constant=str(int(mark == "u"))))
    return f"lpad({week.sql}::text, 2, '0')"


def _str_to_date(value: Value, form: Value) -> Value:
    """A literal in a literal format, which is read here."""
    value_text, form_text = constant_text(value, "the text of STR_TO_DATE"), constant_text(form, "the format of STR_TO_DATE")
    marks = re.findall(r"%(.)", form_text)
    if any(mark not in _READ for mark in marks):
        message = f"STR_TO_DATE with the format {form_text!r}"
        raise ValueError(message)
    try:
        moment = datetime.strptime(value_text, re.sub(r"%(.)", lambda m: _READ[m.group(1)], form_text))  # noqa: DTZ007  it has no time zone
    except ValueError as error:
        message = f"STR_TO_DATE of {value_text!r} in the format {form_text!r}"
        raise ValueError(message) from error
    if set(marks) & set("HkisST"):
        return Value(f"'{moment:%Y-%m-%d %H:%M:%S}'::timestamp", ValueKind.MOMENT)
    return Value(f"'{moment:%Y-%m-%d}'::date", ValueKind.DATE)


def _unix_timestamp(value: Value) -> Value:
    zoned = value.sql if value.kind is ValueKind.ZONED else f"({as_moment(value).sql})::timestamptz"
    seconds = f"extract(epoch FROM {zoned})::numeric"
    digits = value.scale if value.kind in {ValueKind.ZONED, ValueKind.MOMENT} else as_moment(value).scale
    return Value(f"trunc({seconds}, {digits})", ValueKind.NUM, scale=digits) if digits else integer(f"floor({seconds})::bigint")


_LATEST_SECOND = 32536771199
"""From the next second on, FROM_UNIXTIME is NULL in MySQL. In MariaDB it is so from 2038 or, since 11.5, from 2106 on."""


def _from_unixtime(value: Value, form: Value | None = None) -> Value:
    if as_number(value).kind is not ValueKind.INT:
        message = "FROM_UNIXTIME of a number with decimals"
        raise ValueError(message)
    seconds = as_number(value).sql
    moment = Value(
        f"CASE WHEN {seconds} BETWEEN 0 AND {_LATEST_SECOND} THEN to_timestamp({seconds})::timestamp END", ValueKind.MOMENT
    )
    return moment if form is None else _date_format(moment, form)


def _make_date(year: Value, day: Value) -> Value:
    if constant_integer(year, "the year of MAKEDATE") < 100 or constant_integer(day, "the day of MAKEDATE") < 1:
        message = "MAKEDATE of a year below 100 or a day below 1"
        raise ValueError(message)
    return Value(f"(make_date({year.sql}, 1, 1) + {day.sql} - 1)", ValueKind.DATE)


def _seconds(value: Value) -> Value:
    return integer(f"trunc(extract(epoch FROM {as_time(value).sql})::numeric)::bigint")


def _span(value: Value) -> Value:
    return _span_of(f"({as_integer(value).sql})::double precision")


def _shifted_time(operator: str) -> Callable[[Value, Value], Value]:
    def call(value: Value, span: Value) -> Value:
        step = as_time(span)
        if value.kind in {ValueKind.MOMENT, ValueKind.ZONED}:
            return Value(f"({as_moment(value).sql} {operator} {step.sql})", ValueKind.MOMENT, scale=max(value.scale, step.scale))
        return Value(f"({as_time(value).sql} {operator} {step.sql})", ValueKind.TIME)

    return call


def _span_of(seconds: str) -> Value:
    """A span of time, which the source cuts at 838:59:59."""
    clamped = f"least(greatest({seconds}, -{_LONGEST}), {_LONGEST})"
    return Value(f"(CASE WHEN {seconds} IS NOT NULL THEN make_interval(secs => {clamped}) END)", ValueKind.TIME)


def _timediff(end: Value, start: Value) -> Value:
    pair = (end, start)
    if any(is_plain_date(v) or v.kind not in {ValueKind.MOMENT, ValueKind.ZONED, ValueKind.TIME, ValueKind.TEXT} for v in pair):
        message = "TIMEDIFF of a date without a time of day"
        raise ValueError(message)
    a, b = (v.sql for v in ((as_time(end), as_time(start)) if ValueKind.TIME in {v.kind for v in pair} else map(as_moment, pair)))
    return _span_of(f"extract(epoch FROM {a} - {b})::double precision")


def _convert_tz(value: Value, old: Value, new: Value) -> Value:
    zones = []
    for zone in (old, new):
        name = constant_text(zone, "a time zone of CONVERT_TZ")
        if not _OFFSET.fullmatch(name):
            message = f"the time zone {name!r}, which the source knows only if its tables of time zones are filled"
            raise ValueError(message)
        zones.append(f"interval '{name}'")
    start = as_moment(value)
    return Value(f"(({start.sql} AT TIME ZONE {zones[0]}) AT TIME ZONE {zones[1]})", ValueKind.MOMENT, scale=start.scale)


def _to_days(value: Value) -> Value:
    return integer(f"(({as_date(value).sql} - date '0001-01-01') + {_FIRST_DAY})")


def _from_days(value: Value) -> Value:
    return Value(f"(date '0001-01-01' + (({as_integer(value).sql})::integer - {_FIRST_DAY}))", ValueKind.DATE)


def _now(*precision: Value) -> Value:
    digits = constant_integer(precision[0], "the precision of NOW") if precision else 0
    sql = f"LOCALTIMESTAMP({digits})" if digits else "date_trunc('second', LOCALTIMESTAMP)"
    return Value(sql, ValueKind.MOMENT, scale=digits)


def _utc_now() -> Value:
    return Value("date_trunc('second', now() AT TIME ZONE 'UTC')", ValueKind.MOMENT)


def today() -> Value:
    """The current date."""
    return Value("CURRENT_DATE", ValueKind.DATE)


now = _now

FUNCTIONS: dict[str, Callable[..., Value]] = {
    "year": _field("year"),
    "month": _field("month"),
    "day": _field("day"),
    "dayofmonth": _field("day"),
    "hour": _field("hour"),
    "minute": _field("minute"),
    "second": _second,
    "microsecond": _microsecond,
    "quarter": _field("quarter"),
    "dayofyear": _field("doy"),
    "dayofweek": _field("dow", more=" + 1"),
    "weekday": _field("isodow", more=" - 1"),
    "weekofyear": _field("week"),
    "week": _week,
    "yearweek": _yearweek,
    "dayname": _name_in_form("FMDay"),
    "monthname": _name_in_form("FMMonth"),
    "last_day": _last_day,
    "date_format": _date_format,
    "str_to_date": _str_to_date,
    "unix_timestamp": _unix_timestamp,
    "from_unixtime": _from_unixtime,
    "makedate": _make_date,
    "time_to_sec": _seconds,
    "sec_to_time": _span,
    "addtime": _shifted_time("+"),
    "subtime": _shifted_time("-"),
    "timediff": _timediff,
    "convert_tz": _convert_tz,
    "to_days": _to_days,
    "from_days": _from_days,
    "datediff": lambda end, start: integer(f"({as_date(end).sql} - {as_date(start).sql})"),
    "date": as_date,
    "now": _now,
    "current_timestamp": _now,
    "localtimestamp": _now,
    "sysdate": _now,
    "curdate": today,
    "utc_timestamp": _utc_now,
}
