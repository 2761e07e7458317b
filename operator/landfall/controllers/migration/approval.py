"""What a user has approved, and which review items of the plan still need approval.

An approval names a plan by its digest and covers the review items of that plan. If the plan changes, only new review items need
approval, as long as the digest stays in the spec.
"""

from __future__ import annotations

from landfall.api.migration import ApprovedPlan, PlanSummary
from landfall.controllers.migration.observed import ObservedMigration


def approval(observed: ObservedMigration) -> ApprovedPlan | None:
    """The approved plan of the digest in the spec, with its review items."""
    digest = approved_digest(observed)
    plan = observed.run.plan if observed.run else None
    if not digest:
        return None
    if plan and plan.digest == digest:
        return ApprovedPlan(plan_digest=digest, points=plan.points)
    before = observed.migration.status.approval if observed.migration and observed.migration.status else None
    return before if before and before.plan_digest == digest else None


def open_review_items(observed: ObservedMigration) -> int:
    """The number of review items that need approval."""
    plan = observed.run.plan if observed.run else None
    request = observed.pending
    if (
        plan is None
        or (request and request.verb == "start" and request.skip_approval)
        or plan.digest == approved_digest(observed)
    ):
        return 0
    approved = approval(observed)
    return _new(plan, frozenset(approved.points)) if approved else plan.to_review


def _new(plan: PlanSummary, approved_points: frozenset[str]) -> int:
    """The number of new review items. If they are not all listed, any new one makes all of them need approval again."""
    if len(plan.points) == plan.to_review:
        return sum(1 for point in plan.points if point not in approved_points)
    return 0 if plan.points and approved_points.issuperset(plan.points) else plan.to_review


def approved_digest(observed: ObservedMigration) -> str | None:
    """The plan digest that the spec approves."""
    data = observed.migration.spec.data if observed.migration else None
    return data.approval.plan_digest if data else None
