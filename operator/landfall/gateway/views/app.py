"""Migrations with an app, in the form of the contract. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, Field

from landfall.gateway.views.migration import Problem, identifier, ready
from landfall.gateway.views.migration import status_of as stands
from landfall.gateway.views.release import project_of
from landfall.lifecycle import Action
from landfall.lifecycle import Status as MigrationStatus
from landfall.refusals import allowed_actions

Object = dict[str, Any]
Status = Literal["pending", "processing", "complete", "failed"]
# By the status of a migration of data: an app that was cancelled has not been deployed.
STATUSES: Mapping[MigrationStatus, Status] = {
    "pending": "pending",
    "planning": "processing",
    "plan_ready": "processing",
    "approved": "processing",
    "running": "processing",
    "pausing": "processing",
    "paused": "processing",
    "validating": "processing",
    "completed": "complete",
    "failed": "failed",
    "cancelling": "processing",
    "cancelled": "failed",
    "rolling_back": "processing",
    "rolled_back": "failed",
}


class AppItem(BaseModel):
    """An app in a list."""

    id: str
    project_id: str
    source: Literal["github", "git", "zip", "image"] | None = Field(description="Source of the app.")
    repo: str | None
    branch: str | None
    framework: str | None = Field(description="Framework, as requested or detected.")
    status: Status
    created_at: str
    completed_at: str | None


class AppDatabase(BaseModel):
    """The app's database."""

    type: str = Field(description="Provider of the database.")
    project_id: str | None = Field(default=None, description="ID of the project at the provider, once it is known.")


class AppDetail(AppItem):
    """All details of an app."""

    database: AppDatabase | None
    logs_url: str
    url: str | None = Field(description="URL of the app, once it is live.")
    error: Problem | None = Field(description="Reason of the failure.")
    allowed_actions: list[Action] = Field(description="Actions whose request is accepted now.")


class AppAnswer(BaseModel):
    """An app."""

    data: AppDetail


class AppCreated(BaseModel):
    """A created app."""

    id: str
    status: Status
    project_id: str
    created_at: str


class AppCreatedAnswer(BaseModel):
    """A created app."""

    data: AppCreated


def is_app(raw: Object) -> bool:
    """Whether it is shown in this form: an app and no data."""
    return bool(raw["spec"].get("app")) and not raw["spec"].get("data")


def deployment_of(raw: Object) -> str:
    """The Deployment that it creates or refers to."""
    app = raw["spec"].get("app") or {}
    return str((app.get("deploymentRef") or raw["metadata"])["name"])


def status_of(raw: Object) -> Status:
    """Its status."""
    return STATUSES[stands(raw)]


def created(raw: Object) -> AppCreated:
    """The response to its creation."""
    return AppCreated(
        id=identifier(raw),
        status=status_of(raw),
        project_id=project_of(deployment_of(raw)),
        created_at=raw["metadata"]["creationTimestamp"],
    )


def item(raw: Object, frameworks: Mapping[str, str]) -> AppItem:
    """The item of a list. `frameworks`: detected frameworks by Deployment."""
    template = raw["spec"]["app"].get("template") or {}
    source = template.get("source") or {}
    kinds: tuple[Literal["github", "git", "zip", "image"], ...] = ("github", "git", "zip", "image")
    kind = next((k for k in kinds if source.get(k)), None)
    repository: Object = (source.get(kind) if kind in {"github", "git"} else None) or {}
    framework = (template.get("build") or {}).get("framework")
    return AppItem(
        **created(raw).model_dump(),
        source=kind,
        repo=repository.get("repository") or repository.get("url"),
        branch=repository.get("branch"),
        framework=framework or frameworks.get(deployment_of(raw)) or None,
        completed_at=(raw.get("status") or {}).get("completionTime"),
    )


def detail(raw: Object, deployment: Object, frameworks: Mapping[str, str], base: str) -> AppDetail:
    """All details, with those of its Deployment. `base`: the gateway's own URL."""
    database = (raw["spec"]["app"].get("template") or {}).get("database") or {}
    project_id = (deployment.get("status") or {}).get("databaseProject")
    _, reason, message = ready(raw)
    return AppDetail(
        **item(raw, frameworks).model_dump(),
        database=AppDatabase(type=database["type"].lower(), project_id=project_id or None) if database.get("type") else None,
        logs_url=f"{base}/v1/migrations/{identifier(raw)}/logs",
        url=((raw.get("status") or {}).get("app") or {}).get("url") or None,
        error=Problem(code=reason, message=message) if status_of(raw) == "failed" else None,
        allowed_actions=list(allowed_actions(raw)),
    )
