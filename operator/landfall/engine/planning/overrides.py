"""Expressions that a person puts in a column's place: what may be one, and what is shown of its results. Pure.

Copy and comparison each evaluate the expression on the source, and render its result by ways that share nothing. So it
must give the same result every time it is asked, from its own row alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlglot import exp

from landfall.engine.model.catalog import Column, ColumnType, Table
from landfall.engine.sources import functions
from landfall.engine.sources.translate import UntranslatableError, rendered, scalar
from landfall.lib.text import counted

Place = tuple[str, str, str]

_UNSTEADY = frozenset(
    {
        *("NOW", "SYSDATE", "CURDATE", "CURTIME", "CURRENT_DATE", "CURRENT_TIME", "CURRENT_TIMESTAMP", "LOCALTIME"),
        *("LOCALTIMESTAMP", "UTC_DATE", "UTC_TIME", "UTC_TIMESTAMP", "UNIX_TIMESTAMP", "CLOCK_TIMESTAMP"),
        *("STATEMENT_TIMESTAMP", "TRANSACTION_TIMESTAMP", "TIMEOFDAY", "RAND", "RANDOM", "RANDOMBLOB", "UUID", "UUID_SHORT"),
        *("GEN_RANDOM_UUID", "UUID_GENERATE_V4", "NEXTVAL", "CURRVAL", "LASTVAL", "LAST_INSERT_ID", "ROW_COUNT"),
        *("CONNECTION_ID", "USER", "CURRENT_USER", "SESSION_USER"),
    }
)
_OF_THE_CLOCK = frozenset({"DATE", "TIME", "DATETIME", "TIMESTAMP", "JULIANDAY", "UNIXEPOCH"})  # where they have no argument
_MOMENTS = frozenset({"now", "today", "tomorrow", "yesterday"})
_NOT_OF_A_ROW = (exp.Query, exp.AggFunc, exp.Window, exp.Parameter, exp.SessionParameter, exp.Placeholder)
# What an expression may be made of besides functions: constants, columns, operators and types.
_PARTS = (
    *(exp.Literal, exp.Column, exp.Identifier, exp.Binary, exp.Unary, exp.Between, exp.In, exp.Null, exp.Boolean, exp.Interval),
    *(
        exp.IntervalSpan,
        exp.Var,
        exp.DataType,
        exp.DataTypeParam,
        exp.Tuple,
        exp.Bracket,
        exp.Slice,
        exp.HexString,
        exp.BitString,
    ),
    *(
        exp.ByteString,
        exp.RawString,
        exp.National,
        exp.Introducer,
        exp.CharacterSet,
        exp.AtTimeZone,
        exp.JSONPath,
        exp.JSONPathPart,
    ),
    *(exp.JSONKeyValue, exp.WeekStart, exp.RegexpLike),
)
_NO_PARTS = (exp.Operator, exp.PropertyEQ, exp.Kwarg, exp.Pragma)
_REFERENCE = re.compile(r"(?i)\s*(pg_catalog\.)?reg[a-z]+\b")


@dataclass(frozen=True, slots=True)
class Override:
    """What looking at the source found: three masked results, how many NULLs a column without them would get, or the refusal."""

    samples: tuple[str, ...] = ()
    nulls: int = 0
    type: ColumnType | None = None
    refused: str = ""


def refusal(expression: str, engine: str, table: Table) -> str:
    """Why this cannot be an override, or nothing."""
    return _judged(expression, engine, table)[1]


def accepted(expression: str, engine: str, table: Table) -> tuple[str, str]:
    """An override as it is sent to the source, or why there is none.

    Returns:
        The expression, written anew from what was judged, and an empty text; or an empty text and the refusal.
    """
    tree, told = _judged(expression, engine, table)
    if tree is None or told:
        return "", told
    try:
        return rendered(tree, engine), ""
    except UntranslatableError as error:
        return "", str(error)


def _judged(expression: str, engine: str, table: Table) -> tuple[exp.Expr | None, str]:
    try:
        tree = scalar(expression, engine)
    except UntranslatableError as error:
        return None, f"it cannot be parsed: {error}"
    if any(tree.find(kind) for kind in _NOT_OF_A_ROW):
        return tree, "it must be computed from its own row: no queries, aggregates, window functions or variables"
    called = set(functions.called(tree))
    unsteady = called & _UNSTEADY | {_called(node) for node in tree.find_all(exp.Func) if _reads_the_clock(node)}
    unsteady |= {f"'{text.name}'" for text in tree.find_all(exp.Literal) if _means_a_moment(text)}
    if unsteady:
        return tree, f"{', '.join(sorted(unsteady))} gives another result each time; the comparison could never hold"
    strange = sorted(called - functions.pure(engine))
    if strange:
        return tree, f"it calls {', '.join(strange)}, which is not among the functions of {engine} that an override may call"
    return tree, _foreign(tree) or _unknown(tree, [c.name for c in table.columns])


def _foreign(tree: exp.Expr) -> str:
    """What is no constant, column, operator, type or function."""
    for node in tree.walk():
        if isinstance(node, exp.DataType) and _REFERENCE.match(node.sql(dialect="postgres")):
            return f"it looks objects of the database up ({node.sql(dialect='postgres')})"
        if isinstance(node, (exp.Dot, *_NO_PARTS)) or not isinstance(node, (*_PARTS, exp.Func)):
            return f"it has a part that is no constant, column, operator or function ({type(node).__name__})"
    return ""


def _reads_the_clock(node: exp.Func) -> bool:
    """SQLite's date() is that of now, and so are the others without an argument."""
    return _called(node) in _OF_THE_CLOCK and not any(isinstance(a, exp.Expr) or a for a in node.args.values())


def _means_a_moment(text: exp.Literal) -> bool:
    """As in date('now') or 'today'::date."""
    return text.is_string and text.name.strip().lower() in _MOMENTS and isinstance(text.parent, exp.Func)


def _called(node: exp.Func) -> str:
    return str(node.name if isinstance(node, exp.Anonymous) else node.sql_name()).upper()


def _unknown(tree: exp.Expr, columns: Sequence[str]) -> str:
    known = {c.lower() for c in columns}
    for column in tree.find_all(exp.Column):
        if column.args.get("table") is not None:
            return f"name the column {column.name} without its table"
        if column.name.lower() not in known:
            return f"there is no column {column.name}; the table has {', '.join(columns[:20])}"
    return ""


def uses(expression: str, engine: str, names: Iterable[str]) -> bool:
    """Whether an expression of the source reads one of these columns; an expression that nobody can parse may."""
    wanted = {name.lower() for name in names}
    try:
        tree = scalar(expression, engine)
    except UntranslatableError:
        return True
    return any(column.name.lower() in wanted for column in tree.find_all(exp.Column))


def masked(text: str) -> str:
    """A value's shape: letters as x, digits as 9."""
    shape = re.sub(r"\d", "9", re.sub(r"[^\W\d_]", "x", text[:24]))
    return shape + ("…" if len(text) > len(shape) else "")


def overridden(column: Column, expression: str, found: Override) -> Column:
    """The column as it is planned: of the expression's type, without what only fitted its own values."""
    kind = found.type or column.type
    same = kind.text == column.type.text
    return Column(
        name=column.name,
        type=kind,
        nullable=column.nullable or found.nulls > 0,
        default=column.default if same else None,
        comment=column.comment,
        collate=column.collate if same else "",
        expression=expression,
    )


def told(found: Mapping[Place, Override], place: Place) -> tuple[str, ...]:
    """What the plan says of an override, beside the expression."""
    one = found.get(place)
    if one is None:
        return ()
    lines = ["put in its place by a TablePlan"]
    if one.samples:
        lines.append(f"for example {', '.join(one.samples)} (masked)")
    if one.nulls:
        lines.append(f"{counted(one.nulls, 'row', 'become')} NULL, so NULL is allowed")
    return tuple(lines)
