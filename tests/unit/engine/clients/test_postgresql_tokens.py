"""Every lexical form of PostgreSQL's SQL: what is a name, what a constant, and what nothing at all."""

from __future__ import annotations

import pytest

from landfall.engine.clients.postgresql_tokens import tokens_of


def _read(sql: str) -> list[tuple[str, str]]:
    return [(token.kind.value, token.text) for token in tokens_of(sql)]


@pytest.mark.parametrize(
    ("sql", "kind", "text"),
    [
        ("Größe$1", "word", "größe$1"),
        ("_a", "word", "_a"),
        ('"A ""b"" 1"', "quoted", 'A "b" 1'),
        ('U&"d\\0061t\\+000061"', "quoted", "data"),
        ("u&\"d!0061!!\" UESCAPE '!'", "quoted", "da!"),
        ("'it''s -- no /* comment'", "text", "it's -- no /* comment"),
        ("'a\\'", "text", "a\\"),
        (r"E'a\'b''c\\'", "text", r"a'b'c\ ".strip()),
        (r"e'\x41\101\u0042\n'", "text", "AAB\n"),
        ("U&'\\0041\\\\'", "text", "A\\"),
        ("N'x'", "text", "x"),
        ("B'01'", "text", "01"),
        ("X'1F'", "text", "1F"),
        ("$$ 'a' $x$ \"b\" $x$ $$", "body", " 'a' $x$ \"b\" $x$ "),
        ("$Größe1$ $$ $Größe1$", "body", " $$ "),
        ("$a$ $A$ $a$", "body", " $A$ "),
        ("12", "number", "12"),
        ("1.5e-10", "number", "1.5e-10"),
        (".5", "number", ".5"),
        ("0xFF_FF", "number", "0xFF_FF"),
        ("1_000", "number", "1_000"),
        ("$12", "parameter", "$12"),
        ("::", "cast", "::"),
        ("'open", "text", "open"),
        ("$$open", "body", "open"),
    ],
)
def test_a_form_is_one_token(sql: str, kind: str, text: str) -> None:
    assert _read(sql) == [(kind, text)]
    (token,) = tokens_of(f" {sql}")
    assert (token.start, token.end) == (1, len(sql) + 1)


@pytest.mark.parametrize("sql", ["", "  \n\t", "-- 'a\r\n", "--", "/* a /* 'b' */ $$ */", "/* open", "/**/"])
def test_spaces_and_comments_are_no_tokens(sql: str) -> None:
    assert _read(sql) == []


@pytest.mark.parametrize(
    ("sql", "texts"),
    [
        ("a--b\nc", ["a", "c"]),
        ("a-/*b*/-c", ["a", "-", "-", "c"]),
        ("a->>'b'#>$1", ["a", "-", ">", ">", "b", "#", ">", "$1"]),
        ("a::text[1:2]", ["a", "::", "text", "[", "1", ":", "2", "]"]),
        ("1..10", ["1", ".", ".", "10"]),
        ("a.b%TYPE := $1", ["a", ".", "b", "%", "type", ":", "=", "$1"]),
        ("a$$b$$", ["a$$b$$"]),
        ("e 'x'", ["e", "x"]),
        ("name'x'", ["name", "x"]),
        ("a <> E'\\''||b", ["a", "<", ">", "'", "|", "|", "b"]),
        ("'a'\n'b'", ["a", "b"]),
        ("$1$2", ["$1", "$2"]),
        ("U & 'x'", ["u", "&", "x"]),
    ],
)
def test_tokens_side_by_side(sql: str, texts: list[str]) -> None:
    assert [text for _, text in _read(sql)] == texts
