"""The ASGI application: authentication, error responses, and routes."""

from __future__ import annotations

import logging

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.routing import Match, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from landfall.api.fields import message_of
from landfall.gateway import errors as problems
from landfall.gateway import page
from landfall.gateway.auth import Callers
from landfall.gateway.errors import ProblemError, answered
from landfall.gateway.journal_client import JournalClient
from landfall.gateway.requests import WANTED
from landfall.gateway.response_cache import ResponseCache
from landfall.gateway.routes import (
    connections,
    deployments,
    migration_actions,
    migration_logs,
    migrations,
    uploads,
    validation,
    webhooks,
)
from landfall.gateway.routes.uploads import Uploader
from landfall.gateway.suggestions import explain_unknown
from landfall.kube.errors import KubeError
from landfall.lib.logs import event

_LARGEST = 1024 * 1024
_PARTS = frozenset({"body", "query", "path", "header"})
# Tags of body variants; they are not names of fields.
_KINDS = frozenset({"github", "zip", "an-upload", "data", "create", "supabase", "appwrite", "a-server", "an-address", "a-file"})
_CODES = {404: "not_found", 405: "method_not_allowed", 413: "too_large", 415: "unsupported_media_type"}


def application(callers: Callers, journal: JournalClient, uploader: Uploader | None = None) -> FastAPI:
    """The whole API under /v1; its OpenAPI document is /openapi.json."""
    app = FastAPI(
        title="Landfall",
        version="1",
        docs_url=None,
        redoc_url=None,
        description="REST API of Landfall: database migrations and app deployments.",
    )
    app.add_middleware(Bounded)
    app.add_middleware(ResponseCache, callers=callers)
    app.state.callers, app.state.journal, app.state.uploader = callers, journal, uploader
    for doors in (connections, migrations, migration_actions, migration_logs, validation, deployments, uploads, webhooks):
        app.include_router(doors.ROUTER, responses=problems.REFUSALS)
    app.include_router(page.ROUTER)

    @app.get("/healthz", include_in_schema=False)
    async def alive() -> dict[str, str]:
        return {"status": "ok"}

    _refusing(app)
    return app


class Bounded:
    """Rejects bodies larger than any valid one, with or without Content-Length, because they are read before the key is checked."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        octets, largest = 0, uploads.LARGEST if scope.get("path") == "/v1/uploads" else _LARGEST

        async def counted() -> Message:
            nonlocal octets
            message = await receive()
            octets += len(message.get("body", b""))
            if octets > largest:
                raise HTTPException(413, f"the body is larger than {largest} octets")
            return message

        await self._app(scope, counted, send)


def _refusing(app: FastAPI) -> None:
    @app.exception_handler(ProblemError)
    async def problem(_: Request, error: ProblemError) -> JSONResponse:
        return answered(error)

    @app.exception_handler(KubeError)
    async def refused(_: Request, error: KubeError) -> JSONResponse:
        return answered(problems.problem_of(error))

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        # After a typing error, the unknown field is reported before the missing one.
        first = min(error.errors(), key=lambda problem_detail: problem_detail["type"] != "extra_forbidden")
        path = ".".join(str(part) for part in first["loc"] if part not in _PARTS | _KINDS)
        message = WANTED.get(first.get("ctx", {}).get("pattern", ""), message_of(first))
        if first["type"] == "extra_forbidden":
            message = explain_unknown(app.openapi(), request.scope["route"].path, request.method, first["loc"])
        return answered(ProblemError(400, "invalid_request", message, field=path or "body"))

    @app.exception_handler(HTTPException)
    async def unknown(request: Request, error: HTTPException) -> JSONResponse:
        code = _CODES.get(error.status_code, "invalid_request")
        response = answered(ProblemError(error.status_code, code, str(error.detail)))
        if error.status_code == 405:
            response.headers["Allow"] = ", ".join(sorted(_allowed(request)))
        return response

    @app.exception_handler(Exception)
    async def fault(request: Request, error: Exception) -> JSONResponse:
        fields = {"method": request.method, "path": request.url.path, "error": type(error).__name__}
        event(logging.ERROR, "request_failed", trace=error, **fields)
        return answered(ProblemError(500, "internal", "internal error of the gateway; its log has the details"))


def _allowed(request: Request) -> set[str]:
    """The methods of a path, over all its routes."""
    routes = [route for route in request.app.routes if isinstance(route, Route) and route.matches(request.scope)[0] != Match.NONE]
    return {method for route in routes for method in route.methods or ()}
