"""The loop of a Migration: observe it, its Connections, its Run and its Jobs; decide; record reports; act once; write the status once."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from landfall.api.migration import Migration, Notice
from landfall.api.progress import AppMove
from landfall.api.worker_protocol import Dials
from landfall.controllers.context import Context, kept_status, log_action, minimal_observed
from landfall.controllers.migration import notify, rules_app_and_data, table_plans
from landfall.controllers.migration.act import act
from landfall.controllers.migration.actions import AddFinalizer, MigrationDecision, ReleaseFinalizer
from landfall.controllers.migration.approval import open_review_items
from landfall.controllers.migration.notifications import delivery_condition as notice_facts
from landfall.controllers.migration.notifications import new_notices, recorded_notices
from landfall.controllers.migration.observe import MigrationObserver
from landfall.controllers.migration.record_reports import record
from landfall.controllers.migration.rules import decide
from landfall.controllers.migration.run_settings import live_settings
from landfall.controllers.migration.status import _plainly, _status, is_terminal
from landfall.controllers.objects import invalid, now, to_model_input
from landfall.kube.client import Object

_NOTICE_SECONDS = 10


def live_settings_of(raw: Object) -> Dials | None:
    """The live settings for the worker of a Migration; None if its spec is invalid."""
    return None if invalid(Migration, raw) else live_settings(Migration.model_validate(to_model_input(raw)), now())


# -- acting -----------------------------------------------------------------------------------------------------------


async def reconcile(context: Context, raw: Object) -> float | None:
    """Observe, decide, act, write the status; returns the seconds until the next reconcile."""
    if is_terminal(raw):
        until = raw["status"].get("keptUntil")
        return max((datetime.fromisoformat(until) - now()).total_seconds(), 1.0) if until else None
    problem = invalid(Migration, raw)
    if problem:
        await context.report(raw, minimal_observed(raw, context), problem, kept_status(raw))
        return None
    observer = MigrationObserver(context, raw)
    observed = await observer.observe()
    decision = decide(observed)
    await record(observer)
    action = decision.action
    if action:
        await act(observer, action)
        log_action(observer.raw, action)
        if isinstance(action, AddFinalizer | ReleaseFinalizer):
            return None  # the write of the finalizer triggers the next reconcile
    await table_plans.write_conditions(
        context, observer.plans, approved=not open_review_items(observed), has_begun=bool(observed.state)
    )
    notices = await _noted(observer, decision)
    decided = replace(decision, facts=(*decision.facts, *notice_facts(notices)))
    app = rules_app_and_data.move(observed)
    await _logged(observer, app)
    await context.report(raw, observed, decided, {**_status(observer, decision, app), "notices": [_plainly(n) for n in notices]})
    waiting = any(n.state == "Pending" for n in notices)
    return min(decision.again_seconds or _NOTICE_SECONDS, _NOTICE_SECONDS) if waiting else decision.again_seconds


async def _logged(observer: MigrationObserver, app: AppMove | None) -> None:
    """Write a log line for each step of the app; the lines of its builders belong to the Deployment."""
    before = observer.migration.status.app if observer.migration.status else None
    if app is None or observer.observed.deleting or (before and (before.state, before.message) == (app.state, app.message)):
        return
    text = f"{app.release} is live{f' at {app.url}' if app.url else ''}" if app.state == "Live" else app.message
    level = "error" if app.state == "Failed" else "info"
    await observer.context.keeper.note(observer.raw, level, "app", text or f"the Deployment {app.deployment} is next")


async def _noted(observer: MigrationObserver, decision: MigrationDecision) -> tuple[Notice, ...]:
    """The notifications. Only those recorded in status are sent, so that none is lost and sent twice."""
    before = observer.migration.status.notices if observer.migration.status else ()
    if observer.observed.deleting:
        return before
    new = new_notices(observer.observed, decision, before)
    events = {n.event for n in (*new, *before) if n.state == "Pending"}
    hooks = await notify.webhooks(observer.context, observer.namespace, events) if events else ()
    delivered = await notify.deliver(observer.context, observer.raw, observer.migration, before, hooks)
    return recorded_notices(observer.migration, delivered, new, hooks)
