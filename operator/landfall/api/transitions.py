"""Changes of `spec.desiredState` that the API server refuses: CEL rules, made from the table of phases and actions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from landfall.lifecycle import ACTIONS, Action, Phase


@dataclass(frozen=True, slots=True)
class DesiredRow:
    """A desired state that undoes work: the action that it stands for, and the phase in which it is reached already."""

    action: Action
    reached: Phase
    message: str


# Desired states that the API server refuses where the doors refuse their action. The others only hold or continue a run.
UNDOING: Mapping[str, DesiredRow] = {
    "Cancelled": DesiredRow(
        Action.CANCEL,
        Phase.CANCELLED,
        "spec.desiredState: a Migration cannot be Cancelled after its cutover. Set RolledBack to restore the retained tables",
    ),
    "RolledBack": DesiredRow(
        Action.ROLLBACK,
        Phase.ROLLED_BACK,
        "spec.desiredState: a Migration can be RolledBack only after its cutover. Set Cancelled to drop the staged tables."
        " An app is rolled back by spec.rollbackTo of its Deployment",
    ),
}


def rule_for(desired: str) -> str:
    """A CEL rule on a whole Migration: `spec.desiredState` may be changed to a state of `UNDOING` now.

    True for every other change, so that an object can be edited, and for a new object, which has no phase: the operator decides there.
    """
    row = UNDOING[desired]
    known = "has(self.status) && has(self.status.phase)"
    listed = ", ".join(f"'{phase}'" for phase in sorted(ACTIONS[row.action]))
    ended = "has(self.status) && has(self.status.completionTime)"
    if row.action == Action.ROLLBACK:
        cut_over = f"({ended}) || self.status.phase in ['{Phase.COMPLETED}', '{Phase.ROLLING_BACK}']"
        allowed = f"{known} && self.status.phase in [{listed}] && ({cut_over}) && has(self.spec.data)"
    else:
        allowed = f"!({ended}) && (!({known}) || self.status.phase in [{listed}])"
    state = f"has(self.spec.desiredState) && self.spec.desiredState == '{desired}'"
    before = f"has(oldSelf.spec.desiredState) && oldSelf.spec.desiredState == '{desired}'"
    return f"!({state}) || ({before}) || ({known} && self.status.phase == '{row.reached}') || ({allowed})"
