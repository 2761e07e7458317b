"""What MySQL and MariaDB print of labels, defaults and expressions stands for what was declared."""

from __future__ import annotations

import pytest

from landfall.engine.sources.mysql.printed import binary_defaults, labels, standard_literal, unescaped


@pytest.mark.parametrize(
    ("escaped", "expected"),
    [
        (r"(`b` in (_utf8mb4\'x\',_utf8mb4\'y\'))", "(`b` in (_utf8mb4'x',_utf8mb4'y'))"),
        (r"concat(`a`,_utf8mb4\'it\\\'s\')", r"concat(`a`,_utf8mb4'it\'s')"),
        (r"concat(_utf8mb4\'C:\\\\dir\\\\\',`a`)", r"concat(_utf8mb4'C:\\dir\\',`a`)"),
        (r"`i\\j` + 1", r"`i\j` + 1"),
        ("(`a` * 2)", "(`a` * 2)"),
        (r"\0\n\r\Z\"\q", '\0\n\r\x1a"q'),
    ],
)
def test_one_level_of_escapes_goes(escaped: str, expected: str) -> None:
    assert unescaped(escaped) == expected


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (r"enum('a\\b','c')", ("a\\b", "c")),
        ("enum('tab\tx','nl\\ny')", ("tab\tx", "nl\ny")),
        ("set('it''s','','x,y')", ("it's", "", "x,y")),
        (r"enum('\\','''')", ("\\", "'")),
        (r"enum('\\''','b')", ("\\'", "b")),
    ],
)
def test_labels_are_read_as_they_were_declared(kind: str, expected: tuple[str, ...]) -> None:
    assert labels(kind) == expected


@pytest.mark.parametrize(
    ("default", "literal"),
    [
        (r"'C:\\d'", r"'C:\d'"),
        ("'it''s'", "'it''s'"),
        (r"'a\nb'", "'a\nb'"),
        ("current_timestamp()", "current_timestamp()"),
        (r"concat('a','\\b')", r"concat('a','\\b')"),
        ("1.50", "1.50"),
        ("NULL", "NULL"),
    ],
)
def test_defaults_have_no_escapes(default: str, literal: str) -> None:
    assert standard_literal(default) == literal


def test_octets_of_defaults_come_from_the_statement() -> None:
    create = (
        b"CREATE TABLE `t` (\n  `id` int NOT NULL DEFAULT '5',\n  `a` varbinary(4) DEFAULT 0x00FF,\n  `b``c` binary(3) NOT NULL DEFAULT 'ab\\0',\n"
        b"  `d` varbinary(9) DEFAULT '''\\\\\\n' COMMENT 'has DEFAULT ''x''',\n  `e` varbinary(4) DEFAULT '\xff\\0',\n  `f` binary(2) DEFAULT '',\n"
        b"  PRIMARY KEY (`id`)\n) ENGINE=InnoDB"
    )
    defaults = binary_defaults(create)
    assert {name: defaults[name] for name in ("a", "b`c", "d", "e", "f")} == {
        "a": "0x00ff",
        "b`c": "0x616200",
        "d": "0x275c0a",
        "e": "0xff00",
        "f": "''",
    }
