"""How the report of a build changes the status of its Release, and when a build that failed temporarily is tried again. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta

from landfall.api.release import ReleaseFailure, ReleaseStatus
from landfall.api.worker_protocol import Report
from landfall.lib.backoff import Backoff

_RETRIES = 5
_BACKOFF = Backoff(5, 300, factor=3)
_MESSAGE = 1000


def folded(before: ReleaseStatus, job: str, attempt: int, report: Report, now: datetime) -> ReleaseStatus:
    """The Release's status after the report of its build.

    Args:
        before: The status as it is recorded.
        job: Name of the Job whose worker sent the report.
        attempt: Number of that Job among those of the Release, from 1.
        report: The report.
        now: The current time.

    Returns:
        The status with the result of a finished build. After a temporary failure, `retry_after` is set for the first five attempts.
    """
    changes: dict[str, object] = {"build": report.build or before.build, "attempts": max(before.attempts, attempt)}
    failure = report.failure
    if report.final and before.finished != job:
        changes |= {"finished": job, "image": report.image}
        if failure and failure.transient and attempt <= _RETRIES:
            changes["retry_after"] = now + timedelta(seconds=_BACKOFF.pause(attempt))
        elif failure:
            changes["failure"] = ReleaseFailure(reason=failure.reason, message=failure.message[:_MESSAGE], at=now)
    return before.model_copy(update=changes)
