"""`landfall operator`: starts everything, serves health and metrics, ends gracefully."""

from __future__ import annotations

import asyncio
import os
import time
from typing import Any

import kopf
from aiohttp import web
from prometheus_client import generate_latest

from landfall.handlers.runtime import IntakeOf, Operator, registered
from landfall.kube.client import Kube
from landfall.lib.logs import log_as_json
from landfall.metrics import TASKS
from landfall.settings import Settings


async def _health(operator: Operator, port: int) -> web.AppRunner:
    async def alive(_: web.Request) -> web.Response:
        ill = operator.ill()
        return web.Response(status=503 if ill else 200, text=ill or "ok")

    async def told(_: web.Request) -> web.Response:
        TASKS.set(len(asyncio.all_tasks()))
        return web.Response(body=generate_latest(), content_type="text/plain")

    application = web.Application()
    application.router.add_get("/healthz", alive)
    application.router.add_get("/readyz", alive)
    application.router.add_get("/metrics", told)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "0.0.0.0", port).start()  # noqa: S104  probes and Prometheus come from outside the pod
    return runner


async def _run(settings: Settings, intake: IntakeOf) -> None:
    kube = await Kube.connect()
    operator = Operator(kube, settings, intake)
    health = await _health(operator, settings.health_port)
    ours = asyncio.create_task(operator.work())
    where: dict[str, Any] = {"namespaces": kube.namespaces} if kube.namespaces else {"clusterwide": True}
    theirs = asyncio.create_task(kopf.operator(registry=registered(operator), standalone=True, **where))
    try:
        done, _ = await asyncio.wait({ours, theirs}, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in (ours, theirs):
            task.cancel()
        await asyncio.gather(ours, theirs, return_exceptions=True)
        await health.cleanup()
        await kube.close()


def main(intake: IntakeOf) -> int:
    """Run until SIGTERM. A failure of a part ends the whole, and the cluster starts it anew."""
    log_as_json("kopf", "aiohttp.access", "alembic")
    os.environ.setdefault("TZ", "UTC")
    os.environ.setdefault("USER", "landfall")  # kopf asks for the user's name, and the container's user has none
    time.tzset()
    asyncio.run(_run(Settings.of(os.environ), intake))
    return 0
