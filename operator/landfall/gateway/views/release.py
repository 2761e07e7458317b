"""Releases as deployments of the public contract: names, statuses, times. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from landfall.api.annotations import DeployRequest
from landfall.api.phases import ReleasePhase
from landfall.api.release import request_of
from landfall.gateway.identifiers import DEPLOYMENT, PROJECT
from landfall.gateway.requests import COMMIT

Object = dict[str, Any]
Status = Literal["queued", "building", "deploying", "live", "failed", "rolled_back"]
AllowedAction = Literal["rollback"]
# A release that was replaced before it was live has failed; one that was live can be rolled back to.
_STATUSES: Mapping[ReleasePhase, Status] = {
    ReleasePhase.QUEUED: "queued",
    ReleasePhase.BUILDING: "building",
    ReleasePhase.DEPLOYING: "deploying",
    ReleasePhase.LIVE: "live",
    ReleasePhase.FAILED: "failed",
    ReleasePhase.ROLLED_BACK: "rolled_back",
    ReleasePhase.SUPERSEDED: "failed",
}


class DeploymentItem(BaseModel):
    """A deployment of a project, in a list."""

    id: str = Field(description="ID of the deployment.")
    project_id: str = Field(description="ID of the project.")
    commit_sha: str | None = Field(description="Commit. Null for an image or an archive.")
    commit_message: str | None = Field(description="First line of the commit message.")
    branch: str | None = Field(description="Branch that the commit was resolved from.")
    status: Status = Field(description="Status of the object.")
    url: str | None = Field(description="URL of the app, while this deployment is live.")
    created_at: str = Field(description="Time of the request.")
    live_at: str | None = Field(description="Time at which it last became live.")
    allowed_actions: list[AllowedAction] = Field(default=[], description="Actions whose request is accepted now.")


class DeploymentDetail(DeploymentItem):
    """A deployment of a project, with all details."""

    preview_url: str | None = Field(description="URL of this deployment, inside the cluster.")
    region: str | None = Field(description="Region of the pods.")
    instance_type: str | None = Field(description="Instance size of the pods.")
    build_duration_seconds: int | None = Field(description="Duration of the build, in seconds. Null if nothing was built.")
    logs_url: str = Field(description="URL of the log.")
    rolled_back_from: str | None = Field(default=None, description="For a rollback: the deployment that was live before.")
    rolled_back_to: str | None = Field(default=None, description="For a rollback: the deployment that is rolled back to.")
    error: str | None = Field(default=None, description="Reason of the failure.")


class DeployBody(BaseModel):
    """What to deploy."""

    model_config = ConfigDict(extra="forbid")

    project_id: str = Field(description="ID of the project to deploy.")
    commit_sha: str | None = Field(
        default=None, pattern=COMMIT, description="Commit to deploy. Default: the latest commit of the branch."
    )
    env_vars: dict[str, str] = Field(
        default_factory=dict, description="Environment variables for this deployment only. They override those of the project."
    )


def project_of(name: str) -> str:
    """The project's identifier. A project is a Deployment of the key's namespace."""
    return f"{PROJECT}{name}"


def identifier(release: Object) -> str:
    """The identifier from its request through this API; otherwise derived from its name."""
    request = request_of(release["spec"]["trigger"])
    return request if request.startswith(DEPLOYMENT) else f"{DEPLOYMENT}{release['metadata']['name']}"


def status_of(release: Object) -> Status:
    """The status of the contract. A release that was live before is `rolled_back`: it can be rolled back to."""
    status = release.get("status") or {}
    phase = phase_of(release)
    if phase is ReleasePhase.SUPERSEDED and status.get("liveAt"):
        return "rolled_back"
    return _STATUSES[phase]


def phase_of(release: Object) -> ReleasePhase:
    """`status.phase`; QUEUED if it is absent or unknown to this version."""
    try:
        return ReleasePhase((release.get("status") or {}).get("phase") or ReleasePhase.QUEUED)
    except ValueError:
        return ReleasePhase.QUEUED


def rollback_refusal(release: Object) -> str:
    """Why the app cannot be rolled back to a release; empty if it can. A rollback to the live one keeps it live."""
    stands = status_of(release)
    return "" if stands in {"live", "rolled_back"} else f"is {stands}: only a deployment that was live can be rolled back to"


def item(release: Object, url: str) -> DeploymentItem:
    """The item of a list. `url`: the app's URL."""
    spec, status, build = release["spec"], release.get("status") or {}, (release.get("status") or {}).get("build") or {}
    stands = status_of(release)
    return DeploymentItem(
        id=identifier(release),
        project_id=project_of(spec["deploymentRef"]["name"]),
        commit_sha=spec.get("commit") or None,
        commit_message=spec.get("message") or build.get("message") or None,
        branch=spec.get("branch") or None,
        status=stands,
        url=url if stands == "live" and url else None,
        created_at=release["metadata"]["creationTimestamp"],
        live_at=status.get("liveAt"),
        allowed_actions=[] if rollback_refusal(release) else ["rollback"],
    )


def detail(release: Object, url: str, base: str, identifiers: dict[str, str]) -> DeploymentDetail:
    """All details. `identifiers`: those of Releases by name. `base`: the gateway's own URL."""
    short, spec, status = item(release, url), release["spec"], release.get("status") or {}
    build = status.get("build") or {}
    build_seconds = sum(float(build.get(f"{step}Seconds", 0)) for step in ("fetch", "install", "build", "push"))
    failure = status.get("failure") or {}
    return DeploymentDetail(
        **short.model_dump(),
        preview_url=status.get("preview") or None,
        region=spec.get("region") or None,
        instance_type=(spec.get("runtime") or {}).get("instanceType") or None,
        build_duration_seconds=round(build_seconds) if build_seconds and not build.get("reused") else None,
        logs_url=f"{base}/v1/deployments/{short.id}/logs",
        rolled_back_from=identifiers.get(spec.get("rollbackFrom", "")),
        rolled_back_to=identifiers.get(spec.get("rollbackTo", "")),
        error=f"{failure['reason']}: {failure['message']}" if failure else _overtaken(status),
    )


def _overtaken(status: Object) -> str | None:
    """Why it never went live, if it did not fail."""
    successor = status.get("superseded")
    return f"Superseded: {successor}" if successor and not status.get("liveAt") else None


def queued(deployment_id: str, app: Object, request: DeployRequest | None, base: str) -> DeploymentDetail:
    """A deployment without a Release yet: a deploy, or a rollback if `request` is None. It is shown from its request on."""
    back = app["spec"].get("rollbackTo") or {}
    return DeploymentDetail(
        id=deployment_id,
        project_id=project_of(app["metadata"]["name"]),
        commit_sha=(request.commit or None) if request else None,
        commit_message=None,
        branch=None,
        status="queued",
        url=None,
        created_at=app["metadata"]["creationTimestamp"],
        live_at=None,
        preview_url=None,
        region=None,
        instance_type=None,
        build_duration_seconds=None,
        logs_url=f"{base}/v1/deployments/{deployment_id}/logs",
        rolled_back_to=None if request else f"{DEPLOYMENT}{back.get('release', '')}",
        error=None,
    )
