"""The Run of a Migration, and the ConfigMaps that hold its plan."""

from __future__ import annotations

import base64
from typing import Any

from landfall.api.fields import API_VERSION
from landfall.api.migration import LABEL_MIGRATION, Migration
from landfall.api.plan_storage import COUNT, LABEL_RUN, PLAN
from landfall.api.run import DECLARED_SOURCE, DECLARED_TARGET
from landfall.manifests.parts import owner

_PIECE = 700_000
_NAME = 40
Object = dict[str, Any]


def run_name(migration: str, key: str) -> str:
    """The Run's name, a pure function of the Migration's name and the declared key (the hash of what the spec declares)."""
    return f"{migration[:_NAME].rstrip('-.')}-{key[:10]}"


def run(migration: Migration, uid: str, key: str, image: str, ends: tuple[str, str] = ("", "")) -> Object:
    """The Run. `key` is the declared key, `ends` are the declared identities of source and target."""
    data = migration.spec.data
    return {
        "apiVersion": API_VERSION,
        "kind": "Run",
        "metadata": {
            "name": run_name(migration.metadata.name, key),
            "namespace": migration.metadata.namespace,
            "labels": {LABEL_MIGRATION: migration.metadata.name},
            "annotations": {DECLARED_SOURCE: ends[0], DECLARED_TARGET: ends[1]},
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
    """The packed plan (base64) in ConfigMaps below the size limit, named by the plan's digest, so that a new plan gets new ConfigMaps."""
    data = base64.b64decode(packed)
    pieces = [data[at : at + _PIECE] for at in range(0, len(data), _PIECE)]
    stem = f"{run['metadata']['name']}-plan-{digest.removeprefix('sha256:')[:8]}"
    return [
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {
                "name": f"{stem}-{at}",
                "namespace": run["metadata"]["namespace"],
                "labels": {LABEL_RUN: run["metadata"]["name"]},
                "annotations": {COUNT: str(len(pieces)), PLAN: digest},
                "ownerReferences": [owner("Run", run["metadata"]["name"], run["metadata"]["uid"])],
            },
            "immutable": True,
            "binaryData": {"plan": base64.b64encode(piece).decode()},
        }
        for at, piece in enumerate(pieces)
    ]
