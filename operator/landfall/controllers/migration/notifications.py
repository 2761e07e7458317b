"""Which notifications are sent to whom. Pure. A notification is recorded in status before it is sent, and identified by its cause."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from landfall.api.migration import Migration, Notice
from landfall.api.notifications import EventName, Notifications, WebhookTarget
from landfall.api.webhook import Webhook
from landfall.controllers.decision import Fact
from landfall.controllers.migration.actions import MigrationDecision
from landfall.controllers.migration.observed import ObservedMigration
from landfall.lifecycle import Phase

_KEPT = 30


def new_notices(observed: ObservedMigration, decision: MigrationDecision, before: Sequence[Notice]) -> tuple[Notice, ...]:
    """The notifications for events that are not recorded yet, whether anyone subscribes to them or not."""
    noted = {n.id for n in before}
    return tuple(
        Notice(id=key, event=event, text=decision.message, state="Pending", at=observed.now)
        for key, event in (() if observed.deleting else _happened(observed, decision))
        if key not in noted
    )


def recorded_notices(
    migration: Migration, before: Sequence[Notice], new: Sequence[Notice], hooks: Sequence[Webhook] = ()
) -> tuple[Notice, ...]:
    """All notifications to record: the earlier ones, and the new ones that the Migration or a Webhook of the namespace subscribes to."""
    return _latest((*before, *(n for n in new if targets(migration, n.event, hooks).secrets)))


def targets(migration: Migration, event: EventName, hooks: Sequence[Webhook] = ()) -> Notifications:
    """The receivers of an event: the Migration's own, if it subscribes to the event, and the Webhooks that do."""
    own_targets = migration.spec.notifications
    subscribed = own_targets if own_targets and event in own_targets.on_events else Notifications()
    more = [WebhookTarget(secret_ref=h.spec.secret_ref) for h in hooks if event in h.spec.on_events]
    return subscribed.model_copy(update={"webhooks": tuple(dict.fromkeys((*subscribed.webhooks, *more)))})


def _latest(notices: Sequence[Notice]) -> tuple[Notice, ...]:
    """The newest notifications up to the limit; pending ones are always kept."""
    spare = len(notices) - _KEPT
    latest = []
    for notice in notices:
        if spare > 0 and notice.state != "Pending":
            spare -= 1
        else:
            latest.append(notice)
    return tuple(latest[:_KEPT])


def _happened(observed: ObservedMigration, decision: MigrationDecision) -> Iterator[tuple[str, EventName]]:
    """The events of a decision, each as (identifier, event). The same state gives the same identifiers."""
    run, reached = observed.run_name, decision.phase if decision.is_ready else None
    completed = reached is Phase.COMPLETED and not (observed.run and observed.run.adopted)
    if (observed.state and observed.state.staged) or completed:
        yield f"Started/{run}", "Started"
    if decision.awaits_approval and observed.run and observed.run.plan:
        yield f"ApprovalRequired/{observed.run.plan.digest.removeprefix('sha256:')[:12]}", "ApprovalRequired"
    if decision.stalled:
        failure = observed.run.failure if observed.run else None
        yield f"Failed/{failure.job if failure else run}/{decision.ready[1]}", "Failed"
    if decision.phase is Phase.PAUSED and not decision.stalled:
        progress = observed.run.progress if observed.run else None
        yield f"Paused/{run}/{progress.checkpoint if progress else ''}", "Paused"
    if completed:
        yield f"Completed/{run}", "Completed"
    if reached is Phase.ROLLED_BACK:
        yield f"RolledBack/{run}", "RolledBack"


def delivery_condition(notices: Sequence[Notice]) -> tuple[Fact, ...]:
    """Whether the last notification was delivered, as a condition."""
    delivered = [n for n in notices if n.state != "Pending"]
    if not delivered:
        return ()
    last = delivered[-1]
    if last.state == "Failed":
        return (("Notified", ("False", "NotDelivered", last.text)),)
    return (("Notified", ("True", "Sent", f"notification {last.event} was sent")),)
