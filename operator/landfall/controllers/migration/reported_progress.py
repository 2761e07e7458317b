"""How a worker's report changes the Run's status: which reports are new, and what each of them adds. Pure.

A report is cumulative, and the ledger in the target is authoritative. A report of a pod that a later pod has replaced is dropped,
whatever its number: each pod counts from 0, and a resumed Job has a new pod.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from landfall.api.progress import Progress, TableProgress
from landfall.api.run import RunFailure, RunStatus
from landfall.api.worker_protocol import Report
from landfall.ledger_states import State

_PROGRESS_SECONDS = 5


def stale(before: RunStatus, job: str, report: Report) -> bool:
    """Whether a report is already recorded, or is of a pod that a later pod has replaced.

    Args:
        before: The Run's status. Version 0.1 recorded only the Job and the number.
        job: Name of the Job whose pod sent the report.
        report: The report.
    """
    pods_are_known = bool(before.reported_by_pod and report.pod)
    if before.reported_by != job and not pods_are_known:
        return False
    return not report.follows(before.reported_by_pod, before.pod_created, before.sequence)


def waits(before: RunStatus, job: str, report: Report, now: datetime) -> bool:
    """Whether a report has only new numbers, and the last ones were recorded less than 5 s ago."""
    young = before.reported_at is not None and (now - before.reported_at).total_seconds() < _PROGRESS_SECONDS
    same = (before.reported_by, before.reported_by_pod) == (job, report.pod)
    return young and same and not report.final and before.state == report.state


def folded(before: RunStatus, job: str, report: Report, now: datetime) -> RunStatus:
    """The Run's status after a report."""
    failure = report.failure
    new_worker = before.reported_by != job or bool(before.reported_by_pod and before.reported_by_pod != report.pod)
    state = report.state or before.state
    rehearsal = report.rehearsal.model_copy(update={"finished_at": now}) if report.rehearsal else before.rehearsal
    status = before.model_copy(
        update={
            "observed_generation": 1,
            "state": state,
            "ledger_key": report.key or before.ledger_key,
            "plan": report.plan or before.plan,
            "progress": _progress(before, report),
            "verdict": report.verdict or before.verdict,
            "rows": report.rows or before.rows,
            "kept": report.kept or before.kept,
            "expired": report.expired or before.expired,
            "rehearsal": rehearsal,
            "consistent_as_of": report.consistent_as_of or before.consistent_as_of,
            "frozen_seconds": report.frozen_seconds or before.frozen_seconds,
            "locks_given_back": max(report.locks_given_back, before.locks_given_back),
            "failure": RunFailure(job=job, reason=failure.reason, message=failure.message, transient=failure.transient)
            if failure
            else None,
            "adopted": before.adopted or (report.already and report.plan is not None),
            "attempts": before.attempts + new_worker,
            "reported_by": job,
            "reported_by_pod": report.pod,
            "pod_created": report.pod_created,
            "finished": _finished(before, job, report),
            "sequence": report.sequence,
            "reported_at": now,
            # The write lock ends with the worker that cut over. A worker that finds the cutover done never held it.
            "source_released": state is State.CUT_OVER and (before.source_released or report.final or report.already),
        }
    )
    return status.model_copy(update={"progress": _completed(status)}) if state is State.CUT_OVER else status


@dataclass(frozen=True, slots=True)
class ReportFold:
    """What reports add to a Run, and what is to be written.

    `status`: the status with the reports. `plans`: reports with a plan, which is stored before the status names it. `jobs`: the Jobs whose
    report can be removed. `rows`: rows copied since the last recorded status.
    """

    status: RunStatus
    changed: bool = False
    plans: tuple[Report, ...] = ()
    jobs: tuple[str, ...] = ()
    rows: int = 0

    def add(self, job: str, report: Report, now: datetime) -> ReportFold:
        """The fold with the report of a Job, if it is new."""
        before = self.status
        if stale(before, job, report):
            return self.without(job) if report.final or report.pod != before.reported_by_pod else self
        if waits(before, job, report, now):
            return self
        status = folded(before, job, report, now)
        copied_rows = before.progress.rows if before.progress else 0
        with_it = replace(
            self,
            status=status,
            changed=True,
            plans=(*self.plans, report) if report.plan_bytes and report.plan else self.plans,
            rows=self.rows + (max(0, status.progress.rows - copied_rows) if status.progress else 0),
        )
        return with_it.without(job) if report.final else with_it

    def without(self, job: str) -> ReportFold:
        """The fold with a Job whose report can be removed."""
        return replace(self, jobs=(*self.jobs, job))

    def brings(self, digest: str) -> bool:
        """Whether a report contains the plan of this digest."""
        return any(report.plan is not None and report.plan.digest == digest for report in self.plans)


def _finished(before: RunStatus, job: str, report: Report) -> str:
    """The last Job whose worker has finished; a Job that was resumed has not."""
    if report.final:
        return job
    return "" if before.finished == job else before.finished


def _progress(before: RunStatus, report: Report) -> Progress | None:
    grave = report.failure is not None and not report.failure.transient
    if report.rehearsal:
        return None  # the rehearsal's rows are dropped
    progress = report.progress or before.progress or (Progress() if grave else None)
    escalated = (before.progress.escalated_errors if before.progress else 0) + grave
    return progress.model_copy(update={"escalated_errors": escalated}) if progress else None


def _completed(status: RunStatus) -> Progress:
    """The progress of a run that is cut over: complete, whatever was reported last, because a cutover requires that every chunk is equal."""
    progress = status.progress or Progress()
    whole: dict[str, object] = {"percent": 100, "step_percent": 100, "remaining_seconds": 0, "checkpoint_seconds": None}
    if not status.verdict:
        return progress.model_copy(update=whole)
    tables = tuple(_equal(table) for table in progress.tables)
    rows, planned_rows = max(progress.rows, status.rows), status.plan.rows if status.plan else 0
    whole |= {
        "rows": rows,
        "total_rows": progress.total_rows or planned_rows or rows,
        "compared_rows": max(progress.compared_rows, status.rows),
    }
    whole |= {"tables": tables, "tables_done": max(len(tables), status.plan.tables if status.plan else 0)}
    return progress.model_copy(update=whole)


def _equal(table: TableProgress) -> TableProgress:
    rows = table.rows or table.compared_rows
    return table.model_copy(update={"state": "Equal", "rows": rows, "compared_rows": table.compared_rows or rows})
