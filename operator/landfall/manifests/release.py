"""The Release of a Deployment, and the Secret with the environment that it captured."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any

from landfall.api.fields import API_VERSION
from landfall.api.release import ReleaseSpec
from landfall.core.deployment.wanted import release_name
from landfall.manifests.run import owner

LABEL_DEPLOYMENT = "landfall.dev/deployment"
KEY_BYTES = 32
Object = dict[str, Any]


def release(deployment: Object, spec: ReleaseSpec) -> Object:
    """The Release."""
    metadata = deployment["metadata"]
    return {
        "apiVersion": API_VERSION,
        "kind": "Release",
        "metadata": {**_owned(deployment), "name": release_name(metadata["name"], spec.revision)},
        "spec": spec.model_dump(mode="json", by_alias=True, exclude_none=True),
    }


def key_name(deployment: str) -> str:
    """The Secret with the key that names environments."""
    return f"{deployment}-environment-key"


def key_secret(deployment: Object, key: bytes) -> Object:
    """That Secret: without it, a name would let short values be guessed."""
    return _secret(deployment, key_name(deployment["metadata"]["name"]), {"key": base64.b64encode(key).decode()})


def environment_name(deployment: str, values: Mapping[str, str], key: bytes) -> str:
    """A keyed hash of the content: the same values have the same name, and the name tells nothing of them."""
    told = json.dumps(values, sort_keys=True).encode()
    return f"{deployment}-environment-{hmac.new(key, told, hashlib.sha256).hexdigest()[:16]}"


def environment(deployment: Object, name: str, values: Mapping[str, str]) -> Object:
    """The captured values, which never change."""
    return _secret(deployment, name, {k: base64.b64encode(v.encode()).decode() for k, v in values.items()})


def _secret(deployment: Object, name: str, data: Mapping[str, str]) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "Opaque",
        "immutable": True,
        "metadata": {**_owned(deployment), "name": name},
        "data": dict(data),
    }


def _owned(deployment: Object) -> Object:
    metadata = deployment["metadata"]
    return {
        "namespace": metadata["namespace"],
        "labels": {LABEL_DEPLOYMENT: metadata["name"], "app.kubernetes.io/managed-by": "landfall"},
        "ownerReferences": [owner("Deployment", metadata["name"], metadata["uid"])],
    }
