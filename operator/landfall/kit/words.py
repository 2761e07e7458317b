"""Numbers in sentences."""

from __future__ import annotations

_SINGULAR = {"go": "goes", "have": "has", "are": "is", "were": "was"}


def counted(number: int, noun: str, verb: str = "") -> str:
    """A number, what it counts, and what that does: `1 row holds`, `2 rows hold`."""
    if number == 1:
        verb = _SINGULAR.get(verb, f"{verb}s") if verb else ""
    else:
        noun = f"{noun}s"
    return " ".join(part for part in (str(number), noun, verb) if part)
