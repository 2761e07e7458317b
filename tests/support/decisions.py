"""Every state of a Migration that a rule decides on, with what is decided: phase, reason, action. A table for several tests."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from landfall.api.annotations import Request
from landfall.api.migration import MigrationStatus, Risk
from landfall.api.progress import Rehearsed
from landfall.api.run import RunStatus
from landfall.controllers.job_state import ObservedJob
from landfall.controllers.migration.observed import ObservedMigration
from tests.support.migrations import (
    BEGUN,
    CUTOVER_AT_NIGHT,
    DIGEST,
    DONE,
    ENDS,
    FRESH,
    KEEPING,
    LATER,
    NOW,
    PLAN,
    PLANNED,
    REHEARSE,
    REVIEW,
    RUNNING,
    THREE,
    ended_at,
    failed,
    migration,
    started,
)

ROWS: dict[str, tuple[ObservedMigration, str, str, str | None]] = {
    "a fresh one gets the finalizer before anything is made": (FRESH, "Pending", "Starting", "finalize"),
    "then its record": (replace(FRESH, finalizer=True), "Planning", "Planning", "run"),
    "then a plan": (BEGUN, "Planning", "Planning", "job"),
    "a missing Connection is told": (
        replace(FRESH, connections={"a": None, "b": ENDS["b"]}),
        "Pending",
        "ConnectionMissing",
        None,
    ),
    "a missing Secret is told": (replace(FRESH, missing_secrets=("s",)), "Pending", "SecretMissing", None),
    "a plan that needs nobody has its start written down": (PLANNED, "Approved", "Starting", None),
    "and runs": (started(PLANNED), "Approved", "Running", "job"),
    "a plan that needs a word waits": (
        replace(PLANNED, run=RunStatus(plan=PLAN.model_copy(update={"to_review": 2}))),
        "PlanReady",
        "ApprovalRequired",
        None,
    ),
    "nobody waits for the pod of a planning worker that has told its plan": (
        started(
            replace(
                PLANNED, run=RunStatus(plan=PLAN, finished="shop-1-plan-1"), jobs=(ObservedJob("shop-1-plan-1", "plan", 1, "i"),)
            )
        ),
        "Approved",
        "Running",
        "job",
    ),
    "a plan whose digest is committed runs": (
        started(
            replace(PLANNED, run=RunStatus(plan=PLAN.model_copy(update={"to_review": 2}))),
            migration(data={"approval": {"planDigest": DIGEST}}),
        ),
        "Approved",
        "Running",
        "job",
    ),
    "a blocker stalls": (
        replace(
            PLANNED,
            run=RunStatus(
                plan=PLAN.model_copy(
                    update={
                        "blockers": 1,
                        "risks": (Risk(severity="Blocker", type="X", affected="t", description="d", mitigation="m"),),
                    }
                )
            ),
        ),
        "PlanReady",
        "PlanBlocked",
        None,
    ),
    "Planned stops after the plan": (replace(PLANNED, migration=migration(desiredState="Planned")), "PlanReady", "Planned", None),
    "changed inputs are planned again": (replace(PLANNED, inputs="other"), "Planning", "Planning", "job"),
    "a worker at work is left alone": (RUNNING, "Running", "Running", None),
    "Paused suspends it": (replace(RUNNING, migration=migration(desiredState="Paused")), "Pausing", "Pausing", "suspend"),
    "the hold annotation suspends it": (replace(RUNNING, hold="release"), "Pausing", "Pausing", "suspend"),
    "a suspended one is Paused": (
        replace(RUNNING, hold="x", jobs=(*PLANNED.jobs, ObservedJob("shop-1-run-1", "run", 1, "i", suspended=True))),
        "Paused",
        "Paused",
        None,
    ),
    "without the hold it goes on": (
        replace(RUNNING, jobs=(*PLANNED.jobs, ObservedJob("shop-1-run-1", "run", 1, "i", suspended=True))),
        "Running",
        "Resuming",
        "resume",
    ),
    "Cancelled ends the worker first": (
        replace(RUNNING, migration=migration(desiredState="Cancelled")),
        "Cancelling",
        "Cancelling",
        "delete_job",
    ),
    "then goes back": (
        replace(PLANNED, run=RunStatus(plan=PLAN, state="copying"), migration=migration(desiredState="Cancelled")),
        "Cancelling",
        "Cancelling",
        "job",
    ),
    "Cancelled is reached": (
        replace(PLANNED, run=RunStatus(state="cancelled"), migration=migration(desiredState="Cancelled")),
        "Cancelled",
        "Cancelled",
        None,
    ),
    "a run that is asked for waits for the last worker of the one before": (
        replace(
            PLANNED,
            run=RunStatus(state="cancelled"),
            run_differs=True,
            jobs=(ObservedJob("shop-1-back-1", "back", 1, "i"),),
        ),
        "Pending",
        "Starting",
        None,
    ),
    "a used key asks for a new token": (replace(PLANNED, run=RunStatus(state="cancelled")), "Cancelled", "RunEnded", None),
    "done is done": (DONE, "Completed", "Completed", None),
    "what the ledger knew before is adopted": (
        replace(DONE, run=RunStatus(plan=PLAN, state="cut_over", adopted=True)),
        "Completed",
        "AlreadyCompleted",
        None,
    ),
    "done stays done when its Jobs are gone": (replace(DONE, jobs=()), "Completed", "Completed", None),
    "a renewed Secret changes no plan": (
        started(replace(PLANNED, inputs="i.new", jobs=(ObservedJob("shop-1-plan-1", "plan", 1, "i.old", complete=True),))),
        "Approved",
        "Running",
        "job",
    ),
    "what is mended in a database is tried again now and then": (
        failed("plan", transient=False, ended=400, reason="CredentialRefused"),
        "Failed",
        "CredentialRefused",
        "job",
    ),
    "RolledBack goes back": (replace(DONE, migration=migration(desiredState="RolledBack")), "RollingBack", "RollingBack", "job"),
    "what is completed cannot be cancelled": (
        replace(DONE, migration=migration(desiredState="Cancelled")),
        "Completed",
        "AlreadyCompleted",
        None,
    ),
    "a failure for a person stalls": (failed("run", transient=False), "Failed", "Unreachable", None),
    "a passing failure waits": (failed("plan", transient=True), "Pending", "Unreachable", None),
    "and is tried again": (failed("plan", transient=True, ended=60), "Pending", "Unreachable", "job"),
    "a mended environment is tried at once": (failed("plan", transient=False, inputs="before"), "Planning", "Planning", "job"),
    "a worker that ended without a word is tried again": (
        started(
            replace(PLANNED, jobs=(*PLANNED.jobs, ObservedJob("shop-1-run-1", "run", 1, "i", failed=True, ended_seconds=60)))
        ),
        "Pending",
        "WorkerLost",
        "job",
    ),
    "a completed worker without a finished ledger is tried again": (
        started(replace(PLANNED, jobs=(*PLANNED.jobs, ObservedJob("shop-1-run-1", "run", 1, "i", complete=True)))),
        "Approved",
        "Running",
        "job",
    ),
    "outside its hours a run stops at a checkpoint": (
        replace(started(RUNNING, LATER), run=RUNNING.run),
        "Pausing",
        "WindowClosed",
        "suspend",
    ),
    "and waits": (
        replace(started(RUNNING, LATER), jobs=(*PLANNED.jobs, replace(RUNNING.jobs[-1], suspended=True))),
        "Paused",
        "WindowClosed",
        None,
    ),
    "inside them it goes on": (
        replace(started(RUNNING), jobs=(*PLANNED.jobs, replace(RUNNING.jobs[-1], suspended=True))),
        "Running",
        "Resuming",
        "resume",
    ),
    "a plan waits for nobody's hours": (replace(BEGUN, migration=LATER), "Planning", "Planning", "job"),
    "what is planned waits for its hour": (replace(PLANNED, migration=LATER), "Approved", "Scheduled", None),
    "outside the window of the cutover the copy goes on": (
        started(RUNNING, CUTOVER_AT_NIGHT),
        "Running",
        "Running",
        None,
    ),
    "and what is copied waits for it": (
        started(
            replace(
                RUNNING,
                run=RunStatus(plan=PLAN, state="comparing"),
                jobs=(*PLANNED.jobs, replace(RUNNING.jobs[-1], complete=True)),
            ),
            CUTOVER_AT_NIGHT,
        ),
        "Paused",
        "WindowClosed",
        None,
    ),
    "a comparison at its end stops": (
        started(replace(RUNNING, run=RunStatus(plan=PLAN, state="comparing")), CUTOVER_AT_NIGHT),
        "Pausing",
        "WindowClosed",
        "suspend",
    ),
    "a zone that nobody knows is told": (
        replace(
            PLANNED, migration=migration(schedule={"maintenanceWindow": {"start": "01:00", "end": "02:00", "timeZone": "X"}})
        ),
        "Failed",
        "SpecInvalid",
        None,
    ),
    "a run that the spec no longer asks for waits": (replace(RUNNING, run_differs=True), "Paused", "RunStarted", "suspend"),
    "and is dropped when that is asked for": (
        replace(RUNNING, run_differs=True, migration=migration(desiredState="Cancelled")),
        "Cancelling",
        "Cancelling",
        "delete_job",
    ),
    "what has begun is cancelled by a worker, also where none has told anything": (
        started(PLANNED, migration(desiredState="Cancelled")),
        "Cancelling",
        "Cancelling",
        "job",
    ),
    "what has not begun is cancelled without a worker": (
        replace(PLANNED, migration=migration(desiredState="Cancelled")),
        "Cancelled",
        "Cancelled",
        None,
    ),
    "a rehearsal that is asked for comes before the approval": (
        replace(PLANNED, run=REVIEW, request=REHEARSE),
        "Rehearsing",
        "Rehearsing",
        "job",
    ),
    "and once": (
        replace(PLANNED, run=REVIEW.model_copy(update={"rehearsal": Rehearsed(request="7")}), request=REHEARSE),
        "PlanReady",
        "ApprovalRequired",
        None,
    ),
    "a run that has begun is not rehearsed": (
        replace(RUNNING, request=REHEARSE, jobs=PLANNED.jobs),
        "Approved",
        "Starting",
        None,
    ),
    "an annotation that is no request is told": (
        replace(PLANNED, request_problem="the annotation is no request"),
        "Failed",
        "RequestInvalid",
        None,
    ),
    "a start without approval begins": (
        replace(PLANNED, run=REVIEW, request=Request(id="7", verb="start", skip_approval=True)),
        "Approved",
        "Starting",
        None,
    ),
    "and not for the next run": (
        replace(
            PLANNED,
            run=REVIEW,
            request=Request(id="7", verb="start", skip_approval=True),
            migration=migration().model_copy(update={"status": MigrationStatus(last_handled_request="7")}),
        ),
        "PlanReady",
        "ApprovalRequired",
        None,
    ),
    "a start from where nothing is proven is refused": (
        replace(PLANNED, request=Request.model_validate({"id": "7", "verb": "start", "from": "validation"})),
        "Failed",
        "RequestRefused",
        None,
    ),
    "a start from where the ledger stands goes on": (
        started(
            replace(
                PLANNED,
                run=RunStatus(plan=PLAN, state="comparing"),
                request=Request.model_validate({"id": "7", "verb": "start", "from": "validation"}),
            )
        ),
        "Approved",
        "Running",
        "job",
    ),
    "going back goes on where it was held": (
        replace(
            DONE,
            migration=migration(desiredState="RolledBack"),
            jobs=(ObservedJob("shop-1-back-1", "back", 1, "i", suspended=True),),
        ),
        "RollingBack",
        "RollingBack",
        "resume",
    ),
    "more workers help the one that copies": (replace(RUNNING, migration=THREE), "Running", "Running", "job"),
    "as many as there are to be": (
        replace(RUNNING, migration=THREE, jobs=(*RUNNING.jobs, ObservedJob("h", "help", 1, "i", parallelism=1))),
        "Running",
        "Running",
        "scale",
    ),
    "and no more": (
        replace(RUNNING, migration=THREE, jobs=(*RUNNING.jobs, ObservedJob("h", "help", 1, "i", parallelism=2))),
        "Running",
        "Running",
        None,
    ),
    "those that found nothing left are not started again": (
        replace(RUNNING, migration=THREE, jobs=(*RUNNING.jobs, ObservedJob("h", "help", 1, "i", complete=True))),
        "Running",
        "Running",
        None,
    ),
    "after the copy nobody helps": (
        replace(
            RUNNING,
            migration=THREE,
            run=RunStatus(plan=PLAN, state="indexing"),
            jobs=(*RUNNING.jobs, ObservedJob("h", "help", 1, "i", parallelism=2)),
        ),
        "Running",
        "Running",
        "delete_job",
    ),
    "nor while it is paused": (
        replace(
            RUNNING,
            hold="x",
            migration=THREE,
            jobs=(
                *PLANNED.jobs,
                ObservedJob("shop-1-run-1", "run", 1, "i", suspended=True),
                ObservedJob("h", "help", 1, "i", parallelism=2),
            ),
        ),
        "Paused",
        "Paused",
        "delete_job",
    ),
    "what was replaced is kept for its time": (
        replace(DONE, migration=ended_at(NOW - timedelta(days=6)), run=KEEPING),
        "Completed",
        "Completed",
        None,
    ),
    "and dropped after it": (
        replace(DONE, migration=ended_at(NOW - timedelta(days=8)), run=KEEPING),
        "Completed",
        "Completed",
        "job",
    ),
    "once": (
        replace(DONE, migration=ended_at(NOW - timedelta(days=8)), run=KEEPING.model_copy(update={"expired": True})),
        "Completed",
        "Completed",
        None,
    ),
    "a deleted one ends its worker": (replace(RUNNING, deleting=True), "Deleting", "Deleting", "delete_job"),
    "then drops what was staged": (
        replace(PLANNED, deleting=True, run=RunStatus(plan=PLAN, state="copying")),
        "Deleting",
        "Deleting",
        "job",
    ),
    "one at a time": (
        replace(
            PLANNED,
            deleting=True,
            run=RunStatus(plan=PLAN, state="copying"),
            jobs=(ObservedJob("b1", "back", 1, "i"), ObservedJob("b2", "back", 2, "i", failed=True, ended_seconds=60)),
        ),
        "Deleting",
        "Deleting",
        None,
    ),
    "also where the worker's word was lost": (
        started(replace(PLANNED, deleting=True)),
        "Deleting",
        "Deleting",
        "job",
    ),
    "and lets go": (replace(DONE, deleting=True), "Deleting", "Deleting", "release"),
    "a namespace that ends is not held up": (
        replace(PLANNED, deleting=True, run=RunStatus(state="copying"), namespace_ends=True),
        "Deleting",
        "Deleting",
        "release",
    ),
}
