"""Removal of passwords from texts. Every text for a status, an event or a log passes through `redacted`."""

from __future__ import annotations

import re

_URL = re.compile(r"(\b[a-z][a-z0-9+.-]*://[^\s:/@]+):[^\s@]+@")
_ASSIGNED = re.compile(r"(?i)\b(password|passwd|pwd|token|secret)(\s*[=:]\s*)(\S+)")


def redacted(text: str, *secrets: str) -> str:
    """Return a text in which secrets are replaced by `***`.

    Args:
        text: Any text.
        secrets: Known secrets. Passwords in URLs and values after `password=`, `token:` and the like are replaced as well.
    """
    for secret in secrets:
        if secret:
            text = text.replace(secret, "***")
    return _ASSIGNED.sub(r"\1\2***", _URL.sub(r"\1:***@", text))
