"""`/v1/migrations/{id}/validation`: the result of the verification."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field

from landfall.gateway.dependencies import CallerDep
from landfall.gateway.routes.migrations import get_migration
from landfall.gateway.views.metrics import equal_at_once
from landfall.gateway.views.migration import Problem, condition, identifier, status_of
from landfall.lifecycle import ENDED

Object = dict[str, Any]
Status = Literal["pending", "running", "passed", "failed", "skipped"]
_STATUSES: dict[str, Status] = {"Pending": "pending", "Running": "running", "Done": "passed", "Failed": "failed"}
ROUTER = APIRouter(prefix="/v1/migrations/{migration_id}", tags=["migrations"])


class TableValidation(BaseModel):
    """One table."""

    table: str
    status: Literal["pending", "passed"] = Field(description="passed: every chunk of the table is equal to its source.")
    records: int = Field(description="Number of copied records.")
    records_compared: int = Field(description="Number of record comparisons. A record that is compared twice counts twice.")
    records_corrected: int = Field(
        description="Number of records that changed in the source after they were copied, and were repaired."
    )


class Validation(BaseModel):
    """The result of the verification. Every record is compared, none sampled; a remaining difference ends the run before its cutover."""

    migration_id: str
    status: Status = Field(description="skipped: the migration has no records, or ended before the verification.")
    records_in_target: int | None = Field(description="Number of records in the target, as verified.")
    records_compared: int
    records_corrected: int
    pass_rate_percent: float | None = Field(description="Share of records that were equal at the first comparison, in percent.")
    consistent_as_of: str | None = Field(description="Position or time of the source snapshot that was verified.")
    writers_locked_out_seconds: float | None = Field(description="Duration of the write lock on the source, in seconds.")
    started_at: str | None
    finished_at: str | None
    error: Problem | None = Field(description="Reason of the failure: the table, and the keys that differ.")
    by_table: list[TableValidation] = Field(description="Tables, at most 50: those in progress first, then the largest.")


class ValidationAnswer(BaseModel):
    """The result of the verification."""

    data: Validation


@ROUTER.get("/validation")
async def validation(caller: CallerDep, migration_id: str) -> ValidationAnswer:
    """Get the result of the verification."""
    raw = await get_migration(caller, migration_id)
    run = (raw.get("status") or {}).get("run", "")
    run_object = await caller.get("Run", run) if run else None
    return ValidationAnswer(data=validation_of(raw, (run_object or {}).get("status") or {}))


def validation_of(raw: Object, run: Object) -> Validation:
    """The result of a Migration, from the status of its Run. Pure."""
    status = raw.get("status") or {}
    progress = status.get("progress") or {}
    step: Object = next((item for item in status.get("steps") or [] if item["name"] == "validation"), {})
    stands = _stands(raw, step)
    ready = condition(raw, "Ready")
    return Validation(
        migration_id=identifier(raw),
        status=stands,
        records_in_target=run.get("rows", 0) if stands == "passed" else None,
        records_compared=progress.get("comparedRows", 0),
        records_corrected=progress.get("correctedRows", 0),
        pass_rate_percent=equal_at_once(progress),
        consistent_as_of=run.get("consistentAsOf") or None,
        writers_locked_out_seconds=run.get("frozenSeconds"),
        started_at=step.get("startedAt"),
        finished_at=step.get("finishedAt"),
        error=Problem(code=str(ready.get("reason", "")), message=str(ready.get("message", ""))) if stands == "failed" else None,
        by_table=[
            TableValidation(
                table=item["table"],
                status="passed" if item["state"] == "Equal" else "pending",
                records=item.get("rows", 0),
                records_compared=item.get("comparedRows", 0),
                records_corrected=item.get("correctedRows", 0),
            )
            for item in progress.get("tables") or []
        ],
    )


def _stands(raw: Object, step: Object) -> Status:
    status = _STATUSES[step.get("status", "Pending")]
    if status == "passed" and (raw.get("status") or {}).get("verdict"):
        return "passed"
    if status == "passed" or (status == "pending" and status_of(raw) in ENDED) or not raw["spec"].get("data"):
        return "skipped"
    return status
