"""Functions over JSON documents."""

from __future__ import annotations

import re
from collections.abc import Callable

from landfall.engine.model.identifiers import literal
from landfall.engine.sources.mysql.views.texts import constant_text
from landfall.engine.sources.mysql.views.values import NUMBERS, Case, Value, ValueKind, as_text, column_value, integer, text

_STEP = re.compile(r'\.([A-Za-z_$][\w$]*)|\."((?:[^"\\])*)"|\[(\d+)\]')


def _path(value: Value) -> str:
    """A literal path as the target's array of steps. Raises ValueError for one with wildcards or ranges."""
    path_text, steps, at = constant_text(value, "a JSON path"), [], 1
    while at < len(path_text):
        step = _STEP.match(path_text, at)
        if not step:
            break
        name, quoted, index = step.groups()
        steps.append(index if index is not None else name if name is not None else quoted)
        at = step.end()
    if not path_text.startswith("$") or at < len(path_text):
        message = f"the JSON path {path_text!r}"
        raise ValueError(message)
    return f"ARRAY[{', '.join(literal(s) for s in steps)}]::text[]"


def document(value: Value) -> str:
    """SQL of a value as a JSON document."""
    return value.sql if value.kind is ValueKind.JSON else f"({as_text(value).sql})::json"


def _extract(value: Value, *paths: Value) -> Value:
    if len(paths) != 1:
        message = "JSON_EXTRACT with several paths"
        raise ValueError(message)
    return Value(f"(({document(value)}) #> {_path(paths[0])})", ValueKind.JSON)


def _unquote(value: Value) -> Value:
    if value.kind is ValueKind.JSON:
        return text(f"(CASE json_typeof({value.sql}) WHEN 'null' THEN 'null' ELSE ({value.sql}) #>> '{{}}' END)", Case.EXACT)
    converted = as_text(value)
    return text(
        f"(CASE WHEN {converted.sql} LIKE '\"%\"' THEN ({converted.sql})::json #>> '{{}}' ELSE {converted.sql} END)",
        converted.case,
    )


def _value(value: Value, path: Value) -> Value:
    extracted = _extract(value, path).sql
    return text(
        f"(CASE WHEN json_typeof({extracted}) IN ('object', 'array') THEN NULL ELSE {extracted} #>> '{{}}' END)", Case.EXACT
    )


def _length(value: Value, *path: Value) -> Value:
    json_value = f"(({_extract(value, *path).sql if path else document(value)})::jsonb)"
    return integer(
        f"(CASE jsonb_typeof({json_value}) WHEN 'array' THEN jsonb_array_length({json_value})"
        f" WHEN 'object' THEN (SELECT count(*) FROM jsonb_object_keys({json_value}))::integer"
        f" ELSE CASE WHEN {json_value} IS NOT NULL THEN 1 END END)"
    )


def element(value: Value) -> str:
    """SQL of a value that becomes a member of a document."""
    shown_value = column_value(value)
    if shown_value.kind in NUMBERS - {ValueKind.BOOL} | {ValueKind.JSON, ValueKind.NULL}:
        return shown_value.sql
    if shown_value.kind is ValueKind.BOOL:
        return f"({shown_value.sql})::integer"
    if shown_value.kind in {ValueKind.TEXT, ValueKind.ENUM}:
        return as_text(shown_value).sql
    message = f"{shown_value.kind.value} becomes a part of a JSON document"
    raise ValueError(message)


def _object(*values: Value) -> Value:
    members = ", ".join(f"{as_text(k).sql}, {element(v)}" for k, v in zip(values[::2], values[1::2], strict=True))
    return Value(f"json_build_object({members})", ValueKind.JSON)


def _array(*values: Value) -> Value:
    return Value(f"json_build_array({', '.join(element(v) for v in values)})", ValueKind.JSON)


def _quote(value: Value) -> Value:
    return text(f"to_json({as_text(value).sql})::text")


FUNCTIONS: dict[str, Callable[..., Value]] = {
    "json_extract": _extract,
    "json_unquote": _unquote,
    "json_value": _value,
    "json_length": _length,
    "json_object": _object,
    "json_array": _array,
    "json_quote": _quote,
}
