"""A short name for what something was made from."""

from __future__ import annotations

import hashlib
import json


def digest(*parts: object) -> str:
    """Sixteen hexadecimal digits that follow from the parts, whatever the order of keys in them."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:16]
