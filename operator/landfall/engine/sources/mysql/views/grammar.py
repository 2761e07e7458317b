"""The grammar of view definitions: that of sqlglot, without what it changes about functions.

sqlglot reads many functions as others that it knows from elsewhere (`DATE_FORMAT` loses `%D`), which changes what they mean. Here a call
stays a name with its arguments.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import ClassVar

import sqlglot
from sqlglot import exp
from sqlglot.dialects.mysql import MySQL
from sqlglot.errors import SqlglotError
from sqlglot.parsers.mysql import MySQLParser

_KEPT = ("CAST", "CONVERT", "EXTRACT", "TRIM", "GROUP_CONCAT")
_RETURNING = re.compile(r" returning char\(512\)\)")  # what MySQL prints where a view has no RETURNING
_BITWISE = (exp.BitwiseAnd, exp.BitwiseOr, exp.BitwiseXor, exp.BitwiseLeftShift, exp.BitwiseRightShift)


class _PlainCalls(MySQL):
    """MySQL in which a function is a name with arguments."""

    class Parser(MySQLParser):
        FUNCTIONS: ClassVar[dict[str, Callable[..., exp.Expr]]] = {}
        FUNCTION_PARSERS: ClassVar = {name: MySQLParser.FUNCTION_PARSERS[name] for name in _KEPT}


_WITHOUT_COUNTERPART = {
    r"(?i)\bjson_table\(": "JSON_TABLE has no counterpart in every version of the target",
    r"(?i)\bjson_duality_object\(": "it is a JSON duality view, through which documents are written to its tables; the target has none",
}


def parsed(sql: str) -> exp.Expr:
    """The tree of a view's query. Raises ValueError for one that cannot be read, or that sqlglot reads otherwise than the server."""
    for pattern, message in _WITHOUT_COUNTERPART.items():
        if re.search(pattern, sql):
            raise ValueError(message)
    try:
        tree = sqlglot.parse_one(_RETURNING.sub(")", sql), dialect=_PlainCalls)
    except SqlglotError as error:
        raise ValueError(str(error).splitlines()[0]) from error
    if tree is None:
        message = "nothing to translate"
        raise ValueError(message)
    for node in tree.find_all(*_BITWISE, exp.Xor):
        _refuse_other_order(node)
    return tree


def _refuse_other_order(node: exp.Expr) -> None:
    """Bit operators have precedences of their own in the source; operators in parentheses are safe."""
    for side in (node.this, node.expression):
        mixed = isinstance(side, exp.Binary) and type(side) is not type(node)
        if mixed and not (isinstance(node, exp.Xor) and isinstance(side, exp.EQ | exp.NEQ | exp.GT | exp.GTE | exp.LT | exp.LTE)):
            message = f"{printed(node)}: which operator comes first is not certain; write parentheses"
            raise ValueError(message)


def printed(node: exp.Expr) -> str:
    """A part of a query for a message, at most 80 characters."""
    text = node.sql(dialect=_PlainCalls, comments=False)
    return text if len(text) <= 80 else f"{text[:79]}…"
