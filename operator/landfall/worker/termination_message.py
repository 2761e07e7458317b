"""The last report, left in the pod as its termination message: it is read there when nobody heard it, or whoever heard it died first."""

from __future__ import annotations

import contextlib
from pathlib import Path

from landfall.api.worker_protocol import Report

WORDS = Path("/dev/termination-log")
_MOST = 4096  # octets that the kubelet keeps
_SHORT = 1000


def leave(report: Report, at: Path) -> None:
    """Write the last report into the pod's termination message. Where that cannot be written, the intake alone hears it."""
    with contextlib.suppress(OSError):
        at.write_text(last_words(report), encoding="utf-8")


def last_words(report: Report) -> str:
    """A report as JSON of at most 4096 octets: what is longest and can be learnt elsewhere is left out, one after the other.

    A plan that nothing was begun with is left out with its bytes: without them it is of no use, and planning is repeated.
    """
    kept = report.model_copy(update={"lines": (), "plan_bytes": "", "tables": (), "plan": report.plan if report.state else None})
    text = _text(kept)
    while len(text.encode()) > _MOST:
        shorter = _shorter(kept)
        if shorter == kept:
            return ""
        kept, text = shorter, _text(shorter)
    return text


def _shorter(report: Report) -> Report:
    """The same without the longest part that is left."""
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
