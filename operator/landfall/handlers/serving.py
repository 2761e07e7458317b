"""Serves ASGI applications inside the operator's event loop, beside kopf, which keeps the signal handlers."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator

import uvicorn
from starlette.types import ASGIApp

_GRACE_SECONDS = 10
_KEEP_ALIVE_SECONDS = 75  # longer than any of our clients keeps a connection, so that none is closed just as it is used again


class _Server(uvicorn.Server):
    """uvicorn's server without its signal handlers: SIGTERM is kopf's, and ends everything in order."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


@contextlib.asynccontextmanager
async def served(application: ASGIApp, port: int) -> AsyncIterator[int]:
    """Serve until the block ends, on all interfaces; requests that are under way then have ten seconds.

    Args:
        application: The ASGI application.
        port: The TCP port; 0 takes a free one.

    Yields:
        The port that is listened on.

    Raises:
        OSError: The port is taken.
    """
    listening = socket.create_server(("0.0.0.0", port))  # noqa: S104  probes, pods and Prometheus come from outside the pod
    settings = uvicorn.Config(
        application,
        lifespan="off",
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )
    server = _Server(settings)
    running = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        yield int(listening.getsockname()[1])
    finally:
        server.should_exit = True
        await running
        listening.close()
