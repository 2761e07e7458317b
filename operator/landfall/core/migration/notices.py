"""Who is to be told of what: pure. A notice is recorded in status before it is sent, and known by what it is about."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from landfall.api.migration import EventName, Notice
from landfall.core.migration.observed import Observed
from landfall.core.outcome import Decision, Fact

_KEPT = 30
_BEGUN = frozenset({"schema", "copying", "indexing", "comparing"})


def noted(seen: Observed, decision: Decision, before: Sequence[Notice]) -> tuple[Notice, ...]:
    """The notices by now: those that there were, and what is new of what was asked for."""
    spec = seen.migration.spec.notifications if seen.migration else None
    if spec is None or seen.deleting:
        return tuple(before)
    known = {n.id for n in before}
    new = [
        Notice(id=key, event=event, text=decision.message, state="Pending", at=seen.now)
        for key, event in _happened(seen, decision)
        if event in spec.on_events and key not in known
    ]
    return _latest((*before, *new))


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


def _happened(seen: Observed, decision: Decision) -> Iterator[tuple[str, EventName]]:
    """What this decision shows, each as (what it is known by, event). Looking twice finds the same."""
    run, (ready, reason) = seen.run_name, decision.ready
    if seen.state in _BEGUN or (ready, reason) == ("True", "Completed"):
        yield f"Started/{run}", "Started"
    if reason == "ApprovalRequired" and seen.run and seen.run.plan:
        yield f"ApprovalRequired/{seen.run.plan.digest.removeprefix('sha256:')[:12]}", "ApprovalRequired"
    if decision.stalled:
        failure = seen.run.failure if seen.run else None
        yield f"Failed/{failure.job if failure else run}/{reason}", "Failed"
    if decision.phase == "Paused" and not decision.stalled:
        progress = seen.run.progress if seen.run else None
        yield f"Paused/{run}/{progress.checkpoint if progress else ''}", "Paused"
    if (ready, reason) == ("True", "Completed"):
        yield f"Completed/{run}", "Completed"
    if (ready, reason) == ("True", "RolledBack"):
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
