"""The view of an app that detection uses: its files by name, and their text on request."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Protocol


class Tree(Protocol):
    """The files of an app. Names are relative to its root, with slashes; generated folders are not included."""

    @property
    def paths(self) -> frozenset[str]:
        """Every file."""

    def text(self, path: str) -> str:
        """Return the text of a file; empty if it does not exist, is too large, or is not text."""


@dataclass(frozen=True, slots=True)
class Read:
    """A manifest: its contents, or why it cannot be read."""

    data: Mapping[str, Any]
    problem: str = ""


def json_of(tree: Tree, path: str) -> Read:
    """Read a JSON object."""
    try:
        data = json.loads(tree.text(path) or "{}")
    except ValueError as error:
        return Read({}, f"{path} is not valid JSON: {error}")
    return Read(data) if isinstance(data, dict) else Read({}, f"{path} is not an object")


def toml_of(tree: Tree, path: str) -> Read:
    """Read a TOML table."""
    try:
        return Read(tomllib.loads(tree.text(path)))
    except tomllib.TOMLDecodeError as error:
        return Read({}, f"{path} is not valid TOML: {error}")


def first(tree: Tree, *patterns: str) -> str:
    """Return the first file that matches one of these shell patterns, in their order; empty if none does."""
    for pattern in patterns:
        if pattern in tree.paths:
            return pattern
        paths = sorted(p for p in tree.paths if fnmatchcase(p, pattern) and p.count("/") == pattern.count("/"))
        if paths:
            return paths[0]
    return ""
