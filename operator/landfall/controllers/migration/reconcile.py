"""The loop of a Migration: look at it, its ends, its Run and its Jobs; take in reports; decide; act once; report once."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from landfall.api.migration import Migration, Notice
from landfall.api.progress import AppMove
from landfall.api.worker_protocol import Dials
from landfall.controllers.context import Hands, applied, bare
from landfall.controllers.migration import notify, rules_app_and_data, table_plans
from landfall.controllers.migration.act import act
from landfall.controllers.migration.actions import AddFinalizer, MigrationDecision, ReleaseFinalizer
from landfall.controllers.migration.approval import open_points
from landfall.controllers.migration.notifications import facts as notice_facts
from landfall.controllers.migration.notifications import news, noted
from landfall.controllers.migration.observe import Look
from landfall.controllers.migration.record_reports import record
from landfall.controllers.migration.rules import decide
from landfall.controllers.migration.run_settings import dials
from landfall.controllers.migration.status import _plainly, _status, settled
from landfall.controllers.objects import invalid, now, plain
from landfall.kube.client import Object

_NOTICE_SECONDS = 10


def dialled(raw: Object) -> Dials | None:
    """How the worker of a Migration is to go on; nothing where its spec cannot be read."""
    return None if invalid(Migration, raw) else dials(Migration.model_validate(plain(raw)), now())


# -- acting -----------------------------------------------------------------------------------------------------------


async def reconcile(hands: Hands, raw: Object) -> float | None:
    """Look, decide, act, report; when to look again, in seconds."""
    if settled(raw):
        until = raw["status"].get("keptUntil")
        return max((datetime.fromisoformat(until) - now()).total_seconds(), 1.0) if until else None
    problem = invalid(Migration, raw)
    if problem:
        await hands.report(raw, bare(raw, hands), problem, {})
        return None
    look = Look(hands, raw)
    seen = await look.take()
    decision = decide(seen)
    await record(look)
    action = decision.action
    if action:
        await act(look, action)
        applied(look.raw, action)
        if isinstance(action, AddFinalizer | ReleaseFinalizer):
            return None  # the object has another version now, and its change brings it back here
    await table_plans.tell(hands, look.plans, approved=not open_points(seen), begun=bool(seen.state))
    told = await _noted(look, decision)
    decided = replace(decision, facts=(*decision.facts, *notice_facts(told)))
    app = rules_app_and_data.move(seen)
    await _logged(look, app)
    await hands.report(raw, seen, decided, {**_status(look, decision, app), "notices": [_plainly(n) for n in told]})
    waiting = any(n.state == "Pending" for n in told)
    return min(decision.again_seconds or _NOTICE_SECONDS, _NOTICE_SECONDS) if waiting else decision.again_seconds


async def _logged(look: Look, app: AppMove | None) -> None:
    """A line of the Migration's own for each step of its app; its builders' lines are the Deployment's."""
    before = look.migration.status.app if look.migration.status else None
    if app is None or look.seen.deleting or (before and (before.state, before.message) == (app.state, app.message)):
        return
    told = f"{app.release} is live{f' at {app.url}' if app.url else ''}" if app.state == "Live" else app.message
    level = "error" if app.state == "Failed" else "info"
    await look.hands.keeper.note(look.raw, level, "app", told or f"the Deployment {app.deployment} is next")


async def _noted(look: Look, decision: MigrationDecision) -> tuple[Notice, ...]:
    """The notices. Only what status has already is sent, so that nothing is sent that would be forgotten and sent again."""
    before = look.migration.status.notices if look.migration.status else ()
    if look.seen.deleting:
        return before
    new = news(look.seen, decision, before)
    events = {n.event for n in (*new, *before) if n.state == "Pending"}
    hooks = await notify.webhooks(look.hands, look.namespace, events) if events else ()
    sent = await notify.delivered(look.hands, look.raw, look.migration, before, hooks)
    return noted(look.migration, sent, new, hooks)
