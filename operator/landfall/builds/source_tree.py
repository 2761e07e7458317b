"""The file tree of a folder for detection. Links are not followed, and generated folders are skipped."""

from __future__ import annotations

import os
from pathlib import Path

PASSED_OVER = frozenset(
    {
        *("node_modules", ".git", ".hg", ".svn", ".next", ".nuxt", ".svelte-kit", ".astro", ".turbo", ".cache", ".venv", "venv"),
        *("__pycache__", ".tox", ".mypy_cache", ".pytest_cache", ".ruff_cache", "bower_components", "vendor", ".idea", ".vscode"),
    }
)
_MOST_FILES = 50_000
_MOST_OCTETS = 1024 * 1024


class Folder:
    """The files in a folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._paths = frozenset(self._walked())

    @property
    def paths(self) -> frozenset[str]:
        """Every file."""
        return self._paths

    def text(self, path: str) -> str:
        """Return the text of a file; empty if it does not exist, is too large, or is not text."""
        if path not in self._paths:
            return ""
        file = self.root / path
        try:
            return file.read_text(encoding="utf-8") if file.stat().st_size <= _MOST_OCTETS else ""
        except (OSError, UnicodeDecodeError):
            return ""

    def _walked(self) -> list[str]:
        paths: list[str] = []
        for folder, below, files in os.walk(self.root):
            below[:] = sorted(d for d in below if d not in PASSED_OVER and not Path(folder, d).is_symlink())
            relative = Path(folder).relative_to(self.root)
            paths += [(relative / f).as_posix() for f in sorted(files) if not Path(folder, f).is_symlink()]
            if len(paths) > _MOST_FILES:
                return paths[:_MOST_FILES]
        return paths
