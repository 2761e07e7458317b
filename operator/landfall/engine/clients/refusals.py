"""Why a source refuses an expression, in our words and by its code alone.

A server's own message can quote a value of any row that the expression reads, and whoever writes the expression chooses which. So
what is told of a trial is made from the code and never from the message.
"""

from __future__ import annotations

from landfall.engine.errors import EngineError

_SAID = (
    ("57014", "it takes longer than a trial may"),
    ("3024", "it takes longer than a trial may"),
    ("1969", "it takes longer than a trial may"),
    ("SQLITE_INTERRUPT", "it takes longer than a trial may"),
    ("25006", "it changes something, and a trial may only read"),
    ("1792", "it changes something, and a trial may only read"),
    ("42501", "the credential may not run it"),
    ("1370", "the credential may not run it"),
    ("42883", "there is no such function or operator for arguments of these types"),
    ("1305", "there is no such function"),
    ("1582", "a function gets a wrong number of arguments"),
    ("42703", "there is no such column"),
    ("1054", "there is no such column"),
    ("42704", "there is no such type or collation"),
    ("1273", "there is no such collation"),
    ("1267", "collations do not go together"),
    ("42846", "a type cannot be cast into the other"),
    ("428", "types do not go together"),
    ("42P", "types do not go together"),
    ("42601", "its syntax is wrong"),
    ("1064", "its syntax is wrong"),
    ("22P02", "a text has not the form that its type wants"),
    ("22003", "a number is out of range"),
    ("1690", "a number is out of range"),
    ("22012", "it divides by zero"),
    ("1365", "it divides by zero"),
    ("22", "a function does not take a value of a row"),
    ("12", "a function does not take a value of a row"),
    ("SQLITE_ERROR", "a function is missing, gets a wrong number of arguments, or does not take a value"),
)


def refused(error: EngineError) -> str:
    """What an error of a trial says, without its message: for example `a number is out of range (22003)`."""
    words = next((text for prefix, text in _SAID if error.code.startswith(prefix)), "the source does not run it")
    return f"{words} ({error.code})" if error.code else words
