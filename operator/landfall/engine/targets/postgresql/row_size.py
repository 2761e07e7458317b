"""How large a row may be. Long values are stored outside the row, but their pointers, short values and numbers are not.

Source: chapter "Database Physical Storage" of PostgreSQL's documentation, and `MaxHeapTupleSize` for pages of 8,192 octets.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

MAX_COLUMNS = 1600
OUTSIDE = 18  # the pointer to a value that is stored outside the row
_ROW = 8160
_HEADER = 23
# Octets, and the multiple of octets at which a value of the type begins.
_FIXED = {
    "boolean": (1, 1),
    "smallint": (2, 2),
    "integer": (4, 4),
    "real": (4, 4),
    "date": (4, 4),
    "bigint": (8, 8),
    "double precision": (8, 8),
    "timestamp": (8, 8),
    "time": (8, 8),
    "interval": (16, 8),
    "uuid": (16, 1),
}


def row_octets(columns: int) -> int:
    """Return how many octets the values of a row may take, without the row's header.

    Args:
        columns: Number of columns; some of them are NULL.
    """
    header = _HEADER + -(-columns // 8)
    return _ROW - -(-header // 8) * 8


def field_octets(target_type: str) -> int | None:
    """Return how many octets a value of a type takes in its row; None if that depends on the value, and is at most `OUTSIDE`."""
    sizes = _FIXED.get(_without_arguments(target_type))
    return sizes[0] if sizes else None


def padded_octets(fields: Sequence[tuple[str, int]]) -> int:
    """Return how many octets the values of one row take, with the gaps between them.

    Args:
        fields: The target type and the octets of each value that is not NULL, in the order of the columns.
    """
    at = 0
    for target_type, octets in fields:
        _, begin = _FIXED.get(_without_arguments(target_type), (0, 1))
        at += -at % begin + octets
    return at


def _without_arguments(target_type: str) -> str:
    return re.sub(r"\(.*?\)| with(out)? time zone", "", target_type)
