"""`landfall operator`: starts all parts, serves health checks and metrics, shuts down gracefully."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Callable
from typing import Any

import kopf
from prometheus_client import generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from landfall.controllers.intake_parts import IntakeParts
from landfall.engine.errors import EngineRegistrationError
from landfall.engine.sources.registry import engines
from landfall.handlers.factory import build
from landfall.handlers.runtime import Operator, registered
from landfall.handlers.serving import served
from landfall.kube.client import Kube
from landfall.lib.environment import EXIT_SETTING, read_or_exit
from landfall.lib.logs import log_as_json
from landfall.metrics import TASKS
from landfall.settings import OperatorSettings

IntakeOf = Callable[[IntakeParts], ASGIApp]


def _health(operator: Operator) -> Starlette:
    """The application for probes and Prometheus."""

    async def alive(_: Request) -> Response:
        problem = operator.health_problem()
        return PlainTextResponse(problem or "ok", status_code=503 if problem else 200)

    async def metrics(_: Request) -> Response:
        TASKS.set(len(asyncio.all_tasks()))
        return Response(generate_latest(), headers={"Content-Type": "text/plain"})

    return Starlette(routes=[Route("/healthz", alive), Route("/readyz", alive), Route("/metrics", metrics)])


async def _run(settings: OperatorSettings, intake: IntakeOf) -> None:
    kube = await Kube.connect(settings.namespaces)
    parts = build(kube, settings)
    try:
        async with (
            served(_health(parts.operator), settings.health_port),
            served(intake(parts.intake), settings.intake_port),
        ):
            await _both(parts.operator, kube)
    finally:
        await parts.close()
        await kube.close()


async def _both(operator: Operator, kube: Kube) -> None:
    """Run Landfall's tasks and kopf's until one of them ends."""
    work = asyncio.create_task(operator.work())
    scope: dict[str, Any] = {"namespaces": kube.namespaces} if kube.namespaces else {"clusterwide": True}
    watch = asyncio.create_task(kopf.operator(registry=registered(operator), standalone=True, **scope))
    try:
        finished, _ = await asyncio.wait({work, watch}, return_when=asyncio.FIRST_COMPLETED)
        for task in finished:
            task.result()
    finally:
        for task in (work, watch):
            task.cancel()
        await asyncio.gather(work, watch, return_exceptions=True)


def _check_engines() -> None:
    """Exit with status 2 and one line on standard error if an installed engine cannot be used: no Migration could be reconciled."""
    try:
        engines()
    except EngineRegistrationError as error:
        sys.stderr.write(f"landfall: {error}\n")
        sys.exit(EXIT_SETTING)


def main(intake: IntakeOf) -> int:
    """Run until SIGTERM. If one part fails, the process exits and Kubernetes restarts it."""
    settings = read_or_exit(OperatorSettings)
    _check_engines()
    log_as_json("kopf", "uvicorn", "alembic")
    os.environ.setdefault("TZ", "UTC")
    os.environ.setdefault("USER", "landfall")  # kopf reads the user's name, and the container's user has none
    time.tzset()
    asyncio.run(_run(settings, intake))
    return 0
