"""The names of functions, relations and types that the text of an SQL or PL/pgSQL function refers to. Pure.

Comments and texts are no names. Names in the texts of EXECUTE, and names in branches, are references that may not be reached.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

from landfall.engine.clients.postgresql_tokens import Token, TokenKind, after_of, before_of, places_of, takes_table, tokens_of

_BRANCHES = frozenset({"if", "case", "loop", "while", "for", "foreach", "exception", "when"})
_NO_TABLES = frozenset({"only", "lateral", "set", "of", "select", "values", "with"})
_NO_CALLS = frozenset(
    "all and any array as by case cast else except exists filter from if in intersect into join limit materialized not on or over raise"  # noqa: SIM905  a table of words
    " return select some then union using values when where while with".split()
)


class NameKind(StrEnum):
    """What a name stands for, by its position."""

    FUNCTION = "function"
    RELATION = "relation"
    TYPE = "type"


@dataclass(frozen=True, slots=True)
class NameInBody:
    """A reference. `schema` is empty for a bare name; `certain`: the function cannot be executed without it."""

    kind: NameKind
    schema: str
    name: str
    certain: bool = True


def names_in(body: str, language: str) -> frozenset[NameInBody]:
    """Return the references in the body of a function.

    Args:
        body: `pg_proc.prosrc`.
        language: `sql`, whose bodies are resolved as a whole, or `plpgsql`, which resolves a statement when it is reached.
    """
    tokens = list(tokens_of(body))
    procedural = language != "sql"
    sure = not procedural or not any(t.plain in _BRANCHES for t in tokens)
    found = {replace(name, certain=sure) for name in _references(tokens)}
    if procedural and any(t.plain == "execute" for t in tokens):
        for token in tokens:
            if token.kind in {TokenKind.TEXT, TokenKind.BODY}:
                found |= {replace(name, certain=False) for name in _references(list(tokens_of(token.text)))}
    return frozenset(found)


def _references(tokens: list[Token]) -> Iterator[NameInBody]:
    local = {t.text for at, t in enumerate(tokens) if t.is_name and _named_query(tokens, at)}
    for at, (token, place) in enumerate(zip(tokens, places_of(tokens), strict=True)):
        before = before_of(tokens, at)
        if not token.is_name or before.plain == ".":
            continue
        qualified = after_of(tokens, at).plain == "." and after_of(tokens, at + 1).is_name
        end = at + 2 if qualified else at
        casting = before.plain == "::" or (before.plain == "as" and place.opener == "cast")
        kind = NameKind.TYPE if casting else _kind(tokens, end, before, tables=takes_table(tokens, at, place))
        schema, name = (token.text, tokens[end].text) if qualified else ("", token.text)
        if kind is NameKind.TYPE and qualified and _sign(tokens, end + 1) == "%":  # a column's type: relation.column%TYPE
            schema, name, kind = "", token.text, NameKind.RELATION
        if kind and not (kind is NameKind.RELATION and not schema and name in local):
            yield NameInBody(kind, schema, name)


def _named_query(tokens: list[Token], at: int) -> bool:
    """Whether a name is that of a WITH query."""
    following = [t.plain for t in tokens[at + 1 : at + 5]]
    return following[:1] == ["as"] and next((w for w in following[1:] if w not in {"not", "materialized"}), "") == "("


def _kind(tokens: list[Token], end: int, before: Token, *, tables: bool) -> NameKind | None:
    """What the name that ends at a position stands for; None for a column, a variable or a keyword."""
    following = _sign(tokens, end + 1)
    if following == "%" and _sign(tokens, end + 2) in {"rowtype", "type"}:
        return NameKind.RELATION if _sign(tokens, end + 2) == "rowtype" else NameKind.TYPE
    if following == "(" and before.plain != "into" and tokens[end].plain not in _NO_CALLS:
        return NameKind.FUNCTION
    return NameKind.RELATION if tables and tokens[end].plain not in _NO_TABLES else None


def _sign(tokens: list[Token], at: int) -> str:
    return tokens[at].plain if at < len(tokens) else ""
