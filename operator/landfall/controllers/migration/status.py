"""The status of a Migration, built from what was observed and decided."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from landfall.api.fields import Model
from landfall.api.progress import AppMove
from landfall.controllers.migration.actions import CreateDeployment, MigrationDecision
from landfall.controllers.migration.annotations import FINALIZER
from landfall.controllers.migration.approval import approval
from landfall.controllers.migration.observe import MigrationObserver
from landfall.controllers.migration.rules import kept_until
from landfall.controllers.migration.rules_requests import handled
from landfall.controllers.migration.steps import steps
from landfall.controllers.objects import format_time, now
from landfall.kube.client import Object
from landfall.ledger_states import State
from landfall.lifecycle import Desired, Phase, desired_of, phase_of

_LAST_REPORT_SECONDS = 30


def is_terminal(raw: Object) -> bool:
    """Whether it is completed and needs no reconcile until its retention period expires; thousands of such exist after a start."""
    metadata, spec, status = raw["metadata"], raw["spec"], raw.get("status", {})
    ready: dict[str, Any] = next((c for c in status.get("conditions", []) if c["type"] == "Ready"), {})
    return (
        "deletionTimestamp" not in metadata
        and FINALIZER in metadata.get("finalizers", [])
        and desired_of(spec.get("desiredState")) is Desired.COMPLETED
        and status.get("observedGeneration") == metadata["generation"] == ready.get("observedGeneration")
        and ready.get("status") == "True"
        and not _letting_go(status)
        and not (status.get("keptUntil") and datetime.fromisoformat(status["keptUntil"]) <= now())
        and not any(n["state"] == "Pending" for n in status.get("notices", []))
        and phase_of(raw) is Phase.COMPLETED
    )


def _letting_go(status: dict[str, Any]) -> bool:
    """Whether a worker still holds the write lock for the app, with a margin for its last report."""
    drained: str | None = (status.get("app") or {}).get("drainedAt")
    return drained is not None and datetime.fromisoformat(drained) + timedelta(seconds=_LAST_REPORT_SECONDS) > now()


def _plainly(model: Model | None) -> dict[str, Any] | None:
    return model.model_dump(mode="json", by_alias=True, exclude_none=True) if model else None


def _status(observer: MigrationObserver, decision: MigrationDecision, app: AppMove | None) -> dict[str, Any]:
    observed, before = observer.observed, observer.migration.status
    run_status = observed.run
    same = before if before and before.run == observed.run_name else None
    started = same.start_time if same else None
    creates_deployment = isinstance(decision.action, CreateDeployment)
    if started is None and (decision.starts or observed.state or creates_deployment):
        started = observed.now
    completed_at = same.completion_time if same else None
    if completed_at is None and (decision.phase is Phase.COMPLETED if app else observed.state is State.CUT_OVER):
        completed_at = observed.now
    plan = run_status.plan if run_status else None
    has_retained = run_status is not None and run_status.kept and not run_status.expired and observed.state is State.CUT_OVER
    until = kept_until(completed_at, observer.migration) if has_retained and completed_at else None
    progress = run_status.progress if run_status else None
    return {
        "runKey": run_status.ledger_key if run_status else None,
        "run": observed.run_name,
        "startTime": format_time(started),
        "completionTime": format_time(completed_at),
        "keptUntil": format_time(until),
        "plan": plan.model_dump(mode="json", by_alias=True) if plan else None,
        "approval": _plainly(approval(observed)),
        "progress": _plainly(progress),
        "app": _plainly(app),
        "steps": [
            s.model_dump(mode="json", by_alias=True, exclude_none=True)
            for s in steps(observed, decision, same.steps if same else ())
        ],
        "verdict": run_status.verdict if run_status else None,
        "rehearsal": _plainly(run_status.rehearsal if run_status else None),
        "lastHandledRequest": handled(observed) or None,
    }
