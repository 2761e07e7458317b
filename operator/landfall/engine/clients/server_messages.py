"""What an error of a server means, in words that hold no value of a row.

The text of a server can quote any value that a statement reads: a key in a detail, a row in a failed check, a value that a function
refuses, and whatever a trigger writes into its own message. Which value that is, the author of a statement can choose. So the code decides
what is passed on: the server's text where texts of this code speak only of servers, sessions and statements, and otherwise words of our
own with the names of table, column and constraint. There is no list of texts with values, because it would never be complete.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_COPIED = re.compile(r"COPY (?P<table>.+?), line \d+(?:, column (?P<column>[^:]+))?(?::|$)")


@dataclass(frozen=True, slots=True)
class PostgresMessage:
    """An error as PostgreSQL sent it.

    Attributes:
        code: The SQLSTATE; empty if the client itself found the error.
        text: The primary message.
        context: Where it happened, of which only the names of a COPY are used.
        table: The name of the table; empty if the server named none. Likewise column and constraint.
        positioned: Whether the server says at which character of the statement it happened, so that it read no row.
    """

    code: str
    text: str
    context: str = ""
    table: str = ""
    column: str = ""
    constraint: str = ""
    positioned: bool = False


# Texts of these codes speak of the server, the session, the transaction, a lock, a resource or a privilege.
_POSTGRESQL_TEXT = ("", "03", "08", "25", "28", "3D", "40", "42501", "53", "55", "57", "58")
# Texts of these codes speak of the statement, if it was refused before it was executed. A function that takes names of objects from rows
# causes them, too.
_POSTGRESQL_STATEMENT = ("0A", "2B", "3F", "42")
_SYNTAX = "42601"
"""Its text quotes the statement, in which there may be keys of rows."""
_POSTGRESQL_WORDS = (
    ("22001", "a text is longer than its type allows"),
    ("22003", "a number is out of range"),
    ("22004", "NULL is not allowed here"),
    ("22007", "a text is not a valid date or time"),
    ("22008", "a date or time is out of range"),
    ("22012", "a division by zero"),
    ("22021", "a text contains octets that are not valid in the encoding of the database"),
    ("2202E", "an array has a wrong number of elements"),
    ("2203", "a text is not valid JSON for this function"),
    ("22P02", "a text does not have the format of its type"),
    ("22P03", "a value does not have the binary format of its type"),
    ("22P04", "the rows do not have the format that COPY expects"),
    ("22P05", "a character has no counterpart in the encoding"),
    ("22", "a function or type does not accept a value"),
    ("23502", "a column that must not be NULL has no value"),
    ("23503", "a row refers to a row that does not exist, or is still referred to"),
    ("23505", "two rows have the same key"),
    ("23514", "a row violates a check"),
    ("23P01", "two rows violate an exclusion constraint"),
    ("23", "a row violates a constraint"),
    ("21000", "a subquery returned more than one row"),
    ("42601", "the syntax of a statement is wrong"),
    ("42P01", "a table or view does not exist"),
    ("42703", "a column does not exist"),
    ("42883", "a function or operator does not exist"),
    ("42704", "an object or setting does not exist"),
    ("42", "a statement is not valid"),
    ("3F", "a schema does not exist"),
    ("0A", "the server does not support this"),
    ("44", "a row violates the CHECK OPTION of a view"),
    ("54", "a limit of the server is exceeded"),
    ("P0001", "a trigger or function of the database raised an exception"),
    ("P0", "a trigger or function of the database failed"),
    ("38", "a function of the database failed"),
    ("39", "a function of the database failed"),
    ("HV", "a foreign server failed"),
    ("XX001", "the server found damaged data"),
    ("XX002", "the server found a damaged index"),
    ("XX", "an internal error of the server; its log has the text"),
)

# Client errors (2000 and more), and errors that speak of the server, the login, a privilege, a lock, a resource, or a name in the statement.
_MYSQL_TEXT = frozenset(
    {
        *(1005, 1006, 1007, 1008, 1016, 1017, 1021, 1026, 1030, 1036, 1037, 1038, 1040, 1041, 1042, 1043, 1044, 1045),
        *(1046, 1047, 1049, 1050, 1051, 1053, 1054, 1094, 1095, 1099, 1100, 1102, 1103, 1109, 1114, 1115, 1129, 1130),
        *(1133, 1141, 1142, 1143, 1146, 1152, 1153, 1157, 1158, 1159, 1160, 1161, 1184, 1192, 1193, 1194, 1195, 1203),
        *(1205, 1206, 1213, 1220, 1223, 1226, 1227, 1229, 1235, 1238, 1243, 1251, 1273, 1290, 1295, 1298, 1305, 1317),
        *(1356, 1370, 1396, 1410, 1418, 1419, 1524, 1568, 1637, 1698, 1785, 1792, 1805, 1836, 1862, 1873, 1876, 1880),
        *(1925, 1927, 1969, 1972, 3024, 3032, 3098, 3118, 3159, 3170, 3572, 3573, 4031),
    }
)
_MYSQL_OF_THE_CLIENT = range(2000, 3000)
_MYSQL_WORDS = {
    **dict.fromkeys((1048, 1364), "a column that must not be NULL has no value"),
    **dict.fromkeys((1022, 1062, 1169, 1586, 1761, 1762), "two rows have the same key"),
    **dict.fromkeys((1216, 1217, 1451, 1452), "a row refers to a row that does not exist, or is still referred to"),
    **dict.fromkeys((1264, 1690, 1916), "a number is out of range"),
    **dict.fromkeys((1292, 1366, 1367, 1411, 1525, 1918), "a value does not have the format of its type"),
    **dict.fromkeys((1300, 1977, 3854), "a text contains octets that are not valid in its character set"),
    **dict.fromkeys((1265, 1406), "a value is longer than its type allows"),
    **dict.fromkeys((3140, 3141, 3143, 3144, 3146, 4037, 4038), "a text is not valid JSON"),
    **dict.fromkeys((3819, 4025), "a row violates a check"),
    1365: "a division by zero",
    1064: "the syntax of a statement is wrong",
    1644: "a trigger or function of the database raised an exception",
}


def of_postgresql(message: PostgresMessage, *, no_rows: bool = False) -> str:
    """Return an error of PostgreSQL in words without values.

    Args:
        message: The error as the server sent it.
        no_rows: The statement is executed over empty tables, so the server's text has no values.
    """
    code = message.code
    if no_rows or not code or code.startswith(_POSTGRESQL_TEXT[1:]):
        return message.text
    if message.positioned and code.startswith(_POSTGRESQL_STATEMENT) and code != _SYNTAX:
        return message.text
    words = next((text for prefix, text in _POSTGRESQL_WORDS if code.startswith(prefix)), "the server reports an error")
    return f"{words} ({', '.join([*_names(message), f'SQLSTATE {code}'])})"


def _names(message: PostgresMessage) -> list[str]:
    copied = _COPIED.match(message.context)
    table = message.table or (copied["table"] if copied else "")
    column = message.column or (copied["column"] if copied and copied["column"] else "")
    names = [f"table {table}{'.' if column else ''}{column}"] if table else []
    return [*names, f"constraint {message.constraint}"] if message.constraint else names


def of_mysql(number: int, text: str) -> str:
    """Return an error of MySQL or MariaDB in words without values."""
    if number == 0 or number in _MYSQL_TEXT or number in _MYSQL_OF_THE_CLIENT:
        return f"{text} (error {number})"
    return f"{_MYSQL_WORDS.get(number, 'the server reports an error')} (error {number})"
