"""How a TablePlan stands: what is proposed for its table, and whether a person's word is still missing."""

from __future__ import annotations

from datetime import datetime
from typing import Never

from landfall.api.tableplan import TablePlan, TablePlanStatus, TableProposal, decided
from landfall.controllers.decision import Decision, ObservedObject, conditions
from landfall.lifecycle import Phase

_OPEN = frozenset({"NeedsReview", "Rejected"})


def proposal_of(plan: TablePlan, proposals: tuple[TableProposal, ...]) -> TableProposal | None:
    """What was proposed for its table."""
    source = plan.spec.source
    return next((p for p in proposals if source.is_of(p.source.schema_ or "", p.source.table)), None)


def standing(plan: TablePlan, generation: int, now: datetime, *, approved: bool, begun: bool) -> TablePlanStatus | None:
    """Its status as it should be told; None while nothing was proposed yet.

    `approved`: the whole plan has a person's word; `begun`: it is being carried out, and decisions come too late.
    """
    before = plan.status or TablePlanStatus()
    if not before.plan_digest and not begun:
        return None
    decision: Decision[Never]
    missing = [c.source for c in before.columns if c.decision in _OPEN]
    if before.observed_generation != generation and begun:
        told = "the run has begun with other decisions. Change spec.data.rerunToken of the Migration to run it with these."
        decision = Decision(Phase.FAILED, ("False", "RunStarted"), told, stalled=True)
    elif before.observed_generation != generation:
        decision = Decision(Phase.PLANNING, ("False", "Planning"), "it changed: the plan is being made again", working=True)
    elif not before.columns:
        told = f"the source has no table {plan.spec.source.table!r} that is moved. Correct spec.source, or delete this."
        decision = Decision(Phase.FAILED, ("False", "TableMissing"), told, stalled=True)
    elif missing and not approved:
        told = f"{', '.join(missing[:10])}: decide in spec.decisions, or approve the whole plan by its digest"
        decision = Decision(Phase.PLAN_READY, ("False", "DecisionRequired"), told)
    else:
        decision = Decision(Phase.APPROVED, ("True", "Approved" if missing else "Decided"), "nothing is left to decide")
    seen = ObservedObject(now=now, generation=generation, conditions=before.conditions)
    return before.model_copy(update={"phase": str(decision.phase), "conditions": conditions(seen, decision)})


def proposed(plan: TablePlan, generation: int, digest: str, proposal: TableProposal | None) -> TablePlanStatus:
    """The status with what a new plan proposes. Its generation is seen once the plan was made with its decisions."""
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
