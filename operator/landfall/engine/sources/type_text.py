"""What a type says of itself in the text that PostgreSQL prints: its size, its fraction of a second, its time zone."""

from __future__ import annotations

import re


def numeric_size(text: str) -> tuple[int, int] | None:
    """Precision and scale of a type that names them."""
    match = re.search(r"\((\d+)(?:,\s*(-?\d+))?\)", text)
    return (int(match.group(1)), int(match.group(2) or 0)) if match else None


def second_digits(text: str) -> int:
    """How many digits a moment has behind the second."""
    match = re.search(r"\((\d)\)", text)
    return int(match.group(1)) if match else 6


def zone(text: str) -> str:
    """What names a time zone in a type, with a blank before it; empty where it has none."""
    return " with time zone" if "with time zone" in text else ""
