"""Why a source rejects an expression, derived only from the error code.

The server's message can quote a value of any row that the expression reads, and the author of the expression can choose which. So the
reported text depends on the code and never on the message.
"""

from __future__ import annotations

from landfall.engine.errors import EngineError, ValueRefusedError

_OF_THE_SERVER = ("08", "40", "53", "55", "57P", "58", "F0", "XX")  # classes of SQLSTATE
_OF_THE_MYSQL_SERVER = frozenset({"1021", "1028", "1030", "1037", "1038", "1040", "1041", "1105", "1114", "1203", "1226"})
_OF_THE_FILE = ("SQLITE_IOERR", "SQLITE_CORRUPT", "SQLITE_FULL", "SQLITE_NOMEM", "SQLITE_CANTOPEN")
_SQLSTATE = 5
_SAID = (
    ("57014", "it exceeds the time limit of a trial"),
    ("3024", "it exceeds the time limit of a trial"),
    ("1969", "it exceeds the time limit of a trial"),
    ("SQLITE_INTERRUPT", "it exceeds the time limit of a trial"),
    ("25006", "it writes, and a trial is read-only"),
    ("1792", "it writes, and a trial is read-only"),
    ("42501", "the database user lacks the privilege to run it"),
    ("1370", "the database user lacks the privilege to run it"),
    ("42883", "there is no such function or operator for arguments of these types"),
    ("1305", "there is no such function"),
    ("1582", "a function gets a wrong number of arguments"),
    ("42703", "there is no such column"),
    ("1054", "there is no such column"),
    ("42704", "there is no such type or collation"),
    ("1273", "there is no such collation"),
    ("1267", "collations are incompatible"),
    ("42846", "a type cannot be cast to the other"),
    ("428", "types are incompatible"),
    ("42P", "types are incompatible"),
    ("42601", "its syntax is wrong"),
    ("1064", "its syntax is wrong"),
    ("22P02", "a text does not have the format of its type"),
    ("22003", "a number is out of range"),
    ("1690", "a number is out of range"),
    ("22012", "it divides by zero"),
    ("1365", "it divides by zero"),
    ("22", "a function does not accept a value of a row"),
    ("12", "a function does not accept a value of a row"),
    ("SQLITE_ERROR", "a function does not exist, gets a wrong number of arguments, or does not accept a value"),
)


def of_statement(error: EngineError) -> bool:
    """Whether a server rejected a statement because of what it says, or of the values that it reads; not because of the server's state."""
    code = error.code
    if type(error) not in {EngineError, ValueRefusedError} or not code or code.startswith(_OF_THE_FILE):
        return False
    return code not in _OF_THE_MYSQL_SERVER and not (len(code) == _SQLSTATE and code.startswith(_OF_THE_SERVER))


def refused(error: EngineError) -> str:
    """Describe an error without its message, for example `a number is out of range (22003)`."""
    words = next((text for prefix, text in _SAID if error.code.startswith(prefix)), "the source rejects it")
    return f"{words} ({error.code})" if error.code else words
