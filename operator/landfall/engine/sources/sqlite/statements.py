"""Reads CREATE TABLE and CREATE INDEX statements as far as SQLite's pragmas do not tell what is in them.

The statements come from a file that SQLite has accepted, so they are divided by their tokens and not parsed: types of several words,
WITHOUT ROWID and STRICT need no grammar.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

_TOKEN = re.compile(
    r"""(?P<blank>\s+|--[^\n]*|/\*.*?(?:\*/|\Z))|[xX]?'(?:[^']|'')*'|"(?:[^"]|"")*"|`(?:[^`]|``)*`|\[[^\]]*\]|[^\W\d][\w$]*"""
    r"""|0[xX][0-9a-fA-F]+|\d[\d_]*(?:\.\d*)?(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?|\|\||<>|<=|>=|<<|>>|!=|==|->>|->|.""",
    re.DOTALL,
)
_TABLE_CONSTRAINTS = frozenset({"CONSTRAINT", "PRIMARY", "UNIQUE", "CHECK", "FOREIGN"})


@dataclass(frozen=True, slots=True)
class TableStatement:
    """What only CREATE TABLE has.

    Attributes:
        columns: The names of the columns in lower case, in their order.
        checks: The expressions of the checks: those of the table, then those of its columns.
        generated: The expressions of generated columns, by name in lower case.
        collations: The collations of columns in upper case, by name in lower case.
    """

    columns: tuple[str, ...]
    checks: tuple[str, ...]
    generated: dict[str, str]
    collations: dict[str, str]


@dataclass(frozen=True, slots=True)
class IndexStatement:
    """What only CREATE INDEX has: the elements as expressions, and the condition; empty if there is none."""

    parts: tuple[str, ...] = ()
    where: str = ""


def table_statement(sql: str) -> TableStatement:
    """Read a CREATE TABLE statement."""
    parts = [part for part in _divided(_first_group(_tokens(sql))[0]) if part]
    columns = [part for part in parts if part[0].upper() not in _TABLE_CONSTRAINTS]
    names = tuple(_unquoted(part[0]).lower() for part in columns)
    constraints = [part for part in parts if part[0].upper() in _TABLE_CONSTRAINTS]
    checks = [group for part in (*constraints, *columns) for group in _groups(part, "CHECK")]
    generated = {_unquoted(part[0]).lower(): group for part in columns for group in _groups(part, "AS")}
    collations = {_unquoted(part[0]).lower(): name.upper() for part in columns for name in _collations(part)}
    return TableStatement(
        names,
        tuple(expression(check, names) for check in checks),
        {name: expression(group, names) for name, group in generated.items()},
        collations,
    )


def index_statement(sql: str, columns: Iterable[str]) -> IndexStatement:
    """Read a CREATE INDEX statement. `columns`: the names of the table's columns in lower case."""
    if not sql:
        return IndexStatement()
    names = tuple(columns)
    group, remaining = _first_group(_tokens(sql))
    condition_tokens = remaining[1:] if remaining and remaining[0].upper() == "WHERE" else []
    return IndexStatement(
        tuple(expression(_without_order(part), names) for part in _divided(group)),
        expression(condition_tokens, names) if condition_tokens else "",
    )


def expression(tokens: Sequence[str], columns: Iterable[str]) -> str:
    """Return an expression without comments. A text in double quotes that is no column is a string, as SQLite reads it."""
    names = set(columns)
    text = " ".join(_string(t) if t.startswith('"') and _unquoted(t).lower() not in names else t for t in tokens)
    try:
        tree = sqlglot.parse_one(f"SELECT {text}", read="sqlite")
    except SqlglotError:
        return text
    is_expression = isinstance(tree, exp.Select) and len(tree.expressions) == 1
    return str(tree.expressions[0].sql(dialect="sqlite")) if is_expression else text


def _tokens(sql: str) -> list[str]:
    return [match.group() for match in _TOKEN.finditer(sql) if match.lastgroup != "blank"]


def _unquoted(token: str) -> str:
    if token[:1] in {'"', "`", "'"}:
        return token[1:-1].replace(token[0] * 2, token[0])
    return token[1:-1] if token.startswith("[") else token


def _string(token: str) -> str:
    return "'" + _unquoted(token).replace("'", "''") + "'"


def _first_group(tokens: list[str]) -> tuple[list[str], list[str]]:
    """The tokens inside the first parentheses, and those behind them."""
    if "(" not in tokens:
        return [], []
    at, depth = tokens.index("("), 0
    for end in range(at, len(tokens)):
        depth += {"(": 1, ")": -1}.get(tokens[end], 0)
        if not depth:
            return tokens[at + 1 : end], tokens[end + 1 :]
    return tokens[at + 1 :], []


def _divided(tokens: Sequence[str]) -> list[list[str]]:
    """The tokens between commas that are in no parentheses."""
    parts: list[list[str]] = [[]]
    depth = 0
    for item in tokens:
        depth += {"(": 1, ")": -1}.get(item, 0)
        if item == "," and not depth:
            parts.append([])
        else:
            parts[-1].append(item)
    return parts


def _outside(tokens: Sequence[str]) -> Iterator[int]:
    """The positions of tokens that are in no parentheses."""
    depth = 0
    for at, item in enumerate(tokens):
        depth -= item == ")"
        if not depth:
            yield at
        depth += item == "("


def _groups(part: list[str], word: str) -> Iterator[list[str]]:
    """The tokens in the parentheses behind each occurrence of a word."""
    for at in _outside(part):
        if part[at].upper() == word and part[at + 1 : at + 2] == ["("]:
            yield _first_group(part[at:])[0]


def _collations(part: list[str]) -> Iterator[str]:
    for at in _outside(part):
        if part[at].upper() == "COLLATE" and at + 1 < len(part):
            yield _unquoted(part[at + 1])


def _without_order(part: list[str]) -> list[str]:
    if part and part[-1].upper() in {"ASC", "DESC"}:
        part = part[:-1]
    return part[:-2] if len(part) > 2 and part[-2].upper() == "COLLATE" else part
