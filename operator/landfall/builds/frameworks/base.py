"""A row of the table of frameworks: how it is detected, and how its build differs from that of its language. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from landfall.builds.detect.result import Match
from landfall.builds.detect.tree import Tree
from landfall.builds.languages.base import Language, Layer

Commands = tuple[str, ...]


def _as_given(_tree: Tree, _match: Match, commands: Commands) -> Commands:
    return commands


def _none_of_its_own(_match: Match) -> tuple[Layer, ...]:
    return ()


@dataclass(frozen=True, slots=True)
class Framework:
    """One framework.

    `match`: returns the evidence that a tree uses this framework, or None.
    `supersedes`: names of frameworks that are ignored if this one matches.
    `build`: its build commands, from the tree, the match and the commands of its language.
    `layers`: the image layers of the app; none: those of its language.
    `env`: environment variables of the app, in addition to those of its language.
    `fallback`: the path that a static site serves for a missing file.
    """

    name: str
    language: Language
    match: Callable[[Tree], Match | None]
    supersedes: frozenset[str] = frozenset()
    build: Callable[[Tree, Match, Commands], Commands] = _as_given
    layers: Callable[[Match], tuple[Layer, ...]] = _none_of_its_own
    env: Mapping[str, str] = field(default_factory=dict)
    fallback: str = ""
