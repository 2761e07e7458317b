"""Defaults of MySQL and MariaDB that count seconds since 1970."""

from __future__ import annotations

import pytest

from landfall.engine.sources.mysql.defaults import default_value
from landfall.engine.targets.postgresql.default_values import rendered


@pytest.mark.parametrize(
    "text",
    [
        "unix_timestamp()",
        "(UNIX_TIMESTAMP())",
        "unix_timestamp( now() )",
        "unix_timestamp(current_timestamp())",
        "unix_timestamp(CURRENT_TIMESTAMP)",
    ],
)
@pytest.mark.parametrize(("kind", "cast"), [("bigint", ""), ("integer", "::integer"), ("numeric(20,0)", "::numeric(20,0)")])
def test_seconds_since_1970(text: str, kind: str, cast: str) -> None:
    value = default_value(text)
    assert value is not None
    seconds = "floor(extract(epoch FROM CURRENT_TIMESTAMP))::bigint"
    assert rendered(value, kind).sql == (f"({seconds}){cast}" if cast else seconds)


@pytest.mark.parametrize(
    "text", ["'unix_timestamp()'", "unix_timestamp(now(6))", "unix_timestamp('2020-01-01')", "unix_timestamp() + 1", "now()", "0"]
)
def test_others_are_left_to_the_translation(text: str) -> None:
    assert default_value(text) is None
