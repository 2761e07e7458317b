"""What the catalogs of MySQL and MariaDB print, as what it stands for: expressions, labels and defaults. Pure.

MySQL escapes expressions once more than a statement does, both servers escape labels, and MariaDB prints defaults as literals. The
mode of the session changes none of that.
"""

from __future__ import annotations

import re

_ESCAPES = {"0": "\0", "b": "\b", "n": "\n", "r": "\r", "t": "\t", "Z": "\x1a"}
_QUOTED = r"'((?:[^'\\]|''|\\.)*)'"
_LITERAL = re.compile(_QUOTED, re.DOTALL)
_BINARY_DEFAULT = re.compile(rb"^  `((?:[^`]|``)+)` .*? DEFAULT (?:0x([0-9A-Fa-f]+)|" + _QUOTED.encode() + rb")", re.DOTALL)


def unescaped(text: str) -> str:
    """A text without one level of backslash escapes."""
    return re.sub(r"\\(.)", lambda match: _ESCAPES.get(match.group(1), match.group(1)), text, flags=re.DOTALL)


def _value(body: str) -> str:
    """What stands between the quotes of a literal."""
    return unescaped(body.replace("''", "\\'"))


def labels(column_type: str) -> tuple[str, ...]:
    """The labels of an ENUM or SET, from its `COLUMN_TYPE`."""
    return tuple(_value(body) for body in _LITERAL.findall(column_type))


def standard_literal(text: str) -> str:
    """A literal as the SQL standard writes it, without backslash escapes. What is no literal is an expression and stays as it is."""
    match = _LITERAL.fullmatch(text)
    return quoted(_value(match.group(1))) if match else text


def quoted(value: str) -> str:
    """A value as a literal of the SQL standard."""
    return "'" + value.replace("'", "''") + "'"


def binary_defaults(create_table: bytes) -> dict[str, str]:
    """The defaults that are literals, by column, as hexadecimal literals, from what SHOW CREATE TABLE prints.

    `COLUMN_DEFAULT` cannot tell octets: MySQL cuts them at a zero, MariaDB turns what is no UTF-8 into question marks.
    """
    defaults = {}
    for line in create_table.split(b"\n"):
        match = _BINARY_DEFAULT.match(line)
        if match:
            name, digits, body = match.groups()
            octets = bytes.fromhex(digits.decode()) if digits else _value(body.decode("latin-1")).encode("latin-1")
            defaults[name.decode().replace("``", "`")] = f"0x{octets.hex()}" if octets else "''"
    return defaults


def period(check: str) -> tuple[str, str] | None:
    """Start and end of a period, from the check that MariaDB keeps it as."""
    match = re.fullmatch(r"`((?:[^`]|``)+)` < `((?:[^`]|``)+)`", check)
    return (match.group(1).replace("``", "`"), match.group(2).replace("``", "`")) if match else None


def without_overlaps(create_table: bytes) -> frozenset[str]:
    """The keys WITHOUT OVERLAPS, by name, from what SHOW CREATE TABLE prints."""
    keys = re.findall(
        r"^  (?:PRIMARY KEY|UNIQUE KEY `((?:[^`]|``)+)`) \(.* WITHOUT OVERLAPS\)",
        create_table.decode(errors="replace"),
        re.MULTILINE,
    )
    return frozenset(name.replace("``", "`") or "PRIMARY" for name in keys)
