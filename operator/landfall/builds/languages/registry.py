"""The supported languages."""

from __future__ import annotations

from collections.abc import Mapping

from landfall.builds.languages.base import Language
from landfall.builds.languages.go import GO
from landfall.builds.languages.node import NODE
from landfall.builds.languages.python import PYTHON
from landfall.builds.languages.static import STATIC

LANGUAGES: tuple[Language, ...] = (NODE, PYTHON, GO, STATIC)

# The versions that the project's builder and run images have.
KNOWN: Mapping[str, tuple[str, ...]] = {language.name: language.versions for language in LANGUAGES if language.versions}


def language_of(name: str) -> Language:
    """Return the language with this name. Raises KeyError if there is none."""
    return {language.name: language for language in LANGUAGES}[name]
