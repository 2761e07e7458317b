"""What the loop of a Migration can do: a tagged union of values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, TypeAlias

from landfall.api.worker_protocol import Verb
from landfall.controllers.actions import ControllerAction, DeleteJob, NamedAction
from landfall.controllers.decision import Decision


@dataclass(frozen=True, slots=True)
class AddFinalizer(ControllerAction):
    """Put the finalizer on the Migration."""

    log_name: ClassVar[str] = "finalize"


@dataclass(frozen=True, slots=True)
class ReleaseFinalizer(ControllerAction):
    """Take the finalizer away, which lets a deleted Migration go."""

    log_name: ClassVar[str] = "release"


@dataclass(frozen=True, slots=True)
class DeclareRun(ControllerAction):
    """Create the Run that the spec declares."""

    log_name: ClassVar[str] = "run"


@dataclass(frozen=True, slots=True)
class CreateJob(ControllerAction):
    """Start a worker of the Run. Attempts of a verb are counted from 1."""

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
    """Let a suspended Job go on."""

    log_name: ClassVar[str] = "resume"


@dataclass(frozen=True, slots=True)
class ScaleJob(NamedAction):
    """Have `parallelism` pods share a Job."""

    log_name: ClassVar[str] = "scale"
    parallelism: int

    @property
    def log_fields(self) -> Mapping[str, str | int]:
        """The Job and the number of its pods."""
        return {"object": self.name, "parallelism": self.parallelism}


@dataclass(frozen=True, slots=True)
class CreateDeployment(NamedAction):
    """Create the Deployment of the app from the Migration's template."""

    log_name: ClassVar[str] = "deployment"


MigrationAction: TypeAlias = (
    AddFinalizer | ReleaseFinalizer | DeclareRun | CreateJob | DeleteJob | SuspendJob | ResumeJob | ScaleJob | CreateDeployment
)
MigrationDecision: TypeAlias = Decision[MigrationAction]
