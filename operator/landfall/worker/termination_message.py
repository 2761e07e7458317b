"""The last report as the pod's termination message: the operator reads it there if the report was not delivered or not stored."""

from __future__ import annotations

import contextlib
from pathlib import Path

from landfall.api.worker_protocol import Report

TERMINATION_LOG = Path("/dev/termination-log")
_MOST = 4096  # bytes that the kubelet keeps
_SHORT = 1000


def write_termination_message(report: Report, at: Path) -> None:
    """Write the last report to the pod's termination message. If this fails, only the intake gets it."""
    with contextlib.suppress(OSError):
        at.write_text(termination_message(report), encoding="utf-8")


def termination_message(report: Report) -> str:
    """Return a report as JSON of at most 4096 bytes. The longest parts that are available elsewhere are left out first.

    A plan of a run that has not started is left out completely: it is useless without its bytes, and planning is repeated.
    """
    short_report = report.model_copy(
        update={"lines": (), "plan_bytes": "", "tables": (), "plan": report.plan if report.state else None}
    )
    text = _text(short_report)
    while len(text.encode()) > _MOST:
        shorter = _shorter(short_report)
        if shorter == short_report:
            return ""
        short_report, text = shorter, _text(shorter)
    return text


def _shorter(report: Report) -> Report:
    """The report without its longest remaining part."""
    build, plan, progress, failure = report.build, report.plan, report.progress, report.failure
    if build and (build.evidence or build.notes):
        return report.model_copy(update={"build": build.model_copy(update={"evidence": (), "notes": ()})})
    if plan and plan.risks:
        return report.model_copy(update={"plan": plan.model_copy(update={"risks": ()})})
    if progress and progress.tables:
        fewer = progress.tables[: len(progress.tables) // 2]
        return report.model_copy(update={"progress": progress.model_copy(update={"tables": fewer})})
    if plan:
        return report.model_copy(update={"plan": None})
    if failure and len(failure.message) > _SHORT:
        return report.model_copy(update={"failure": failure.model_copy(update={"message": failure.message[:_SHORT]})})
    return report


def _text(report: Report) -> str:
    return report.model_dump_json(by_alias=True, exclude_none=True, exclude_defaults=True)
