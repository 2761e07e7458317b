"""API keys of the gateway: a public ID, and a secret of which only the hash is stored.

A key is a Secret in the gateway's namespace. It names the service account that its holder acts as. The permissions are those of the
roles that are bound to this service account; the role `viewer` of a key restricts them further.
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
    """An API key and the service account that its holder acts as."""

    id: str
    digest: str
    namespace: str
    account: str
    role: Role
    expires: datetime | None = None

    @property
    def user(self) -> str:
        """User name of the service account in the API server."""
        return f"system:serviceaccount:{self.namespace}:{self.account}"


def hashed(secret: str) -> str:
    """SHA-256 digest of the secret, in hex. A slow hash is not needed for 256 random bits."""
    return hashlib.sha256(secret.encode()).hexdigest()


def secret_name(identifier: str) -> str:
    """Name of the Secret of an API key."""
    return f"landfall-key-{identifier}"


def read(identifier: str, secret: Mapping[str, Any]) -> Key | None:
    """Parse an API key from its Secret; None if the Secret is not a valid key."""
    values = {name: base64.b64decode(text).decode("utf-8", "replace") for name, text in (secret.get("data") or {}).items()}
    try:
        expires = datetime.fromisoformat(values["expires"]) if values.get("expires") else None
        role: Role = "editor" if values["role"] == "editor" else "viewer"
        return Key(identifier, values["digest"], values["namespace"], values["serviceAccount"], role, expires)
    except (KeyError, ValueError):
        return None
