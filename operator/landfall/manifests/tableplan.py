"""A TablePlan as the operator creates it: for a user's decisions, without any yet."""

from __future__ import annotations

from typing import Any

from landfall.api.fields import API_VERSION
from landfall.api.migration import LABEL_MIGRATION
from landfall.api.tableplan import SourceTable, table_plan_name
from landfall.manifests.parts import owner

Object = dict[str, Any]


def table_plan(migration: Object, source: SourceTable) -> Object:
    """The object, owned by its Migration."""
    metadata = migration["metadata"]
    return {
        "apiVersion": API_VERSION,
        "kind": "TablePlan",
        "metadata": {
            "name": table_plan_name(metadata["name"], source),
            "namespace": metadata["namespace"],
            "labels": {LABEL_MIGRATION: metadata["name"]},
            "ownerReferences": [owner("Migration", metadata["name"], metadata["uid"])],
        },
        "spec": {
            "migrationRef": {"name": metadata["name"]},
            "source": source.model_dump(mode="json", by_alias=True, exclude_none=True),
        },
    }
