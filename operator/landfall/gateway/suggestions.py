"""Suggestions for unknown parameters and fields, from the gateway's own OpenAPI document."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from landfall.lib.text import closest, near

Described = Mapping[str, Any]

_LONGEST = 60


def explain_unknown(described: Described, path: str, method: str, place: Sequence[int | str]) -> str:
    """The message about an unknown name. `described` is the OpenAPI document; `place` begins with the part of the request."""
    operation = described["paths"].get(path, {}).get(method.lower(), {})
    part, *inside, unknown = place
    name = str(unknown)[:_LONGEST]
    if part == "query":
        names = {parameter["name"] for parameter in operation.get("parameters", ()) if parameter["in"] == "query"}
        return f"unknown parameter {name}. {closest(name, names)}"
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    schemas = [*_branches(described, body)]
    for step in inside:
        # The name of a variant is part of the place, but not a field.
        schemas = [inner for schema in schemas for inner in _inner(described, schema, step)] or schemas
    choices = [set(schema["properties"]) for schema in schemas if "properties" in schema]
    if any(name in choice for choice in choices):
        return f"{name} cannot be combined with other fields of this request. Omit one or the other"
    advice = closest(name, choices[0]) if len(choices) == 1 else near(name, set().union(*choices))
    return f"unknown field {name}. {advice}".rstrip()


def _branches(described: Described, schema: Described) -> Iterator[Described]:
    """A schema with its references resolved, and each of its variants."""
    if "$ref" in schema:
        schema = described["components"]["schemas"][schema["$ref"].rsplit("/", 1)[-1]]
    yield schema
    for choice in (*schema.get("oneOf", ()), *schema.get("anyOf", ())):
        yield from _branches(described, choice)


def _inner(described: Described, schema: Described, step: int | str) -> Iterator[Described]:
    inner = schema.get("items") if isinstance(step, int) else schema.get("properties", {}).get(step)
    if inner:
        yield from _branches(described, inner)
