"""`/v1/connections`: databases, their state, and tests on request. Each is a Connection; its credentials are in a Secret that it owns."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, Query, Request, Response
from pydantic import BaseModel, Discriminator, Field, Tag

from landfall.api.source_types import DEFAULT_PORTS, ENGINE_KINDS, FILE_TYPES, FileKind, ServerKind
from landfall.gateway.dependencies import CallerDep
from landfall.gateway.errors import ProblemError
from landfall.gateway.identifiers import CONNECTION, MIGRATION
from landfall.gateway.pagination import Ordering, Paged, Pagination
from landfall.gateway.requests import HOST, Body, field_of
from landfall.gateway.response_cache import LASTING
from landfall.gateway.routes.probe import (
    Removed,
    Status,
    create_object,
    get_object,
    object_name,
    place,
    probe_status,
    problem,
    request_test,
)
from landfall.gateway.views.migration import Problem, status_of, title
from landfall.lifecycle import ENDED

Object = dict[str, Any]
_PORTS = ", ".join(f"{DEFAULT_PORTS[name]} for {name}" for name in ENGINE_KINDS.values() if name in DEFAULT_PORTS)
_MODES = {"disable": "Disable", "prefer": "Prefer", "require": "Require", "verify_full": "VerifyFull"}
ROUTER = APIRouter(prefix="/v1/connections", tags=["connections"])


class TlsBody(Body):
    """TLS of the connection."""

    mode: Literal["disable", "prefer", "require", "verify_full"] | None = Field(
        default=None,
        description="TLS mode. prefer: TLS if the server offers it. verify_full: the certificate must be valid for the host."
        " Default: verify_full for a host name outside the cluster, require for a public IP address, otherwise prefer.",
    )
    ca: str = Field(default="", max_length=100_000, description="PEM certificate of a private certificate authority.")


_TLS = Field(default_factory=TlsBody, description="TLS settings of the connection.")
_NAME = Field(min_length=1, max_length=200, description="Display name.")
_TYPE = Field(description="Database engine.")


class ServerBody(Body):
    """A database on a server."""

    name: str = _NAME
    type: ServerKind = _TYPE
    host: str = Field(pattern=HOST, max_length=253, description="Host name or IP address of the server.")
    port: int | None = Field(default=None, ge=1, le=65535, description=f"Port of the server. Default: {_PORTS}.")
    database: str = Field(default="", max_length=63, description="Name of the database.")
    username: str = Field(default="", max_length=200, description="User name.")
    password: str = Field(default="", max_length=5000, description="Password. It is stored in a Secret and never returned.")
    tls: TlsBody = _TLS

    @property
    def opens(self) -> dict[str, str]:
        """The content of the Secret."""
        return {"username": self.username, "password": self.password} if self.username or self.password else {}

    @property
    def connection_fields(self) -> Object:
        """The fields of the Connection."""
        return {"host": self.host, "port": self.port, "database": self.database}


class UrlBody(Body):
    """A database on a server, by URL."""

    name: str = _NAME
    type: ServerKind = _TYPE
    url: str = Field(
        min_length=1,
        max_length=5000,
        description="URL of the database, for example postgresql://user:password@host/database. It is stored in a Secret"
        " and never returned.",
    )
    tls: TlsBody = _TLS

    @property
    def opens(self) -> dict[str, str]:
        """The content of the Secret."""
        return {"url": self.url}

    @property
    def connection_fields(self) -> Object:
        """No fields of the Connection: the Secret has the URL."""
        return {}


class FileBody(Body):
    """A SQLite file on a volume."""

    name: str = _NAME
    type: FileKind = _TYPE
    path: str = Field(min_length=1, max_length=1000, description="Path of the file, relative to the root of the volume.")
    persistent_volume_claim: str = Field(
        min_length=1, max_length=253, description="PersistentVolumeClaim of the volume that holds the file."
    )


AnyBody = ServerBody | UrlBody | FileBody


def _way(body: object) -> str:
    if ENGINE_KINDS.get(str(field_of(body, "type"))) in FILE_TYPES:
        return "a-file"
    return "a-server" if field_of(body, "url") is None else "an-address"


def _spec(body: AnyBody, secret: str) -> tuple[Object, dict[str, str]]:
    """The Connection's spec, and the content of its Secret; empty if it needs none."""
    if isinstance(body, FileBody):
        return {
            "type": ENGINE_KINDS[body.type],
            "file": {"path": body.path, "persistentVolumeClaim": body.persistent_volume_claim},
        }, {}
    tls: Object = {"mode": _MODES[body.tls.mode]} if body.tls.mode else {}
    if body.tls.ca:
        tls["caSecretRef"] = {"name": secret, "key": "ca.crt"}
    fields: Object = {"type": ENGINE_KINDS[body.type], **{name: value for name, value in body.connection_fields.items() if value}}
    fields |= {"tls": tls} if tls else {}
    credentials = {"secretRef": {"name": secret}} if body.opens else {}
    return fields | credentials, body.opens | ({"ca.crt": body.tls.ca} if body.tls.ca else {})


class ConnectionItem(BaseModel):
    """A connection. Credentials are never returned."""

    id: str
    name: str
    type: str
    host: str | None = Field(description="Host of the server. Null for a connection with a URL or a file.")
    port: int | None
    database: str | None
    status: Status
    created_at: str


class ConnectionDetail(ConnectionItem):
    """A connection, and the state of its database."""

    tls_mode: str | None = Field(description="TLS mode. Null if the default applies.")
    version: str | None = Field(description="Version that the server reported.")
    capabilities: list[str] = Field(description="Capabilities of this server with this credential.")
    latency_ms: int | None = Field(description="Duration of one round trip, in milliseconds.")
    tested_at: str | None = Field(description="Time of the last test.")
    error: Problem | None


class ConnectionPage(BaseModel):
    """Connections."""

    data: list[ConnectionItem]
    pagination: Pagination


class ConnectionAnswer(BaseModel):
    """One connection."""

    data: ConnectionDetail


class Test(BaseModel):
    """The result of a test; `testing` before there is one."""

    id: str
    test_id: str
    status: Status
    version: str | None
    latency_ms: int | None
    tested_at: str | None
    error: Problem | None


class TestAnswer(BaseModel):
    """The result of a test."""

    data: Test


class ConnectionFilter(Paged):
    """Filters of the list."""

    type: Literal["", ServerKind, FileKind] = Field(default="", description="Only connections to this database engine.")
    status: Literal["", Status] = Field(default="", description="Only objects with this status.")

    def takes(self, raw: Object) -> bool:
        """Whether a connection matches."""
        return self.type in {"", _kind(raw)} and self.status in {"", probe_status(raw)}


@ROUTER.get("")
async def listed(caller: CallerDep, asks: Annotated[ConnectionFilter, Query()], request: Request) -> ConnectionPage:
    """List the connections of the namespace, by name."""
    request.scope[LASTING] = True
    connections = await caller.ordered("Connection", Ordering(f"{asks.type}/{asks.status}", asks.takes, place))
    part, numbers = asks.part(connections, place, falling=False)
    return ConnectionPage(data=[ConnectionItem(**_item(raw)) for raw in part], pagination=numbers)


@ROUTER.post("", status_code=201)
async def create(
    caller: CallerDep,
    body: Annotated[
        Annotated[ServerBody, Tag("a-server")] | Annotated[UrlBody, Tag("an-address")] | Annotated[FileBody, Tag("a-file")],
        Discriminator(_way),
    ],
    idempotency_key: Annotated[str, Header(max_length=200)] = "",
) -> ConnectionAnswer:
    """Create a connection. Its database is tested immediately."""
    caller.may_write()
    name = object_name(caller, body.name, idempotency_key, "c")
    secret = f"{name}-credentials"
    spec, opens = _spec(body, secret)
    raw = await create_object(caller, "Connection", name, body.name, spec, (secret, opens))
    caller.audit("create connection", name, _identifier(raw))
    return ConnectionAnswer(data=_detail(raw))


@ROUTER.get("/{connection_id}")
async def get(caller: CallerDep, connection_id: str, request: Request) -> ConnectionAnswer:
    """Get one connection."""
    request.scope[LASTING] = True
    return ConnectionAnswer(data=_detail(await get_object(caller, "Connection", CONNECTION, connection_id)))


@ROUTER.post("/{connection_id}/test", responses={202: {"model": TestAnswer, "description": "No result yet."}})
async def ask(
    caller: CallerDep,
    connection_id: str,
    response: Response,
    wait: Annotated[int, Query(ge=0, le=60, description="Maximum time to wait for the result, in seconds.")] = 20,
    idempotency_key: Annotated[str, Header(max_length=200)] = "",
) -> TestAnswer:
    """Test the database now."""
    look, now = await request_test(caller, "Connection", CONNECTION, connection_id, idempotency_key, wait)
    if now:
        detail = _detail(now)
        result = detail.model_dump(include={"version", "latency_ms", "tested_at", "error"})
        return TestAnswer(data=Test(id=connection_id, test_id=look, status=detail.status, **result))
    response.status_code = 202
    nothing = dict.fromkeys(("version", "latency_ms", "tested_at", "error"))
    return TestAnswer(data=Test(id=connection_id, test_id=look, status="testing", **nothing))


@ROUTER.delete("/{connection_id}")
async def delete(caller: CallerDep, connection_id: str) -> Removed:
    """Delete a connection that no migration in progress uses. Its database is not changed."""
    caller.may_write()
    raw = await get_object(caller, "Connection", CONNECTION, connection_id, fresh=True)
    name = raw["metadata"]["name"]
    for migration in await caller.listed("Migration"):
        data = migration["spec"].get("data") or {}
        needed = name in {(data.get(side) or {}).get("connectionRef", {}).get("name") for side in ("source", "target")}
        if needed and status_of(migration) not in ENDED:
            message = f"{MIGRATION}{migration['metadata']['name']} uses it and has not ended. Cancel that migration first"
            raise ProblemError(409, "invalid_state", message)
    await caller.delete("Connection", raw)
    caller.audit("delete connection", name, connection_id)
    return Removed(id=connection_id, deleted=True)


def _kind(raw: Object) -> str:
    return str(raw["spec"]["type"]).lower()


def _identifier(raw: Object) -> str:
    return f"{CONNECTION}{raw['metadata']['name']}"


def _item(raw: Object) -> Object:
    spec = raw["spec"]
    return {
        "id": _identifier(raw),
        "name": title(raw),
        "type": _kind(raw),
        **{name: spec.get(name) for name in ("host", "port", "database")},
        "status": probe_status(raw),
        "created_at": raw["metadata"]["creationTimestamp"],
    }


def _detail(raw: Object) -> ConnectionDetail:
    status = raw.get("status") or {}
    words = {mode: word for word, mode in _MODES.items()}
    return ConnectionDetail(
        **_item(raw),
        tls_mode=words.get((raw["spec"].get("tls") or {}).get("mode", "")),
        version=status.get("version") or None,
        capabilities=status.get("capabilities") or [],
        latency_ms=status.get("latencyMilliseconds"),
        tested_at=status.get("probedAt"),
        error=problem(raw),
    )
