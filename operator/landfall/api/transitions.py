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


@dataclass(frozen=True, slots=True)
class KubectlRow:
    """How an action is requested with kubectl or from Git, and what happens where the doors refuse the action.

    Attributes:
        change: The change of the object.
        otherwise: What happens then.
    """

    change: str
    otherwise: str


_API_SERVER = "the API server rejects the change"
KUBECTL: Mapping[Action, KubectlRow] = {
    Action.START: KubectlRow(
        "`spec.desiredState: Completed`", "accepted; the operator holds the run and says why in the condition Ready"
    ),
    Action.REHEARSE: KubectlRow(
        "annotation `landfall.dev/request`", "accepted; the request has no effect once the run has started"
    ),
    Action.PAUSE: KubectlRow("`spec.desiredState: Paused`", "accepted; after the cutover it has no effect"),
    Action.RESUME: KubectlRow(
        "`spec.desiredState: Completed`, or `Planned`", "accepted; a run that no user paused continues by itself"
    ),
    Action.CANCEL: KubectlRow("`spec.desiredState: Cancelled`", _API_SERVER),
    Action.ROLLBACK: KubectlRow("`spec.desiredState: RolledBack`", _API_SERVER),
    Action.APPROVE: KubectlRow("`spec.data.approval.planDigest`", "accepted; it approves the plan of this digest and no other"),
    Action.DELETE: KubectlRow("`kubectl delete`", "accepted; the operator first stops the worker and drops the staged tables"),
}


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
    has_phase = "has(self.status) && has(self.status.phase)"
    listed = ", ".join(f"'{phase}'" for phase in sorted(ACTIONS[row.action]))
    has_ended = "has(self.status) && has(self.status.completionTime)"
    if row.action == Action.ROLLBACK:
        cut_over = f"({has_ended}) || self.status.phase in ['{Phase.COMPLETED}', '{Phase.ROLLING_BACK}']"
        allowed = f"{has_phase} && self.status.phase in [{listed}] && ({cut_over}) && has(self.spec.data)"
    else:
        allowed = f"!({has_ended}) && (!({has_phase}) || self.status.phase in [{listed}])"
    state = f"has(self.spec.desiredState) && self.spec.desiredState == '{desired}'"
    before = f"has(oldSelf.spec.desiredState) && oldSelf.spec.desiredState == '{desired}'"
    return f"!({state}) || ({before}) || ({has_phase} && self.status.phase == '{row.reached}') || ({allowed})"
