"""The rules of a Migration with an app and no data.

It creates the Deployment if there is none, never changes it, and is complete when its release is live.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

from landfall.api.deployment import GateSeen
from landfall.controllers.decision import ReconcileDecision
from landfall.controllers.migration.actions import CreateDeployment, MigrationDecision
from landfall.lifecycle import Desired, Phase


@dataclass(frozen=True, slots=True)
class ObservedApp:
    """The Deployment that a Migration refers to.

    `ready`: its condition Ready as (status, reason, message), for its current spec. `waits_for_data`: its release is built and waits at the
    gate. `gate`: what its status has recorded about a Migration. `on_source`: the source Connection, if its spec still refers to it.
    """

    name: str
    there: bool = False
    differs: bool = False
    ready: tuple[str, str, str] = ("Unknown", "", "")
    waits_for_data: bool = False
    stalled: bool = False
    live: str = ""
    url: str = ""
    drain_seconds: int = 0
    gate: GateSeen | None = None
    on_source: str = ""

    def problem(self, *, has_template: bool) -> MigrationDecision | None:
        """Why the migration cannot begin. `has_template`: there is a template to create the Deployment from."""
        if not self.there and not has_template:
            message = f"Deployment {self.name!r} not found in this namespace (appdeployments.landfall.dev). Create it, or set app.template."
            return ReconcileDecision(Phase.PENDING, ("False", "DeploymentMissing"), message, stalled=True, again_seconds=15)
        if self.differs:
            message = (
                f"Deployment {self.name} exists and differs from app.template; Landfall does not change it."
                " Refer to it with deploymentRef, or rename the Migration."
            )
            return ReconcileDecision(Phase.FAILED, ("False", "DeploymentConflict"), message, stalled=True)
        return None


def decided(app: ObservedApp, desired: Desired, hold: str, *, has_template: bool, completed: bool) -> MigrationDecision:
    """The decision. `has_template`: there is a template to create the Deployment from. `completed`: the app was live once, which is final."""
    if completed:
        return _completed(app)
    goal = Desired.PAUSED if hold else desired
    match goal:
        case Desired.PAUSED:
            return ReconcileDecision(Phase.PAUSED, ("True", "Paused"), f"paused{': ' + hold if hold else ''}")
        case Desired.CANCELLED:
            return ReconcileDecision(Phase.CANCELLED, ("True", "Cancelled"), "cancelled; the Deployment is kept")
        case Desired.ROLLED_BACK:
            message = f"an app is rolled back by its Deployment: set rollbackTo of the Deployment {app.name} (appdeployments.landfall.dev)."
            return ReconcileDecision(Phase.FAILED, ("False", "RollbackUnsupported"), message, stalled=True)
        case Desired.PLANNED:
            message = f"the Deployment {app.name} is created when desiredState is Completed"
            return ReconcileDecision(Phase.PLAN_READY, ("True", "Planned"), message)
        case Desired.COMPLETED:
            return _moving(app, has_template=has_template)
        case _:
            assert_never(goal)


def _moving(app: ObservedApp, *, has_template: bool) -> MigrationDecision:
    problem = app.problem(has_template=has_template)
    if problem:
        return problem
    if not app.there:
        message, action = f"creating the Deployment {app.name}", CreateDeployment(app.name)
        return ReconcileDecision(Phase.RUNNING, ("False", "Deploying"), message, action, working=True, again_seconds=1)
    status, reason, message = app.ready
    if status == "True" and app.live:
        return _completed(app)
    if app.stalled:
        return ReconcileDecision(
            Phase.FAILED, ("False", reason), f"the Deployment {app.name}: {message}", stalled=True, again_seconds=15
        )
    return ReconcileDecision(
        Phase.RUNNING,
        ("False", reason or "Deploying"),
        message or f"the Deployment {app.name} is starting",
        working=True,
        again_seconds=5,
    )


def _completed(app: ObservedApp) -> MigrationDecision:
    where = f" at {app.url}" if app.url else ""
    return ReconcileDecision(
        Phase.COMPLETED,
        ("True", "Completed"),
        f"{app.live or app.name} went live{where}",
        facts=(("Succeeded", ("True", "Completed")),),
    )
