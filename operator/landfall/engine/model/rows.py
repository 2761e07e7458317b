"""Rows as text, and what a copy of rows transferred."""

from __future__ import annotations

from dataclasses import dataclass

Row = tuple[str | None, ...]
"""The columns of a row as text; None for NULL."""


@dataclass(frozen=True, slots=True)
class Moved:
    """Rows and bytes that one COPY transferred."""

    rows: int
    bytes: int
