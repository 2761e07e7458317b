"""Building sentences: counted nouns, advice after a message, suggestions for unknown names."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

_SINGULAR = {"go": "goes", "have": "has", "are": "is", "were": "was"}


def counted(number: int, noun: str, verb: str = "") -> str:
    """Return a number with its noun and verb: `1 row holds`, `2 rows hold`.

    Args:
        number: The number.
        noun: The noun in the singular.
        verb: The verb in the plural form; empty for none.
    """
    if number == 1:
        verb = _SINGULAR.get(verb, f"{verb}s") if verb else ""
    else:
        noun = f"{noun}s"
    return " ".join(part for part in (str(number), noun, verb) if part)


def enumerated(names: Sequence[str], most: int) -> str:
    """Return the first names and how many more there are: `a, b and 3 more`.

    Args:
        names: The names.
        most: How many names are shown at most.
    """
    text = ", ".join(names[:most])
    return f"{text} and {len(names) - most} more" if len(names) > most else text


def advised(message: str, advice: str) -> str:
    """Return a message followed by advice, as two sentences; only the message if there is no advice."""
    return f"{message.rstrip('.')}. {advice}" if advice else message


def closest(word: str, words: Iterable[str]) -> str:
    """Return advice for an unknown name: the most similar known name, or all known names."""
    return near(word, words) or f"Known are: {', '.join(sorted(words))}."


def near(word: str, words: Iterable[str]) -> str:
    """Return a suggestion for an unknown name (`Did you mean …?`); empty if no known name is similar."""
    like = difflib.get_close_matches(word, list(words), n=1)
    return f"Did you mean {like[0]}?" if like else ""
