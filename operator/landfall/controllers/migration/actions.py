"""The actions on a Migration, as a tagged union."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, TypeAlias

from landfall.api.worker_protocol import Verb
from landfall.controllers.actions import ControllerAction, DeleteJob, NamedAction
from landfall.controllers.decision import ReconcileDecision


@dataclass(frozen=True, slots=True)
class AddFinalizer(ControllerAction):
    """Add Landfall's finalizer to the Migration."""

    log_name: ClassVar[str] = "finalize"


@dataclass(frozen=True, slots=True)
class ReleaseFinalizer(ControllerAction):
    """Remove Landfall's finalizer, so that a deleted Migration can be removed."""

    log_name: ClassVar[str] = "release"


@dataclass(frozen=True, slots=True)
class DeclareRun(ControllerAction):
    """Create the Run that the spec declares."""

    log_name: ClassVar[str] = "run"


@dataclass(frozen=True, slots=True)
class CreateJob(ControllerAction):
    """Start a worker of the Run.

    Attributes:
        verb: What the worker does.
        attempt: Number of this worker among those of the verb, from 1.
    """

    log_name: ClassVar[str] = "job"
    verb: Verb
    attempt: int

    @property
    def log_fields(self) -> Mapping[str, str | int]:
        """The verb and the attempt."""
        return {"object": self.verb, "attempt": self.attempt}


@dataclass(frozen=True, slots=True)
class SuspendJob(NamedAction):
    """Suspend a Job: its worker stops at the next checkpoint."""

    log_name: ClassVar[str] = "suspend"


@dataclass(frozen=True, slots=True)
class ResumeJob(NamedAction):
    """Resume a suspended Job."""

    log_name: ClassVar[str] = "resume"


@dataclass(frozen=True, slots=True)
class ScaleJob(NamedAction):
    """Set the number of pods that share a Job.

    Attributes:
        parallelism: The number of pods.
    """

    log_name: ClassVar[str] = "scale"
    parallelism: int

    @property
    def log_fields(self) -> Mapping[str, str | int]:
        """The Job and its number of pods."""
        return {"object": self.name, "parallelism": self.parallelism}


@dataclass(frozen=True, slots=True)
class CreateDeployment(NamedAction):
    """Create the Deployment of the app from the Migration's template."""

    log_name: ClassVar[str] = "deployment"


MigrationAction: TypeAlias = (
    AddFinalizer | ReleaseFinalizer | DeclareRun | CreateJob | DeleteJob | SuspendJob | ResumeJob | ScaleJob | CreateDeployment
)
MigrationDecision: TypeAlias = ReconcileDecision[MigrationAction]
