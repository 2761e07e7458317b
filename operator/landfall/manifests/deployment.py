"""The Deployment that a Migration creates. It is created once and has no owner, so that it outlives the Migration."""

from __future__ import annotations

from typing import Any

from landfall.api.fields import API_VERSION
from landfall.api.migration import LABEL_MIGRATION

Object = dict[str, Any]


def deployment(migration: Object, name: str, template: Object) -> Object:
    """The object. The template is copied as written, without defaults of Landfall."""
    metadata = migration["metadata"]
    return {
        "apiVersion": API_VERSION,
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": metadata["namespace"], "labels": {LABEL_MIGRATION: metadata["name"]}},
        "spec": template,
    }
