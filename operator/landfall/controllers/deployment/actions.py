"""What the loop of a Deployment can do: a tagged union of values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, TypeAlias

from landfall.controllers.actions import ControllerAction, DeleteJob, NamedAction
from landfall.controllers.decision import Decision


@dataclass(frozen=True, slots=True)
class MakeRelease(NamedAction):
    """Create the Release `name` of what the spec asks for, with the environment that it captures."""

    log_name: ClassVar[str] = "release"


@dataclass(frozen=True, slots=True)
class MakeRollback(NamedAction):
    """Create a Release that goes back to the Release `name`."""

    log_name: ClassVar[str] = "rollback"


@dataclass(frozen=True, slots=True)
class BuildRelease(NamedAction):
    """Start a builder of the Release `name`. Attempts are counted from 1."""

    log_name: ClassVar[str] = "build"
    attempt: int

    @property
    def log_fields(self) -> Mapping[str, str | int]:
        """The Release and the attempt."""
        return {"object": self.name, "attempt": self.attempt}


@dataclass(frozen=True, slots=True)
class FailRelease(NamedAction):
    """Record that the Release `name` has failed, and why."""

    log_name: ClassVar[str] = "fail"
    reason: str
    message: str

    @property
    def log_fields(self) -> Mapping[str, str | int]:
        """The Release and the reason."""
        return {"object": self.name, "reason": self.reason}


@dataclass(frozen=True, slots=True)
class SupersedeRelease(NamedAction):
    """Record that nobody waits for the Release `name` any more, and why."""

    log_name: ClassVar[str] = "supersede"
    message: str


@dataclass(frozen=True, slots=True)
class ForgetRelease(NamedAction):
    """Delete the Release `name`, which is beyond the history, and its environment."""

    log_name: ClassVar[str] = "forget"


@dataclass(frozen=True, slots=True)
class CreateWorkload(NamedAction):
    """Create the workload of the Release `name`."""

    log_name: ClassVar[str] = "workload"
    replicas: int

    @property
    def log_fields(self) -> Mapping[str, str | int]:
        """The Release and the number of pods."""
        return {"object": self.name, "replicas": self.replicas}


@dataclass(frozen=True, slots=True)
class ScaleWorkload(NamedAction):
    """Scale the workload `name`."""

    log_name: ClassVar[str] = "scale"
    replicas: int

    @property
    def log_fields(self) -> Mapping[str, str | int]:
        """The workload and the number of pods."""
        return {"object": self.name, "replicas": self.replicas}


@dataclass(frozen=True, slots=True)
class CoolWorkload(NamedAction):
    """Scale the workload `name` to none, and delete the Service that shows it alone."""

    log_name: ClassVar[str] = "cool"


@dataclass(frozen=True, slots=True)
class RefreshWorkload(NamedAction):
    """Replace the pods of the workload `name`. `mark` is when it ceased to serve, as the API server writes times."""

    log_name: ClassVar[str] = "refresh"
    mark: str


@dataclass(frozen=True, slots=True)
class CreatePreview(NamedAction):
    """Create a Service of the Release `name` alone."""

    log_name: ClassVar[str] = "preview"


@dataclass(frozen=True, slots=True)
class SwitchTraffic(NamedAction):
    """Have the app's Service select the Release `name`: the moment of going live."""

    log_name: ClassVar[str] = "switch"


@dataclass(frozen=True, slots=True)
class ApplyRoute(ControllerAction):
    """Write the app's Ingress as the spec says."""

    log_name: ClassVar[str] = "route"


@dataclass(frozen=True, slots=True)
class DeleteRoute(ControllerAction):
    """Delete the app's Ingress."""

    log_name: ClassVar[str] = "unroute"


ReleaseAction: TypeAlias = MakeRelease | MakeRollback | BuildRelease | FailRelease | SupersedeRelease | ForgetRelease | DeleteJob
TrafficAction: TypeAlias = (
    CreateWorkload | ScaleWorkload | CoolWorkload | RefreshWorkload | CreatePreview | SwitchTraffic | ApplyRoute | DeleteRoute
)
DeploymentAction: TypeAlias = ReleaseAction | TrafficAction
DeploymentDecision: TypeAlias = Decision[DeploymentAction]
