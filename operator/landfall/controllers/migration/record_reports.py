"""Writes what reports add to a Run, before anything is done for it: whoever acted on a report and died would have forgotten it."""

from __future__ import annotations

from landfall import metrics
from landfall.controllers.migration import table_plans
from landfall.controllers.migration.observe import Look
from landfall.controllers.objects import told
from landfall.manifests.run import plan_maps


async def record(look: Look) -> None:
    """Store a new plan, write its TablePlans and then the Run's status, once; forget the reports that it has. Raises KubeError."""
    reported, run = look.reported, look.run
    if run is not None and reported.changed:
        for report in reported.plans:
            for piece in plan_maps(run, report.plan_bytes, report.plan.digest if report.plan else ""):
                await look.hands.created("ConfigMap", piece)
            await table_plans.propose(look.hands, look.raw, look.plans, report)
            look.plans = await table_plans.held(look.hands, look.namespace, look.raw["metadata"]["name"])
        metrics.ROWS.inc(reported.rows)
        status = reported.status.model_dump(mode="json", by_alias=True, exclude_none=True)
        status |= {"reportedAt": told(reported.status.reported_at), "podCreated": told(reported.status.pod_created)}
        body = {name: value for name, value in status.items() if value is not None}
        look.run = await look.hands.kube.replace_status("Run", {**run, "status": body})
    for job in reported.jobs:
        look.hands.reports.forget(look.namespace, job)
