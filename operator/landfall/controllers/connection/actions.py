"""What the loop of a Connection and of a Webhook can do: a tagged union of values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, TypeAlias

from landfall.controllers.actions import DeleteJob, NamedAction
from landfall.controllers.decision import Decision


@dataclass(frozen=True, slots=True)
class StartProbe(NamedAction):
    """Start the worker that tries the other side."""

    log_name: ClassVar[str] = "probe"


ProbeAction: TypeAlias = StartProbe | DeleteJob
ProbeDecision: TypeAlias = Decision[ProbeAction]
