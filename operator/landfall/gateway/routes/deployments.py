"""`/v1/deployments`: deploys and rollbacks of an app. Each is a Release; a request changes one Deployment, by server-side apply."""

from __future__ import annotations

import secrets
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, Query, Request
from pydantic import BaseModel, Field

from landfall.api import spec_changes
from landfall.api.annotations import ANNOTATION, DeployRequest, deploy_requests
from landfall.api.fields import API_VERSION
from landfall.gateway.auth import Caller
from landfall.gateway.dependencies import CallerDep, JournalDep, Now
from landfall.gateway.errors import ProblemError
from landfall.gateway.identifiers import DEPLOYMENT, PROJECT, minted, name_in
from landfall.gateway.journal_client import LogOwner, line_time
from landfall.gateway.pagination import Cursor, Ordering, page
from landfall.gateway.requests import Body, moment, referred
from landfall.gateway.views.release import (
    DeployBody,
    DeploymentDetail,
    DeploymentItem,
    Status,
    detail,
    identifier,
    item,
    project_of,
    queued,
    rollback_refusal,
    status_of,
)
from landfall.gateway.writes import changed, store_secret

Object = dict[str, Any]


class Pagination(BaseModel):
    """The position of the next page."""

    has_more: bool = Field(description="Whether there are more objects.")
    next_cursor: str | None = Field(description="Cursor of the next page.")


class DeploymentPage(BaseModel):
    """Deployments, the newest first."""

    data: list[DeploymentItem]
    pagination: Pagination


class DeploymentAnswer(BaseModel):
    """One deployment."""

    data: DeploymentDetail


class Accepted(BaseModel):
    """The accepted request."""

    id: str
    project_id: str
    status: Status
    created_at: str = Field(description="Time of the request.")
    rolled_back_from: str | None = Field(default=None, description="For a rollback: the deployment that was live before.")
    rolled_back_to: str | None = Field(default=None, description="For a rollback: the deployment that is rolled back to.")


class AcceptedAnswer(BaseModel):
    """The accepted request."""

    data: Accepted


class LogLine(BaseModel):
    """One line."""

    timestamp: str
    level: str
    message: str


class DeploymentLog(BaseModel):
    """A deployment's log."""

    logs: list[LogLine]


class DeploymentLogAnswer(BaseModel):
    """A deployment's log."""

    data: DeploymentLog


ROUTER = APIRouter(prefix="/v1/deployments", tags=["deployments"])


class DeploymentFilter(Body):
    """Filters of the list."""

    project_id: str = Field(default="", max_length=300, description="Only deployments of this project.")
    status: Literal["", Status] = Field(default="", description="Only objects with this status.")
    limit: int = Field(default=20, ge=1, le=100)
    cursor: Cursor = ""


@ROUTER.get("")
async def listed(caller: CallerDep, filters: Annotated[DeploymentFilter, Query()]) -> DeploymentPage:
    """List the deployments of the namespace, or of one project."""
    name = name_in(PROJECT, filters.project_id)
    if filters.project_id and not name:
        raise _no_project(filters.project_id)

    def takes(raw: Object) -> bool:
        return filters.status in {"", status_of(raw)} and name in {"", raw["spec"]["deploymentRef"]["name"]}

    ordered = await caller.ordered("Release", Ordering(f"{name}/{filters.status}", takes, _place))
    releases, following = page(ordered, _place, filters.limit, filters.cursor)
    urls = {release["metadata"]["name"]: _url(release) for release in await caller.listed("Deployment")}
    items = [item(release, urls.get(release["spec"]["deploymentRef"]["name"], "")) for release in releases]
    return DeploymentPage(data=items, pagination=Pagination(has_more=following is not None, next_cursor=following))


def _place(raw: Object) -> tuple[str, str]:
    return raw["metadata"]["creationTimestamp"], raw["metadata"]["name"]


@ROUTER.get("/{deployment_id}")
async def get(caller: CallerDep, deployment_id: str, request: Request) -> DeploymentAnswer:
    """Get one deployment."""
    base = str(request.base_url).rstrip("/")
    waiting = await _queued(caller, deployment_id)
    if waiting:
        return DeploymentAnswer(data=queued(deployment_id, *waiting, base))
    release, releases, app = await _find(caller, deployment_id)
    identifiers = {r["metadata"]["name"]: identifier(r) for r in releases}
    return DeploymentAnswer(data=detail(release, _url(app), base, identifiers))


@ROUTER.post("", status_code=202)
async def deploy(
    caller: CallerDep, now: Now, body: DeployBody, idempotency_key: Annotated[str, Header(max_length=200)] = ""
) -> AcceptedAnswer:
    """Deploy the latest commit of a project's branch, or a given commit."""
    caller.may_write()
    name = name_in(PROJECT, body.project_id)
    app = await caller.kube.get("Deployment", caller.key.namespace, name) if name else None
    if app is None:
        raise _no_project(body.project_id)
    back = app["spec"].get("rollbackTo")
    if back and not back.get("id"):
        message = (
            "spec.rollbackTo of the Deployment was set by another client; no newer release goes live until it is removed there"
        )
        raise ProblemError(409, "invalid_state", message)
    made_id = f"{DEPLOYMENT}{minted(caller.key.id, name, idempotency_key or secrets.token_hex(16))}"
    request = spec_changes.deploy(made_id, body.commit_sha or "", await _store_values(caller, app, made_id, body.env_vars))

    def change(current: Object) -> tuple[Object, dict[str, str]]:
        handled = str((current.get("status") or {}).get("lastHandledRequest", ""))
        queue = spec_changes.queued(_annotation(current), handled, request)
        if queue is None:
            message = f"too many deploys of {body.project_id} are waiting. Retry when the first of them is handled"
            raise ProblemError(409, "deploy_in_progress", message, retry_seconds=5)
        return spec_changes.move_on(), {ANNOTATION: queue}

    await changed(caller, "Deployment", app, change)
    caller.audit("deploy", name, made_id)
    return AcceptedAnswer(data=Accepted(id=made_id, project_id=body.project_id, status="queued", created_at=moment(now)))


@ROUTER.post("/{deployment_id}/rollback", status_code=202)
async def rollback(caller: CallerDep, now: Now, deployment_id: str) -> AcceptedAnswer:
    """Roll back to a deployment that was live, with its image and environment."""
    caller.may_write()
    if await _queued(caller, deployment_id):
        raise ProblemError(
            409, "invalid_state", f"{deployment_id} is queued: only a deployment that was live can be rolled back to"
        )
    release, releases, app = await _find(caller, deployment_id, fresh=True)
    if refused := rollback_refusal(release):
        raise ProblemError(409, "invalid_state", f"{deployment_id} {refused}")
    name, goal = app["metadata"]["name"], release["metadata"]["name"]
    live = next((r for r in releases if r["metadata"]["name"] == (app.get("status") or {}).get("live")), None)
    made_id = f"{DEPLOYMENT}{minted(caller.key.id, goal, str(app['metadata']['generation']))}"
    await changed(caller, "Deployment", app, lambda _: (spec_changes.back_to(goal, made_id), None))
    caller.audit("rollback", name, made_id)
    accepted = Accepted(
        id=deployment_id if live is release else made_id,  # a rollback to the live release creates none
        project_id=project_of(name),
        status="queued",
        created_at=moment(now),
        rolled_back_from=identifier(live) if live else None,
        rolled_back_to=deployment_id,
    )
    return AcceptedAnswer(data=accepted)


@ROUTER.get("/{deployment_id}/logs")
async def logs(caller: CallerDep, journal: JournalDep, deployment_id: str) -> DeploymentLogAnswer:
    """Get the build log and its result."""
    if await _queued(caller, deployment_id):
        return DeploymentLogAnswer(data=DeploymentLog(logs=[]))
    release, _, app = await _find(caller, deployment_id)
    owner = LogOwner(caller.key.namespace, "Deployment", app["metadata"]["name"])
    lines = await journal.lines(owner, job=f"{release['metadata']['name']}-build-")
    entries = [LogLine(timestamp=line_time(line), level=line["level"], message=line["message"]) for line in lines]
    return DeploymentLogAnswer(data=DeploymentLog(logs=[*entries, *_final_lines(release, _url(app))]))


async def _find(caller: Caller, deployment_id: str, *, fresh: bool = False) -> tuple[Object, list[Object], Object]:
    """The Release, those of its project, and the Deployment. Raises ProblemError."""
    releases = await caller.listed("Release", fresh=fresh)
    release = next((r for r in releases if identifier(r) == deployment_id), None)
    for app in await caller.listed("Deployment", fresh=fresh):
        of_app = [r for r in releases if r["spec"]["deploymentRef"]["name"] == app["metadata"]["name"]]
        if release is not None and release in of_app:
            return release, of_app, app
    raise ProblemError(404, "deployment_not_found", f"deployment {deployment_id[:80]!r} not found")


async def _queued(caller: Caller, deployment_id: str) -> tuple[Object, DeployRequest | None] | None:
    """The Deployment of a request without a Release, and the request, None for a rollback; None if a Release exists, or it is unknown."""
    for fresh in (False, True):  # the cache may not have what another replica has just written
        if any(identifier(r) == deployment_id for r in await caller.listed("Release", fresh=fresh)):
            return None
        for app in await caller.listed("Deployment", fresh=fresh):
            request = next((r for r in deploy_requests(_annotation(app))[0] if r.id == deployment_id), None)
            if request or (app["spec"].get("rollbackTo") or {}).get("id") == deployment_id:
                return app, request
    return None


def _annotation(app: Object) -> str:
    return str((app["metadata"].get("annotations") or {}).get(ANNOTATION, ""))


async def _store_values(caller: Caller, app: Object, made_id: str, values: dict[str, str]) -> list[Object]:
    """Store values in a Secret that the Deployment owns, because annotations are not secret."""
    if not values:
        return []
    name = f"{app['metadata']['name']}-{made_id.removeprefix('dep_')}"
    owner = {"apiVersion": API_VERSION, "kind": "Deployment", "name": app["metadata"]["name"], "uid": app["metadata"]["uid"]}
    await store_secret(caller, name, values, {"ownerReferences": [owner]})
    return referred(name, values)


def _final_lines(release: Object, url: str) -> list[LogLine]:
    status = release.get("status") or {}
    lines = []
    if status.get("liveAt"):
        lines.append(LogLine(timestamp=status["liveAt"], level="success", message=f"live at {url}" if url else "live"))
    if status.get("failure"):
        failure = status["failure"]
        lines.append(LogLine(timestamp=failure["at"], level="error", message=f"{failure['reason']}: {failure['message']}"))
    return lines


def _url(app: Object) -> str:
    return str((app.get("status") or {}).get("url", ""))


def _no_project(project: str) -> ProblemError:
    return ProblemError(404, "project_not_found", f"project {project[:80]!r} not found", field="project_id")
