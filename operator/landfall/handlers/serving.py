"""Serves ASGI applications in the operator's event loop, beside kopf, which keeps the signal handlers."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator

import uvicorn
from starlette.types import ASGIApp

_GRACE_SECONDS = 10
_KEEP_ALIVE_SECONDS = (
    75  # longer than any of our clients keeps a connection, so that the server never closes one just as it is reused
)


class _Server(uvicorn.Server):
    """uvicorn's server without its signal handlers: kopf handles SIGTERM and shuts everything down in order."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Install no signal handler."""
        yield


@contextlib.asynccontextmanager
async def served(application: ASGIApp, port: int) -> AsyncIterator[int]:
    """Serve on all interfaces until the block ends; running requests then have 10 s to finish.

    Args:
        application: The ASGI application.
        port: The TCP port; 0 takes a free one.

    Yields:
        The port that the server listens on.

    Raises:
        OSError: The port is taken.
    """
    listening = socket.create_server(("0.0.0.0", port))  # noqa: S104  probes, pods and Prometheus connect from outside the pod
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
