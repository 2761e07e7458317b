"""Changes of an object by server-side apply: a manager says again what it has said before, and the change; a field that it says no more goes.

Every door that a person steers through (gateway, console, command line) is one manager, so that none locks another one out. Managers
of GitOps tools stay others: where they have a say, the API server answers with a conflict, and nothing is forced unless asked for.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Any

from landfall.api.fields import API_VERSION
from landfall.kube.client import Kube
from landfall.kube.errors import ConflictError, KubeError

Object = dict[str, Any]
Change = Callable[[Object], tuple[Object, Mapping[str, str | None] | None]]
# Flux takes away what managers whose names begin with `kubectl` say.
MANAGER = "landfall"
# What the doors of earlier versions were called, each its own.
FORMER = ("landfall-gateway", "kubectl-landfall")
_TRIES, _PAUSE_SECONDS = 20, 0.02


async def applied(kube: Kube, kind: str, metadata: Object, spec: Object, *, force: bool = False) -> Object:
    """Have this, and nothing else of ours, be said of an object; it is made where there is none. Raises KubeError."""
    body = {"apiVersion": API_VERSION, "kind": kind, "metadata": metadata, **({"spec": spec} if spec else {})}
    return await kube.apply(kind, body, MANAGER, force=force)


async def changed(kube: Kube, kind: str, raw: Object, change: Change, *, force: bool = False) -> Object:
    """Change what an object says, and lose no change that somebody else makes at the same time.

    Args:
        kube: In whose name it is asked.
        kind: The object's kind.
        raw: The object as it was read, with `managedFields`.
        change: What is to be said, from the object as it is now: a spec and annotations, of which None takes one back. It is asked again
            where the object has changed since it was read, and may raise to refuse.
        force: Take over fields that other managers have a say in.

    Returns:
        The object as it is then.

    Raises:
        ConflictError: Others have a say in a field, and it is not forced.
        KubeError: It could not be asked, or the object changes too often.
    """
    namespace, name = raw["metadata"]["namespace"], raw["metadata"]["name"]
    for attempt in range(_TRIES):
        try:
            return await _changed(kube, kind, raw, change, force=force)
        except ConflictError:
            there = await kube.get(kind, namespace, name)
            if there is None or there["metadata"]["resourceVersion"] == raw["metadata"]["resourceVersion"]:
                raise  # nothing has changed since: somebody else has a say in it
            raw = there
        await asyncio.sleep(_PAUSE_SECONDS * attempt)
    message = f"the {kind} {name} changes too often to be changed from here; try again"
    raise KubeError(503, message)


async def _changed(kube: Kube, kind: str, raw: Object, change: Change, *, force: bool) -> Object:
    there = await _taken_over(kube, kind, raw)
    spec, annotations = change(there)
    mine = said(there)
    told = {name: mine.get("metadata", {})[name] for name in ("annotations", "labels") if mine.get("metadata", {}).get(name)}
    if annotations:
        told["annotations"] = merged(told.get("annotations", {}), annotations)
    place = {name: there["metadata"][name] for name in ("name", "namespace", "resourceVersion")}
    return await applied(kube, kind, {**place, **told}, merged(mine.get("spec", {}), spec), force=force)


async def _taken_over(kube: Kube, kind: str, raw: Object) -> Object:
    """The same, with what doors of earlier versions have said said by ours: else each would be somebody else to all others."""
    entries = raw["metadata"].get("managedFields", [])
    ours = [entry for entry in entries if _is_ours(entry)]
    if all(entry["manager"] == MANAGER for entry in ours):
        return raw
    fields: Object = {}
    for entry in ours:
        fields = _united(fields, entry.get("fieldsV1", {}))
    whole = [entry for entry in entries if entry not in ours] + [{**ours[-1], "manager": MANAGER, "fieldsV1": fields}]
    operations: list[Object] = [
        {"op": "replace", "path": "/metadata/managedFields", "value": whole},
        {"op": "replace", "path": "/metadata/resourceVersion", "value": raw["metadata"]["resourceVersion"]},
    ]
    return await kube.patch(kind, raw["metadata"]["namespace"], raw["metadata"]["name"], operations)


def said(raw: Object) -> Object:
    """What our doors have said of an object, by the API server's own record of who says what."""
    fields: Object = {}
    for entry in raw["metadata"].get("managedFields", []):
        if _is_ours(entry):
            fields = _united(fields, entry.get("fieldsV1", {}))
    return dict(_picked(raw, fields)) if fields else {}


def _is_ours(entry: Mapping[str, Any]) -> bool:
    named = entry.get("manager") in {MANAGER, *FORMER}
    return named and entry.get("operation") == "Apply" and not entry.get("subresource")


def _united(one: Mapping[str, Any], other: Mapping[str, Any]) -> Object:
    """Two records of fields as one."""
    return {name: _united(one.get(name, {}), other.get(name, {})) for name in (*one, *(n for n in other if n not in one))}


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
