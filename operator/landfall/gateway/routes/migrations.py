"""`/v1/migrations`: migrations of data and apps. A POST creates a Migration; all other routes read it or change its spec."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import datetime
from functools import cached_property
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, Query, Request
from pydantic import BaseModel, Field

from landfall import lifecycle, refusals
from landfall.api.release import LABEL_DEPLOYMENT
from landfall.gateway.auth import Caller
from landfall.gateway.dependencies import CallerDep, Now
from landfall.gateway.errors import ProblemError
from landfall.gateway.identifiers import CONNECTION, MIGRATION, minted, name_in, slug
from landfall.gateway.pagination import Ordering, Paged, Pagination
from landfall.gateway.requests import (
    CREATED_BY,
    DESCRIPTION,
    TITLE,
    CreateBody,
    DataBody,
    GitHubBody,
    MaybeTime,
    NewDatabase,
    UploadBody,
    ZipBody,
    app_spec,
    data_spec,
)
from landfall.gateway.response_cache import LASTING
from landfall.gateway.views import app as apps
from landfall.gateway.views import migration as moves
from landfall.gateway.writes import applied, changed, store_secret

Object = dict[str, Any]
AnyStatus = Literal["", lifecycle.Status, apps.Status]
# Labels of Secrets without an owner, which the app reads as long as it exists.
_OURS: Object = {"labels": {"app.kubernetes.io/managed-by": "landfall"}}
_PROVIDERS = {"supabase": "landfall-supabase", "appwrite": "landfall-appwrite"}


class MigrationPage(BaseModel):
    """Migrations of data and of apps, each in its own form."""

    data: list[moves.MoveItem | apps.AppItem]
    pagination: Pagination


class Deleted(BaseModel):
    """What was deleted and what is retained."""

    id: str
    deleted: bool
    logs_retained: bool
    metrics_retained: bool


class MigrationFilter(Paged):
    """Filters and order of the list."""

    status: AnyStatus = Field(
        default="", description="Only migrations with this status. Statuses of data and app migrations differ."
    )
    source_id: str = Field(default="", max_length=300, description="Only migrations from this connection.")
    target_id: str = Field(default="", max_length=300, description="Only migrations to this connection.")
    created_after: MaybeTime = None
    created_before: MaybeTime = None
    sort: Literal["created_at", "started_at", "name"] = "created_at"
    order: Literal["asc", "desc"] = "desc"

    def takes(self, raw: Object) -> bool:
        """Whether a migration matches."""
        return all(condition(raw) for condition in self._conditions)

    @cached_property
    def _conditions(self) -> tuple[Callable[[Object], bool], ...]:
        """One condition for each filter, because thousands of migrations are checked."""
        after, before = self.created_after, self.created_before
        return (
            *((lambda raw: self.status == (apps if apps.is_app(raw) else moves).status_of(raw),) if self.status else ()),
            *(
                _at(side, name_in(CONNECTION, identifier))
                for identifier, side in ((self.source_id, "source"), (self.target_id, "target"))
                if identifier
            ),
            *((lambda raw: _created(raw) > after,) if after else ()),
            *((lambda raw: _created(raw) < before,) if before else ()),
        )

    @property
    def ordering(self) -> Ordering:
        """The filters and the order, independent of the page."""
        words = self.model_dump_json(exclude={"limit", "offset", "cursor", "order"})
        return Ordering(words, self.takes, self.place)

    @property
    def place(self) -> Callable[[Object], tuple[str, str]]:
        """The sort key."""
        return _PLACES[self.sort]


def _at(side: str, name: str) -> Callable[[Object], bool]:
    return lambda raw: (
        bool(name) and name == ((raw["spec"].get("data") or {}).get(side) or {}).get("connectionRef", {}).get("name")
    )


def _created(raw: Object) -> datetime:
    return moves.at(raw["metadata"]["creationTimestamp"])


_PLACES: dict[str, Callable[[Object], tuple[str, str]]] = {
    "created_at": lambda raw: (raw["metadata"]["creationTimestamp"], raw["metadata"]["name"]),
    "started_at": lambda raw: ((raw.get("status") or {}).get("startTime") or "", raw["metadata"]["name"]),
    "name": lambda raw: (moves.title(raw), raw["metadata"]["name"]),
}
ROUTER = APIRouter(prefix="/v1/migrations", tags=["migrations"])


@ROUTER.get("")
async def listed(caller: CallerDep, filters: Annotated[MigrationFilter, Query()], request: Request) -> MigrationPage:
    """List the migrations of the namespace."""
    request.scope[LASTING] = True
    part, numbers = filters.part(
        await caller.ordered("Migration", filters.ordering), filters.place, falling=filters.order == "desc"
    )
    detected = await _frameworks(caller) if any(apps.is_app(raw) for raw in part) else {}
    return MigrationPage(
        data=[apps.item(raw, detected) if apps.is_app(raw) else moves.item(raw) for raw in part], pagination=numbers
    )


@ROUTER.post("", status_code=201)
async def create(
    caller: CallerDep, body: CreateBody, idempotency_key: Annotated[str, Header(max_length=200)] = ""
) -> moves.MoveCreated | apps.AppCreatedAnswer:
    """Create a migration of data, or deploy an app. `source` is an object for data, and a string for an app."""
    caller.may_write()
    once = minted(caller.key.id, idempotency_key or secrets.token_hex(16))
    if isinstance(body, DataBody):
        return moves.created(await _create_data_migration(caller, body, once))
    return apps.AppCreatedAnswer(data=apps.created(await _create_app_migration(caller, body, once)))


@ROUTER.get("/{migration_id}")
async def get(caller: CallerDep, now: Now, migration_id: str, request: Request) -> moves.MoveDetail | apps.AppAnswer:
    """Get one migration."""
    raw = await get_migration(caller, migration_id)
    request.scope[LASTING] = moves.status_of(raw) in lifecycle.ENDED  # before, the response contains the elapsed time
    if apps.is_app(raw):
        base = str(request.base_url).rstrip("/")
        name = apps.deployment_of(raw)
        deployment = await caller.get("Deployment", name) or {}
        return apps.AppAnswer(data=apps.detail(raw, deployment, await _frameworks(caller, name), base))
    return moves.detail(raw, now)


@ROUTER.delete("/{migration_id}")
async def delete(caller: CallerDep, migration_id: str, *, keep_logs: bool = True, keep_metrics: bool = True) -> Deleted:
    """Delete a migration that has ended. The migrated data and app remain; log and metrics are retained on request."""
    caller.may_write()
    raw = await get_migration(caller, migration_id, fresh=True)
    refusal = refusals.refusal(lifecycle.Action.DELETE, raw)
    if refusal:
        raise ProblemError(409, refusal.code, refusal.message)
    if not (keep_logs and keep_metrics):
        await changed(caller, "Migration", raw, lambda _: ({"keep": {"logs": keep_logs, "metrics": keep_metrics}}, None))
    await caller.delete("Migration", raw)
    caller.audit("delete", raw["metadata"]["name"], migration_id)
    return Deleted(id=migration_id, deleted=True, logs_retained=keep_logs, metrics_retained=keep_metrics)


async def get_migration(caller: Caller, migration_id: str, *, fresh: bool = False) -> Object:
    """The Migration. Raises ProblemError."""
    name = name_in(MIGRATION, migration_id)
    raw = await caller.get("Migration", name, fresh=fresh) if name else None
    if raw is None:
        raise ProblemError(404, "migration_not_found", f"migration {migration_id[:80]!r} not found")
    return raw


async def _create_data_migration(caller: Caller, body: DataBody, once: str) -> Object:
    """Create a migration of data, to be planned."""
    spec = data_spec(body)
    for side in ("source", "target"):
        name = spec["data"][side]["connectionRef"]["name"]
        if await caller.get("Connection", name) is None:
            message = f"connection {CONNECTION}{name} not found in this namespace. Create it first"
            raise ProblemError(404, "connection_not_found", message, field=f"{side}.connection_id")
    title = slug(body.name)
    annotations = {TITLE: body.name, **({DESCRIPTION: body.description} if body.description else {})}
    return await _create(caller, f"{title}-{once[:10]}" if title else f"m{once[:12]}", annotations, spec)


async def _create_app_migration(caller: Caller, body: GitHubBody | ZipBody | UploadBody, once: str) -> Object:
    """Create a migration with an app. Its Secrets are created first, because they are read as soon as it exists."""
    title = slug(body.repo.rpartition("/")[2] if isinstance(body, GitHubBody) else "app") or "app"
    name = f"{title}-{once[:10]}"
    values, provider = body.env_vars, ""
    if values:
        await store_secret(caller, f"{name}-env", values, _OURS)
    if body.database:
        provider = _PROVIDERS[body.database.type]
        if not isinstance(body.database, NewDatabase):
            provider = f"{name}-provider"
            await store_secret(caller, provider, body.database.opens, _OURS)
    return await _create(caller, name, {}, app_spec(body, f"{name}-env", provider))


async def _create(caller: Caller, name: str, annotations: dict[str, str], spec: Object) -> Object:
    metadata = {"annotations": {**annotations, CREATED_BY: caller.key.user}}
    raw = await applied(caller, "Migration", name, metadata, spec)
    caller.audit("create", name, moves.identifier(raw))
    return raw


async def _frameworks(caller: Caller, deployment: str = "") -> dict[str, str]:
    """The detected frameworks of the newest Releases, of all Deployments or of one."""
    releases = await caller.listed("Release", f"{LABEL_DEPLOYMENT}={deployment}" if deployment else "")
    releases.sort(key=lambda r: int(r["spec"]["revision"]))
    frameworks = {
        r["spec"]["deploymentRef"]["name"]: ((r.get("status") or {}).get("build") or {}).get("framework") for r in releases
    }
    return {name: framework for name, framework in frameworks.items() if framework}
