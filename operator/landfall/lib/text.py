"""Sentences: numbers in them, advice after them, words that are not known."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

_SINGULAR = {"go": "goes", "have": "has", "are": "is", "were": "was"}


def counted(number: int, noun: str, verb: str = "") -> str:
    """A number, what it counts, and what that does: `1 row holds`, `2 rows hold`."""
    if number == 1:
        verb = _SINGULAR.get(verb, f"{verb}s") if verb else ""
    else:
        noun = f"{noun}s"
    return " ".join(part for part in (str(number), noun, verb) if part)


def advised(message: str, advice: str) -> str:
    """What happened, and what to do about it."""
    return f"{message.rstrip('.')}. {advice}" if advice else message


def closest(word: str, known: Iterable[str]) -> str:
    """Advice for a word that is not known."""
    return near(word, known) or f"Known are: {', '.join(sorted(known))}."


def near(word: str, known: Iterable[str]) -> str:
    """What a word that is not known was meant to be, if one is like it."""
    like = difflib.get_close_matches(word, list(known), n=1)
    return f"Did you mean {like[0]}?" if like else ""
