"""The actions on a Connection or a Webhook, as a tagged union."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, TypeAlias

from landfall.controllers.actions import DeleteJob, NamedAction
from landfall.controllers.decision import ReconcileDecision


@dataclass(frozen=True, slots=True)
class StartProbe(NamedAction):
    """Start the worker that tests the connection or the webhook."""

    log_name: ClassVar[str] = "probe"


ProbeAction: TypeAlias = StartProbe | DeleteJob
ProbeDecision: TypeAlias = ReconcileDecision[ProbeAction]
