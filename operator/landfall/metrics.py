"""Metrics of the loop (controller-runtime's names) and of what it takes in."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

RECONCILED = Counter("controller_runtime_reconcile", "Reconciliations per controller.", ["controller", "result"])
ERRORS = Counter("controller_runtime_reconcile_errors", "Reconciliations that failed.", ["controller"])
SECONDS = Histogram(
    "controller_runtime_reconcile_time_seconds",
    "Length of time per reconciliation.",
    ["controller"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
)
DEPTH = Gauge("workqueue_depth", "Keys that are due.", ["name"])
ADDS = Counter("workqueue_adds", "Keys that were added.", ["name"])
REPORTS = Counter("landfall_reports", "Reports of workers, and changes of their Jobs, that were taken.")
JOURNAL_ERRORS = Counter("landfall_journal_errors", "Times that the journal could not be written.")
ROWS = Counter("landfall_rows", "Rows that workers told of having moved.")
TASKS = Gauge("landfall_tasks", "Tasks of the event loop.")
PHASES = Gauge("landfall_objects", "Objects by kind and phase.", ["kind", "phase"])
_stand: dict[tuple[str, str, str], str] = {}


def stands(kind: str, namespace: str, name: str, phase: str) -> None:
    """An object stands there now; nowhere, where the phase is empty."""
    before = _stand.pop((kind, namespace, name), "")
    if before != phase:
        if before:
            PHASES.labels(kind, before).dec()
        if phase:
            PHASES.labels(kind, phase).inc()
    if phase:
        _stand[kind, namespace, name] = phase
