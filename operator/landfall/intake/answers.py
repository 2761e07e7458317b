"""Error responses and body reading of all routes of the intake."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route


def refused(status: int, message: str) -> JSONResponse:
    """An error response."""
    return JSONResponse({"error": message}, status_code=status)


async def body(request: Request, most: int) -> bytes:
    """The whole body. Raises HTTPException (413) as soon as it exceeds `most` bytes."""
    received = bytearray()
    async for piece in request.stream():
        received += piece
        if len(received) > most:
            raise HTTPException(413, f"the body is larger than {most} bytes")
    return bytes(received)


async def wrong(_: Request, error: Exception) -> Response:
    """The response for an HTTPException."""
    status, message = (error.status_code, str(error.detail)) if isinstance(error, HTTPException) else (500, "")
    return JSONResponse({"error": message}, status_code=status, headers=getattr(error, "headers", None))


async def broken_off(_: Request, __: Exception) -> Response:
    """The response if the client disconnected while it sent its body; it is not received by anyone and not a fault of the intake."""
    return refused(400, "the request was interrupted")


def application(*routes: Route) -> Starlette:
    """An application of these routes."""
    app = Starlette(routes=routes, exception_handlers={HTTPException: wrong, ClientDisconnect: broken_off})
    app.router.redirect_slashes = False
    return app
