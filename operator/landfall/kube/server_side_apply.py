"""Changes of an object by server-side apply: a manager says again what it has said before, and the change; a field that it says no more goes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from landfall.api.fields import API_VERSION
from landfall.kube.client import Kube

Object = dict[str, Any]


async def applied(kube: Kube, manager: str, kind: str, metadata: Object, spec: Object, *, force: bool = False) -> Object:
    """Have this, and nothing else of this manager's, be said of an object; it is made where there is none. Raises KubeError."""
    body = {"apiVersion": API_VERSION, "kind": kind, "metadata": metadata, **({"spec": spec} if spec else {})}
    return await kube.apply(kind, body, manager, force=force)


async def changed(
    kube: Kube,
    manager: str,
    kind: str,
    raw: Object,
    spec: Object,
    annotations: Mapping[str, str] | None = None,
    *,
    force: bool = False,
) -> Object:
    """Change what an object says: None takes a field back. Raises KubeError; ConflictError where others have a say and it is not forced."""
    mine = said(raw, manager)
    told = {name: mine.get("metadata", {})[name] for name in ("annotations", "labels") if mine.get("metadata", {}).get(name)}
    if annotations:
        told["annotations"] = {**told.get("annotations", {}), **annotations}
    place = {"name": raw["metadata"]["name"], "namespace": raw["metadata"]["namespace"]}
    return await applied(kube, manager, kind, {**place, **told}, merged(mine.get("spec", {}), spec), force=force)


def said(raw: Object, manager: str) -> Object:
    """What a manager has said of an object, by the API server's own record of who says what."""
    for entry in raw["metadata"].get("managedFields", []):
        if entry.get("manager") == manager and entry.get("operation") == "Apply" and not entry.get("subresource"):
            return dict(_picked(raw, entry.get("fieldsV1", {})))
    return {}


def merged(there: Mapping[str, Any], change: Mapping[str, Any]) -> Object:
    """As RFC 7396 merges: None removes, objects are merged, everything else replaces."""
    found = {name: value for name, value in there.items() if name not in change}
    for name, value in change.items():
        if isinstance(value, Mapping):
            before = there.get(name)
            found[name] = merged(before if isinstance(before, Mapping) else {}, value)
        elif value is not None:
            found[name] = value
    return found


def _picked(value: Any, fields: Mapping[str, Any]) -> Any:  # noqa: ANN401  any JSON
    if not fields:
        return value
    if isinstance(value, list):
        return [_picked(one, inner) for one in value for name, inner in fields.items() if _means(name, one)]
    if not isinstance(value, dict):
        return value
    named = {name.removeprefix("f:"): inner for name, inner in fields.items() if name.startswith("f:")}
    return {name: _picked(value[name], inner) for name, inner in named.items() if name in value}


def _means(name: str, item: Any) -> bool:  # noqa: ANN401  any JSON
    """Whether a name of the record is this item of a list: by its keys, or by its value."""
    kind, _, told = name.partition(":")
    if kind == "k":
        return isinstance(item, dict) and all(item.get(key) == value for key, value in json.loads(told).items())
    return kind == "v" and json.loads(told) == item
