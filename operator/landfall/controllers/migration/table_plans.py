"""The TablePlans of a Migration: created for tables that need a decision; the operator writes proposals and conditions to their status.

The operator creates them without decisions and never changes their spec afterwards.
"""

from __future__ import annotations

from dataclasses import dataclass

from landfall.api.tableplan import TablePlan, TablePlanStatus, decided
from landfall.api.worker_protocol import Report
from landfall.controllers.context import Context, log_write
from landfall.controllers.migration.table_plan_status import proposal_of, proposed, status_of
from landfall.controllers.objects import to_model_input
from landfall.kube.client import Object
from landfall.manifests.tableplan import table_plan


@dataclass(frozen=True, slots=True)
class StoredTablePlan:
    """A TablePlan: the raw object and the model."""

    raw: Object
    plan: TablePlan

    @property
    def decisions_for_plan(self) -> object:
        """What a plan must take into account; None if the operator created it and no decision was made yet."""
        decisions = decided(self.plan.spec)
        return (self.raw["metadata"]["name"], decisions) if decisions or not self.raw["metadata"].get("ownerReferences") else None


async def stored_table_plans(context: Context, namespace: str, migration: str) -> tuple[StoredTablePlan, ...]:
    """The TablePlans of a Migration, by name."""
    listed = await context.kube.listed("TablePlan", namespace)
    of_migration = [
        r for r in listed if r["spec"]["migrationRef"]["name"] == migration and "deletionTimestamp" not in r["metadata"]
    ]
    for raw in of_migration:  # items of a list have no kind
        raw |= {"apiVersion": "landfall.dev/v1alpha1", "kind": "TablePlan"}
    return tuple(
        StoredTablePlan(raw, TablePlan.model_validate(to_model_input(raw)))
        for raw in sorted(of_migration, key=lambda r: str(r["metadata"]["name"]))
    )


async def propose(context: Context, migration: Object, stored_plans: tuple[StoredTablePlan, ...], report: Report) -> None:
    """Write the proposals of a new plan to the TablePlans, creating those that are needed."""
    digest = report.plan.digest if report.plan else ""
    for table in report.tables:
        if not any(proposal_of(stored.plan, (table,)) for stored in stored_plans):
            body = table_plan(migration, table.source)
            await context.created("TablePlan", body)
            log_write(migration, "create_table_plan", object=body["metadata"]["name"])
    for stored in await stored_table_plans(context, migration["metadata"]["namespace"], migration["metadata"]["name"]):
        generation = stored.raw["metadata"]["generation"]
        status = proposed(stored.plan, generation, digest, proposal_of(stored.plan, report.tables))
        await _write(context, stored, status)


async def write_conditions(
    context: Context, stored_plans: tuple[StoredTablePlan, ...], *, approved: bool, has_begun: bool
) -> None:
    """Write their conditions."""
    for stored in stored_plans:
        status = status_of(
            stored.plan, stored.raw["metadata"]["generation"], context.clock(), approved=approved, has_begun=has_begun
        )
        if status:
            await _write(context, stored, status)


async def _write(context: Context, stored: StoredTablePlan, status: TablePlanStatus) -> None:
    current = status.model_dump(mode="json", by_alias=True, exclude_none=True)
    before = stored.plan.status.model_dump(mode="json", by_alias=True, exclude_none=True) if stored.plan.status else {}
    if current != before:
        await context.kube.replace_status("TablePlan", {**stored.raw, "status": current})
