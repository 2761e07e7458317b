"""Overrides: expressions that replace a column. Which expressions are allowed, and which results the plan shows. Pure.

The copy and the comparison each evaluate the expression on the source and render its result with independent code. So it must be
deterministic, and depend only on its own row.
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
_OF_THE_CLOCK = frozenset({"DATE", "TIME", "DATETIME", "TIMESTAMP", "JULIANDAY", "UNIXEPOCH"})  # without an argument
_MOMENTS = frozenset({"now", "today", "tomorrow", "yesterday"})
_NOT_OF_A_ROW = (exp.Query, exp.AggFunc, exp.Window, exp.Parameter, exp.SessionParameter, exp.Placeholder)
# Allowed parts of an expression besides functions: constants, columns, operators and types.
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
    """The result of probing an override: masked samples, the number of NULLs in a column that has none, or why it is rejected."""

    samples: tuple[str, ...] = ()
    nulls: int = 0
    type: ColumnType | None = None
    refused: str = ""


def refusal(expression: str, engine: str, table: Table) -> str:
    """Return why this expression is not allowed as an override; empty if it is."""
    return _judged(expression, engine, table)[1]


def accepted(expression: str, engine: str, table: Table) -> tuple[str, str]:
    """Check an override and render it for the source.

    Returns:
        The expression, rendered from the checked syntax tree, and an empty text; or an empty text and why it is rejected.
    """
    tree, problem = _judged(expression, engine, table)
    if tree is None or problem:
        return "", problem
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
    names = set(functions.called_functions(tree))
    unsteady = names & _UNSTEADY | {_function_name(node) for node in tree.find_all(exp.Func) if _reads_the_clock(node)}
    unsteady |= {f"'{text.name}'" for text in tree.find_all(exp.Literal) if _means_a_moment(text)}
    if unsteady:
        return tree, f"{', '.join(sorted(unsteady))} gives a different result each time, so the verification would fail"
    strange = sorted(names - functions.pure(engine))
    if strange:
        return tree, f"it calls {', '.join(strange)}, which is not a function of {engine} that an override may call"
    return tree, _foreign(tree) or _unknown(tree, [c.name for c in table.columns])


def _foreign(tree: exp.Expr) -> str:
    """Why an expression contains a part that is not allowed; empty if it does not."""
    for node in tree.walk():
        if isinstance(node, exp.DataType) and _REFERENCE.match(node.sql(dialect="postgres")):
            return f"it looks up database objects ({node.sql(dialect='postgres')})"
        if isinstance(node, (exp.Dot, *_NO_PARTS)) or not isinstance(node, (*_PARTS, exp.Func)):
            return f"it has a part that is not a constant, column, operator or function ({type(node).__name__})"
    return ""


def _reads_the_clock(node: exp.Func) -> bool:
    """SQLite's date() and similar functions without an argument return the current time."""
    return _function_name(node) in _OF_THE_CLOCK and not any(isinstance(a, exp.Expr) or a for a in node.args.values())


def _means_a_moment(text: exp.Literal) -> bool:
    """Whether a text means the current time, as in date('now') or 'today'::date."""
    return text.is_string and text.name.strip().lower() in _MOMENTS and isinstance(text.parent, exp.Func)


def _function_name(node: exp.Func) -> str:
    return str(node.name if isinstance(node, exp.Anonymous) else node.sql_name()).upper()


def _unknown(tree: exp.Expr, columns: Sequence[str]) -> str:
    existing = {c.lower() for c in columns}
    for column in tree.find_all(exp.Column):
        if column.args.get("table") is not None:
            return f"write the column {column.name} without its table"
        if column.name.lower() not in existing:
            return f"column {column.name} not found; the table has {', '.join(columns[:20])}"
    return ""


def uses(expression: str, engine: str, names: Iterable[str]) -> bool:
    """Return whether an expression of the source reads one of these columns; True if it cannot be parsed."""
    searched = {name.lower() for name in names}
    try:
        tree = scalar(expression, engine)
    except UntranslatableError:
        return True
    return any(column.name.lower() in searched for column in tree.find_all(exp.Column))


def masked(text: str) -> str:
    """Return a value with letters replaced by x and digits by 9."""
    shape = re.sub(r"\d", "9", re.sub(r"[^\W\d_]", "x", text[:24]))
    return shape + ("…" if len(text) > len(shape) else "")


def overridden(column: Column, expression: str, override: Override) -> Column:
    """Return the column with the type of the expression, and without properties that only suit the original values."""
    kind = override.type or column.type
    same = kind.text == column.type.text
    return Column(
        name=column.name,
        type=kind,
        nullable=column.nullable or override.nulls > 0,
        default=column.default if same else None,
        comment=column.comment,
        collate=column.collate if same else "",
        expression=expression,
    )


def override_reasons(overrides: Mapping[Place, Override], place: Place) -> tuple[str, ...]:
    """Return what the plan shows about an override besides its expression."""
    override = overrides.get(place)
    if override is None:
        return ()
    lines = ["overridden in a TablePlan"]
    if override.samples:
        lines.append(f"for example {', '.join(override.samples)} (masked)")
    if override.nulls:
        lines.append(f"{counted(override.nulls, 'row', 'become')} NULL, so NULL is allowed")
    return tuple(lines)
