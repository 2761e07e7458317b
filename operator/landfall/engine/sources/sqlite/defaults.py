"""Defaults of SQLite that call its own functions for the time and for random values."""

from __future__ import annotations

import re

from landfall.engine.model.default_value import ClockForm, CurrentTime, DefaultValue, RandomInteger, RandomOctets, RandomUuid

_NOW = r"(?:'now'|\"now\"|current_timestamp)"
_LOCAL = r"(?:\s*,\s*['\"](localtime)['\"])?"
_KEYWORDS = {
    "current_timestamp": ClockForm.MOMENT,
    "current_date": ClockForm.DATE,
    "current_time": ClockForm.TIME,
}
_FORMS = {
    "datetime": ClockForm.MOMENT,
    "date": ClockForm.DATE,
    "time": ClockForm.TIME,
    "julianday": ClockForm.JULIAN,
    "unixepoch": ClockForm.SECONDS,
}
_CALL = re.compile(rf"(?i)(datetime|date|time|julianday|unixepoch)\s*\(\s*(?:{_NOW}{_LOCAL})?\s*\)")
_PATTERN = re.compile(rf"(?i)strftime\s*\(\s*(['\"])(.*?)\1(?:\s*,\s*{_NOW}{_LOCAL})?\s*\)")
_CAST = re.compile(r"(?is)cast\s*\((.*)\bas\s+(?:big)?int(?:eger)?\s*\)")
_THOUSAND = re.compile(r"(?s)(.*\S)\s*\*\s*1000|1000\s*\*\s*(.*\S)")
_OCTETS = re.compile(r"(?i)(?:(lower)\s*\(\s*)?(?:(hex)\s*\(\s*)?randomblob\s*\(\s*(\d+)\s*\)\s*\)*")
_UUID_PARTS = (re.compile(r"(?i)randomblob"), re.compile(r"-4"), re.compile(r"(?i)'89ab'"))


def default_value(text: str) -> DefaultValue | None:
    """What a default computes; None if it is none of these."""
    text = _without_parentheses(text)
    if text.lower() in _KEYWORDS:
        return CurrentTime(_KEYWORDS[text.lower()])
    return _time(text) or _random(text)


def _without_parentheses(text: str) -> str:
    """The text without the parentheses around all of it."""
    text = text.strip()
    while text.startswith("(") and _closes(text) == len(text) - 1:
        text = text[1:-1].strip()
    return text


def _closes(text: str) -> int:
    """The position of the parenthesis that closes the first one."""
    depth = 0
    for at, letter in enumerate(re.sub(r"'[^']*'", lambda m: "'" * len(m.group()), text)):
        depth += {"(": 1, ")": -1}.get(letter, 0)
        if not depth:
            return at
    return -1


def _time(text: str) -> CurrentTime | None:
    if call := _CALL.fullmatch(text):
        return CurrentTime(_FORMS[call.group(1).lower()], local=bool(call.group(2)))
    if pattern := _PATTERN.fullmatch(text):
        if pattern.group(2) == "%s":
            return CurrentTime(ClockForm.SECONDS)
        return CurrentTime(ClockForm.PATTERN, local=bool(pattern.group(3)), pattern=pattern.group(2))
    if cast := _CAST.fullmatch(text):
        inner = _time(_without_parentheses(cast.group(1)))
        return inner if inner and inner.form in {ClockForm.SECONDS, ClockForm.MILLISECONDS} else None
    if product := _THOUSAND.fullmatch(text):
        inner = _time(_without_parentheses(product.group(1) or product.group(2)))
        return CurrentTime(ClockForm.MILLISECONDS) if inner and inner.form is ClockForm.SECONDS else None
    return None


def _random(text: str) -> DefaultValue | None:
    if re.fullmatch(r"(?i)random\s*\(\s*\)", text):
        return RandomInteger()
    if (octets := _OCTETS.fullmatch(text)) and text.count("(") == text.count(")"):
        lower, hexadecimal, count = octets.groups()
        if lower and not hexadecimal:
            return None
        return RandomOctets(int(count), ("lower" if lower else "upper") if hexadecimal else "")
    if all(part.search(text) for part in _UUID_PARTS) and "||" in text:
        return RandomUuid(upper=not re.search(r"(?i)lower", text))
    return None
