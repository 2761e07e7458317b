"""The Release of a Deployment, and the Secret with its captured environment."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any

from landfall.api.fields import API_VERSION
from landfall.api.release import LABEL_DEPLOYMENT, ReleaseSpec
from landfall.manifests.names import release_name
from landfall.manifests.parts import owned

KEY_BYTES = 32
Object = dict[str, Any]


def release(deployment: Object, spec: ReleaseSpec) -> Object:
    """The Release."""
    return {
        "apiVersion": API_VERSION,
        "kind": "Release",
        "metadata": _owned(deployment, release_name(deployment["metadata"]["name"], spec.revision)),
        "spec": spec.model_dump(mode="json", by_alias=True, exclude_none=True),
    }


def key_name(deployment: str) -> str:
    """The name of the Secret with the key of `environment_name`."""
    return f"{deployment}-environment-key"


def key_secret(deployment: Object, key: bytes) -> Object:
    """The Secret with the key of `environment_name`. Without a secret key, short values could be guessed from the name."""
    return _secret(deployment, key_name(deployment["metadata"]["name"]), {"key": key})


def environment_name(deployment: str, values: Mapping[str, str], key: bytes) -> str:
    """A keyed hash of the values: the same values give the same name, and the name does not reveal them."""
    content = json.dumps(values, sort_keys=True).encode()
    return f"{deployment}-environment-{hmac.new(key, content, hashlib.sha256).hexdigest()[:16]}"


def environment(deployment: Object, name: str, values: Mapping[str, str]) -> Object:
    """The immutable Secret with the captured values."""
    return _secret(deployment, name, values)


def _secret(deployment: Object, name: str, data: Mapping[str, str | bytes]) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "Opaque",
        "immutable": True,
        "metadata": _owned(deployment, name),
        "data": encoded(data),
    }


def encoded(data: Mapping[str, str | bytes]) -> dict[str, str]:
    """A Secret's `data`: values as base64."""
    return {k: base64.b64encode(v.encode() if isinstance(v, str) else v).decode() for k, v in data.items()}


def _owned(deployment: Object, name: str) -> Object:
    return owned(deployment, "Deployment", name, {LABEL_DEPLOYMENT: deployment["metadata"]["name"]})
