"""What is bound for status, events or logs passes through here: addresses lose their passwords."""

from __future__ import annotations

import re

_URL = re.compile(r"(\b[a-z][a-z0-9+.-]*://[^\s:/@]+):[^\s@]+@")
_ASSIGNED = re.compile(r"(?i)\b(password|passwd|pwd|token|secret)(\s*[=:]\s*)(\S+)")


def redacted(text: str, *secrets: str) -> str:
    """The text without these secrets and without what looks like one."""
    for secret in secrets:
        if secret:
            text = text.replace(secret, "***")
    return _ASSIGNED.sub(r"\1\2***", _URL.sub(r"\1:***@", text))
