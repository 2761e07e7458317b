"""Text of SQL expressions with many terms. Databases limit how deep an expression is nested, and how many arguments a function takes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

_AT_ONCE = 32


def chained(terms: Sequence[str], operator: str) -> str:
    """Return terms that are joined by an associative operator, nested only as deep as the logarithm of their number.

    Args:
        terms: Expressions; each one must be safe beside the operator.
        operator: For example `+` or `||`.

    Returns:
        `a+b+c`; with more than 32 terms `(a+b+…)+(c+d+…)`. Empty for no term.
    """
    while len(terms) > _AT_ONCE:
        terms = [f"({operator.join(terms[at : at + _AT_ONCE])})" for at in range(0, len(terms), _AT_ONCE)]
    return operator.join(terms)


def nested(arguments: Sequence[str], limit: int, call: Callable[[Sequence[str]], str]) -> str:
    """Return a function over any number of arguments, for a function whose result can be its own argument.

    Args:
        arguments: At least one expression.
        limit: Maximum number of arguments of one call.
        call: Renders one call.
    """
    while len(arguments) > limit:
        arguments = [call(arguments[at : at + limit]) for at in range(0, len(arguments), limit)]
    return call(arguments)
