"""What workers told last, by Job.

It is kept in memory alone: a report that is lost with this process is told again, or a worker looks again, for the truth
is the ledger in the target. So the oldest may go, too, where there are too many: those of workers whose object went meanwhile
are forgotten by nobody else.
"""

from __future__ import annotations

from landfall.api.worker_protocol import Report

Where = tuple[str, str]
_MOST = 20_000


class Reports:
    """The newest report of every Job, by (namespace, Job)."""

    def __init__(self) -> None:
        self._latest: dict[Where, Report] = {}

    def take(self, namespace: str, job: str, report: Report) -> bool:
        """Keep it, unless a newer one of the same pod, or one of a newer pod, is there; whether it was new."""
        before = self._latest.get((namespace, job))
        if before and not report.follows(before.pod, before.pod_created, before.sequence):
            return False
        self.forget(namespace, job)
        self._latest[(namespace, job)] = report
        if len(self._latest) > _MOST:
            del self._latest[next(iter(self._latest))]
        return True

    def of(self, namespace: str, job: str) -> Report | None:
        """The newest report of a Job."""
        return self._latest.get((namespace, job))

    def forget(self, namespace: str, job: str) -> None:
        """It is recorded in status, or nobody waits for it."""
        self._latest.pop((namespace, job), None)
