"""Names and messages of the fence."""

from __future__ import annotations

import pytest

from landfall.engine.model.fence import PREFIX, fence_message, fence_name
from landfall.engine.model.options import Endpoint

_KEY = "0123456789abcdef" * 4


def test_a_fence_is_named_after_its_run() -> None:
    assert fence_name(_KEY) == f"{PREFIX}0123456789ab"


@pytest.mark.parametrize(
    ("host", "database", "message"),
    [
        ("db.example", "shop", "landfall: the data has moved to database shop on db.example:5432, schema public"),
        ("/run/postgresql", "shop", "landfall: the data has moved to database shop on a local server, schema public"),
        (
            "db.example",
            'it\'s \\ "é"\n',
            "landfall: the data has moved to database it?s ? ???? on db.example:5432, schema public",
        ),
    ],
)
def test_the_message_is_text_that_every_dialect_reads_alike(host: str, database: str, message: str) -> None:
    assert fence_message(Endpoint("PostgreSQL", host, 5432, database), "public") == message


def test_the_message_is_no_longer_than_mysql_passes_on() -> None:
    assert len(fence_message(Endpoint("PostgreSQL", "h" * 200, 5432, "shop"), "public")) == 128
