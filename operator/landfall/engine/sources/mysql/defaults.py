"""Defaults of MySQL and MariaDB that count seconds since 1970."""

from __future__ import annotations

import re

from landfall.engine.model.default_value import ClockForm, CurrentTime, DefaultValue

_NOW = r"(?:now|current_timestamp|sysdate)\s*\(\s*0?\s*\)|current_timestamp"
_SECONDS = re.compile(rf"(?i)\(*\s*unix_timestamp\s*\(\s*(?:{_NOW})?\s*\)\s*\)*")


def default_value(text: str) -> DefaultValue | None:
    """What a default computes; None if it is none of these."""
    return CurrentTime(ClockForm.SECONDS) if _SECONDS.fullmatch(text.strip()) else None
