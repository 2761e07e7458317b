"""What detection sees of an app: its files by name, and their text when it asks."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Protocol


class Tree(Protocol):
    """The files of an app. Names are relative to its root, with slashes; what tools leave behind is not among them."""

    @property
    def paths(self) -> frozenset[str]:
        """Every file."""

    def text(self, path: str) -> str:
        """A file's text; empty where there is none, or where it is no text of a reasonable size."""


@dataclass(frozen=True, slots=True)
class Read:
    """A manifest: its contents, or why they cannot be read."""

    data: Mapping[str, Any]
    problem: str = ""


def json_of(tree: Tree, path: str) -> Read:
    """An object in JSON."""
    try:
        found = json.loads(tree.text(path) or "{}")
    except ValueError as error:
        return Read({}, f"{path} is not valid JSON: {error}")
    return Read(found) if isinstance(found, dict) else Read({}, f"{path} is not an object")


def toml_of(tree: Tree, path: str) -> Read:
    """A table in TOML."""
    try:
        return Read(tomllib.loads(tree.text(path)))
    except tomllib.TOMLDecodeError as error:
        return Read({}, f"{path} is not valid TOML: {error}")


def first(tree: Tree, *patterns: str) -> str:
    """The first file that matches one of these shell patterns, in their order; empty where none does."""
    for pattern in patterns:
        if pattern in tree.paths:
            return pattern
        found = sorted(p for p in tree.paths if fnmatchcase(p, pattern) and p.count("/") == pattern.count("/"))
        if found:
            return found[0]
    return ""
