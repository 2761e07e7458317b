"""The status of a TablePlan: what is proposed for its table, and whether a decision is missing."""

from __future__ import annotations

from datetime import datetime
from typing import Never

from landfall.api.tableplan import TablePlan, TablePlanStatus, TableProposal, decided
from landfall.controllers.decision import ObservedObject, ReconcileDecision, conditions
from landfall.lifecycle import Phase

_OPEN = frozenset({"NeedsReview", "Rejected"})


def proposal_of(plan: TablePlan, proposals: tuple[TableProposal, ...]) -> TableProposal | None:
    """The proposal for the TablePlan's table."""
    source = plan.spec.source
    return next((p for p in proposals if source.is_of(p.source.schema_ or "", p.source.table)), None)


def status_of(plan: TablePlan, generation: int, now: datetime, *, approved: bool, has_begun: bool) -> TablePlanStatus | None:
    """The status of a TablePlan; None before a plan has proposed anything.

    `approved`: the whole plan is approved. `has_begun`: the run has begun, so that decisions have no effect.
    """
    before = plan.status or TablePlanStatus()
    if not before.plan_digest and not has_begun:
        return None
    decision: ReconcileDecision[Never]
    missing = [c.source for c in before.columns if c.decision in _OPEN]
    if before.observed_generation != generation and has_begun:
        message = "the run began with other decisions. Change spec.data.rerunToken of the Migration to start a run with these."
        decision = ReconcileDecision(Phase.FAILED, ("False", "RunStarted"), message, stalled=True)
    elif before.observed_generation != generation:
        decision = ReconcileDecision(Phase.PLANNING, ("False", "Planning"), "the TablePlan changed; planning again", working=True)
    elif not before.columns:
        message = f"the source has no migrated table {plan.spec.source.table!r}. Correct spec.source, or delete this TablePlan."
        decision = ReconcileDecision(Phase.FAILED, ("False", "TableMissing"), message, stalled=True)
    elif missing and not approved:
        message = f"{', '.join(missing[:10])}: decide in spec.decisions, or approve the whole plan by its digest"
        decision = ReconcileDecision(Phase.PLAN_READY, ("False", "DecisionRequired"), message)
    else:
        decision = ReconcileDecision(Phase.APPROVED, ("True", "Approved" if missing else "Decided"), "all decisions are made")
    observed = ObservedObject(now=now, generation=generation, conditions=before.conditions)
    return before.model_copy(update={"phase": str(decision.phase), "conditions": conditions(observed, decision)})


def proposed(plan: TablePlan, generation: int, digest: str, proposal: TableProposal | None) -> TablePlanStatus:
    """The status with the proposal of a new plan. It counts as current once the plan was made with its decisions."""
    before = plan.status or TablePlanStatus()
    current = proposal is None or proposal.decisions == decided(plan.spec)
    return before.model_copy(
        update={
            "observed_generation": generation if current else before.observed_generation,
            "plan_digest": digest,
            "target_table": proposal.target if proposal else "",
            "summary": proposal.summary if proposal else None,
            "rows": proposal.rows if proposal else 0,
            "columns": proposal.columns if proposal else (),
        }
    )
