"""The dry run: every statement of a plan is executed on the target and rolled back; a rejected one becomes a risk of the plan."""

from __future__ import annotations

from landfall.engine.model.plan import Plan, Severity
from landfall.engine.planning.causes import by_cause
from landfall.engine.planning.settlement import settle
from landfall.engine.targets.engine import TargetDatabase, TargetEngine

_ROUNDS = 4


def dry_run(target: TargetEngine, database: TargetDatabase, plan: Plan) -> Plan:
    """Return the plan with only the statements that the target accepts, and a risk for each rejected one."""
    for _ in range(_ROUNDS):
        tried = database.dry_run(plan)
        plan = settle(plan, tried, target)
        if not tried.refused or any(r.kind in {"Refused", "DryRun"} and r.severity is Severity.BLOCKER for r in plan.risks):
            break
    return by_cause(plan)
