"""What expressions of sources mean besides their words: truths are numbers, and texts compare by their collation. Pure.

Parsed expressions are changed in place so that they mean the same in a target that computes with no truths and compares exactly.
"""

from __future__ import annotations

from sqlglot import exp

_ARITHMETIC = (exp.Add, exp.Sub, exp.Mul, exp.Div, exp.Mod, exp.IntDiv)
_COMPARED = (exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.NullSafeEQ)
_TRUTHS = (exp.Predicate, exp.Not, exp.And, exp.Or)
_TEXTS = (exp.Column, exp.Concat, exp.ConcatWs, exp.Trim, exp.Substring, exp.Left, exp.Right, exp.Coalesce, exp.Upper)
_ANY_CASE: dict[type[exp.Expr], type[exp.Binary]] = {exp.Like: exp.ILike, exp.RegexpLike: exp.RegexpILike}


def truths_as_numbers(tree: exp.Expr) -> None:
    """Cast what is true or false to an integer where it is an operand of arithmetic or is compared with a number."""
    for node in list(tree.find_all(*_ARITHMETIC, *_COMPARED)):
        sides = (node.this, node.expression)
        if isinstance(node, _COMPARED) and not any(isinstance(s.unnest(), (exp.Literal, *_ARITHMETIC)) for s in sides):
            continue
        for side in sides:
            if isinstance(side.unnest(), _TRUTHS):
                side.replace(exp.cast(side.copy(), "INT"))


def without_case(tree: exp.Expr, loose: frozenset[str]) -> None:
    """Compare texts without regard to case where a column of `loose` is compared."""
    for node in list(tree.find_all(*_COMPARED, exp.In, exp.Between, *_ANY_CASE)):
        operands = [o for o in node.iter_expressions() if isinstance(o, exp.Expression)]
        if not any(isinstance(o.unnest(), _TEXTS) and _holds(o, loose) for o in operands):
            continue
        replacement = _ANY_CASE.get(type(node))
        if replacement:
            node.replace(replacement(**node.copy().args))
            continue
        for operand in operands:
            _lower(operand)


def _holds(node: exp.Expr, loose: frozenset[str]) -> bool:
    return any(column.name in loose for column in node.find_all(exp.Column))


def _lower(operand: exp.Expr) -> None:
    inner = operand.unnest()
    if isinstance(inner, exp.Literal) and inner.is_string:
        operand.replace(exp.Literal.string(inner.name.lower()))
    elif isinstance(inner, _TEXTS):
        operand.replace(exp.Lower(this=operand.copy()))
