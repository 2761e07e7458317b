"""Specs made from the schema of a CustomResourceDefinition: such as it takes, and such as are wrong in a place or two."""

from __future__ import annotations

import copy
from datetime import UTC, datetime
from typing import Any

from hypothesis import strategies as st

Schema = dict[str, Any]
_WRONG = (
    None,
    "",
    "x",
    "5",
    "true",
    0,
    -1,
    7,
    10**9,
    10**20,
    5.0,
    5.5,
    True,
    [],
    {},
    ["x"],
    {"unknown": 1},
    "é\n",
    "2026-01-01",
    "A" * 400,
)
_TIMES = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001  hypothesis adds the zone


def values(schema: Schema) -> st.SearchStrategy[Any]:
    """What a node of the schema takes, its CEL rules apart."""
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    strategies = {
        "object": _objects,
        "array": _arrays,
        "string": _strings,
        "integer": _integers,
        "number": lambda _: st.integers(0, 100),
        "boolean": lambda _: st.booleans(),
    }
    return strategies[schema.get("type", "object")](schema)


def _objects(schema: Schema) -> st.SearchStrategy[Any]:
    if "additionalProperties" in schema:
        return st.dictionaries(st.sampled_from(["a", "b", "c"]), values(schema["additionalProperties"]), max_size=2)
    fields = {name: values(inner) for name, inner in schema.get("properties", {}).items()}
    required = set(schema.get("required", []))
    return st.fixed_dictionaries(
        {n: f for n, f in fields.items() if n in required}, optional={n: f for n, f in fields.items() if n not in required}
    )


def _arrays(schema: Schema) -> st.SearchStrategy[Any]:
    most = min(schema.get("maxItems", 2), 2)
    return st.lists(values(schema["items"]), min_size=schema.get("minItems", 0), max_size=max(most, schema.get("minItems", 0)))


def _strings(schema: Schema) -> st.SearchStrategy[Any]:
    if schema.get("format") == "date-time":
        return _TIMES.map(lambda moment: moment.isoformat().replace("+00:00", "Z"))
    low, high = schema.get("minLength", 0), schema.get("maxLength", 20)
    if "pattern" in schema:
        return st.from_regex(schema["pattern"], fullmatch=True).filter(
            lambda text: low <= len(text) <= schema.get("maxLength", 1000)
        )
    return st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=low, max_size=max(low, min(high, 20)))


def _integers(schema: Schema) -> st.SearchStrategy[Any]:
    """Small ones and the largest: what is wrong is wrong at the edges."""
    low, high = schema.get("minimum", -5), schema.get("maximum", 10_000)
    return st.integers(low, max(low, min(high, low + 10))) | st.just(max(low, high))


@st.composite
def specs(draw: st.DrawFn, schema: Schema) -> Any:
    """A spec, with up to two places of it made wrong."""
    spec = copy.deepcopy(draw(values(schema)))
    for _ in range(draw(st.integers(0, 2))):
        places = list(_places(spec))
        if places:
            holder, key = draw(st.sampled_from(places))
            _spoil(draw, holder, key)
    return spec


def _spoil(draw: st.DrawFn, holder: Any, key: Any) -> None:
    how = draw(st.sampled_from(["take", "replace", "replace", "more", "twice"]))
    if how == "take":
        del holder[key]
    elif how == "twice" and isinstance(holder, list):
        holder.append(copy.deepcopy(holder[key]))
    elif how == "more" and isinstance(holder, dict):
        holder["unknown"] = 1
    else:
        holder[key] = copy.deepcopy(draw(st.sampled_from(_WRONG)))


def _places(value: Any) -> Any:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in list(items):
        yield value, key
        yield from _places(inner)
