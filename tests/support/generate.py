"""Writes what is generated from code: the reference of the manifests' fields. `--check` fails on a difference."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from landfall.api.connection import Connection
from landfall.api.migration import Migration
from landfall.api.tableplan import TablePlan

_PAGE = Path(__file__).parent.parent.parent / "docs" / "reference.md"
_HEAD = "# Field reference\n\nGenerated from the models in `operator/landfall/api` by `make generate`.\n"


def page() -> str:
    """The whole page."""
    return _HEAD + "".join(_kind(model) for model in (Connection, Migration, TablePlan))


def _kind(model: type[Connection | Migration | TablePlan]) -> str:
    schema = model.model_json_schema(by_alias=True)
    definitions = schema.get("$defs", {})
    spec = _resolved(schema["properties"]["spec"], definitions)
    lines = [
        f"\n## {model.__name__}\n",
        f"{(model.__doc__ or '').strip()}\n",
        "| field | type | default | meaning |",
        "|---|---|---|---|",
    ]
    return "\n".join([*lines, *_rows(spec, "spec", definitions)]) + "\n"


def _resolved(schema: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    for option in [schema, *schema.get("anyOf", []), *schema.get("allOf", [])]:
        if "$ref" in option:
            return dict(definitions[option["$ref"].rsplit("/", 1)[-1]])
    return schema


def _rows(schema: dict[str, Any], path: str, definitions: dict[str, Any]) -> list[str]:
    rows = []
    required = set(schema.get("required", []))
    for name, field in schema.get("properties", {}).items():
        inner = _resolved(field, definitions)
        items = _resolved(field.get("items", {}), definitions)
        default = "required" if name in required else _default(field)
        rows.append(f"| `{path}.{name}` | {_type(field, inner)} | {default} | {field.get('description', '')} |")
        if "properties" in inner:
            rows += _rows(inner, f"{path}.{name}", definitions)
        elif "properties" in items:
            rows += _rows(items, f"{path}.{name}[]", definitions)
    return rows


def _default(field: dict[str, Any]) -> str:
    value = field.get("default")
    return "" if value is None or isinstance(value, dict | list) else f"`{value}`"


def _type(field: dict[str, Any], inner: dict[str, Any]) -> str:
    for option in [field, *field.get("anyOf", [])]:
        if "enum" in option:
            return ", ".join(f"`{v}`" for v in option["enum"])
    kinds = [o["type"] for o in [inner, *field.get("anyOf", [])] if o.get("type") not in {None, "null"}]
    return kinds[0] if kinds else "object"


def main() -> int:
    """Write the page, or compare it."""
    made = page()
    if "--check" in sys.argv:
        if not _PAGE.exists() or _PAGE.read_text(encoding="utf-8") != made:
            sys.stderr.write(f"{_PAGE.name} is out of date; run `make generate`\n")
            return 1
        return 0
    _PAGE.write_text(made, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
