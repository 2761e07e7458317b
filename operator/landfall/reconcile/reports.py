"""What workers told last, by Job.

It is kept in memory alone: a report that is lost with this process is told again, or a worker looks again, for the truth
is the ledger in the target.
"""

from __future__ import annotations

from landfall.api.report import Report

Where = tuple[str, str]


class Reports:
    """The newest report of every Job, by (namespace, Job)."""

    def __init__(self) -> None:
        self._latest: dict[Where, Report] = {}

    def take(self, namespace: str, job: str, report: Report) -> bool:
        """Keep it, unless a newer one is there; whether it was new."""
        before = self._latest.get((namespace, job))
        if before and before.sequence >= report.sequence:
            return False
        self._latest[(namespace, job)] = report
        return True

    def of(self, namespace: str, job: str) -> Report | None:
        """The newest report of a Job."""
        return self._latest.get((namespace, job))

    def forget(self, namespace: str, job: str) -> None:
        """It is recorded in status, or nobody waits for it."""
        self._latest.pop((namespace, job), None)
