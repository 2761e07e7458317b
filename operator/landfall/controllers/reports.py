"""The latest report of each worker, by Job.

Reports are kept only in memory: a lost one is sent again, or a new worker reads the ledger in the target, which is authoritative. The
number is limited, because reports of workers whose object was deleted are removed by no reconcile.
"""

from __future__ import annotations

from landfall.api.worker_protocol import Report

Where = tuple[str, str]
_MOST = 20_000


class Reports:
    """The latest report of each Job, by (namespace, Job)."""

    def __init__(self) -> None:
        self._latest: dict[Where, Report] = {}

    def take(self, namespace: str, job: str, report: Report) -> bool:
        """Store a report and return True, unless a later report of the same pod or a report of a later pod is stored."""
        before = self._latest.get((namespace, job))
        if before and not report.follows(before.pod, before.pod_created, before.sequence):
            return False
        self.forget(namespace, job)
        self._latest[(namespace, job)] = report
        if len(self._latest) > _MOST:
            del self._latest[next(iter(self._latest))]
        return True

    def of(self, namespace: str, job: str) -> Report | None:
        """The latest report of a Job."""
        return self._latest.get((namespace, job))

    def forget(self, namespace: str, job: str) -> None:
        """Remove the report of a Job: it is in a status, or not needed."""
        self._latest.pop((namespace, job), None)
