"""Shapes that an answer of the gateway is held against: fields with their types, patterns or words; the first of a list stands for all of them."""

from __future__ import annotations

import re
from typing import Any

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
LOGS = {"data": {"logs": [{"timestamp": MOMENT, "level": {"debug", "info", "warning", "error", "success"}, "message": str}]}}


def like(value: Any, shape: Any, path: str = "$") -> None:
    """What was told has every field of a shape, of its type."""
    if isinstance(shape, dict):
        assert isinstance(value, dict), (path, value)
        for name, inner in shape.items():
            assert name in value, (path, name, value)
            like(value[name], inner, f"{path}.{name}")
    elif isinstance(shape, list) and isinstance(shape[0], dict):
        assert isinstance(value, list), (path, value)
        assert value, path
        for number, alternative in enumerate(value):
            like(alternative, shape[0], f"{path}[{number}]")
    elif isinstance(shape, re.Pattern):
        assert isinstance(value, str), (path, value)
        assert shape.fullmatch(value), (path, value)
    elif isinstance(shape, tuple):
        assert any(_is(value, alternative) for alternative in shape), (path, value)
    elif isinstance(shape, set):
        assert value in shape, (path, value)
    else:
        assert _is(value, shape), (path, value)


def _is(value: Any, shape: Any) -> bool:
    if isinstance(shape, re.Pattern):
        return isinstance(value, str) and bool(shape.fullmatch(value))
    if isinstance(shape, type):
        return isinstance(value, shape) and (shape is bool or not isinstance(value, bool))
    return bool(value == shape)
