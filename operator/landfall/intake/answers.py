"""How every path of the intake answers a request that it refuses, and how it reads a body."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route


def refused(status: int, message: str) -> JSONResponse:
    """A refusal, with what is wrong."""
    return JSONResponse({"error": message}, status_code=status)


async def body(request: Request, most: int) -> bytes:
    """The whole body. Raises HTTPException (413) if it has more than `most` octets, as soon as that many have come."""
    found = bytearray()
    async for piece in request.stream():
        found += piece
        if len(found) > most:
            raise HTTPException(413, f"the body is larger than {most} octets")
    return bytes(found)


async def wrong(_: Request, error: Exception) -> Response:
    """What is said of an HTTPException."""
    status, message = (error.status_code, str(error.detail)) if isinstance(error, HTTPException) else (500, "")
    return JSONResponse({"error": message}, status_code=status, headers=getattr(error, "headers", None))


async def broken_off(_: Request, __: Exception) -> Response:
    """What is said to a client that has gone in the middle of its body; nobody hears it, and it is no fault of ours."""
    return refused(400, "the request broke off")


def application(*routes: Route) -> Starlette:
    """An application of these paths."""
    made = Starlette(routes=routes, exception_handlers={HTTPException: wrong, ClientDisconnect: broken_off})
    made.router.redirect_slashes = False
    return made
