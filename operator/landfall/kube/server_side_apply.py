"""Changes of an object by server-side apply: the field manager sends all its fields again, with the change; omitted fields are removed.

Gateway, console and command line share one field manager, so that a change in one does not conflict with another. GitOps tools have
managers of their own: the API server answers a change of their fields with a conflict, and fields are taken over only on request.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from landfall.api.fields import API_VERSION
from landfall.kube.client import Kube
from landfall.kube.errors import ConflictError, KubeError
from landfall.lib.backoff import Backoff
from landfall.lib.retry import Attempts, with_retries

Object = dict[str, Any]
Change = Callable[[Object], tuple[Object, Mapping[str, str | None] | None]]
# Flux removes fields whose manager begins with `kubectl`.
MANAGER = "landfall"
# Field managers of gateway, console and command line in earlier versions.
FORMER_MANAGERS = ("landfall-gateway", "kubectl-landfall")
_CHANGED = Attempts(20, Backoff(0.02, 0.25))


async def applied(kube: Kube, kind: str, metadata: Object, spec: Object, *, force: bool = False) -> Object:
    """Apply exactly this spec and metadata as the fields of our manager, creating the object if it does not exist. Raises KubeError."""
    body = {"apiVersion": API_VERSION, "kind": kind, "metadata": metadata, **({"spec": spec} if spec else {})}
    return await kube.apply(kind, body, MANAGER, force=force)


class _ChangedMeanwhileError(KubeError):
    """The object was changed between the reading and the writing: the change is computed again from what it is now."""


async def changed(kube: Kube, kind: str, raw: Object, change: Change, *, force: bool = False) -> Object:
    """Change an object without losing a concurrent change.

    Args:
        kube: The client, as the user on whose behalf the change is made.
        kind: The object's kind.
        raw: The object as it was read, with `managedFields`.
        change: Computes the new spec and annotations from the current object; None removes a value. Called again if the object has
            changed since it was read. May raise to refuse.
        force: Take over fields of other managers.

    Returns:
        The object after the change.

    Raises:
        ConflictError: Another manager owns a field, and `force` is not set.
        KubeError: The request failed, or the object changes too often.
    """
    namespace, name = raw["metadata"]["namespace"], raw["metadata"]["name"]
    latest = raw

    async def attempt() -> Object:
        nonlocal latest
        try:
            return await _changed(kube, kind, latest, change, force=force)
        except ConflictError as error:
            current = await kube.get(kind, namespace, name)
            if current is None or current["metadata"]["resourceVersion"] == latest["metadata"]["resourceVersion"]:
                raise  # unchanged since it was read: another manager owns a field
            latest = current
            message = f"{kind} {name} was changed by others too often during the request. Try again"
            raise _ChangedMeanwhileError(503, message) from error

    return await with_retries(attempt, _ChangedMeanwhileError, attempts=_CHANGED)


async def _changed(kube: Kube, kind: str, raw: Object, change: Change, *, force: bool) -> Object:
    current = await _take_over_former(kube, kind, raw)
    spec, annotations = change(current)
    owned = owned_fields(current)
    metadata = {
        name: owned.get("metadata", {})[name] for name in ("annotations", "labels") if owned.get("metadata", {}).get(name)
    }
    if annotations:
        metadata["annotations"] = merged(metadata.get("annotations", {}), annotations)
    identity = {name: current["metadata"][name] for name in ("name", "namespace", "resourceVersion")}
    return await applied(kube, kind, {**identity, **metadata}, merged(owned.get("spec", {}), spec), force=force)


async def _take_over_former(kube: Kube, kind: str, raw: Object) -> Object:
    """The object after our manager has taken over fields of the managers of earlier versions, which would otherwise conflict."""
    entries = raw["metadata"].get("managedFields", [])
    owned_entries = [entry for entry in entries if _is_ours(entry)]
    if all(entry["manager"] == MANAGER for entry in owned_entries):
        return raw
    fields: Object = {}
    for entry in owned_entries:
        fields = _union(fields, entry.get("fieldsV1", {}))
    whole = [entry for entry in entries if entry not in owned_entries] + [
        {**owned_entries[-1], "manager": MANAGER, "fieldsV1": fields}
    ]
    operations: list[Object] = [
        {"op": "replace", "path": "/metadata/managedFields", "value": whole},
        {"op": "replace", "path": "/metadata/resourceVersion", "value": raw["metadata"]["resourceVersion"]},
    ]
    return await kube.patch(kind, raw["metadata"]["namespace"], raw["metadata"]["name"], operations)


def owned_fields(raw: Object) -> Object:
    """The fields that our managers own, according to the object's `managedFields`."""
    fields: Object = {}
    for entry in raw["metadata"].get("managedFields", []):
        if _is_ours(entry):
            fields = _union(fields, entry.get("fieldsV1", {}))
    return dict(_select(raw, fields)) if fields else {}


def _is_ours(entry: Mapping[str, Any]) -> bool:
    is_manager = entry.get("manager") in {MANAGER, *FORMER_MANAGERS}
    return is_manager and entry.get("operation") == "Apply" and not entry.get("subresource")


def _union(left: Mapping[str, Any], right: Mapping[str, Any]) -> Object:
    """The union of two sets of owned fields."""
    return {name: _union(left.get(name, {}), right.get(name, {})) for name in (*left, *(n for n in right if n not in left))}


def merged(current: Mapping[str, Any], change: Mapping[str, Any]) -> Object:
    """Merge as RFC 7396: None removes, objects are merged, everything else replaces."""
    result = {name: value for name, value in current.items() if name not in change}
    for name, value in change.items():
        if isinstance(value, Mapping):
            before = current.get(name)
            result[name] = merged(before if isinstance(before, Mapping) else {}, value)
        elif value is not None:
            result[name] = value
    return result


def _select(value: Any, fields: Mapping[str, Any]) -> Any:  # noqa: ANN401  any JSON
    if not fields:
        return value
    if isinstance(value, list):
        return [_select(item, inner) for item in value for name, inner in fields.items() if _identifies(name, item)]
    if not isinstance(value, dict):
        return value
    selected = {name.removeprefix("f:"): inner for name, inner in fields.items() if name.startswith("f:")}
    return {name: _select(value[name], inner) for name, inner in selected.items() if name in value}


def _identifies(name: str, item: Any) -> bool:  # noqa: ANN401  any JSON
    """Whether an entry of `managedFields` identifies this item of a list, by its keys or by its value."""
    kind, _, selector = name.partition(":")
    if kind == "k":
        return isinstance(item, dict) and all(item.get(key) == value for key, value in json.loads(selector).items())
    return kind == "v" and json.loads(selector) == item
