"""Writes reports into a Run's status before an action is executed, so that a crash after the action cannot lose them."""

from __future__ import annotations

from landfall import metrics
from landfall.controllers.context import log_write
from landfall.controllers.migration import table_plans
from landfall.controllers.migration.observe import MigrationObserver
from landfall.controllers.objects import format_time
from landfall.manifests.run import plan_maps


async def record(observer: MigrationObserver) -> None:
    """Store a new plan, write its TablePlans and then the Run's status, once; then remove the recorded reports. Raises KubeError."""
    reported, run = observer.reported, observer.run
    if run is not None and reported.changed:
        for report in reported.plans:
            for piece in plan_maps(run, report.plan_bytes, report.plan.digest if report.plan else ""):
                await observer.context.created("ConfigMap", piece)
            log_write(
                observer.raw, "store_plan", object=run["metadata"]["name"], digest=report.plan.digest if report.plan else ""
            )
            await table_plans.propose(observer.context, observer.raw, observer.plans, report)
            observer.plans = await table_plans.stored_table_plans(
                observer.context, observer.namespace, observer.raw["metadata"]["name"]
            )
        metrics.ROWS.inc(reported.rows)
        status = reported.status.model_dump(mode="json", by_alias=True, exclude_none=True)
        status |= {"reportedAt": format_time(reported.status.reported_at), "podCreated": format_time(reported.status.pod_created)}
        body = {name: value for name, value in status.items() if value is not None}
        observer.run = await observer.context.kube.replace_status("Run", {**run, "status": body})
    for job in reported.jobs:
        observer.context.reports.forget(observer.namespace, job)
