"""`landfall gateway`: the HTTP API as a process."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime

import uvicorn
import uvloop

from landfall.gateway.app import application
from landfall.gateway.auth import Callers
from landfall.gateway.journal_client import IntakeJournalClient, SharedJournal
from landfall.gateway.settings import GatewaySettings
from landfall.gateway.watch_cache import WatchCache
from landfall.kube.client import Kube
from landfall.lib.environment import read_or_exit
from landfall.lib.logs import event, log_as_json

_GRACE_SECONDS = 5  # followers of a log reconnect to another replica with the last event that they received


def main() -> int:
    """Serve until SIGTERM."""
    log_as_json()
    uvloop.run(_run(read_or_exit(GatewaySettings)))
    return 0


async def _run(settings: GatewaySettings) -> None:
    kube, reader = await Kube.connect(settings.namespaces), IntakeJournalClient(settings.intake_url)
    cache = WatchCache(kube)
    watching = asyncio.create_task(cache.run())
    watching.add_done_callback(_log_failure)
    served = application(Callers(kube, settings.namespace, _now, settings.rates, cache=cache), SharedJournal(reader), reader)
    serving = uvicorn.Config(
        served,
        host="0.0.0.0",  # noqa: S104  reached through a Service
        port=settings.port,
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )
    try:
        await uvicorn.Server(serving).serve()
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        await reader.close()
        await kube.close()


def _log_failure(watching: asyncio.Task[None]) -> None:
    """Log a fault of the watch; the gateway continues and reads from the API server."""
    if not watching.cancelled() and watching.exception():
        event(logging.ERROR, "watch_cache_failed", trace=watching.exception(), error=type(watching.exception()).__name__)


def _now() -> datetime:
    return datetime.now(UTC)  # noqa: TID251  the gateway's clock, for the expiry of keys
