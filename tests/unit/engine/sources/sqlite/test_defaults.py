"""Defaults of SQLite that compute the time or random values, in the target's SQL."""

from __future__ import annotations

import pytest

from landfall.engine.sources.sqlite.defaults import default_value
from landfall.engine.targets.postgresql.default_values import rendered

_UTC = "(CURRENT_TIMESTAMP AT TIME ZONE 'UTC')"
_UUID = (
    "(lower(hex(randomblob(4))) || '-' || lower(hex(randomblob(2))) || '-4' || substr(lower(hex(randomblob(2))),2) || '-' ||"
    " substr('89ab',abs(random()) % 4 + 1, 1) || substr(lower(hex(randomblob(2))),2) || '-' || lower(hex(randomblob(6))))"
)


@pytest.mark.parametrize(
    ("text", "kind", "expected"),
    [
        ("CURRENT_TIMESTAMP", "text", f"to_char({_UTC},'YYYY-MM-DD HH24:MI:SS')"),
        ("CURRENT_TIMESTAMP", "timestamp", _UTC),
        ("CURRENT_TIMESTAMP", "timestamp with time zone", "CURRENT_TIMESTAMP"),
        ("CURRENT_DATE", "date", f"{_UTC}::date"),
        ("current_time", "text", f"to_char({_UTC},'HH24:MI:SS')"),
        ("(datetime('now'))", "text", f"to_char({_UTC},'YYYY-MM-DD HH24:MI:SS')"),
        ('datetime("now")', "timestamp", _UTC),
        ("datetime('now','localtime')", "timestamp", "LOCALTIMESTAMP"),
        ("date()", "text", f"to_char({_UTC},'YYYY-MM-DD')"),
        ("strftime('%s','now')", "bigint", "floor(extract(epoch FROM CURRENT_TIMESTAMP))::bigint"),
        ("strftime('%s','now')", "timestamp with time zone", "CURRENT_TIMESTAMP"),
        ("cast(strftime('%s','now') as integer)", "bigint", "floor(extract(epoch FROM CURRENT_TIMESTAMP))::bigint"),
        ("unixepoch()", "text", "(floor(extract(epoch FROM CURRENT_TIMESTAMP))::bigint)::text"),
        ("(unixepoch() * 1000)", "bigint", "floor(extract(epoch FROM CURRENT_TIMESTAMP)*1000)::bigint"),
        ("strftime('%Y-%m-%dT%H:%M:%fZ','now')", "text", f"""to_char({_UTC},'YYYY"-"MM"-"DD"T"HH24":"MI":"SS.MS"Z"')"""),
        (_UUID, "text", "gen_random_uuid()::text"),
    ],
)
def test_the_time_and_uuids_are_written_for_the_type_of_the_column(text: str, kind: str, expected: str) -> None:
    value = default_value(text)
    assert value is not None
    assert rendered(value, kind).sql == expected


@pytest.mark.parametrize(
    ("text", "kind"),
    [("datetime('now')", "bigint"), ("strftime('%w','now')", "text"), ("randomblob(33)", "bytea"), ("randomblob(4)", "text")],
)
def test_what_has_no_counterpart_is_a_problem(text: str, kind: str) -> None:
    value = default_value(text)
    assert value is not None
    assert rendered(value, kind).problem


@pytest.mark.parametrize(
    "text", ["1", "'now'", "date('now','+1 day')", "lower(randomblob(4))", "strftime('%s',x)", "NULL", "(a)-(b)"]
)
def test_other_defaults_are_left_to_the_translation(text: str) -> None:
    assert default_value(text) is None
