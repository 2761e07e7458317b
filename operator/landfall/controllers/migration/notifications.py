"""Who is to be told of what: pure. A notice is recorded in status before it is sent, and known by what it is about."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from landfall.api.migration import EventName, Migration, Notice, Notifications, WebhookTarget
from landfall.api.webhook import Webhook
from landfall.controllers.decision import Fact
from landfall.controllers.migration.actions import MigrationDecision
from landfall.controllers.migration.observed import ObservedMigration
from landfall.lifecycle import Phase

_KEPT = 30
_BEGUN = frozenset({"schema", "copying", "indexing", "comparing"})


def news(seen: ObservedMigration, decision: MigrationDecision, before: Sequence[Notice]) -> tuple[Notice, ...]:
    """What has happened that is not among the notices, whether somebody asked for it or not."""
    known = {n.id for n in before}
    return tuple(
        Notice(id=key, event=event, text=decision.message, state="Pending", at=seen.now)
        for key, event in (() if seen.deleting else _happened(seen, decision))
        if key not in known
    )


def noted(
    migration: Migration, before: Sequence[Notice], new: Sequence[Notice], hooks: Sequence[Webhook] = ()
) -> tuple[Notice, ...]:
    """The notices by now: those that there were, and what is new of what was asked for, here or by a webhook of the namespace."""
    return _latest((*before, *(n for n in new if targets(migration, n.event, hooks).secrets)))


def targets(migration: Migration, event: EventName, hooks: Sequence[Webhook] = ()) -> Notifications:
    """Who is told of an event: those of the Migration, if it asks for it, and the webhooks of the namespace that do."""
    own = migration.spec.notifications
    asked = own if own and event in own.on_events else Notifications()
    more = [WebhookTarget(secret_ref=h.spec.secret_ref) for h in hooks if event in h.spec.on_events]
    return asked.model_copy(update={"webhooks": tuple(dict.fromkeys((*asked.webhooks, *more)))})


def _latest(notices: Sequence[Notice]) -> tuple[Notice, ...]:
    """Not more than are kept; what is yet to be sent stays."""
    spare = len(notices) - _KEPT
    kept = []
    for notice in notices:
        if spare > 0 and notice.state != "Pending":
            spare -= 1
        else:
            kept.append(notice)
    return tuple(kept[:_KEPT])


def _happened(seen: ObservedMigration, decision: MigrationDecision) -> Iterator[tuple[str, EventName]]:
    """What this decision shows, each as (what it is known by, event). Looking twice finds the same."""
    run, reached = seen.run_name, decision.phase if decision.is_ready else None
    completed = reached is Phase.COMPLETED and not (seen.run and seen.run.adopted)
    if seen.state in _BEGUN or completed:
        yield f"Started/{run}", "Started"
    if decision.awaits_approval and seen.run and seen.run.plan:
        yield f"ApprovalRequired/{seen.run.plan.digest.removeprefix('sha256:')[:12]}", "ApprovalRequired"
    if decision.stalled:
        failure = seen.run.failure if seen.run else None
        yield f"Failed/{failure.job if failure else run}/{decision.ready[1]}", "Failed"
    if decision.phase is Phase.PAUSED and not decision.stalled:
        progress = seen.run.progress if seen.run else None
        yield f"Paused/{run}/{progress.checkpoint if progress else ''}", "Paused"
    if completed:
        yield f"Completed/{run}", "Completed"
    if reached is Phase.ROLLED_BACK:
        yield f"RolledBack/{run}", "RolledBack"


def facts(notices: Sequence[Notice]) -> tuple[Fact, ...]:
    """Whether people heard of it."""
    told = [n for n in notices if n.state != "Pending"]
    if not told:
        return ()
    last = told[-1]
    if last.state == "Failed":
        return (("Notified", ("False", "NotDelivered", last.text)),)
    return (("Notified", ("True", "Sent", f"{last.event} was told")),)
