"""The actions on a Deployment, as a tagged union."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, TypeAlias

from landfall.controllers.actions import ControllerAction, DeleteJob, NamedAction
from landfall.controllers.decision import ReconcileDecision


@dataclass(frozen=True, slots=True)
class MakeRelease(NamedAction):
    """Create the Release `name` of the current spec, with its captured environment."""

    log_name: ClassVar[str] = "release"


@dataclass(frozen=True, slots=True)
class MakeRollback(NamedAction):
    """Create a Release that rolls back to the Release `name`."""

    log_name: ClassVar[str] = "rollback"


@dataclass(frozen=True, slots=True)
class BuildRelease(NamedAction):
    """Start a build of the Release `name`.

    Attributes:
        attempt: The number of this build, from 1.
    """

    log_name: ClassVar[str] = "build"
    attempt: int

    @property
    def log_fields(self) -> Mapping[str, str | int]:
        """The Release and the attempt."""
        return {"object": self.name, "attempt": self.attempt}


@dataclass(frozen=True, slots=True)
class FailRelease(NamedAction):
    """Record that the Release `name` has failed.

    Attributes:
        reason: A word in CamelCase.
        message: The explanation for users.
    """

    log_name: ClassVar[str] = "fail"
    reason: str
    message: str

    @property
    def log_fields(self) -> Mapping[str, str | int]:
        """The Release and the reason."""
        return {"object": self.name, "reason": self.reason}


@dataclass(frozen=True, slots=True)
class SupersedeRelease(NamedAction):
    """Record that the Release `name` is no longer wanted.

    Attributes:
        message: Which Release is wanted instead.
    """

    log_name: ClassVar[str] = "supersede"
    message: str


@dataclass(frozen=True, slots=True)
class ForgetRelease(NamedAction):
    """Delete the Release `name`, which exceeds the history limit, and its environment."""

    log_name: ClassVar[str] = "forget"


@dataclass(frozen=True, slots=True)
class CreateWorkload(NamedAction):
    """Create the workload of the Release `name`.

    Attributes:
        replicas: The number of pods.
    """

    log_name: ClassVar[str] = "workload"
    replicas: int

    @property
    def log_fields(self) -> Mapping[str, str | int]:
        """The Release and the number of pods."""
        return {"object": self.name, "replicas": self.replicas}


@dataclass(frozen=True, slots=True)
class ScaleWorkload(NamedAction):
    """Scale the workload `name`.

    Attributes:
        replicas: The number of pods.
    """

    log_name: ClassVar[str] = "scale"
    replicas: int

    @property
    def log_fields(self) -> Mapping[str, str | int]:
        """The workload and the number of pods."""
        return {"object": self.name, "replicas": self.replicas}


@dataclass(frozen=True, slots=True)
class CoolWorkload(NamedAction):
    """Scale the workload `name` to 0, and delete its preview Service."""

    log_name: ClassVar[str] = "cool"


@dataclass(frozen=True, slots=True)
class RefreshWorkload(NamedAction):
    """Replace the pods of the workload `name`.

    Attributes:
        mark: When it was replaced as the live release, in the time format of the API server.
    """

    log_name: ClassVar[str] = "refresh"
    mark: str


@dataclass(frozen=True, slots=True)
class CreatePreview(NamedAction):
    """Create the preview of the Release `name`: a Service that selects only its pods."""

    log_name: ClassVar[str] = "preview"


@dataclass(frozen=True, slots=True)
class SwitchTraffic(NamedAction):
    """Make the app's Service select the Release `name`: this Release goes live."""

    log_name: ClassVar[str] = "switch"


@dataclass(frozen=True, slots=True)
class ApplyRoute(ControllerAction):
    """Write the app's Ingress according to the spec."""

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
DeploymentDecision: TypeAlias = ReconcileDecision[DeploymentAction]
