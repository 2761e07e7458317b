"""API keys of the gateway: a name that is no secret, and a secret of which only the hash is kept.

A key is a Secret beside the gateway, which says in whose name its holder acts: a service account of one namespace. What that may do is
up to the roles it is bound to there; a key can only be held to less (`viewer`).
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

Role = Literal["viewer", "editor"]
LABEL = "landfall.dev/api-key"
TEXT = re.compile(r"lf_([a-z0-9]{12})_([A-Za-z0-9_-]{43})")


@dataclass(frozen=True, slots=True)
class Key:
    """Who comes with it: a service account of a namespace."""

    id: str
    digest: str
    namespace: str
    account: str
    role: Role
    expires: datetime | None = None

    @property
    def user(self) -> str:
        """The name that the API server knows the service account by."""
        return f"system:serviceaccount:{self.namespace}:{self.account}"


def hashed(secret: str) -> str:
    """What is kept of it. Its strength is its length: 256 random bits need no slow hash."""
    return hashlib.sha256(secret.encode()).hexdigest()


def secret_name(identifier: str) -> str:
    """The Secret that says what a key is."""
    return f"landfall-key-{identifier}"


def read(identifier: str, held: Mapping[str, Any]) -> Key | None:
    """A key as its Secret has it; None where that is no key."""
    found = {name: base64.b64decode(text).decode("utf-8", "replace") for name, text in (held.get("data") or {}).items()}
    try:
        expires = datetime.fromisoformat(found["expires"]) if found.get("expires") else None
        role: Role = "editor" if found["role"] == "editor" else "viewer"
        return Key(identifier, found["digest"], found["namespace"], found["serviceAccount"], role, expires)
    except (KeyError, ValueError):
        return None
