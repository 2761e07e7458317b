"""Public identifiers: a prefix that says of what kind it is, and the name of the object. Pure."""

from __future__ import annotations

import hashlib
import re

CONNECTION, DEPLOYMENT, MAPPING, MIGRATION, PROJECT, WEBHOOK = "conn_", "dep_", "map_", "mig_", "proj_", "hook_"
_NAME = re.compile(r"[a-z0-9]([-.a-z0-9]{0,251}[a-z0-9])?")


def name_in(prefix: str, identifier: str) -> str:
    """The object that an identifier names; empty where it can be none. An underscore, which no name has, stands for a hyphen."""
    name = identifier.removeprefix(prefix).replace("_", "-") if identifier.startswith(prefix) else ""
    return name if _NAME.fullmatch(name) else ""


def minted(*parts: str) -> str:
    """Letters for what is not there yet: of the same parts, the same ones."""
    return hashlib.sha256(chr(0).join(parts).encode()).hexdigest()[:24]


def slug(text: str) -> str:
    """What a title is like as a part of a name."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:30].strip("-")
