"""What a user has approved, and which review items of the plan still need approval.

An approval names a plan by its digest and covers the review items of that plan. If the plan changes, only new review items need
approval, as long as the digest stays in the spec.
"""

from __future__ import annotations

from landfall.api.migration import ApprovedPlan, PlanSummary
from landfall.controllers.migration.observed import ObservedMigration


def approval(seen: ObservedMigration) -> ApprovedPlan | None:
    """The approved plan of the digest in the spec, with its review items."""
    digest = approved_digest(seen)
    plan = seen.run.plan if seen.run else None
    if not digest:
        return None
    if plan and plan.digest == digest:
        return ApprovedPlan(plan_digest=digest, points=plan.points)
    before = seen.migration.status.approval if seen.migration and seen.migration.status else None
    return before if before and before.plan_digest == digest else None


def open_review_items(seen: ObservedMigration) -> int:
    """The number of review items that need approval."""
    plan = seen.run.plan if seen.run else None
    asked = seen.pending
    if plan is None or (asked and asked.verb == "start" and asked.skip_approval) or plan.digest == approved_digest(seen):
        return 0
    known = approval(seen)
    return _new(plan, frozenset(known.points)) if known else plan.to_review


def _new(plan: PlanSummary, known: frozenset[str]) -> int:
    """The number of new review items. If they are not all listed, any new one makes all of them need approval again."""
    if len(plan.points) == plan.to_review:
        return sum(1 for point in plan.points if point not in known)
    return 0 if plan.points and known.issuperset(plan.points) else plan.to_review


def approved_digest(seen: ObservedMigration) -> str | None:
    """The plan digest that the spec approves."""
    data = seen.migration.spec.data if seen.migration else None
    return data.approval.plan_digest if data else None
