"""What is observed of a Deployment before a decision: its Releases, their workloads, and what its Service selects."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from landfall.api.annotations import DeployRequest, waiting
from landfall.api.deployment import Deployment, Resolved, Variable
from landfall.api.release import ReleaseSpec, ReleaseStatus, request_of
from landfall.controllers.cutover_gate import Gate
from landfall.controllers.decision import ObservedObject
from landfall.controllers.job_state import ObservedJob

# The reason and the message of a condition.
DeploymentProblem = tuple[str, str]


class PodReason(StrEnum):
    """Why a pod is not ready."""

    UNSCHEDULABLE = "Unschedulable"
    IMAGE_PULL_FAILED = "ImagePullFailed"
    CONTAINER_REFUSED = "ContainerRefused"
    OUT_OF_MEMORY = "OutOfMemory"
    CRASH_LOOP = "CrashLoop"
    HEALTH_CHECK_FAILED = "HealthCheckFailed"
    NOT_LISTENING = "NotListening"
    QUOTA_EXCEEDED = "QuotaExceeded"
    PODS_REFUSED = "PodsRefused"


PodProblem = tuple[PodReason, str]


@dataclass(frozen=True, slots=True)
class ObservedRelease:
    """One Release with its newest build."""

    name: str
    spec: ReleaseSpec
    status: ReleaseStatus = field(default_factory=ReleaseStatus)
    job: ObservedJob | None = None

    @property
    def image(self) -> str:
        """The image; empty before it is built."""
        return self.spec.image or self.status.image

    @property
    def port(self) -> int:
        """The port that the app listens on."""
        return self.spec.runtime.port or (self.status.build.port if self.status.build else 0) or 8080

    @property
    def over(self) -> bool:
        """Whether it has failed or been superseded."""
        return bool(self.status.failure or self.status.superseded)


def next_request(queue: Sequence[DeployRequest], handled: str, handled_ids: Collection[str]) -> DeployRequest | None:
    """The first request that is not handled yet; otherwise the last one.

    Args:
        queue: The requests, in order.
        handled: The last handled request according to the status.
        handled_ids: Requests for which there is a Release.

    Returns:
        The request; None if the queue is empty.
    """
    open_ids = [request_id for request_id in waiting([r.id for r in queue], handled) if request_id not in handled_ids]
    return next((r for r in queue if r.id in open_ids), queue[-1] if queue else None)


@dataclass(frozen=True, slots=True)
class ObservedWorkload:
    """The workload of a Release.

    `ready`: number of ready pods of its newest template. `problem`: why a pod is not ready. `refreshed`: mark of the last replacement of its
    pods. `crashed`: a container has ended since its pod started. `running_seconds`: the longest time that a container has been running
    without being ready. `starting`: its pods are new and none has been ready yet.
    """

    name: str
    wanted: int
    ready: int = 0
    problem: PodProblem | None = None
    crashed: PodProblem | None = None
    refreshed: str = ""
    running_seconds: float = 0
    starting: bool = False


@dataclass(frozen=True, slots=True)
class ObservedService:
    """The app's Service: what it selects, since when, and what it selected before."""

    workload: str = ""
    release: str = ""
    previous: str = ""
    switched_at: datetime | None = None
    foreign: bool = False


@dataclass(frozen=True, slots=True)
class ObservedRoute:
    """The app's Ingress. `matches`: it corresponds to the spec."""

    matches: bool = False
    foreign: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservedDeployment(ObservedObject):
    """Everything about one Deployment.

    `resolved`: the commit of the current spec. `source_problem`: why the source cannot be looked up. `request`: the first request of the queue
    without a Release, else the last. `queue`: identifiers of all requests, in order. `secrets`: hash of the values to capture, if a changed
    Secret is to create a new Release. `regions`: regions that nodes are in, if the spec names one. `claimed_by`: the Deployment that has the
    domain. `given`: environment from the database; `database_ready`: state of the database. `gate`: the Migration that migrates data together
    with the app. `left`: gates of migrations whose source no longer holds the data.
    """

    deployment: Deployment
    releases: tuple[ObservedRelease, ...] = ()
    workloads: Mapping[str, ObservedWorkload] = field(default_factory=dict)
    service: ObservedService | None = None
    route: ObservedRoute | None = None
    resolved: Resolved | None = None
    source_problem: DeploymentProblem | None = None
    hold: str = ""
    request: DeployRequest | None = None
    request_problem: str = ""
    queue: tuple[str, ...] = ()
    secrets: str = ""
    given: tuple[Variable, ...] = ()
    environment_problem: DeploymentProblem | None = None
    database_ready: tuple[str, str, str] | None = None
    database_again: float | None = None
    database_project: str = ""
    regions: tuple[str, ...] | None = None
    claimed_by: str = ""
    gate: Gate | None = None
    left: tuple[Gate, ...] = ()

    def release(self, name: str) -> ObservedRelease | None:
        """A Release by name."""
        return next((r for r in self.releases if r.name == name), None)

    @property
    def newest(self) -> ObservedRelease | None:
        """The Release with the highest revision."""
        return self.releases[-1] if self.releases else None

    @property
    def live(self) -> ObservedRelease | None:
        """The Release that the Service selects."""
        return self.release(self.service.release) if self.service else None

    @property
    def previous(self) -> ObservedRelease | None:
        """The Release that the Service selected before."""
        return self.release(self.service.previous) if self.service else None

    @property
    def before(self) -> ObservedRelease | None:
        """The Release for an automatic rollback: the last one that was live and has not failed."""
        last = self.previous
        if last and last.image and not last.status.failure and self._same_data(last):
            return last
        was = [r for r in self.releases if r.status.live_at and r.image and not r.status.failure and r != self.live]
        was = [r for r in was if self._same_data(r)]
        return max(was, key=lambda r: r.spec.revision, default=None)

    def _same_data(self, release: ObservedRelease) -> bool:
        """Whether a Release uses the data of the live one: no migration came between them, or it is being or has been rolled back."""
        live, gate = self.live, self.gate
        if live is None or release.status.gate == live.status.gate:
            return True
        return gate is not None and gate.run == live.status.gate and (gate.failed or gate.rolled_back)

    @property
    def goal(self) -> ObservedRelease | None:
        """The Release that `rollbackTo` names."""
        target = self.deployment.spec.rollback_to
        if target is None:
            return None
        return next((r for r in self.releases if r.name == target.release or r.spec.revision == target.revision), None)

    def handled(self, before: str) -> str:
        """The last handled request, and so all before it. `before` is the recorded one."""
        if self.request is None:
            return before
        if any(request_of(r.spec.trigger) == self.request.id for r in self.releases):
            return self.request.id
        at = self.queue.index(self.request.id) if self.request.id in self.queue else 0
        return self.queue[at - 1] if at else before

    @property
    def pending(self) -> DeployRequest | None:
        """The request, if there is no Release for it."""
        request = self.request
        status = self.deployment.status
        if request is None or (status and status.last_handled_request == request.id):
            return None
        return None if any(request_of(r.spec.trigger) == request.id for r in self.releases) else request
