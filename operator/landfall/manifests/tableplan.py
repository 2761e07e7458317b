"""A TablePlan as the operator makes one: a place for a person's decisions, with none in it."""

from __future__ import annotations

import hashlib
import re
from typing import Any

from landfall.api.fields import API_VERSION
from landfall.api.tableplan import SourceTable
from landfall.manifests.run import owner

_MIGRATION, _TABLE = 100, 100
Object = dict[str, Any]


def table_plan_name(migration: str, source: SourceTable) -> str:
    """A pure function of names, so that a person can commit decisions before there is a plan."""
    slug = re.sub(r"[^a-z0-9]+", "-", source.table.lower()).strip("-")[:_TABLE].strip("-") or "table"
    name = f"{source.schema_ or ''}.{source.table}"
    return f"{migration[:_MIGRATION].rstrip('-.')}-{slug}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def table_plan(migration: Object, source: SourceTable) -> Object:
    """The object, owned by its Migration."""
    metadata = migration["metadata"]
    return {
        "apiVersion": API_VERSION,
        "kind": "TablePlan",
        "metadata": {
            "name": table_plan_name(metadata["name"], source),
            "namespace": metadata["namespace"],
            "labels": {"landfall.dev/migration": metadata["name"]},
            "ownerReferences": [owner("Migration", metadata["name"], metadata["uid"])],
        },
        "spec": {
            "migrationRef": {"name": metadata["name"]},
            "source": source.model_dump(mode="json", by_alias=True, exclude_none=True),
        },
    }
