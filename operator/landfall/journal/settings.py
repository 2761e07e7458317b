"""The address of the journal's database, which the operator and `landfall journal` read from the environment."""

from __future__ import annotations

from typing import Annotated

import sqlalchemy as sa
from pydantic import AfterValidator, Field

from landfall.journal.store import DEFAULT_URL
from landfall.lib.environment import SECRET, Environment

_BACKENDS = ("sqlite", "postgresql", "postgres")


def _address(text: str) -> str:
    """Check the URL. The message of the ValueError does not contain the URL, which may contain a password."""
    try:
        backend = sa.make_url(text).drivername.partition("+")[0]
    except (sa.exc.ArgumentError, ValueError):
        message = "not a valid database URL"
        raise ValueError(message) from None
    if backend not in _BACKENDS:
        message = f"{backend} is not supported for the journal; use SQLite or PostgreSQL"
        raise ValueError(message)
    return text


class JournalSettings(Environment):
    """The journal's database."""

    journal_url: Annotated[str, AfterValidator(_address)] = Field(
        DEFAULT_URL,
        validation_alias="LANDFALL_JOURNAL_URL",
        description="sqlite:////PATH or postgresql://USER:PASSWORD@HOST:PORT/DATABASE",
        json_schema_extra=SECRET,
    )
