"""Shapes that an answer of the gateway is held against: fields with their types, patterns or words; the first of a list stands for all of them."""

from __future__ import annotations

import re
from typing import Any

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
LOGS = {"data": {"logs": [{"timestamp": MOMENT, "level": {"debug", "info", "warning", "error", "success"}, "message": str}]}}


def like(told: Any, shape: Any, where: str = "$") -> None:
    """What was told has every field of a shape, of its type."""
    if isinstance(shape, dict):
        assert isinstance(told, dict), (where, told)
        for name, inner in shape.items():
            assert name in told, (where, name, told)
            like(told[name], inner, f"{where}.{name}")
    elif isinstance(shape, list) and isinstance(shape[0], dict):
        assert isinstance(told, list), (where, told)
        assert told, where
        for number, one in enumerate(told):
            like(one, shape[0], f"{where}[{number}]")
    elif isinstance(shape, re.Pattern):
        assert isinstance(told, str), (where, told)
        assert shape.fullmatch(told), (where, told)
    elif isinstance(shape, tuple):
        assert any(_is(told, one) for one in shape), (where, told)
    elif isinstance(shape, set):
        assert told in shape, (where, told)
    else:
        assert _is(told, shape), (where, told)


def _is(told: Any, shape: Any) -> bool:
    if isinstance(shape, re.Pattern):
        return isinstance(told, str) and bool(shape.fullmatch(told))
    if isinstance(shape, type):
        return isinstance(told, shape) and (shape is bool or not isinstance(told, bool))
    return bool(told == shape)
