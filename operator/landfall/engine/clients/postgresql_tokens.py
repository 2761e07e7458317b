"""The tokens of PostgreSQL's SQL and PL/pgSQL, and where a list of tables is open among them. Pure.

The rule: every text of SQL is split here, so that a name in a text, a comment or the body of a function is taken for a name nowhere.
The forms are those of the manual, "SQL Syntax", with `standard_conforming_strings` on.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

_FORMS = re.compile(
    r"""(?P<blank>\s+|--[^\n\r]*)|(?P<block>/\*)
    |(?P<escaped>[eE]'(?:[^'\\]|''|\\.)*(?:'|\Z))|(?P<unicode>[uU]&'(?:[^']|'')*(?:'|\Z))|(?P<text>[bBxXnN]?'(?:[^']|'')*(?:'|\Z))
    |(?P<body>\$(?P<tag>(?:[^\W\d]\w*)?)\$.*?(?:\$(?P=tag)\$|\Z))
    |(?P<coded>[uU]&"(?:[^"]|"")*")|(?P<quoted>"(?:[^"]|"")*")|(?P<word>[^\W\d][\w$]*)
    |(?P<number>0[xXoObB][\da-fA-F_]+|(?:\d[\d_]*(?:\.(?!\.)[\d_]*)?|(?<!\.)\.\d[\d_]*)(?:[eE][+-]?\d+)?)
    |(?P<parameter>\$\d+)|(?P<cast>::)|(?P<sign>.)""",
    re.DOTALL | re.VERBOSE,
)
_COMMENT = re.compile(r"/\*|\*/")
_UESCAPE = re.compile(r"\s+UESCAPE\s+'([^'])'", re.IGNORECASE)
_CONTROLS = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_ESCAPE = re.compile(r"''|\\(?:([0-7]{1,3})|x([\da-fA-F]{1,2})|u([\da-fA-F]{4})|U([\da-fA-F]{8})|(.))", re.DOTALL)


class TokenKind(StrEnum):
    """What a token is. A `text` is any constant in quotes, a `body` one between dollar signs."""

    WORD = "word"
    QUOTED = "quoted"
    TEXT = "text"
    BODY = "body"
    NUMBER = "number"
    PARAMETER = "parameter"
    CAST = "cast"
    SIGN = "sign"


@dataclass(frozen=True, slots=True)
class Token:
    """A token between two positions of the SQL.

    `text`: a word in small letters, a quoted name or a text as it is meant, otherwise as it is written. An operator is several signs.
    """

    kind: TokenKind
    text: str
    start: int
    end: int

    @property
    def is_name(self) -> bool:
        """Whether it may be a name. A keyword may be as well."""
        return self.kind in {TokenKind.WORD, TokenKind.QUOTED}

    @property
    def plain(self) -> str:
        """The token as a keyword or sign; empty for a quoted name or a constant."""
        return self.text if self.kind in {TokenKind.WORD, TokenKind.SIGN, TokenKind.CAST} else ""


_NONE = Token(TokenKind.SIGN, "", 0, 0)


def tokens_of(sql: str) -> Iterator[Token]:
    """The tokens of a text of SQL, without comments and spaces. What is not closed ends with the text."""
    at = 0
    while found := _FORMS.match(sql, at):
        start, at, form = at, found.end(), "body" if found.lastgroup == "tag" else str(found.lastgroup)
        if form == "block":
            at = _end_of_comment(sql, at)
        elif form != "blank":
            marked = _UESCAPE.match(sql, at) if form in {"unicode", "coded"} else None
            at = marked.end() if marked else at
            kind, text = _meant(form, found.group(), marked[1] if marked else "\\")
            yield Token(kind, text, start, at)


def _meant(form: str, written: str, escape: str) -> tuple[TokenKind, str]:
    """The kind and the meaning of a token. `escape`: the character before the codes of a text that is written as `U&'…'`."""
    if form in {"quoted", "coded"}:
        name = _inner(written, '"')
        return TokenKind.QUOTED, _decoded(name, escape) if form == "coded" else name
    if form == "escaped":
        return TokenKind.TEXT, _ESCAPE.sub(_unescaped, written[2:].removesuffix("'"))
    if form in {"text", "unicode"}:
        text = _inner(written, "'")
        return TokenKind.TEXT, _decoded(text, escape) if form == "unicode" else text
    if form == "body":
        return TokenKind.BODY, written.split("$", 2)[2].rsplit("$", 2)[0]
    return TokenKind(form), written.lower() if form == "word" else written


def _inner(written: str, quote: str) -> str:
    return written.split(quote, 1)[1].removesuffix(quote).replace(quote * 2, quote)


def _decoded(text: str, escape: str) -> str:
    mark = re.escape(escape)
    forms = re.compile(rf"{mark}(?:([\da-fA-F]{{4}})|\+([\da-fA-F]{{6}})|{mark})")
    return forms.sub(lambda m: chr(int(code, 16)) if (code := m[1] or m[2]) else escape, text)


def _unescaped(found: re.Match[str]) -> str:
    octal, byte, short, long, other = found.groups()
    if octal:
        return chr(int(octal, 8))
    if code := byte or short or long:
        return chr(int(code, 16))
    return _CONTROLS.get(other, other) if other else "'"


def _end_of_comment(sql: str, at: int) -> int:
    """The position behind a comment whose start is before `at`; comments nest."""
    depth = 1
    for found in _COMMENT.finditer(sql, at):
        depth += 1 if found.group() == "/*" else -1
        if not depth:
            return found.end()
    return len(sql)


# -- lists of tables --------------------------------------------------------------------------------------------------

_ENDS = frozenset(
    "where group order having limit offset fetch union except intersect window set returning select values with when do ;".split()  # noqa: SIM905  a table of words
)
_FROM_OF_CALLS = frozenset({"extract", "substring", "trim", "overlay", "position"})
_BEFORE_TABLES = frozenset({"join", "update", "only", "table", "truncate"})
_BEFORE_LISTED = frozenset({"from", "join", ",", "("})


@dataclass(frozen=True, slots=True)
class TokenPlace:
    """Where a token is. `listing`: a list of tables (FROM) is open; `opener`: the word before the innermost open parenthesis."""

    listing: bool
    opener: str


def places_of(tokens: Sequence[Token]) -> list[TokenPlace]:
    """The place of each token. A parenthesis is outside what it encloses."""
    opened: list[TokenPlace] = []
    here, places = TokenPlace(listing=False, opener=""), []
    for at, token in enumerate(tokens):
        before = before_of(tokens, at).plain
        if token.plain == ")" and opened:
            here = opened.pop()
        places.append(here)
        if token.plain == "(":
            opened.append(here)
            here = TokenPlace(here.listing and before in _BEFORE_LISTED, before)
        elif token.plain == "from":
            here = replace(here, listing=before != "distinct" and here.opener not in _FROM_OF_CALLS)
        elif token.plain == "join" or token.plain in _ENDS:
            here = replace(here, listing=token.plain == "join")
    return places


def takes_table(tokens: Sequence[Token], at: int, place: TokenPlace) -> bool:
    """Whether a name of a table is expected at a position."""
    before = before_of(tokens, at).plain
    if before == "into":
        return at > 1 and tokens[at - 2].plain in {"insert", "merge"}
    return before in _BEFORE_TABLES or (before in _BEFORE_LISTED and place.listing)


def before_of(tokens: Sequence[Token], at: int) -> Token:
    """The token before a position; an empty sign at the beginning."""
    return tokens[at - 1] if at else _NONE


def after_of(tokens: Sequence[Token], at: int) -> Token:
    """The token behind a position; an empty sign at the end."""
    return tokens[at + 1] if at + 1 < len(tokens) else _NONE
