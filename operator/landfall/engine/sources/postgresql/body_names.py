"""The names of functions, relations and types that the text of an SQL or PL/pgSQL function refers to. Pure.

Comments and texts are no names. Names in the texts of EXECUTE, and names in branches, are references that may not be reached.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

_TOKEN = re.compile(
    r"""(?P<comment>--[^\n]*)|(?P<block>/\*)|(?P<space>\s+)
    |(?P<escaped>[eE]'(?:[^'\\]|''|\\.)*')|(?P<text>(?:[uU]&|[bBxXnN])?'(?:[^']|'')*')
    |(?P<dollar>\$(?P<tag>(?:[^\W\d]\w*)?)\$.*?\$(?P=tag)\$)
    |(?P<quoted>"(?:[^"]|"")*")|(?P<word>[^\W\d][\w$]*)|(?P<cast>::)|(?P<other>.)""",
    re.DOTALL | re.VERBOSE,
)
_BRANCHES = frozenset({"if", "case", "loop", "while", "for", "foreach", "exception", "when"})
_BEFORE_TABLES = frozenset({"from", "join", "update", "only", "table", "truncate"})
_AFTER_TABLES = frozenset(
    {
        *(
            "where",
            "group",
            "order",
            "having",
            "limit",
            "offset",
            "union",
            "except",
            "intersect",
            "window",
            "set",
            "returning",
            ";",
        ),
    }
)
_FROM_OF_CALLS = frozenset({"extract", "substring", "trim", "overlay", "position"})
_NO_TABLES = frozenset({"only", "lateral", "set", "of", "select", "values", "with"})
_NO_CALLS = frozenset(
    {
        *(
            "all",
            "and",
            "any",
            "array",
            "as",
            "by",
            "case",
            "cast",
            "else",
            "except",
            "exists",
            "filter",
            "from",
            "if",
            "in",
            "intersect",
        ),
        *(
            "into",
            "join",
            "limit",
            "not",
            "on",
            "or",
            "over",
            "raise",
            "return",
            "select",
            "some",
            "then",
            "union",
            "using",
            "values",
        ),
        *("when", "where", "while", "with"),
    }
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


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str

    @property
    def is_name(self) -> bool:
        return self.kind in {"word", "quoted"}

    @property
    def plain(self) -> str:
        """The token as a keyword or sign; empty for a quoted name or a text."""
        return self.text if self.kind in {"word", "other", "cast"} else ""


_NONE = _Token("other", "")


def names_in(body: str, language: str) -> frozenset[NameInBody]:
    """Return the references in the body of a function.

    Args:
        body: `pg_proc.prosrc`.
        language: `sql`, whose bodies are resolved as a whole, or `plpgsql`, which resolves a statement when it is reached.
    """
    tokens = list(_tokens(body))
    procedural = language != "sql"
    sure = not procedural or not any(t.plain in _BRANCHES for t in tokens)
    found = {replace(name, certain=sure) for name in _references(tokens)}
    if procedural and any(t.plain == "execute" for t in tokens):
        for token in tokens:
            if token.kind in {"text", "escaped", "dollar"}:
                found |= {replace(name, certain=False) for name in _references(list(_tokens(token.text)))}
    return frozenset(found)


def _tokens(body: str) -> Iterator[_Token]:
    at = 0
    while at < len(body):
        found = _TOKEN.match(body, at)
        if found is None:  # cannot be: the last alternative takes every character
            return
        at, kind = found.end(), found.lastgroup or ""
        kind = "dollar" if kind == "tag" else kind
        if kind == "block":
            at = _end_of_comment(body, at)
        elif kind == "word":
            yield _Token(kind, found.group().lower())
        elif kind == "quoted":
            yield _Token(kind, found.group()[1:-1].replace('""', '"'))
        elif kind in {"text", "escaped"}:
            yield _Token(kind, found.group().split("'", 1)[1][:-1].replace("''", "'"))
        elif kind == "dollar":
            yield _Token(kind, found.group().split("$", 2)[2].rsplit("$", 2)[0])
        elif kind not in {"comment", "space"}:
            yield _Token(kind, found.group())


def _end_of_comment(body: str, at: int) -> int:
    """The position behind a comment whose start is before `at`; comments nest."""
    depth = 1
    for found in re.compile(r"/\*|\*/").finditer(body, at):
        depth += 1 if found.group() == "/*" else -1
        if not depth:
            return found.end()
    return len(body)


def _references(tokens: list[_Token]) -> Iterator[NameInBody]:
    local = {
        t.text
        for t, word, sign in zip(tokens, tokens[1:], tokens[2:], strict=False)
        if t.is_name and (word.plain, sign.plain) == ("as", "(")
    }
    opened: list[tuple[str, bool]] = []  # the word before each open parenthesis, and whether a list of tables was open there
    listing = False
    for at, token in enumerate(tokens):
        before, after = (tokens[at - 1] if at else _NONE), (tokens[at + 1] if at + 1 < len(tokens) else _NONE)
        if token.plain == "(":
            opened.append((before.plain, listing))
            listing = False
        elif token.plain == ")":
            listing = opened.pop()[1] if opened else False
        elif token.plain == "from":
            listing = before.plain != "distinct" and not (opened and opened[-1][0] in _FROM_OF_CALLS)
        elif token.plain in _AFTER_TABLES:
            listing = False
        if not token.is_name or before.plain == ".":
            continue
        tables = _takes_table(tokens, at, listing=listing)
        qualified = after.plain == "." and at + 2 < len(tokens) and tokens[at + 2].is_name
        end = at + 2 if qualified else at
        casting = before.plain == "::" or (before.plain == "as" and bool(opened) and opened[-1][0] == "cast")
        kind = NameKind.TYPE if casting else _kind(tokens, end, before, tables=tables)
        schema, name = (token.text, tokens[end].text) if qualified else ("", token.text)
        if kind is NameKind.TYPE and qualified and _sign(tokens, end + 1) == "%":  # a column's type: relation.column%TYPE
            schema, name, kind = "", token.text, NameKind.RELATION
        if kind and not (kind is NameKind.RELATION and not schema and name in local):
            yield NameInBody(kind, schema, name)


def _takes_table(tokens: list[_Token], at: int, *, listing: bool) -> bool:
    """Whether a name of a table is expected at a position."""
    before = tokens[at - 1].plain if at else ""
    if before == "from":
        return listing
    if before == "into":
        return at > 1 and tokens[at - 2].plain in {"insert", "merge"}
    return before in _BEFORE_TABLES or (before == "," and listing)


def _kind(tokens: list[_Token], end: int, before: _Token, *, tables: bool) -> NameKind | None:
    """What the name that ends at a position stands for; None for a column, a variable or a keyword."""
    following = _sign(tokens, end + 1)
    if following == "%" and _sign(tokens, end + 2) in {"rowtype", "type"}:
        return NameKind.RELATION if _sign(tokens, end + 2) == "rowtype" else NameKind.TYPE
    if following == "(" and before.plain != "into" and tokens[end].plain not in _NO_CALLS:
        return NameKind.FUNCTION
    return NameKind.RELATION if tables and tokens[end].plain not in _NO_TABLES else None


def _sign(tokens: list[_Token], at: int) -> str:
    return tokens[at].plain if at < len(tokens) else ""
