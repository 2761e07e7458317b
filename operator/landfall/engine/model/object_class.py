"""What becomes of each class of objects that a source has. Each source engine declares its own, in one place.

The catalog readers and their tests account by these declarations, and `docs/carried.md` is generated from them. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Fate(StrEnum):
    """What becomes of the objects of a class."""

    CARRIED = "carried"
    CHANGED = "carried with a change"
    RISK = "not carried: risk"
    PART = "a part of another object"
    SERVER = "of the server"


@dataclass(frozen=True, slots=True)
class ObjectClass:
    """One class of objects.

    Attributes:
        name: As users of the engine call it. That of a class with the fate RISK is the kind in the plan's risk, where `catalogs` is not empty.
        fate: What becomes of its objects.
        target: What they are in the target; empty where the name says it, or where they are not carried.
        note: A condition, a loss, or what to do. Plain text for the documentation.
        shown_by: The test that shows it, as `file.py::function`; empty for parts and what belongs to the server.
        catalogs: The classes of the engine's own catalog that hold its objects, where the catalog reader accounts by these.
    """

    name: str
    fate: Fate
    target: str = ""
    note: str = ""
    shown_by: str = ""
    catalogs: tuple[str, ...] = ()
