"""A tree of files that needs no folder."""

from __future__ import annotations

from collections.abc import Mapping


class Files:
    """Files by name."""

    def __init__(self, files: Mapping[str, str]) -> None:
        self._files = dict(files)

    @property
    def paths(self) -> frozenset[str]:
        """Every file."""
        return frozenset(self._files)

    def text(self, path: str) -> str:
        """Its text."""
        return self._files.get(path, "")
