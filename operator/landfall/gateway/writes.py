"""What this door says of objects: as the one manager of all doors, and never by force."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

from landfall.gateway.auth import Caller
from landfall.kube import server_side_apply
from landfall.kube.errors import AlreadyExistsError

Object = dict[str, Any]


async def applied(caller: Caller, kind: str, name: str, metadata: Object, spec: Object) -> Object:
    """Have this, and nothing else of ours, be said of an object; it is made where there is none. Raises KubeError."""
    raw = await server_side_apply.applied(caller.kube, kind, {"name": name, "namespace": caller.key.namespace, **metadata}, spec)
    caller.store(kind, raw)
    return raw


async def changed(caller: Caller, kind: str, raw: Object, change: server_side_apply.Change) -> Object:
    """Change what an object says, by what it says now; `change` may refuse. Raises KubeError."""
    result = await server_side_apply.changed(caller.kube, kind, raw, change)
    caller.store(kind, result)
    return result


async def store_secret(caller: Caller, name: str, values: Mapping[str, str], metadata: Object) -> None:
    """Have values kept in a Secret, which never changes; one that is there is the same request's, sent before. Raises KubeError."""
    secret_metadata = {"name": name, "namespace": caller.key.namespace, **metadata}
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": secret_metadata, "immutable": True, "stringData": dict(values)}
    with contextlib.suppress(AlreadyExistsError):
        await caller.kube.create("Secret", body)
