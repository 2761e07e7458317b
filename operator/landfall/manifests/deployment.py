"""The Deployment that a Migration brings: made once, owned by nobody, so that what was brought ashore outlives the move."""

from __future__ import annotations

from typing import Any

from landfall.api.fields import API_VERSION
from landfall.api.migration import LABEL_MIGRATION

Object = dict[str, Any]


def deployment(migration: Object, name: str, template: Object) -> Object:
    """The object. The template is taken as it was written, without the defaults that we know."""
    metadata = migration["metadata"]
    return {
        "apiVersion": API_VERSION,
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": metadata["namespace"], "labels": {LABEL_MIGRATION: metadata["name"]}},
        "spec": template,
    }
