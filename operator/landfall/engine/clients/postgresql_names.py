"""Which names of PostgreSQL's SQL name a schema: in `a.b`, the first part can be an alias as well, and the second its column. Pure.

The rule: where a statement can have an alias of that name, only the position decides. A name that is taken for the wrong one makes a
definition that means something else.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from landfall.engine.clients.postgresql_tokens import Token, TokenKind, TokenPlace, after_of, before_of, places_of, takes_table

_IMPLIED = frozenset({"new", "old", "excluded"})
# The first word of what can have aliases; before it are the name, the arguments and the result of what a statement creates.
_BEGINS = frozenset(
    "select insert update delete merge values using check when where return with".split()  # noqa: SIM905  a table of words
)
# Words before a column. Any other word is a column, an argument or a keyword before a type, a relation, a collation or an operator class.
_BEFORE_COLUMNS = frozenset(
    "select distinct all and or not by when then else case where having limit offset on set return between symmetric in"  # noqa: SIM905  a table of words
    " like ilike is from escape any some zone array row values if for passing placing filter over".split()
)


@dataclass(frozen=True, slots=True)
class QualifiedName:
    """A name with its schema. `token`: that of the schema."""

    token: Token
    schema: str
    name: str


def qualified_names(tokens: Sequence[Token]) -> Iterator[QualifiedName]:
    """The names that are written with a schema, in their order."""
    places = places_of(tokens)
    begins = next((at for at, token in enumerate(tokens) if token.plain in _BEGINS), len(tokens))
    aliases = _IMPLIED | {t.text for at, t in enumerate(tokens) if t.is_name and after_of(tokens, at).plain != "."}
    for at, token in enumerate(tokens[:-2]):
        if not token.is_name or tokens[at + 1].plain != "." or not tokens[at + 2].is_name or before_of(tokens, at).plain == ".":
            continue
        if at < begins or token.text not in aliases or _names_schema(tokens, at, places[at]):
            yield QualifiedName(token, token.text, tokens[at + 2].text)


def _names_schema(tokens: Sequence[Token], at: int, place: TokenPlace) -> bool:
    """Whether `a.b` at a position is an object of schema `a`, and not column `b` of an alias `a`."""
    before, after = before_of(tokens, at), after_of(tokens, at + 2).plain
    if after in {"(", "."} or before.kind in {TokenKind.QUOTED, TokenKind.CAST} or takes_table(tokens, at, place):
        return True
    if before.plain == "on":  # what an index, a trigger, a rule or a policy is on; otherwise the condition of a join
        return not place.listing
    if before.plain == "returning":
        return place.opener.startswith("json")
    if before.plain == "(":
        return place.opener in {"operator", "inherits"}
    if before.plain == ")":
        return not _distinct_on(tokens, at - 1)
    return before.kind is TokenKind.WORD and before.text not in _BEFORE_COLUMNS


def _distinct_on(tokens: Sequence[Token], closing: int) -> bool:
    """Whether a parenthesis closes `DISTINCT ON (…)`, behind which a column is."""
    depth = 0
    for at in range(closing, -1, -1):
        depth += {")": 1, "(": -1}.get(tokens[at].plain, 0)
        if not depth:
            return before_of(tokens, at).plain == "on" and before_of(tokens, at - 1).plain == "distinct"
    return False
