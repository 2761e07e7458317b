"""Expressions and view queries of an engine in the target's SQL, by parsing and never by substitution.

A translation is only a proposal: planning proves each by creating it on the target, in a transaction that is rolled
back. What cannot be parsed or has no counterpart raises UntranslatableError with the parser's own words.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

import sqlglot
from sqlglot import exp
from sqlglot.errors import ErrorLevel, SqlglotError

from landfall.engine.sources import comparisons, functions
from landfall.engine.sources.registry import engine_of
from landfall.engine.sources.view_relations import Relations, Rename, WrittenView

logging.getLogger("sqlglot").setLevel(logging.ERROR)


class UntranslatableError(ValueError):
    """The expression has no counterpart that is known to mean the same."""


@dataclass(frozen=True, slots=True)
class ColumnTraits:
    """Columns of a table that an expression has to treat otherwise in the target, by name.

    `widen` are computed as bigint, for the sources add small integers without overflowing. `loose` are texts that compare without case.
    """

    widen: frozenset[str] = frozenset()
    loose: frozenset[str] = frozenset()


_NO_TRAITS = ColumnTraits()


def expression(sql: str, engine: str, grammar: str, rename: Rename, traits: ColumnTraits = _NO_TRAITS) -> str:
    """One scalar expression in the target's SQL (`grammar`: its name in sqlglot), with its column names passed through `rename`."""
    tree = _parsed(f"SELECT {sql}", engine)
    if not isinstance(tree, exp.Select) or tree.find(exp.Table) or len(tree.expressions) != 1:
        message = "it is not a single expression"
        raise UntranslatableError(message)
    _only_known(tree, engine)
    tree = _restated(tree, engine)
    comparisons.without_case(tree, traits.loose)
    comparisons.truths_as_numbers(tree)
    for column in list(tree.find_all(exp.Column)):
        if column.name in traits.widen:
            column.replace(exp.cast(column.copy(), "BIGINT"))
    return _to_sql(tree.expressions[0], grammar, rename)


def scalar(sql: str, engine: str) -> exp.Expr:
    """One expression of a source, parsed. Raises UntranslatableError where it is anything else."""
    dialect = engine_of(engine).dialect
    if message := dialect.ambiguous(sql):
        raise UntranslatableError(message)
    try:
        tokens = sqlglot.tokenize(sql, read=dialect.grammar)
        trees = [t for t in sqlglot.parse(f"SELECT {sql}", read=dialect.grammar) if t is not None]
    except SqlglotError as error:
        raise UntranslatableError(str(error).splitlines()[0]) from error
    for token in tokens:
        if message := dialect.ambiguous_tokens.get(token.token_type, ""):
            raise UntranslatableError(message)
    tree = trees[0] if len(trees) == 1 else None
    clauses = [name for name, value in tree.args.items() if value] if isinstance(tree, exp.Select) else []
    if (
        tree is None
        or clauses != ["expressions"]
        or len(tree.expressions) != 1
        or isinstance(tree.expressions[0], exp.Alias | exp.Star)
    ):
        message = "it is not a single expression"
        raise UntranslatableError(message)
    if any(node.comments for node in tree.walk()):
        message = "it has a comment; the TablePlan has a field for that"
        raise UntranslatableError(message)
    expression: exp.Expr = tree.expressions[0]
    return expression


def query(sql: str, engine: str, grammar: str, rename: Rename, relations: Relations) -> WrittenView:
    """A view's SELECT in the target's SQL; names of the moved schemas lose their qualifier."""
    try:
        view = engine_of(engine).dialect.written_view(sql, relations, rename)
    except ValueError as error:
        raise UntranslatableError(str(error)) from error
    except RecursionError as error:
        message = "its query is nested too deeply to be read"
        raise UntranslatableError(message) from error
    return view or WrittenView(_query(sql, engine, grammar, rename, relations))


def _query(sql: str, engine: str, grammar: str, rename: Rename, relations: Relations) -> str:
    tree, schemas = _parsed(sql, engine), relations.schemas
    _only_known(tree, engine)
    tree = _restated(tree, engine)
    comparisons.without_case(tree, _loose_names(tree, relations))
    for table in tree.find_all(exp.Table):
        if table.args.get("db") is not None and table.db in schemas:
            table.set("db", None)
    for column in tree.find_all(exp.Column):
        if column.args.get("db") is not None and column.args["db"].name in schemas:
            column.set("db", None)
    return _to_sql(tree, grammar, rename)


def _loose_names(tree: exp.Expr, relations: Relations) -> frozenset[str]:
    """The columns that the tables of a query compare without case. Raises UntranslatableError where a name is a column of both kinds."""
    table_names = {t.name.lower() for t in tree.find_all(exp.Table)}
    columns = [c for r in relations.by_name.values() if r.name.lower() in table_names for c in r.columns if c.target_type]
    loose = {c.source for c in columns if not c.exact}
    used = {c.name for c in tree.find_all(exp.Column)}
    both = sorted(used & loose & {c.source for c in columns if c.exact})
    if both:
        message = f"one of its tables compares {', '.join(both)} without case, and another one with case"
        raise UntranslatableError(message)
    return frozenset(loose)


def rendered(tree: exp.Expr, engine: str) -> str:
    """An expression in its source's own SQL, from the tree that was judged, and so without comments.

    Raises UntranslatableError where the text would not be read as the same tree again.
    """
    try:
        text = tree.sql(dialect=engine_of(engine).dialect.grammar, unsupported_level=ErrorLevel.RAISE, comments=False)
        same = scalar(text, engine) == tree
    except SqlglotError:
        same, text = False, ""
    if not same:
        message = "it cannot be written down again without a change; write it in a simpler way"
        raise UntranslatableError(message)
    return text


def _only_known(tree: exp.Expr, engine: str) -> None:
    """Refuse functions that the source's engine does not have, so that none of the target's is called by what a source holds."""
    strange = [name for name in functions.called_functions(tree) if name not in functions.callable_functions(engine)]
    if strange:
        message = f"it calls {', '.join(strange)}, which is not among the functions of {engine} that are translated"
        raise UntranslatableError(message)


def _restated(tree: exp.Expr, engine: str) -> exp.Expr:
    try:
        return engine_of(engine).dialect.restated(tree)
    except ValueError as error:
        raise UntranslatableError(str(error)) from error


def _parsed(sql: str, engine: str) -> exp.Expr:
    try:
        tree = sqlglot.parse_one(sql, read=engine_of(engine).dialect.grammar)
    except SqlglotError as error:
        raise UntranslatableError(str(error).splitlines()[0]) from error
    if tree is None:
        message = "nothing to translate"
        raise UntranslatableError(message)
    return _without_charsets(tree)


def _without_charsets(tree: exp.Expr) -> exp.Expr:
    """Texts without their character sets: those of literals, and those of casts to a text."""
    for node in list(tree.find_all(exp.Introducer)):
        node.replace(node.expression)
    for kind in list(tree.find_all(exp.DataType)):
        if kind.is_type(exp.DataType.Type.CHARACTER_SET):
            size = [e.copy() for e in kind.expressions]
            kind.replace(exp.DataType(this=exp.DataType.Type.VARCHAR if size else exp.DataType.Type.TEXT, expressions=size))
    return tree


def _to_sql(tree: exp.Expr, grammar: str, rename: Rename) -> str:
    for identifier in tree.find_all(exp.Identifier):
        identifier.set("this", rename(identifier.name))
        identifier.set("quoted", True)  # noqa: FBT003  sqlglot's own signature
    try:
        return tree.sql(dialect=grammar, unsupported_level=ErrorLevel.RAISE)
    except SqlglotError as error:
        raise UntranslatableError(str(error).splitlines()[0]) from error
