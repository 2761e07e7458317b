"""Public identifiers: a prefix for the kind, and the object's name. Pure."""

from __future__ import annotations

import hashlib
import re

CONNECTION, DEPLOYMENT, MAPPING, MIGRATION, PROJECT, WEBHOOK = "conn_", "dep_", "map_", "mig_", "proj_", "hook_"
_NAME = re.compile(r"[a-z0-9]([-.a-z0-9]{0,251}[a-z0-9])?")


def name_in(prefix: str, identifier: str) -> str:
    """The name of the object that an identifier refers to; empty if it is invalid. An underscore stands for a hyphen."""
    name = identifier.removeprefix(prefix).replace("_", "-") if identifier.startswith(prefix) else ""
    return name if _NAME.fullmatch(name) else ""


def minted(*parts: str) -> str:
    """An identifier for something that does not exist yet: the same parts give the same letters."""
    return hashlib.sha256(chr(0).join(parts).encode()).hexdigest()[:24]


def slug(text: str) -> str:
    """A title in the form of a part of a name."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:30].strip("-")
