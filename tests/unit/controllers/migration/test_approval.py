"""What a person's word covers: a plan that changed asks again for what is new in it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from landfall.api.annotations import Request
from landfall.api.migration import ApprovedPlan, MigrationStatus
from landfall.api.run import RunStatus
from landfall.controllers.migration.approval import approval, open_review_items
from landfall.controllers.migration.observed import ObservedMigration
from landfall.controllers.migration.rules import decide
from landfall.engine.model.mapping import Violation
from landfall.engine.model.options import ColumnDecision, Options, Policies
from landfall.engine.model.plan import Decision, Plan, Risk, Severity
from landfall.engine.planning.planner import revoke_changed_approvals
from tests.support.migrations import DIGEST, PLAN, PLANNED, migration
from tests.support.plans import counted, planned

OTHER = "sha256:" + "b" * 64
KNOWN = ApprovedPlan(plan_digest=OTHER, points=("a", "b"))


def seen(
    points: tuple[str, ...], approved_digest: str | None, approved: ApprovedPlan | None = None, to_review: int | None = None
) -> ObservedMigration:
    plan = PLAN.model_copy(update={"points": points, "to_review": len(points) if to_review is None else to_review})
    spec_migration = migration(data={"approval": {"planDigest": approved_digest}})
    spec_migration = spec_migration.model_copy(update={"status": MigrationStatus(approval=approved)})
    return replace(PLANNED, migration=spec_migration, run=RunStatus(plan=plan))


@pytest.mark.parametrize(
    ("observed", "expected"),
    [
        (seen((), None), 0),
        (seen(("a",), None), 1),
        (seen(("a",), DIGEST), 0),
        (seen(("a",), OTHER), 1),
        (seen(("a", "b"), OTHER, KNOWN), 0),
        (seen(("a",), OTHER, KNOWN), 0),
        (seen(("a", "c"), OTHER, KNOWN), 1),
        (seen(("a",), None, KNOWN), 1),
        (seen(("a",), "sha256:" + "c" * 64, KNOWN), 1),
        (seen((), OTHER, KNOWN, 2), 2),
        (seen(("all",), OTHER, KNOWN, 900), 900),
        (seen(("a",), OTHER, KNOWN, 900), 0),
        (replace(seen(("a",), None), request=Request(id="1", verb="start", skipApproval=True)), 0),
    ],
    ids=[
        *("nothing to approve", "nobody said anything", "just this plan", "another plan that nobody remembers"),
        *("every point was approved", "fewer points than were approved", "one point is new", "the word was taken back"),
        *("the word is about a third plan", "a plan that lists no points", "more points than are listed, changed"),
        *("more points than are listed, the same", "a request to do without"),
    ],
)
def test_which_points_wait(observed: ObservedMigration, expected: int) -> None:
    assert open_review_items(observed) == expected
    assert (decide(observed).ready[1] == "ApprovalRequired") == (expected > 0)


def test_the_word_is_remembered_as_long_as_it_stands() -> None:
    assert approval(seen(("a",), DIGEST)) == ApprovedPlan(plan_digest=DIGEST, points=("a",))
    assert approval(seen(("c",), OTHER, KNOWN)) == KNOWN
    assert approval(seen(("c",), None, KNOWN)) is None
    decision = decide(seen(("a", "c"), OTHER, KNOWN))
    assert (
        "1 of 2 review items is new and needs your approval; spec.data.approval has the digest of another plan"
        in decision.message
    )
    assert dict(decision.facts)["Approved"] == ("False", "PlanChanged")
    assert dict(decide(seen(("a",), None)).facts)["Approved"] == ("False", "ApprovalRequired")


def _points(plan: Plan) -> dict[str, str]:
    return dict(plan.points)


def test_a_point_is_the_same_while_what_it_is_about_is() -> None:
    three, many = (planned(census=counted("Seen", Violation.ZERO_DATE, rows)) for rows in (3, 99))
    assert _points(three)
    assert _points(three) == _points(many)
    mapped = planned(census=counted("Seen", Violation.ZERO_DATE), policies=Policies(zero_dates="Map:2000-01-01"))
    assert _points(three).keys() == _points(mapped).keys()
    assert not set(_points(three).values()) & set(_points(mapped).values())
    more = three.with_risks((Risk(Severity.HIGH, "Freeze", "source", "locked out for about 70 s, which is over 60 s", ""),))
    later = three.with_risks((Risk(Severity.HIGH, "Freeze", "source", "locked out for about 90 s, which is over 60 s", ""),))
    assert _points(more) == _points(later)
    assert len(_points(more)) == len(_points(three)) + 1


def test_an_approval_of_one_mapping_does_not_cover_another() -> None:
    plan = planned(census=counted("Seen", Violation.ZERO_DATE))
    column = next(c for t in plan.tables for c in t.columns if c.source == "Seen")

    def decided(digest: str) -> Decision:
        decisions = (ColumnDecision("", "Item", "Seen", "Approve", digest=digest),)
        approved_plan = revoke_changed_approvals(
            planned(census=counted("Seen", Violation.ZERO_DATE), decisions=decisions), Options(decisions=decisions)
        )
        return next(c.decision for t in approved_plan.tables for c in t.columns if c.source == "Seen")

    assert decided(column.digest()) is Decision.APPROVED
    assert decided("") is Decision.APPROVED
    assert decided("0" * 16) is Decision.NEEDS_REVIEW
