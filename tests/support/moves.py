"""A Migration of the shop in a namespace in memory, and what the operator says of it."""

from __future__ import annotations

import base64
from typing import Any

from landfall.engine.model.plan import Plan
from landfall.engine.model.plan_codec import packed
from landfall.manifests.run import plan_maps
from tests.support.gateway import Namespace
from tests.support.plans import planned

Object = dict[str, Any]
ID = "mig_shop"
PLAN = planned()
SPEC = {"data": {"source": {"connectionRef": {"name": "old"}}, "target": {"connectionRef": {"name": "new"}, "schema": "shop"}}}

# A move, as its contract prints the request.
PRINTED = {
    "name": "Q1 Database Modernization",
    "description": "Migrate legacy Oracle to PostgreSQL",
    "source": {
        "connection_id": "conn_oracle_prod",
        "schemas": ["HR", "FINANCE"],
        "exclude_tables": ["AUDIT_LOG", "TEMP_*"],
    },
    "target": {"connection_id": "conn_postgres_cloud", "schema": "public"},
    "options": {
        "mode": "full",
        "parallelism": 8,
        "batch_size": 10000,
        "auto_approve_above": 0.95,
        "generate_rollback": True,
    },
    "schedule": {
        "start_at": "2026-02-15T02:00:00Z",
        "maintenance_window": {"start": "02:00", "end": "06:00", "timezone": "America/New_York"},
    },
    "notifications": {
        "email": ["team@company.com"],
        "slack_channel": "#data-ops",
        "on_events": ["completed", "failed", "approval_required"],
    },
}


def stands(cluster: Namespace, phase: str, **status: Any) -> None:
    """The operator says this of the Migration."""
    cluster.objects["Migration", "shop"]["status"] = {"phase": phase, **status}


def planned_now(cluster: Namespace, *, to_review: int = 0, stored_plan: Plan = PLAN, **more: Any) -> None:
    """Its plan is there, whole."""
    digest = stored_plan.digest()
    run = {"metadata": {"name": "shop-1", "namespace": "shop", "uid": "r"}}
    for piece in plan_maps(run, base64.b64encode(packed(stored_plan)).decode(), digest):
        cluster.objects["ConfigMap", piece["metadata"]["name"]] = piece
    plan = {"digest": digest, "tables": 1, "columns": 3, "toReview": to_review, "rows": 5000, "estimatedSeconds": 9, **more}
    stands(cluster, "PlanReady", plan=plan, run="shop-1")


def owned_spec(cluster: Namespace) -> Object:
    """What this door says of the Migration now."""
    return dict(cluster.ours["Migration", "shop"]["spec"])
