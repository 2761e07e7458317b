"""What a person has approved, and what of a plan still waits for a word.

An approval names a plan by its digest and means the points that the plan asked about. A plan that changed asks again for
the points that are new; the approval holds as long as its digest stands in the spec.
"""

from __future__ import annotations

from landfall.api.migration import ApprovedPlan, PlanSummary
from landfall.controllers.migration.observed import ObservedMigration


def approval(seen: ObservedMigration) -> ApprovedPlan | None:
    """What is remembered of the digest in the spec: the points that its plan asked about."""
    digest = said(seen)
    plan = seen.run.plan if seen.run else None
    if not digest:
        return None
    if plan and plan.digest == digest:
        return ApprovedPlan(plan_digest=digest, points=plan.points)
    before = seen.migration.status.approval if seen.migration and seen.migration.status else None
    return before if before and before.plan_digest == digest else None


def open_points(seen: ObservedMigration) -> int:
    """How many points of the plan wait for a person."""
    plan = seen.run.plan if seen.run else None
    asked = seen.pending
    if plan is None or (asked and asked.verb == "start" and asked.skip_approval) or plan.digest == said(seen):
        return 0
    known = approval(seen)
    return _new(plan, frozenset(known.points)) if known else plan.to_review


def _new(plan: PlanSummary, known: frozenset[str]) -> int:
    """Of more points than are listed one by one, any new one opens all of them."""
    if len(plan.points) == plan.to_review:
        return sum(1 for point in plan.points if point not in known)
    return 0 if plan.points and known.issuperset(plan.points) else plan.to_review


def said(seen: ObservedMigration) -> str | None:
    """The digest that the spec approves."""
    data = seen.migration.spec.data if seen.migration else None
    return data.approval.plan_digest if data else None
