"""Where the names in a plan's statements are looked up on the target."""

from __future__ import annotations

from landfall.engine.model.identifiers import search_path
from landfall.engine.model.options import OnExisting
from landfall.engine.model.plan import Plan
from landfall.engine.sources.registry import engine_of


def plan_search_path(plan: Plan, stage: str) -> str:
    """The value of `search_path` under which statements of the plan run in a stage schema.

    The target's own schema is visible only where definitions are written in the target's SQL and may name what is there (extensions,
    types of filled tables); the translations for other sources name nothing there, and so nothing there can stand in for what they name.
    """
    return search_path(stage, plan.target_schema) if sees_target_schema(plan) else search_path(stage)


def sees_target_schema(plan: Plan) -> bool:
    """Whether statements of the plan may name what is in the target's own schema."""
    return engine_of(plan.engine).capabilities.speaks_target_sql or plan.on_existing == OnExisting.FILL
