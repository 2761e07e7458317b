"""The fence: triggers by which the source refuses writers after the cutover. Names and texts; the engines create it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from landfall.engine.model.options import Endpoint

PREFIX = "landfall_fence_"
_MOST_CHARACTERS = 128


@dataclass(frozen=True, slots=True)
class Fence:
    """Triggers that refuse every later write to tables of the source.

    Attributes:
        name: Names the run. The names of all objects of the fence begin with it.
        message: The error that a refused writer gets: at most 128 characters of printable ASCII without quotes or backslashes, so
            that every engine passes it on, and no dialect reads it in two ways.
        tables: The tables, as (schema, name).
    """

    name: str
    message: str
    tables: tuple[tuple[str, str], ...]


def fence_name(key: str) -> str:
    """Return the name of the fence of a run. `key`: its key in the ledger."""
    return PREFIX + key[:12]


def fence_message(target: Endpoint, schema: str) -> str:
    """Return the error for refused writers, which says where the tables are now."""
    host = "a local server" if target.host.startswith("/") else f"{target.host}:{target.port}"
    text = f"landfall: the data has moved to database {target.database} on {host}, schema {schema}"
    return re.sub(r"[^ -~]|['\"\\]", "?", text)[:_MOST_CHARACTERS]
