"""A row of the table of frameworks: how each shows itself in a tree, and what its build does besides that of its language. Pure."""

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

    `match`: how a tree shows that it is of it, or None.
    `supersedes`: names of those that do not count where this one matches.
    `build`: its build commands, from the tree, the match and the commands of its language.
    `layers`: the image's layers of a running app; none: those of its language.
    `env`: variables of a running app, besides those of its language.
    `fallback`: the path that a site answers with where it has no file.
    """

    name: str
    language: Language
    match: Callable[[Tree], Match | None]
    supersedes: frozenset[str] = frozenset()
    build: Callable[[Tree, Match, Commands], Commands] = _as_given
    layers: Callable[[Match], tuple[Layer, ...]] = _none_of_its_own
    env: Mapping[str, str] = field(default_factory=dict)
    fallback: str = ""
