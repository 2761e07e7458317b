"""Metrics of the reconcile loops (names as in controller-runtime) and of the intake."""

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
REPORTS = Counter("landfall_reports", "Reports of workers that were accepted.")
JOURNAL_ERRORS = Counter("landfall_journal_errors", "Failed writes to the journal.")
ROWS = Counter("landfall_rows", "Rows that workers reported as copied.")
TASKS = Gauge("landfall_tasks", "Tasks of the event loop.")
PHASES = Gauge("landfall_objects", "Objects by kind and phase.", ["kind", "phase"])
_phase_of: dict[tuple[str, str, str], str] = {}


def record_phase(kind: str, namespace: str, name: str, phase: str) -> None:
    """Count an object under its current phase; under none if the phase is empty."""
    before = _phase_of.pop((kind, namespace, name), "")
    if before != phase:
        if before:
            PHASES.labels(kind, before).dec()
        if phase:
            PHASES.labels(kind, phase).inc()
    if phase:
        _phase_of[kind, namespace, name] = phase
