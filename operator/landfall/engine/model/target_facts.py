"""What planning must know of the target: version, extensions, objects of the same names."""

from __future__ import annotations

from dataclasses import dataclass

from landfall.engine.model.plan import Replaced

XML_MISSING = "the target was built without support for xml values"


@dataclass(frozen=True, slots=True)
class TargetFacts:
    """What planning needs to know of the target."""

    version: str
    version_number: int
    relations: frozenset[str]
    types: frozenset[str]
    routines: frozenset[str]
    in_the_way: tuple[Replaced, ...]
    extensions: frozenset[str]
    available_extensions: frozenset[str]
    problems: tuple[str, ...] = ()
    lock_slots: int = 0
    shadows: tuple[tuple[str, str], ...] = ()
    creators: tuple[str, ...] = ()
    powers: str = ""
