"""A short digest of JSON-like values."""

from __future__ import annotations

import hashlib
import json


def digest(*parts: object) -> str:
    """Return a digest of the given values.

    Args:
        parts: Values that JSON can represent; other values are represented by their text. The order of keys has no effect.

    Returns:
        16 hexadecimal digits: the first 64 bits of SHA-256.
    """
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:16]
