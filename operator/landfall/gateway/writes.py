"""What this door says of objects: as the one manager of all doors, and never by force."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

from landfall.gateway.auth import Caller
from landfall.kube import server_side_apply
from landfall.kube.errors import AlreadyExistsError

Object = dict[str, Any]


async def applied(who: Caller, kind: str, name: str, metadata: Object, spec: Object) -> Object:
    """Have this, and nothing else of ours, be said of an object; it is made where there is none. Raises KubeError."""
    raw = await server_side_apply.applied(who.kube, kind, {"name": name, "namespace": who.key.namespace, **metadata}, spec)
    who.store(kind, raw)
    return raw


async def changed(who: Caller, kind: str, raw: Object, change: server_side_apply.Change) -> Object:
    """Change what an object says, by what it says now; `change` may refuse. Raises KubeError."""
    made = await server_side_apply.changed(who.kube, kind, raw, change)
    who.store(kind, made)
    return made


async def store_secret(who: Caller, name: str, values: Mapping[str, str], metadata: Object) -> None:
    """Have values kept in a Secret, which never changes; one that is there is the same request's, sent before. Raises KubeError."""
    told = {"name": name, "namespace": who.key.namespace, **metadata}
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": told, "immutable": True, "stringData": dict(values)}
    with contextlib.suppress(AlreadyExistsError):
        await who.kube.create("Secret", body)
