"""The rules of a Migration with an app alone: it makes the Deployment where there is none, never changes it, and is complete when its release is live."""

from __future__ import annotations

from dataclasses import dataclass

from landfall.api.deployment import GateSeen
from landfall.controllers.decision import Decision
from landfall.controllers.migration.actions import CreateDeployment, MigrationDecision
from landfall.lifecycle import Phase


@dataclass(frozen=True, slots=True)
class ObservedApp:
    """The Deployment that a Migration means.

    `ready` is its condition Ready as (status, reason, message), of its spec as it is now; `waits_for_data`: its release is built
    and waits at the gate; `gate` what it has taken note of about a Migration;
    `on_source` the Connection that the data comes from, where its spec still points at that.
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

    def problem(self, *, made: bool) -> MigrationDecision | None:
        """What no move can begin with. `made`: there is a template to make it from."""
        if not self.there and not made:
            message = f"there is no Deployment {self.name!r} in this namespace (appdeployments.landfall.dev). Create it, or give app.template."
            return Decision(Phase.PENDING, ("False", "DeploymentMissing"), message, stalled=True, again_seconds=15)
        if self.differs:
            message = (
                f"there is a Deployment {self.name} that says something else than app.template, and it is never changed from here."
                " Refer to it with deploymentRef, or give the Migration another name."
            )
            return Decision(Phase.FAILED, ("False", "DeploymentConflict"), message, stalled=True)
        return None


def decided(app: ObservedApp, wanted: str, hold: str, *, made: bool, completed: bool) -> MigrationDecision:
    """How it stands. `made`: there is a template to make it from; `completed`: it was live once, which stays so."""
    if completed:
        return _completed(app)
    if hold or wanted == "Paused":
        return Decision(Phase.PAUSED, ("True", "Paused"), f"paused{': ' + hold if hold else ''}")
    if wanted == "Cancelled":
        return Decision(Phase.CANCELLED, ("True", "Cancelled"), "cancelled; what was brought ashore stays")
    if wanted == "RolledBack":
        message = f"an app goes back where it lives: set rollbackTo of the Deployment {app.name} (appdeployments.landfall.dev)."
        return Decision(Phase.FAILED, ("False", "RollbackUnsupported"), message, stalled=True)
    if wanted == "Planned":
        return Decision(Phase.PLAN_READY, ("True", "Planned"), f"the Deployment {app.name} is made with desiredState: Completed")
    return _moving(app, made=made)


def _moving(app: ObservedApp, *, made: bool) -> MigrationDecision:
    problem = app.problem(made=made)
    if problem:
        return problem
    if not app.there:
        message, action = f"making the Deployment {app.name}", CreateDeployment(app.name)
        return Decision(Phase.RUNNING, ("False", "Deploying"), message, action, working=True, again_seconds=1)
    status, reason, message = app.ready
    if status == "True" and app.live:
        return _completed(app)
    if app.stalled:
        return Decision(Phase.FAILED, ("False", reason), f"the Deployment {app.name}: {message}", stalled=True, again_seconds=15)
    return Decision(
        Phase.RUNNING,
        ("False", reason or "Deploying"),
        message or f"the Deployment {app.name} begins",
        working=True,
        again_seconds=5,
    )


def _completed(app: ObservedApp) -> MigrationDecision:
    where = f" at {app.url}" if app.url else ""
    return Decision(
        Phase.COMPLETED,
        ("True", "Completed"),
        f"{app.live or app.name} went live{where}",
        facts=(("Succeeded", ("True", "Completed")),),
    )
