"""Expressions of SQLite in which functions and operators mean what they mean elsewhere.

SQLite folds the case of ASCII letters only (in `upper`, `lower` and LIKE), its LIKE ignores case and has no escape character,
`substr` counts from the end for a negative position, `round` rounds halves away from zero, and a cast to an integer cuts decimals off.
"""

from __future__ import annotations

from sqlglot import exp

_INTEGERS = (exp.DataType.Type.INT, exp.DataType.Type.BIGINT, exp.DataType.Type.SMALLINT, exp.DataType.Type.TINYINT)
_ASCII_LOWER = str.maketrans({chr(n): chr(n + 32) for n in range(ord("A"), ord("Z") + 1)})


class UnlikeError(ValueError):
    """A part of the expression means something else in every other engine. Its text says which."""


def restated(tree: exp.Expr) -> exp.Expr:
    """Return the tree with such parts replaced. Raises UnlikeError for a part that has no replacement."""
    changed = tree.copy()
    for part in changed.find_all(exp.Substring):
        _refuse_odd_position(part)
    for node in [*changed.find_all(exp.Upper, exp.Lower, exp.Like, exp.Round, exp.Cast)][::-1]:  # the inner ones first
        restated_node = _restated(node)
        if node.parent is None:
            return restated_node
        node.replace(restated_node)
    return changed


def _restated(node: exp.Expr) -> exp.Expr:
    if isinstance(node, exp.Upper | exp.Lower):
        return type(node)(this=_by_octets(node.this))
    if type(node) is exp.Like:
        return _like(node)
    if isinstance(node, exp.Round):
        return exp.Round(this=_exact(node.this), decimals=node.args.get("decimals"))
    if type(node) is exp.Cast and node.to.is_type(*_INTEGERS) and not isinstance(node.this.unnest(), exp.Predicate | exp.Boolean):
        return exp.cast(exp.Anonymous(this="TRUNC", expressions=[_exact(node.this)]), "BIGINT")
    return node.copy()


def _exact(value: exp.Expr) -> exp.Expr:
    """The value as a number that the target rounds as SQLite does: it rounds floating-point numbers to the even one."""
    return exp.cast(value.copy(), "DECIMAL")


def _by_octets(value: exp.Expr) -> exp.Expr:
    """The value under the collation that knows ASCII letters only."""
    return exp.Collate(this=exp.paren(value.copy(), copy=False), expression=exp.Var(this='"C"'))


def _like(node: exp.Like) -> exp.Expr:
    pattern, literal = node.expression, isinstance(node.expression, exp.Literal)
    if literal:
        lowered: exp.Expr = exp.Literal.string(str(pattern.this).translate(_ASCII_LOWER))
    else:
        lowered = exp.Lower(this=_by_octets(pattern))
    like = exp.Like(this=exp.Lower(this=_by_octets(node.this)), expression=lowered, negate=node.args.get("negate"))
    escaped = isinstance(node.parent, exp.Escape)
    if escaped or (literal and "\\" not in str(pattern.this)):
        return like
    return exp.Escape(this=like, expression=exp.Literal.string(""))


def _refuse_odd_position(part: exp.Substring) -> None:
    start, length = part.args.get("start"), part.args.get("length")
    fine = isinstance(start, exp.Literal) and not start.is_string and int(str(start.this).split(".", maxsplit=1)[0]) >= 1
    if not fine or isinstance(length, exp.Neg):
        message = "substr with a position that may be zero or negative counts from the end in SQLite"
        raise UnlikeError(message)
