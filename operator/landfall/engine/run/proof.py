"""The proof: every statement of a plan is run on the target, in a transaction that is rolled back.

What the target refuses becomes a risk that a person reads before anything moves. Statements that wait for others
(views on views, functions over tables) are tried again until nothing more succeeds, and that order is kept.
"""

from __future__ import annotations

from landfall.engine.connect.postgresql import Control
from landfall.engine.errors import EngineError
from landfall.engine.planning.assemble import settle
from landfall.engine.planning.model import Plan, Severity, Stage, Statement
from landfall.engine.schema.names import quoted

_ROUNDS = 4
_SCHEMA = "landfall_proof"


def proven(control: Control, plan: Plan) -> Plan:
    """The plan with only what the target takes."""
    for _ in range(_ROUNDS):
        refused, order = _tried(control, plan)
        plan = settle(plan, refused, order)
        if not refused or any(r.kind == "Refused" and r.severity is Severity.BLOCKER for r in plan.risks):
            return plan
    return plan


def _tried(control: Control, plan: Plan) -> tuple[dict[int, str], list[tuple[int, Stage]]]:
    refused: dict[int, str] = {}
    order: list[tuple[int, Stage]] = []
    with control.transaction(undo=True):
        control.run("SET LOCAL lock_timeout='3s'")
        control.run("SET LOCAL check_function_bodies=off")
        control.run(f"CREATE SCHEMA {_SCHEMA}")
        control.run(f"SET LOCAL search_path={_SCHEMA},{quoted(plan.target_schema)},pg_catalog")
        waiting: list[Statement] = []
        for stage in Stage:
            waiting = [*waiting, *plan.of_stage(stage)]
            waiting = _rounds(control, waiting, refused, order, stage)
        order += [(statement.number, statement.stage) for statement in waiting]
    return refused, order


def _rounds(
    control: Control, waiting: list[Statement], refused: dict[int, str], order: list[tuple[int, Stage]], stage: Stage
) -> list[Statement]:
    """Try statements until no more succeed; those left stay refused, but are tried again with the next stage."""
    progress = True
    while waiting and progress:
        progress, again = False, []
        for statement in waiting:
            try:
                with control.transaction():
                    control.run(statement.sql)
            except EngineError as error:
                refused[statement.number] = error.message.removeprefix("target: ")
                again.append(statement)
            else:
                refused.pop(statement.number, None)
                order.append((statement.number, stage))
                progress = True
        waiting = again
    return waiting
