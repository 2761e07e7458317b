"""The journal, readable only by the gateway's service account, with the same kind of token that workers use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from landfall.intake.answers import refused
from landfall.intake.token_review import Gateway
from landfall.journal.store import KINDS, LineFilter
from landfall.journal.writer import JournalWriter

_MOST = 5000


class Reading:
    """The routes for the gateway."""

    def __init__(self, gateway: Gateway, keeper: JournalWriter) -> None:
        self._gateway = gateway
        self._keeper = keeper

    def routes(self) -> list[Route]:
        """The routes."""
        return [Route("/v1/lines", self._lines), Route("/v1/samples", self._samples)]

    async def _refused(self, request: Request) -> Response | None:
        """The error response for any other caller, and for an invalid query."""
        wrong = await self._gateway.refused(request)
        return wrong or (None if request.query_params.get("kind") in KINDS else refused(400, "objects of this kind have no log"))

    async def _lines(self, request: Request) -> Response:
        wrong = await self._refused(request)
        if wrong:
            return wrong
        try:
            chosen = _chosen(request.query_params)
        except ValueError as error:
            return refused(400, f"invalid filter: {error}")
        found = await self._keeper.lines(*_whose(request.query_params), chosen)
        if found is None:
            return refused(503, "the journal is not available")
        told = [
            {"position": position, "at": one.at.isoformat(), "level": one.level, "phase": one.phase, "message": one.message}
            for position, one in found
        ]
        return JSONResponse({"lines": told})

    async def _samples(self, request: Request) -> Response:
        wrong = await self._refused(request)
        if wrong:
            return wrong
        found = await self._keeper.samples(*_whose(request.query_params), _MOST)
        if found is None:
            return refused(503, "the journal is not available")
        return JSONResponse({"samples": [{**asdict(one), "at": one.at.isoformat()} for one in found]})


def _whose(asked: Mapping[str, str]) -> tuple[str, str, str]:
    return asked.get("namespace", ""), asked["kind"], asked.get("name", "")


def _chosen(asked: Mapping[str, str]) -> LineFilter:
    since = datetime.fromisoformat(asked["since"]) if asked.get("since") else None
    return LineFilter(
        job=asked.get("job", ""),
        after=int(asked.get("after", "0")),
        levels=tuple(filter(None, asked.get("levels", "").split(","))),
        phases=tuple(filter(None, asked.get("phases", "").split(","))),
        since=since if since is None or since.tzinfo else since.replace(tzinfo=UTC),
        limit=min(max(int(asked.get("limit", "1000")), 1), _MOST),
        newest=asked.get("newest", "") == "true",
    )
