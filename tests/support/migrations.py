"""Migrations as the operator sees them, at each step of their lives, for tests of what is decided."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from landfall.api.annotations import Request
from landfall.api.connection import Connection
from landfall.api.migration import Migration, MigrationStatus, PlanSummary
from landfall.api.run import RunFailure, RunStatus
from landfall.controllers.job_state import ObservedJob
from landfall.controllers.migration.observed import ObservedMigration

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
DIGEST = "sha256:" + "a" * 64
PLAN = PlanSummary(digest=DIGEST, tables=2, columns=5, rows=100, estimated_seconds=3)


def migration(**spec: object) -> Migration:
    """One that moves a to b."""
    data = {"source": {"connectionRef": {"name": "a"}}, "target": {"connectionRef": {"name": "b"}}, **spec.pop("data", {})}  # type: ignore[dict-item]
    return Migration.model_validate({"metadata": {"name": "shop"}, "spec": {"data": data, **spec}})


def connection(name: str) -> Connection:
    """A Connection."""
    return Connection.model_validate({"metadata": {"name": name}, "spec": {"type": "PostgreSQL", "host": "h"}})


ENDS = {"a": connection("a"), "b": connection("b")}
FRESH = ObservedMigration(now=NOW, generation=1, migration=migration(), connections=ENDS, inputs="i", run_name="shop-1")
BEGUN = replace(FRESH, finalizer=True, run=RunStatus())
PLANNED = replace(
    BEGUN, run=RunStatus(plan=PLAN), plan_stored=True, jobs=(ObservedJob("shop-1-plan-1", "plan", 1, "i", complete=True),)
)
RUNNING = replace(
    PLANNED, run=RunStatus(plan=PLAN, state="copying"), jobs=(*PLANNED.jobs, ObservedJob("shop-1-run-1", "run", 1, "i"))
)
DONE = replace(
    RUNNING,
    run=RunStatus(plan=PLAN, state="cut_over", rows=100, verdict="equal"),
    jobs=(*PLANNED.jobs, ObservedJob("shop-1-run-1", "run", 1, "i", complete=True)),
)


def started(observed: ObservedMigration, own_migration: Migration | None = None) -> ObservedMigration:
    """The same with its start written down."""
    status = MigrationStatus(run="shop-1", start_time=NOW)
    return replace(observed, migration=(own_migration or migration()).model_copy(update={"status": status}))


CUTOVER_AT_NIGHT = migration(schedule={"maintenanceWindow": {"start": "22:00", "end": "23:00", "appliesTo": "Cutover"}})
THREE = migration(data={"workers": 3})
KEEPING = RunStatus(plan=PLAN, state="cut_over", rows=100, verdict="equal", kept=True)


def ended_at(moment: datetime) -> Migration:
    """One that was completed then."""
    return migration().model_copy(update={"status": MigrationStatus(run="shop-1", completion_time=moment)})


LATER = migration(schedule={"startAt": "2026-01-03T00:00:00Z"})


def failed(verb: str, *, transient: bool, inputs: str = "i", ended: float = 0, reason: str = "Unreachable") -> ObservedMigration:
    """One whose last worker of this verb failed."""
    job = ObservedJob(f"shop-1-{verb}-1", verb, 1, inputs, failed=True, ended_seconds=ended)
    failure = RunFailure(job=job.name, reason=reason, message="no server answers", transient=transient)
    before = () if verb == "plan" else PLANNED.jobs
    status = RunStatus(failure=failure, plan=None if verb == "plan" else PLAN)
    return started(replace(PLANNED, run=status, jobs=(*before, job), plan_stored=verb != "plan"))


REVIEW = RunStatus(plan=PLAN.model_copy(update={"to_review": 2}))
REHEARSE = Request(id="7", verb="rehearse")
