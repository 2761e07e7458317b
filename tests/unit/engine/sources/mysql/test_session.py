"""What sessions with MySQL and MariaDB keep of the server's `sql_mode`."""

from __future__ import annotations

import pytest

from landfall.engine.sources.mysql.session import kept_mode


@pytest.mark.parametrize(
    ("server_mode", "expected"),
    [
        ("STRICT_TRANS_TABLES,NO_ZERO_DATE", "'STRICT_TRANS_TABLES,NO_ZERO_DATE'"),
        ("NO_BACKSLASH_ESCAPES", "'NO_BACKSLASH_ESCAPES'"),
        ("PIPES_AS_CONCAT,ANSI_QUOTES,IGNORE_SPACE,ORACLE,NO_KEY_OPTIONS", "'PIPES_AS_CONCAT,IGNORE_SPACE,NO_KEY_OPTIONS'"),
        ("EMPTY_STRING_IS_NULL,PAD_CHAR_TO_FULL_LENGTH", "0"),
        ("", "0"),
    ],
)
def test_a_session_keeps_what_the_server_gave_but_for_what_changes_reads(server_mode: str, expected: str) -> None:
    assert kept_mode(server_mode) == expected
