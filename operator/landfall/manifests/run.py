"""The Run of a Migration, and the ConfigMaps that hold its plan."""

from __future__ import annotations

import base64
from typing import Any

from landfall.api.fields import API_VERSION
from landfall.api.migration import Migration

_PIECE = 700_000
_NAME = 40
Object = dict[str, Any]


def run_name(migration: str, key: str) -> str:
    """The Run's name, a pure function of the Migration's name and the key."""
    return f"{migration[:_NAME].rstrip('-.')}-{key[:10]}"


def owner(kind: str, name: str, uid: str, api_version: str = API_VERSION) -> Object:
    """A controller owner reference."""
    return {"apiVersion": api_version, "kind": kind, "name": name, "uid": uid, "controller": True, "blockOwnerDeletion": False}


def run(migration: Migration, uid: str, key: str, image: str) -> Object:
    """The Run."""
    data = migration.spec.data
    return {
        "apiVersion": API_VERSION,
        "kind": "Run",
        "metadata": {
            "name": run_name(migration.metadata.name, key),
            "namespace": migration.metadata.namespace,
            "labels": {"landfall.dev/migration": migration.metadata.name},
            "ownerReferences": [owner("Migration", migration.metadata.name, uid)],
        },
        "spec": {
            "migrationRef": {"name": migration.metadata.name},
            "key": key,
            "image": image,
            "data": data.model_dump(mode="json", by_alias=True, exclude_none=True) if data else {},
            "retainSeconds": migration.spec.rollback.retain_seconds,
        },
    }


def plan_maps(run: Object, packed: str, digest: str) -> list[Object]:
    """The packed plan (base64) in ConfigMaps that fit into the server's limit; named by the digest, so that a new plan gets new ones."""
    data = base64.b64decode(packed)
    pieces = [data[at : at + _PIECE] for at in range(0, len(data), _PIECE)]
    names = plan_names(run["metadata"]["name"], digest, len(pieces))
    return [
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {
                "name": name,
                "namespace": run["metadata"]["namespace"],
                "labels": {"landfall.dev/run": run["metadata"]["name"]},
                "annotations": {"landfall.dev/pieces": str(len(pieces)), "landfall.dev/plan": digest},
                "ownerReferences": [owner("Run", run["metadata"]["name"], run["metadata"]["uid"])],
            },
            "immutable": True,
            "binaryData": {"plan": base64.b64encode(piece).decode()},
        }
        for name, piece in zip(names, pieces, strict=True)
    ]


def plan_names(run: str, digest: str, count: int) -> list[str]:
    """Names of the plan's ConfigMaps."""
    return [f"{run}-plan-{digest.removeprefix('sha256:')[:8]}-{at}" for at in range(count)]
